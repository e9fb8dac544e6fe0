//! Safetensors files written a batch at a time, so that what is written need not fit in memory.

use crate::output::{temporary_beside, unwritable};
use crate::targets::follow;
use anyhow::{Context, Result, ensure};
use burn::tensor::{DType, TensorData};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;

/// A file under way. The number of rows of every tensor is fixed; the rest of each shape comes with the first batch.
pub(crate) struct TensorFile {
    path: PathBuf,
    rows: usize,
    open: Option<Open>,
}

struct Open {
    file: NamedTempFile,
    data_start: u64,
    tensors: BTreeMap<String, Slot>,
}

struct Slot {
    dtype: DType,
    /// Without the rows.
    shape: Vec<usize>,
    start: u64,
    written: u64,
    len: u64,
}

impl TensorFile {
    /// A file of tensors of `rows` rows each.
    pub(crate) fn new(path: &Path, rows: usize) -> Self {
        Self {
            path: follow(path),
            rows,
            open: None,
        }
    }

    /// Appends a batch of rows to each tensor. Names, dtypes and shapes after the first axis are those of the first batch.
    pub(crate) fn push(&mut self, batch: Vec<(String, TensorData)>) -> Result<()> {
        let open = match &mut self.open {
            Some(open) => open,
            none => none.insert(
                Open::create(&self.path, self.rows, &batch)
                    .with_context(|| unwritable(&self.path))?,
            ),
        };
        for (name, data) in batch {
            let slot = open
                .tensors
                .get_mut(&name)
                .with_context(|| format!("tensor {name} came with a later batch only"))?;
            ensure!(
                slot.dtype == data.dtype() && slot.shape[..] == data.shape()[1..],
                "tensor {name} has changed between batches"
            );
            let bytes = data.as_bytes();
            ensure!(
                slot.written + bytes.len() as u64 <= slot.len,
                "tensor {name} has more rows than announced"
            );
            let at = SeekFrom::Start(open.data_start + slot.start + slot.written);
            let file = open.file.as_file_mut();
            file.seek(at)
                .and_then(|_| file.write_all(bytes))
                .with_context(|| unwritable(&self.path))?;
            slot.written += bytes.len() as u64;
        }
        Ok(())
    }

    /// Gives the file its name; returns every tensor's name and shape.
    pub(crate) fn finish(self) -> Result<Vec<(String, Vec<usize>)>> {
        let open = self.open.context("there was nothing to write")?;
        let mut shapes = Vec::new();
        for (name, slot) in open.tensors {
            ensure!(
                slot.written == slot.len,
                "tensor {name} has fewer rows than announced"
            );
            shapes.push((name, [&[self.rows], slot.shape.as_slice()].concat()));
        }
        open.file
            .persist(&self.path)
            .with_context(|| unwritable(&self.path))?;
        Ok(shapes)
    }
}

impl Open {
    fn create(path: &Path, rows: usize, batch: &[(String, TensorData)]) -> std::io::Result<Self> {
        let mut header = Map::new();
        let mut tensors = BTreeMap::new();
        let mut start = 0;
        // Wide numbers first, so that each tensor is aligned to its own: torch takes views of the file.
        let mut batch: Vec<_> = batch.iter().collect();
        batch.sort_by_key(|(_, data)| std::cmp::Reverse(data.dtype().size()));
        for (name, data) in batch {
            let shape = data.shape()[1..].to_vec();
            let len = (rows * shape.iter().product::<usize>() * data.dtype().size()) as u64;
            let full = [&[rows], shape.as_slice()].concat();
            let entry = json!({ "dtype": dtype_name(data.dtype()), "shape": full, "data_offsets": [start, start + len] });
            header.insert(name.clone(), entry);
            tensors.insert(
                name.clone(),
                Slot {
                    dtype: data.dtype(),
                    shape,
                    start,
                    written: 0,
                    len,
                },
            );
            start += len;
        }
        let mut header = Value::Object(header).to_string();
        // Tensors begin at a multiple of eight bytes.
        while !header.len().is_multiple_of(8) {
            header.push(' ');
        }
        let mut file = temporary_beside(path)?;
        file.write_all(&(header.len() as u64).to_le_bytes())?;
        file.write_all(header.as_bytes())?;
        let data_start = 8 + header.len() as u64;
        file.as_file().set_len(data_start + start)?;
        Ok(Self {
            file,
            data_start,
            tensors,
        })
    }
}

fn dtype_name(dtype: DType) -> &'static str {
    match dtype {
        DType::F32 => "F32",
        DType::F16 => "F16",
        DType::BF16 => "BF16",
        other => unreachable!("no activation is of {other:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::TensorFile;
    use burn::tensor::TensorData;

    fn batch(rows: std::ops::Range<usize>) -> Vec<(String, TensorData)> {
        let n = rows.len();
        let a: Vec<f32> = rows
            .clone()
            .flat_map(|r| [r as f32, r as f32 + 0.5])
            .collect();
        let b: Vec<f32> = rows.map(|r| -(r as f32)).collect();
        vec![
            ("a".into(), TensorData::new(a, [n, 2])),
            ("b".into(), TensorData::new(b, [n])),
        ]
    }

    #[test]
    fn batches_end_up_one_after_the_other() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.safetensors");
        let mut file = TensorFile::new(&path, 3);
        file.push(batch(0..2)).unwrap();
        assert!(!path.exists(), "nothing is there before it is whole");
        file.push(batch(2..3)).unwrap();
        let shapes = file.finish().unwrap();
        assert_eq!(shapes, [("a".into(), vec![3, 2]), ("b".into(), vec![3])]);
        let bytes = std::fs::read(&path).unwrap();
        let read = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        let expected: Vec<u8> = [0.0_f32, 0.5, 1.0, 1.5, 2.0, 2.5]
            .iter()
            .flat_map(|x| x.to_le_bytes())
            .collect();
        assert_eq!(read.tensor("a").unwrap().data(), expected);
    }

    #[test]
    fn tensors_are_aligned_to_their_numbers() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.safetensors");
        let half = TensorData::new(vec![burn::tensor::bf16::ONE], [1]);
        let full = TensorData::new(vec![2.0_f32], [1]);
        let mut file = TensorFile::new(&path, 1);
        file.push(vec![("half".into(), half), ("full".into(), full)])
            .unwrap();
        file.finish().unwrap();
        let bytes = std::fs::read(&path).unwrap();
        let (header, all) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
        assert!(header.is_multiple_of(8));
        assert_eq!(all.info("full").unwrap().data_offsets, (0, 4));
        assert_eq!(all.info("half").unwrap().data_offsets, (4, 6));
    }

    #[test]
    fn an_unfinished_file_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.safetensors");
        let mut file = TensorFile::new(&path, 3);
        file.push(batch(0..2)).unwrap();
        let error = file.finish().unwrap_err().to_string();
        assert_eq!(error, "tensor a has fewer rows than announced");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
