use super::write;
use crate::export::{ExportError, Logged};
use crate::{ActivationLog, LogInfo, LogWriter, Overview, Source, Summary};
use half::f16;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

const SIZE: usize = 4;
const D_SAE: u32 = 11;
const HOOK: &str = "blocks.1.hook_resid_post";

/// Row, position, latent → value.
type Entries = BTreeMap<(u32, u32, u32), f32>;

fn log(dir: &Path, n_rows: u32, entries: &Entries) -> ActivationLog {
    let info = LogInfo {
        d_sae: D_SAE,
        context_size: SIZE as u32,
        made_from: json!({}),
    };
    let mut writer = LogWriter::create(dir, info).unwrap();
    for row in 0..n_rows {
        let of = |position: usize| {
            let range = (row, position as u32, 0)..(row, position as u32, D_SAE);
            let range = entries.range(range);
            range.map(|(&(_, _, latent), &value)| (latent, value))
        };
        // Numbers with gaps, as a shard has them.
        let number = u64::from(row) * 3 + 1;
        writer.push_context(number, &[true; SIZE], of).unwrap();
    }
    writer.finish().unwrap();
    ActivationLog::open(&[dir]).unwrap()
}

fn overview(hook_name: &str, shown: &[u32]) -> Overview {
    Overview {
        source: Source {
            hook_name: hook_name.to_owned(),
            model: "org/model".to_owned(),
            ..Source::default()
        },
        d_sae: D_SAE,
        shown: shown.to_vec(),
        ..Overview::default()
    }
}

fn contexts(n_rows: u32) -> Vec<Vec<u32>> {
    let row = |number: u32| (0..SIZE as u32).map(|at| number * 10 + at).collect();
    (0..n_rows * 3).map(row).collect()
}

fn numbers<const N: usize>(bytes: &[u8]) -> impl Iterator<Item = [u8; N]> + '_ {
    bytes.chunks_exact(N).map(|chunk| chunk.try_into().unwrap())
}

/// What delphi's `TensorBuffer.load` makes of a file, and whether its numbers are of 16 bits.
fn load(path: &Path, entries: &mut Entries) -> (Vec<u32>, [bool; 2]) {
    let bytes = fs::read(path).unwrap();
    let (length, rest) = bytes.split_at(8);
    let (header, data) = rest.split_at(u64::from_le_bytes(length.try_into().unwrap()) as usize);
    let header: Value = serde_json::from_slice(header).unwrap();
    let tensor = |name: &str| {
        let at = |i: usize| header[name]["data_offsets"][i].as_u64().unwrap() as usize;
        (header[name]["dtype"].clone(), &data[at(0)..at(1)])
    };
    let first: u32 = path
        .file_stem()
        .unwrap()
        .to_str()
        .unwrap()
        .split('_')
        .next()
        .unwrap()
        .parse()
        .unwrap();
    let (kind, locations) = tensor("locations");
    let is_narrow = kind == "U16";
    let locations: Vec<u32> = if is_narrow {
        numbers(locations)
            .map(|b| u16::from_le_bytes(b).into())
            .collect()
    } else {
        numbers(locations).map(u32::from_le_bytes).collect()
    };
    let (kind, values) = tensor("activations");
    let is_half = kind == "F16";
    let values: Vec<f32> = if is_half {
        numbers(values)
            .map(|b| f16::from_le_bytes(b).to_f32())
            .collect()
    } else {
        numbers(values).map(f32::from_le_bytes).collect()
    };
    assert_eq!(locations.len(), values.len() * 3);
    for (at, value) in locations.chunks_exact(3).zip(values) {
        let key = (at[0], at[1], at[2] + first);
        assert_eq!(entries.insert(key, value), None, "once each");
    }
    let (_, tokens) = tensor("tokens");
    (
        numbers(tokens).map(u32::from_le_bytes).collect(),
        [is_narrow, is_half],
    )
}

