//! The real binary, in a folder of its own, and what tests ask of it.

#![allow(dead_code, reason = "each test file uses a part")]
#![allow(clippy::unwrap_used)] // clippy sees only the #[test] functions as tests, not the functions they share

#[cfg(feature = "cuda")]
pub(crate) mod cuda;
pub(crate) mod sae;
#[cfg(feature = "cuda")]
pub(crate) mod shape;
pub(crate) mod tensors;
pub(crate) mod training;
pub(crate) mod transcoders;

use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// A path in the bundled demo's folder.
pub(crate) fn demo(path: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../demo");
    folder.canonicalize().unwrap().join(path)
}

/// The reference figures that torch computed for the demo.
pub(crate) fn reference() -> Value {
    read_json(&demo("reference.json"))
}

pub(crate) fn read_json(path: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// What a call of the program gave.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Outcome {
    /// stdout as JSON, which it must be from end to end.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|e| panic!("stdout is not JSON: {e}\n{}", self.stdout))
    }
}

/// A working directory that goes away.
pub(crate) struct Scratch(TempDir);

impl Scratch {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    /// Puts a copy of the demo's `run` or `model` here, under that name.
    pub(crate) fn copy_demo(&self, part: &str) {
        copy(&demo(part), &self.path(part));
    }

    /// Replaces text in a file, which must be there.
    pub(crate) fn edit(&self, name: &str, from: &str, to: &str) {
        let text = self.read(name);
        assert!(text.contains(from), "{name} has no {from}");
        self.write(name, text.replacen(from, to, 1));
    }

    /// Cuts a file short.
    pub(crate) fn truncate(&self, name: &str, len: u64) {
        let file = std::fs::File::options()
            .write(true)
            .open(self.path(name))
            .unwrap();
        file.set_len(len).unwrap();
    }

    /// Every file and folder here.
    pub(crate) fn listing(&self) -> BTreeSet<PathBuf> {
        let mut found = BTreeSet::new();
        walk(self.0.path(), &mut found);
        found
    }

    /// The program's command line: words at spaces, `$RUN`, `$MODEL` and `$TEXT` standing for the demo's.
    pub(crate) fn command(&self, line: &str) -> Command {
        let words = line.split_whitespace().map(|word| {
            let path = |part| demo(part).to_str().unwrap().to_owned();
            match word {
                "$RUN" => path("run"),
                "$MODEL" => path("model"),
                "$TEXT" => path("text/kjv.jsonl"),
                "''" => String::new(),
                other => other.to_owned(),
            }
        });
        let mut command = Command::new(env!("CARGO_BIN_EXE_sae"));
        command
            .args(words)
            .current_dir(self.0.path())
            .stdin(Stdio::null())
            .env("COLUMNS", "100")
            .env("HF_HUB_OFFLINE", "1")
            .env("HF_HOME", self.path("no-hub"))
            .env_remove("HF_HUB_CACHE")
            .env_remove("SAE_LOG")
            .env_remove("RUST_BACKTRACE");
        command
    }

    /// Runs a command to its end.
    pub(crate) fn outcome(command: &mut Command) -> Outcome {
        finish(command)
    }

    /// Runs the program to its end.
    pub(crate) fn sae(&self, line: &str) -> Outcome {
        finish(&mut self.command(line))
    }

    /// Runs the program, which must succeed without a word on stderr.
    pub(crate) fn ok(&self, line: &str) -> Outcome {
        let outcome = self.sae(line);
        assert_eq!(outcome.code, 0, "sae {line}\n{outcome:#?}");
        assert_eq!(outcome.stderr, "", "sae {line}");
        outcome
    }

    /// Runs a training of a few steps, which must succeed, and may say of what came out that it is not good.
    pub(crate) fn trains(&self, line: &str) -> Outcome {
        let outcome = self.sae(line);
        assert_eq!(outcome.code, 0, "sae {line}\n{outcome:#?}");
        for said in outcome.stderr.lines() {
            assert!(
                said.contains("the SAE is worse than none"),
                "sae {line}: {said}"
            );
        }
        outcome
    }

    /// Runs the program with `--json`, which must succeed. Every warning must be on stderr and in the JSON.
    pub(crate) fn json(&self, line: &str) -> Value {
        let outcome = self.sae(&format!("{line} --json"));
        assert_eq!(outcome.code, 0, "sae {line}\n{outcome:#?}");
        let json = outcome.json();
        let warnings = json["warnings"].as_array();
        let warnings = warnings.into_iter().flatten();
        let warnings: Vec<&str> = warnings.map(|w| w.as_str().unwrap()).collect();
        if line.contains("--quiet") {
            assert_eq!(outcome.stderr, "", "sae {line}");
            return json;
        }
        let said = outcome.stderr.split(" WARN ").skip(1);
        let said: Vec<&str> = said.map(str::trim_end).collect();
        assert_eq!(said, warnings, "sae {line}\n{outcome:#?}");
        let lines = outcome.stderr.lines();
        assert!(
            lines.clone().count() == said.len() || said.iter().any(|w| w.contains('\n')),
            "sae {line}\n{outcome:#?}"
        );
        json
    }

    /// Runs the program, which must fail with the code, say each of `said` on stderr, nothing on stdout, and leave no file behind.
    pub(crate) fn fails(&self, code: i32, line: &str, said: &[&str]) {
        let before = self.listing();
        let outcome = self.sae(line);
        assert_eq!(outcome.code, code, "sae {line}\n{outcome:#?}");
        assert_eq!(outcome.stdout, "", "sae {line}");
        assert!(
            outcome.stderr.starts_with("error: "),
            "sae {line}\n{outcome:#?}"
        );
        assert!(
            !outcome.stderr.contains("panicked"),
            "sae {line}\n{outcome:#?}"
        );
        for part in said {
            assert!(
                outcome.stderr.contains(part),
                "sae {line}\nwithout {part:?}:\n{}",
                outcome.stderr
            );
        }
        assert_eq!(self.listing(), before, "sae {line}: something was left");
    }
}

pub(crate) fn finish(command: &mut Command) -> Outcome {
    let output = command.output().unwrap();
    Outcome {
        code: output.status.code().expect("ended by itself"),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}

fn walk(folder: &Path, found: &mut BTreeSet<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(&path, found);
        }
        found.insert(path);
    }
}

/// A number in a JSON value, by its path with dots.
#[track_caller]
pub(crate) fn number(value: &Value, path: &str) -> f64 {
    at(value, path)
        .as_f64()
        .unwrap_or_else(|| panic!("{path} is not a number"))
}

/// A part of a JSON value, by its path with dots.
#[track_caller]
pub(crate) fn at<'a>(value: &'a Value, path: &str) -> &'a Value {
    path.split('.').fold(value, |value, key| {
        value
            .get(key)
            .unwrap_or_else(|| panic!("no {key} of {path}"))
    })
}

/// The keys of an object, in order.
#[track_caller]
pub(crate) fn keys(value: &Value) -> Vec<&str> {
    let object = value.as_object().expect("an object");
    object.keys().map(String::as_str).collect()
}

#[track_caller]
pub(crate) fn assert_close(found: f64, expected: f64, relative: f64) {
    assert!(
        (found - expected).abs() <= relative * expected.abs(),
        "{found} is not {expected} to {relative}"
    );
}
