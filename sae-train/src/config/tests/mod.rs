//! What the tests of configuration files share.

mod legacy;
mod refused;
mod single;
mod written;

use super::{ConfigError, RunConfig};
use std::path::{Path, PathBuf};

fn testdata(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("src/config/testdata")
        .join(name)
}

/// Reads a file of this name with this text.
fn read(name: &str, text: &str) -> Result<(RunConfig, Vec<String>), ConfigError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, text).unwrap();
    RunConfig::read(&path)
}

fn json(text: &str) -> RunConfig {
    let (config, warnings) = read("run.json", text).unwrap();
    assert_eq!(warnings, [""; 0], "{text}");
    config
}

/// The message without the folder.
fn error(name: &str, text: &str) -> String {
    let message = read(name, text).unwrap_err().to_string();
    let at = message.find(name).expect("the file is named");
    message[at..].to_owned()
}

fn warnings(text: &str) -> Vec<String> {
    let (_, warnings) = read("run.json", text).unwrap();
    let short = |line: String| line.split_once("run.json: ").unwrap().1.to_owned();
    warnings.into_iter().map(short).collect()
}
