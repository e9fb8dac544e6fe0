use crate::manifest::{MANIFEST, shard_name};
use crate::{ActivationCache, CacheDtype, CacheError, CacheSettings, CacheWriter, CachedHook};
use std::fs;
use std::path::Path;

/// Five rows of three tokens in three shards, at two hooks.
fn settings(dtype: CacheDtype) -> CacheSettings {
    let mut hooks = vec![CachedHook::new("a", 2), CachedHook::new("b", 4)];
    hooks[1].heads = Some(2);
    let mut settings = CacheSettings::new("model", hooks);
    (
        settings.context_size,
        settings.rows,
        settings.rows_per_shard,
    ) = (3, 5, 2);
    settings.dtype = dtype;
    settings
}

fn number(row: usize, at: usize) -> f32 {
    ((row * 18 + at) as f32 * 0.37).sin() * 5.0
}

/// Writes up to so many rows, one at a time, and finishes if all are there.
fn write(path: &Path, settings: &CacheSettings, most: usize) -> usize {
    let mut writer = CacheWriter::open(path, settings).unwrap();
    let mut pushed = 0;
    while let Some(rows) = writer.next_rows().filter(|_| pushed < most) {
        let row = rows.start;
        let x: Vec<f32> = (0..18).map(|at| number(row, at)).collect();
        writer.push(&[row as u32, u32::MAX, 1], &x).unwrap();
        pushed += 1;
    }
    if pushed < most || writer.next_rows().is_none() {
        writer.finish().unwrap();
    }
    pushed
}

fn contents(path: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(path).unwrap().map(|entry| entry.unwrap());
    let mut all: Vec<_> = entries
        .map(|entry| {
            let name = entry.file_name().into_string().unwrap();
            (name, fs::read(entry.path()).unwrap())
        })
        .collect();
    all.sort();
    all
}

#[test]
fn what_is_written_reads_back() {
    for dtype in CacheDtype::ALL {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("c");
        let settings = settings(dtype);
        assert_eq!(write(&path, &settings, usize::MAX), 5);
        let cache = ActivationCache::open(&path).unwrap();
        cache.verify().unwrap();
        let mut error = [0.0_f64; 2];
        for row in 0..5 {
            assert_eq!(cache.ids(row), [row as u32, u32::MAX, 1]);
            for position in 0..3 {
                let mut x = Vec::new();
                cache.read(0, row * 3 + position, 0..2, &mut x);
                cache.read(1, row * 3 + position, 0..2, &mut x);
                cache.read(1, row * 3 + position, 2..4, &mut x);
                for (at, x) in x.into_iter().enumerate() {
                    let off = f64::from(x - number(row, position * 6 + at));
                    error[usize::from(at >= 2)] += off * off;
                    let most = match dtype {
                        CacheDtype::F32 => 0.0,
                        _ => 0.02,
                    };
                    assert!(off.abs() <= most, "{dtype}: {off}");
                }
            }
        }
        let precision = &cache.manifest().precision;
        for (stated, (error, values)) in precision.iter().zip(error.into_iter().zip([30.0, 60.0])) {
            let expected = (error / values).sqrt() / stated.rms;
            assert!((stated.relative_error - expected).abs() < 1e-6);
            assert!((stated.relative_error > 0.0) == (dtype != CacheDtype::F32));
        }
    }
}

#[test]
fn work_that_was_interrupted_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let (whole, path) = (dir.path().join("whole"), dir.path().join("c"));
    let settings = settings(CacheDtype::Int8);
    write(&whole, &settings, usize::MAX);
    assert_eq!(write(&path, &settings, 3), 3);
    assert_eq!(contents(&path).len(), 1, "the shard that was begun is gone");
    fs::write(path.join(".sae-killed"), "half a shard").unwrap();
    assert_eq!(write(&path, &settings, usize::MAX), 3);
    assert_eq!(contents(&path), contents(&whole));
    assert_eq!(
        write(&path, &settings, usize::MAX),
        0,
        "nothing is left to do"
    );
    // A shard that is damaged is written again.
    let shard = path.join(shard_name(1));
    let file = fs::File::options().write(true).open(&shard).unwrap();
    file.set_len(100).unwrap();
    fs::remove_file(path.join(MANIFEST)).unwrap();
    assert_eq!(write(&path, &settings, usize::MAX), 2);
    assert_eq!(contents(&path), contents(&whole));
}

