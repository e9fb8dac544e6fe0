//! Every input that was kept goes through its reader: none panics, and none takes more memory than it may.
#![allow(clippy::unwrap_used, reason = "test code")]

use std::collections::BTreeSet;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use sae_fuzz::{CountingAllocator, TARGETS, memory_for};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus")
}

/// One test, because memory is counted for the whole process.
#[test]
fn the_corpus_is_read_without_a_panic_and_in_little_memory() {
    std::panic::set_hook(Box::new(sae_fuzz::note_panic));
    let mut faults = Vec::new();
    for target in TARGETS {
        let folder = corpus().join(target.name);
        let inputs = fs::read_dir(&folder).unwrap();
        let mut inputs: Vec<PathBuf> = inputs.map(|entry| entry.unwrap().path()).collect();
        inputs.sort();
        assert!(!inputs.is_empty(), "{} has no input", folder.display());
        // What is made once, such as a server, is not the first input's.
        (target.run)(b"");
        for input in inputs {
            let data = fs::read(&input).unwrap();
            CountingAllocator::start();
            let ran = catch_unwind(AssertUnwindSafe(|| (target.run)(&data)));
            let (used, allowed) = (CountingAllocator::most(), memory_for(data.len()));
            if ran.is_err() {
                faults.push(format!("{}: {}", input.display(), sae_fuzz::noted_panic()));
            }
            if used > allowed {
                faults.push(format!(
                    "{}: {used} bytes of memory, {allowed} are allowed",
                    input.display()
                ));
            }
        }
    }
    let _ = std::panic::take_hook();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn each_folder_of_the_corpus_has_a_target() {
    let folders = fs::read_dir(corpus()).unwrap();
    let folders: BTreeSet<String> = folders
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let targets = TARGETS
        .iter()
        .map(|target| target.name.to_owned())
        .collect();
    assert_eq!(folders, targets);
}
