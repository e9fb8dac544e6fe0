use super::{TensorBatch, TensorFile, save_tensors};
use proptest::prelude::*;
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView, View};
use std::collections::HashMap;

fn bytes(numbers: &[f32]) -> Vec<u8> {
    numbers.iter().flat_map(|x| x.to_le_bytes()).collect()
}

/// Two tensors of these rows: `a`, `[n, 2]`, and `b`, `[n]`.
fn push(file: &mut TensorFile, rows: std::ops::Range<usize>) {
    let n = rows.len();
    let a: Vec<f32> = rows
        .clone()
        .flat_map(|r| [r as f32, r as f32 + 0.5])
        .collect();
    let b: Vec<f32> = rows.map(|r| -(r as f32)).collect();
    let (a, b) = (bytes(&a), bytes(&b));
    file.push(&[
        TensorBatch::new("a", Dtype::F32, &[n, 2], &a),
        TensorBatch::new("b", Dtype::F32, &[n], &b),
    ])
    .unwrap();
}

#[test]
fn batches_end_up_one_after_the_other() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.safetensors");
    let mut file = TensorFile::new(&path, 3);
    push(&mut file, 0..2);
    assert!(!path.exists(), "nothing is there before it is whole");
    push(&mut file, 2..3);
    let shapes = file.finish().unwrap();
    assert_eq!(shapes, [("a".into(), vec![3, 2]), ("b".into(), vec![3])]);
    let read = std::fs::read(&path).unwrap();
    let read = SafeTensors::deserialize(&read).unwrap();
    let expected = bytes(&[0.0, 0.5, 1.0, 1.5, 2.0, 2.5]);
    assert_eq!(read.tensor("a").unwrap().data(), expected);
}

#[test]
fn tensors_are_aligned_to_their_numbers() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.safetensors");
    let mut file = TensorFile::new(&path, 1);
    file.push(&[
        TensorBatch::new("half", Dtype::BF16, &[1], &[0x80, 0x3f]),
        TensorBatch::new("full", Dtype::F32, &[1], &bytes(&[2.0])),
    ])
    .unwrap();
    file.finish().unwrap();
    let read = std::fs::read(&path).unwrap();
    let (header, all) = SafeTensors::read_metadata(&read).unwrap();
    assert!(header.is_multiple_of(8));
    assert_eq!(all.info("full").unwrap().data_offsets, (0, 4));
    assert_eq!(all.info("half").unwrap().data_offsets, (4, 6));
}

#[test]
fn an_unfinished_file_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mut file = TensorFile::new(&dir.path().join("x.safetensors"), 3);
    push(&mut file, 0..2);
    let error = file.finish().unwrap_err().to_string();
    assert_eq!(error, "tensor a has fewer rows than announced");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn tensors_that_change_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let mut file = TensorFile::new(&dir.path().join("x.safetensors"), 3);
    push(&mut file, 0..2);
    let mut message = |name, dtype, shape: &[usize], n: usize| {
        let bytes = vec![0; n];
        let batch = [TensorBatch::new(name, dtype, shape, &bytes)];
        file.push(&batch).unwrap_err().to_string()
    };
    assert!(message("c", Dtype::F32, &[1], 4).contains("later batch"));
    assert!(message("a", Dtype::F16, &[1, 2], 4).contains("changed"));
    assert!(message("a", Dtype::F32, &[1, 3], 12).contains("changed"));
    assert!(message("a", Dtype::F32, &[1, 2], 4).contains("changed"));
    assert!(message("b", Dtype::F32, &[2], 8).contains("more rows"));
}

