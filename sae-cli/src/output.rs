//! Results to stdout or a file, messages to stderr.

use crate::UsageError;
use crate::targets::follow;
use anyhow::{Context, Error, Result, bail};
use serde::Serialize;
use std::io::{ErrorKind, IsTerminal, Write};
use std::path::{Path, PathBuf};
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
        "sae_dashboard",
        "sae_metrics",
        "sae_serve",
        "hub_io",
        "dataset_stream",
    ];
    let default = ours.map(|name| format!("{name}={level}")).join(",");
    let wanted = std::env::var_os("SAE_LOG").filter(|text| !text.is_empty());
    let parsed = wanted.as_ref().map(|text| {
        let text = text.to_str().ok_or("it is not UTF-8".to_owned())?;
        EnvFilter::try_new(text).map_err(|error| error.to_string())
    });
    let (filter, misunderstood) = match parsed {
        Some(Ok(filter)) => (Some(filter), None),
        Some(Err(reason)) => (None, Some(reason)),
        None => (None, None),
    };
    let filter = filter.unwrap_or_else(|| EnvFilter::new(format!("error,{default}")));
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let started = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal() && !no_color)
        .without_time()
        .with_target(verbose > 1)
        .try_init();
    // Another subscriber is there already when the library's caller has set one.
    let _ = started;
    if let (Some(text), Some(reason)) = (wanted, misunderstood) {
        tracing::warn!(
            "SAE_LOG is {text:?}, which is not understood and ignored: {reason}; try debug, or llama_hooked=trace"
        );
    }
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
    eprintln!("error: {}", harmless(&text));
}

/// Prints a line to stderr.
#[expect(clippy::print_stderr, reason = "the end of an interrupted call")]
pub(crate) fn print_line(text: &str) {
    eprintln!("{text}");
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
                print(&harmless(human))
            }
            None => print(&harmless(human)),
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

/// Text without the characters by which a file's content could steer the terminal or turn a line around; line breaks and tabs stay.
fn harmless(text: &str) -> String {
    let steers = |c: char| match c {
        '\n' | '\t' => false,
        '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => true,
        c => c.is_control(),
    };
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if steers(c) {
            out.extend(c.escape_unicode());
        } else {
            out.push(c);
        }
    }
    out
}

/// Makes sure that a file can be written there, before the work that is to fill it. `option` is what named it.
pub(crate) fn check_file(option: &str, path: &Path) -> Result<()> {
    if path == Path::new("-") {
        bail!(UsageError(format!(
            "{option} -: this is not text and does not go to stdout; give the name of a file"
        )));
    }
    let real = follow(path);
    let folder = folder(&real);
    let shown = path.display();
    match std::fs::metadata(path) {
        Ok(found) if found.is_dir() => {
            bail!("{shown}: is a folder; {option} takes the name of a file")
        }
        Ok(found) if !found.is_file() => {
            bail!("{shown}: is a device or a pipe; {option} takes the name of a file")
        }
        _ => {}
    }
    if real.is_symlink() {
        bail!("{shown}: is a link that leads in a circle; {option} takes the name of a file")
    }
    if !folder.is_dir() {
        bail!(
            "{shown}: there is no folder {}; make it first, or choose another place with {option}",
            folder.display()
        );
    }
    temporary_beside(&real)
        .map(drop)
        .with_context(|| unwritable(path))
}

/// Makes sure that a folder can be written there, as [`check_file`] does; the folder it is in must be there.
pub(crate) fn check_folder(option: &str, path: &Path) -> Result<()> {
    let real = follow(path);
    let (folder, shown) = (folder(&real), path.display());
    if real.is_symlink() {
        bail!("{shown}: is a link that leads in a circle; give {option} another name")
    }
    if real.file_name().is_none() {
        bail!("{shown}: is not a name that could be given to a folder; {option} makes one")
    }
    if real.exists() && !real.is_dir() {
        bail!("{shown}: is not a folder; give {option} another name")
    }
    if !folder.is_dir() {
        bail!(
            "{shown}: there is no folder {}; make it first, or choose another place with {option}",
            folder.display()
        );
    }
    temporary_beside(&real)
        .map(drop)
        .with_context(|| unwritable(path))
}

