//! A double of NVIDIA's driver, and the program run on it.

use super::{Outcome, Scratch};
use serde_json::Value;
use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;
use tempfile::TempDir;

/// The folder that holds the double as `libcuda.so.1` and as `libnvrtc.so`, compiled from `tests/cuda-double`.
static DOUBLE: LazyLock<TempDir> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/cuda-double/src/lib.rs");
    let compiler = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    let status = Command::new(compiler)
        .args([
            "--edition",
            "2024",
            "--crate-type",
            "cdylib",
            "--crate-name",
            "cuda_double",
            "-O",
            "-o",
        ])
        .arg(folder.path().join("libcuda.so.1"))
        .arg(source)
        .status();
    assert!(status.unwrap().success(), "the double does not compile");
    let library = |name: &str| folder.path().join(name);
    std::fs::copy(library("libcuda.so.1"), library("libnvrtc.so")).unwrap();
    folder
});

/// Kernels that were compiled and tuned once are not again, by any test.
static CACHE: LazyLock<TempDir> = LazyLock::new(|| tempfile::tempdir().unwrap());

/// What the double saw.
#[derive(Debug)]
pub(crate) struct Seen(pub(crate) Value);

impl Seen {
    pub(crate) fn number(&self, path: &str) -> u64 {
        let found = path.split('.').fold(&self.0, |value, key| &value[key]);
        found
            .as_u64()
            .unwrap_or_else(|| panic!("{path} of {}", self.0))
    }
}

/// Runs the program on the double; it must succeed, and the double must have refused nothing but the tensor maps that burn tries in vain.
pub(crate) fn on_double(scratch: &Scratch, line: &str) -> (Outcome, Seen) {
    let (outcome, seen) = on_double_with(scratch, line, &[]);
    assert_eq!(outcome.code, 0, "sae {line}\n{outcome:#?}");
    for why in seen.0["refused"].as_array().unwrap() {
        let why = why.as_str().unwrap();
        assert!(why.starts_with("a tensor map"), "sae {line}: {why}");
    }
    (outcome, seen)
}

/// Runs the program on a double that is told something.
pub(crate) fn on_double_with(
    scratch: &Scratch,
    line: &str,
    settings: &[(&str, &str)],
) -> (Outcome, Seen) {
    let report = scratch.path("cuda.json");
    let _ = std::fs::remove_file(&report);
    let mut command = scratch.command(line);
    command
        .env("LD_LIBRARY_PATH", DOUBLE.path())
        .env("CUDA_PATH", DOUBLE.path())
        .env("XDG_CACHE_HOME", CACHE.path())
        .env("CUDA_DOUBLE_REPORT", &report)
        .envs(settings.iter().copied());
    let outcome = Scratch::outcome(&mut command);
    let text = std::fs::read_to_string(&report).unwrap_or_else(|_| "null".to_owned());
    let seen = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}"));
    (outcome, Seen(seen))
}
