//! Results about one prompt, laid out as sheets, and where they go.

pub(crate) mod attribution;
pub(crate) mod lens;
pub(crate) mod patching;

use super::outputs::check_text_file;
use super::targets::Targets;
use crate::args::Global;
use crate::args::sheet::SheetArgs;
use crate::terminal::warnings;
use anyhow::Result;
use sae_report::Sheet;
use serde::Serialize;
use std::path::Path;

/// Makes sure that the files can be written.
pub(crate) fn targets(args: &SheetArgs, global: &Global) -> Result<Targets> {
    let files = [("--page", &args.page), ("--csv", &args.csv)];
    let files = files.map(|(option, path)| path.as_deref().map(|path| (option, path)));
    let targets = Targets::new(global, files.into_iter().flatten())?;
    for (option, path) in files.into_iter().flatten() {
        if option == "--page" {
            super::outputs::check_file(option, path)?;
        } else {
            check_text_file(option, path)?;
        }
    }
    Ok(targets)
}

/// Writes the page and the CSV, and prints the text or the JSON.
pub(crate) fn emit(
    mut sheet: Sheet,
    csv: &str,
    result: &impl Serialize,
    args: &SheetArgs,
    global: &Global,
) -> Result<()> {
    let text = sheet.text();
    if let Some(path) = &args.page {
        sheet.warnings = warnings();
        whole_file::write(path, sheet.page().as_bytes())?;
    }
    let to_stdout = args.csv.as_deref() == Some(Path::new("-"));
    if let Some(path) = args.csv.as_deref().filter(|_| !to_stdout) {
        whole_file::write(path, csv.as_bytes())?;
    }
    let human = if to_stdout { csv } else { &text };
    global.output().emit(human, result)
}

/// A number for people.
pub(crate) fn figure(x: f64) -> String {
    format!("{x:.4}")
}

/// A figure of a grid; no zero has a sign.
pub(crate) fn hundredths(x: f64) -> String {
    let rounded = format!("{x:.2}");
    if rounded == "-0.00" {
        "0.00".to_owned()
    } else {
        rounded
    }
}