/// As [`check_file`] for text, which may also go to stdout (`-`) or into a pipe.
pub(crate) fn check_text_file(option: &str, path: &Path) -> Result<()> {
    if path == Path::new("-") || is_pipe(path) {
        return Ok(());
    }
    check_file(option, path)
}

/// Whether there is something that text goes into rather than replaces: a pipe, a device or what the caller has open.
pub(crate) fn is_pipe(path: &Path) -> bool {
    const OPEN: [&str; 4] = ["/dev/fd", "/dev/stdout", "/dev/stderr", "/proc/self/fd"];
    let is_open = OPEN.iter().any(|open| path.starts_with(open));
    std::fs::metadata(path).is_ok_and(|found| !found.is_dir() && (is_open || !found.is_file()))
}

/// Writes a file under a temporary name beside it and renames it; writes into a pipe or a device.
pub(crate) fn write_file(path: &Path, bytes: &[u8]) -> Result<()> {
    if !is_pipe(path) {
        return write_files(&[(path, bytes)]);
    }
    let write = || {
        let mut pipe = std::fs::File::options().write(true).open(path)?;
        pipe.write_all(bytes)
    };
    write().with_context(|| unwritable(path))
}

/// Writes files that belong together: none gets its name before all are complete.
pub(crate) fn write_files(files: &[(&Path, &[u8])]) -> Result<()> {
    let mut complete = Vec::new();
    for (path, bytes) in files {
        let real = follow(path);
        let write = || {
            let mut file = temporary_beside(&real)?;
            file.write_all(bytes)?;
            Ok::<_, std::io::Error>(file)
        };
        let file = write().with_context(|| unwritable(path))?;
        complete.push((file, real, path));
    }
    for (file, real, path) in complete {
        file.persist(real).with_context(|| unwritable(path))?;
    }
    Ok(())
}

pub(crate) fn unwritable(path: &Path) -> String {
    format!(
        "{}: cannot be written; may you write to its folder, and is there room on the disk?",
        path.display()
    )
}

/// The folder that a path lies in.
pub(crate) fn folder(path: &Path) -> PathBuf {
    let parent = path.parent().filter(|p| !p.as_os_str().is_empty());
    parent.unwrap_or(Path::new(".")).to_owned()
}

/// A temporary file in the folder of `path`, with the permissions that a new file has.
pub(crate) fn temporary_beside(path: &Path) -> std::io::Result<tempfile::NamedTempFile> {
    temporary(0o666).tempfile_in(folder(path))
}

/// As [`temporary_beside`], a folder.
pub(crate) fn temporary_folder_beside(path: &Path) -> std::io::Result<tempfile::TempDir> {
    temporary(0o777).tempdir_in(folder(path))
}

/// Permissions are narrowed by the umask, as for anything new; the default of what is temporary would be the owner's alone.
fn temporary(mode: u32) -> tempfile::Builder<'static, 'static> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".sae-");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(std::fs::Permissions::from_mode(mode));
    }
    #[cfg(not(unix))]
    let _ = mode;
    builder
}

#[cfg(test)]
mod tests {
    use super::{check_file, harmless, write_file};

    #[test]
    fn text_cannot_steer_the_terminal() {
        assert_eq!(
            harmless("a\tb\n\u{1b}[2J\u{202e}"),
            "a\tb\n\\u{1b}[2J\\u{202e}"
        );
    }

    #[test]
    fn an_impossible_place_is_found_early_and_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        check_file("--out", &path("x")).unwrap();
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
        let message = |name: &str| check_file("--out", &path(name)).unwrap_err().to_string();
        assert!(message("no/x").ends_with("make it first, or choose another place with --out"));
        assert!(message("").ends_with("is a folder; --out takes the name of a file"));
        write_file(&path("file"), b"content").unwrap();
        assert!(message("file/x").contains("there is no folder"));
    }
}
