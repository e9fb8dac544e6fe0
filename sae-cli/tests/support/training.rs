//! Runs of `sae train` on the demo's model, small enough to be many.

use super::Scratch;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

/// 60 rows of 32 tokens, and a call that trains on 58 of them but for `--out` and `--training-tokens`.
pub(crate) const CALL: &str = "train --model $MODEL --tokens t.st --hook blocks.1.hook_resid_pre --d-sae 64 \
    --train-batch-size-tokens 64 --buffer-tokens 256 --wandb-log-frequency 2 --eval-sequences 2 --store-batch-size-prompts 5";

pub(crate) fn with_tokens() -> Scratch {
    let scratch = Scratch::new();
    scratch.ok(
        "tokenize --tokenizer $MODEL --dataset $TEXT --context-size 32 --sequences 60 --out t.st",
    );
    scratch
}

/// Every file below a folder, by its path there.
pub(crate) fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = std::collections::BTreeSet::new();
    super::walk(folder, &mut found);
    let files = found.into_iter().filter(|path| path.is_file());
    files
        .map(|path| {
            let bytes = std::fs::read(&path).unwrap();
            (path.strip_prefix(folder).unwrap().to_owned(), bytes)
        })
        .collect()
}

/// The lines of a log, without what a clock has measured.
pub(crate) fn log(run: &Path) -> Vec<Map<String, Value>> {
    let text = std::fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    assert!(text.ends_with('\n'));
    let lines = text.lines().map(|line| {
        let mut line: Map<String, Value> = serde_json::from_str(line).unwrap();
        line.remove("details/tokens_per_second");
        line
    });
    lines.collect()
}

/// The log's text, without what a clock has measured: every digit counts.
fn log_text(run: &Path) -> String {
    let text = std::fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    let lines = text.lines().map(|line| {
        let rate = ",\"details/tokens_per_second\":";
        let line = line.split_once(rate).map_or(line, |(before, after)| {
            assert!(!after.contains(','), "the rate comes last");
            before
        });
        format!("{line}\n")
    });
    lines.collect()
}

/// Both runs have found the same, to the last bit.
#[track_caller]
pub(crate) fn assert_same(a: &Path, b: &Path) {
    for file in [
        "final_sae/sae_weights.safetensors",
        "final_sae/cfg.json",
        "sparsity.safetensors",
    ] {
        let [a, b] = [a, b].map(|run| std::fs::read(run.join(file)).unwrap());
        assert!(a == b, "{file} differs");
    }
    assert_eq!(log_text(a), log_text(b));
}

/// The latest checkpoint of a run.
pub(crate) fn latest(run: &Path) -> Option<u64> {
    let entries = std::fs::read_dir(run.join("checkpoints")).ok()?;
    let names = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    names.max()
}

/// Starts a call, silently.
pub(crate) fn start(scratch: &Scratch, line: &str) -> Child {
    let mut command = scratch.command(line);
    let command = command.stdout(Stdio::null()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

/// Waits until there is a checkpoint after this one, or the call has ended. Whether it is running.
pub(crate) fn wait_for_checkpoint(child: &mut Child, run: &Path, after: Option<u64>) -> bool {
    let begin = Instant::now();
    while latest(run) <= after {
        if child.try_wait().unwrap().is_some() {
            return false;
        }
        assert!(begin.elapsed() < Duration::from_mins(1));
        std::thread::sleep(Duration::from_millis(1));
    }
    true
}
