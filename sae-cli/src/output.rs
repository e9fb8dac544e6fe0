//! Results to stdout or a file, messages to stderr.

use anyhow::{Context, Error, Result};
use serde::Serialize;
use std::io::{ErrorKind, Write};
use std::path::Path;
use tracing_subscriber::EnvFilter;

/// Sends logs to stderr: warnings by default, none if quiet, more if verbose; `SAE_LOG` overrides.
pub(crate) fn start_logging(verbose: u8, quiet: bool) {
    let level = match (quiet, verbose) {
        (true, _) => "error",
        (_, 0) => "warn",
        (_, 1) => "info",
        _ => "debug",
    };
    let ours = [
        "sae_cli",
        "llama_hooked",
        "sae_core",
        "sae_metrics",
        "dataset_stream",
    ];
    let default = ours.map(|name| format!("{name}={level}")).join(",");
    let filter = EnvFilter::try_from_env("SAE_LOG")
        .unwrap_or_else(|_| EnvFilter::new(format!("error,{default}")));
    let started = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .without_time()
        .with_target(verbose > 1)
        .try_init();
    // Another subscriber is there already when the library's caller has set one.
    let _ = started;
}

/// Prints what went wrong, with its causes.
#[expect(clippy::print_stderr, reason = "the one place that reports failure")]
pub(crate) fn print_error(error: &Error) {
    let mut text = error.to_string();
    for cause in error.chain().skip(1) {
        let cause = cause.to_string();
        // Many messages quote their cause already.
        if !text.contains(&cause) {
            text.push_str("\n  because: ");
            text.push_str(&cause);
        }
    }
    eprintln!("error: {text}");
}

/// Where the result goes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output<'a> {
    /// `-` is stdout.
    pub(crate) json: Option<&'a Path>,
}

impl Output<'_> {
    /// Prints the result for people, unless stdout is for JSON, and writes the JSON that was asked for.
    pub(crate) fn emit(&self, human: &str, result: &impl Serialize) -> Result<()> {
        match self.json {
            Some(path) if path == Path::new("-") => print(&pretty(result)?),
            Some(path) => {
                write_file(path, pretty(result)?.as_bytes())?;
                print(human)
            }
            None => print(human),
        }
    }
}

pub(crate) fn pretty(value: &impl Serialize) -> Result<String> {
    Ok(serde_json::to_string_pretty(value).context("the result cannot be written as JSON")? + "\n")
}

/// Writes to stdout. A reader that has gone away (`| head`) is not an error.
pub(crate) fn print(text: &str) -> Result<()> {
    let mut stdout = std::io::stdout().lock();
    match stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
    {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        other => other.context("cannot write to stdout"),
    }
}

/// Writes a file under a temporary name beside it and renames it.
pub(crate) fn write_file(path: &Path, bytes: &[u8]) -> Result<()> {
    let write = || -> std::io::Result<()> {
        let mut file = temporary_beside(path)?;
        file.write_all(bytes)?;
        file.persist(path)?;
        Ok(())
    };
    write().with_context(|| {
        format!(
            "{}: cannot be written; is there such a folder, and may you write to it?",
            path.display()
        )
    })
}

/// A temporary file in the folder of `path`, with the permissions that a new file has.
pub(crate) fn temporary_beside(path: &Path) -> std::io::Result<tempfile::NamedTempFile> {
    let folder = path
        .parent()
        .filter(|p| !p.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    builder.prefix(".sae-");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // Narrowed by the umask, as for any new file; a temporary file's default would be the owner's alone.
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    builder.tempfile_in(folder)
}