proptest! {
    #[test]
    fn the_library_reads_what_is_written(
        shapes in prop::collection::btree_map("[a-z]{1,6}", (prop::collection::vec(1_usize..4, 0..3), any::<bool>()), 1..5),
        batches in prop::collection::vec(1_usize..4, 1..4),
        note in "[ -~]{0,12}",
    ) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.safetensors");
        let rows = batches.iter().sum();
        let metadata = HashMap::from([("note".to_owned(), note.clone())]);
        let mut file = TensorFile::new(&path, rows).with_metadata(metadata);
        let mut expected: HashMap<&str, Vec<u8>> = HashMap::new();
        for (i, &n) in batches.iter().enumerate() {
            let parts: Vec<_> = shapes.iter().map(|(name, (shape, half))| {
                let shape = [&[n], shape.as_slice()].concat();
                let (dtype, size) = if *half { (Dtype::F16, 2) } else { (Dtype::F32, 4) };
                let len = size * shape.iter().product::<usize>();
                let bytes: Vec<u8> = (0..len).map(|k| (k * 7 + i) as u8).collect();
                expected.entry(name).or_default().extend(&bytes);
                (name, dtype, shape, bytes)
            }).collect();
            let parts: Vec<_> = parts
                .iter()
                .map(|(name, dtype, shape, bytes)| TensorBatch::new(name, *dtype, shape, bytes))
                .collect();
            file.push(&parts).unwrap();
        }
        file.finish().unwrap();
        let read = std::fs::read(&path).unwrap();
        let (_, header) = SafeTensors::read_metadata(&read).unwrap();
        prop_assert_eq!(&header.metadata().as_ref().unwrap()["note"], &note);
        let read = SafeTensors::deserialize(&read).unwrap();
        prop_assert_eq!(read.len(), shapes.len());
        for (name, (shape, _)) in &shapes {
            let tensor = read.tensor(name).unwrap();
            prop_assert_eq!(tensor.shape(), &[&[rows], shape.as_slice()].concat()[..]);
            prop_assert_eq!(tensor.data(), &expected[name.as_str()][..]);
        }
    }
}

#[test]
fn tensors_in_memory_are_written_whole() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.safetensors");
    let numbers = bytes(&[1.0, 2.0]);
    let view = TensorView::new(Dtype::F32, vec![2], &numbers).unwrap();
    save_tensors(&path, [("x".to_owned(), view)]).unwrap();
    let read = std::fs::read(&path).unwrap();
    let read = SafeTensors::deserialize(&read).unwrap();
    assert_eq!(read.tensor("x").unwrap().data(), numbers);
}

#[test]
fn metadata_may_be_known_late() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.safetensors");
    let entry = |text: &str| HashMap::from([("sum".to_owned(), text.to_owned())]);
    let mut file = TensorFile::new(&path, 2).with_metadata(entry("not yet"));
    push(&mut file, 0..2);
    file.replace_metadata(entry("12")).unwrap();
    let longer = file.replace_metadata(entry("far longer than it was at first"));
    assert!(longer.unwrap_err().to_string().contains("longer"));
    file.replace_metadata(entry("\"3\"")).unwrap();
    file.sync().unwrap();
    file.finish().unwrap();
    let read = std::fs::read(&path).unwrap();
    let (_, header) = SafeTensors::read_metadata(&read).unwrap();
    assert_eq!(header.metadata().as_ref().unwrap()["sum"], "\"3\"");
    let tensors = SafeTensors::deserialize(&read).unwrap();
    assert_eq!(tensors.tensor("b").unwrap().data(), bytes(&[-0.0, -1.0]));
}

/// A tensor that looks around when its numbers are asked for.
struct Watcher<'a>(
    &'a std::path::Path,
    &'a std::cell::RefCell<Vec<std::path::PathBuf>>,
);

impl View for Watcher<'_> {
    fn dtype(&self) -> Dtype {
        Dtype::F32
    }

    fn shape(&self) -> &[usize] {
        &[1]
    }

    fn data(&self) -> std::borrow::Cow<'_, [u8]> {
        let there = std::fs::read_dir(self.0).unwrap();
        let there = there.map(|entry| entry.unwrap().path());
        self.1.borrow_mut().extend(there);
        vec![0; 4].into()
    }

    fn data_len(&self) -> usize {
        4
    }
}

/// The library's own temporary file too: a process may be killed at any moment.
#[test]
fn what_is_not_finished_has_a_name_that_tells() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.safetensors");
    let seen = std::cell::RefCell::default();
    save_tensors(&path, [("x".to_owned(), Watcher(dir.path(), &seen))]).unwrap();
    let seen = seen.into_inner();
    assert!(
        !seen.is_empty() && seen.iter().all(|path| crate::is_temporary(path)),
        "{seen:?}"
    );
    let left = std::fs::read_dir(dir.path()).unwrap();
    let left: Vec<_> = left.map(|entry| entry.unwrap().path()).collect();
    assert_eq!(left, [path]);
}