#[test]
fn other_settings_and_other_files_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("c");
    write(&path, &settings(CacheDtype::F32), 2);
    let message = |settings: &CacheSettings| {
        let error = CacheWriter::open(&path, settings).unwrap_err();
        error.to_string()
    };
    let said = message(&settings(CacheDtype::Bf16));
    assert!(
        said.contains("dtype is \"f32\" there and \"bf16\" now"),
        "{said}"
    );
    let mut other = settings(CacheDtype::F32);
    other.model_weights = "sha256:1".to_owned();
    assert!(message(&other).contains("they are of other weights of a model"));
    fs::write(path.join("notes.txt"), "").unwrap();
    assert!(message(&settings(CacheDtype::F32)).contains("\"notes.txt\""));
}

#[test]
fn two_writers_do_not_meet() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("c");
    let settings = settings(CacheDtype::F32);
    let first = CacheWriter::open(&path, &settings).unwrap();
    let second = CacheWriter::open(&path, &settings);
    assert!(matches!(second, Err(CacheError::AtWork(_))));
    drop(first);
    assert!(!path.exists(), "no empty folder is left");
}

#[test]
fn a_disk_that_is_too_small_is_found_early() {
    let dir = tempfile::tempdir().unwrap();
    let mut settings = settings(CacheDtype::F32);
    (settings.rows, settings.rows_per_shard) = (1 << 52, 1 << 50);
    let writer = CacheWriter::open(&dir.path().join("c"), &settings).unwrap();
    let said = writer.check_space();
    if cfg!(unix) {
        let said = said.unwrap_err().to_string();
        let needed = (28_u64 * 3) << 52;
        assert!(
            said.contains(&format!("take {needed} bytes more")),
            "{said}"
        );
    }
}

#[test]
fn numbers_that_are_not_finite_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("c");
    let mut writer = CacheWriter::open(&path, &settings(CacheDtype::F32)).unwrap();
    let mut x = [1.0; 36];
    x[18 + 6 + 3] = f32::NAN;
    let said = writer.push(&[0; 6], &x).unwrap_err().to_string();
    assert_eq!(
        said,
        "row 1, position 1: b has a value that f32 cannot hold (NaN)"
    );
    assert!(writer.push(&[0; 4], &x).is_err(), "not whole rows");
}

#[test]
fn files_that_are_not_what_they_say_are_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("c");
    let settings = settings(CacheDtype::Int8);
    let message = || ActivationCache::open(&path).unwrap_err().to_string();
    fs::create_dir(&path).unwrap();
    assert!(message().contains("has no manifest.json"));
    write(&path, &settings, usize::MAX);
    let manifest = fs::read_to_string(path.join(MANIFEST)).unwrap();
    let edited = |from: &str, to: &str| {
        assert!(manifest.contains(from), "{from}");
        fs::write(path.join(MANIFEST), manifest.replacen(from, to, 1)).unwrap();
        message()
    };
    assert!(edited("sae-activation-cache", "other").contains("is not of cached activations"));
    assert!(edited("\"version\": 1", "\"version\": 9").contains("is of version 9"));
    assert!(edited("\"rows\": 5", "\"rows\": 18446744073709551615").contains("counted"));
    assert!(edited("\"rows\": 5", "\"rows\": 6").contains("tokens"));
    assert!(edited("activations-00001", "../../etc/x").contains("expected \"activations-00001"));
    assert!(edited("\"width\": 2", "\"width\": 3").contains("activations-00000"));
    fs::write(path.join(MANIFEST), &manifest).unwrap();
    // A tensor of another shape, though everything else is as it was.
    let shard = path.join(shard_name(2));
    let bytes = fs::read(&shard).unwrap();
    let edit = |from: &[u8], to: &[u8]| {
        let at = bytes.windows(from.len()).position(|w| w == from).unwrap();
        let mut edited = bytes.clone();
        edited[at..at + to.len()].copy_from_slice(to);
        fs::write(&shard, edited).unwrap();
        message()
    };
    let said = edit(b"[3,2]", b"[2,3]");
    assert!(
        said.contains("activations-00002.safetensors: tensor a is I8 [2, 3]"),
        "{said}"
    );
    assert!(edit(b"\"a.scale\"", b"\"b_scale\"").contains("has no tensor a.scale"));
    let mut huge = bytes.clone();
    huge[..8].copy_from_slice(&u64::MAX.to_le_bytes());
    fs::write(&shard, huge).unwrap();
    assert!(message().contains("is not a whole safetensors file"));
    let mut flipped = bytes.clone();
    *flipped.last_mut().unwrap() ^= 1;
    fs::write(&shard, flipped).unwrap();
    let found = ActivationCache::open(&path).unwrap().verify();
    assert!(found.unwrap_err().to_string().contains("has the SHA-256"));
    fs::remove_file(&shard).unwrap();
    assert!(message().contains("activations-00002.safetensors: cannot be read"));
}