/// The ranges of the files, in order.
fn ranges(module: &Path) -> Vec<(u32, u32)> {
    let files = fs::read_dir(module)
        .unwrap()
        .map(|file| file.unwrap().path());
    let files = files.filter(|path| path.extension().unwrap() == "safetensors");
    let range = |path: std::path::PathBuf| {
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let (first, last) = name.split_once('_').unwrap();
        (first.parse().unwrap(), last.parse().unwrap())
    };
    let mut ranges: Vec<_> = files.map(range).collect();
    ranges.sort_unstable();
    ranges
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn delphi_reads_what_the_log_has(
        entries in prop::collection::btree_map((0..5_u32, 0..SIZE as u32, 0..D_SAE), prop_oneof![1e-7_f32..2e-5, 0.01_f32..9.0, 60_000.0_f32..70_000.0], 0..60),
        shown in prop::collection::btree_set(0..D_SAE, 0..D_SAE as usize),
        memory in 1_u64..400,
    ) {
        let dir = tempfile::tempdir().unwrap();
        let log = log(&dir.path().join("log"), 5, &entries);
        let (summary, contexts) = (Summary::of(&log).unwrap(), contexts(5));
        let contexts = contexts.as_slice();
        let contexts = Held(contexts);
        let mut logged = Logged::new(&log, &contexts, &summary);
        logged.memory = memory;
        let shown: Vec<u32> = shown.into_iter().collect();
        let out = dir.path().join("out");
        write(&out, &overview(HOOK, &shown), &logged).unwrap();

        let module = out.join(HOOK);
        let ranges = ranges(&module);
        // delphi finds the file of a latent by the last of each.
        prop_assert_eq!(ranges[0].0, 0);
        prop_assert_eq!(ranges[ranges.len() - 1].1, D_SAE - 1);
        prop_assert!(ranges.windows(2).all(|pair| pair[0].1 + 1 == pair[1].0), "{:?}", ranges);
        let mut found = Entries::new();
        for (first, last) in ranges {
            let mut of_file = Entries::new();
            let (tokens, [_, is_half]) = load(&module.join(format!("{first}_{last}.safetensors")), &mut of_file);
            let expected: Vec<u32> = (0..5).flat_map(|row| (0..SIZE as u32).map(move |at| (row * 3 + 1) * 10 + at)).collect();
            prop_assert_eq!(tokens, expected);
            prop_assert!(of_file.keys().all(|&(_, _, latent)| first <= latent && latent <= last));
            prop_assert_eq!(is_half, of_file.values().all(|&value| value <= 65_504.0));
            found.extend(of_file);
        }
        let wanted = entries.iter().filter(|((_, _, latent), value)| shown.contains(latent) && **value > 1e-5);
        let wanted: Entries = wanted.map(|(&key, &value)| (key, value)).collect();
        prop_assert_eq!(found.keys().collect::<Vec<_>>(), wanted.keys().collect::<Vec<_>>());
        for (key, value) in &wanted {
            prop_assert!((found[key] - value).abs() <= value / 2048.0 + 1e-7, "{}: {}", value, found[key]);
        }
    }
}

#[derive(Debug)]
struct Held<'a>(&'a [Vec<u32>]);

impl crate::Contexts for Held<'_> {
    fn tokens(&self, context: u64) -> Option<std::borrow::Cow<'_, [u32]>> {
        self.0.tokens(context)
    }
}

#[test]
fn a_hostile_hook_or_missing_tokens_leave_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let log = log(&dir.path().join("log"), 2, &Entries::new());
    let summary = Summary::of(&log).unwrap();
    let short = contexts(1);
    let contexts = contexts(2);
    let (contexts, short) = (Held(&contexts), Held(&short));
    let out = dir.path().join("out");
    for hook in ["", "..", "a/../../b", "/etc", ".hidden", "a\0"] {
        let logged = Logged::new(&log, &contexts, &summary);
        let error = write(&out, &overview(hook, &[0]), &logged).unwrap_err();
        assert!(matches!(error, ExportError::Module { .. }), "{error}");
    }
    let logged = Logged::new(&log, &short, &summary);
    let error = write(&out, &overview(HOOK, &[0]), &logged).unwrap_err();
    assert!(error.to_string().contains("context 4"), "{error}");
    let left: Vec<_> = fs::read_dir(dir.path())
        .unwrap()
        .map(|file| file.unwrap().file_name())
        .collect();
    assert_eq!(left, ["log"]);
}
