//! README and docs/formats.md say which formats are read as `sae_core::FORMATS` has them. `UPDATE_DOCS=1 cargo test --workspace --test formats_table` writes
//! the tables anew.

#![allow(clippy::unwrap_used)] // clippy sees only the #[test] functions as tests, not their helpers

use sae_core::{FORMATS, Format};
use std::path::Path;

const BEGIN: &str = "<!-- formats -->";
const END: &str = "<!-- /formats -->";

/// Holds what stands between the marks to `expected`, or writes it there.
fn hold(file: &str, expected: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file);
    let text = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once(BEGIN).unwrap();
    let (found, after) = rest.split_once(END).unwrap();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, format!("{before}{BEGIN}{expected}{END}{after}")).unwrap();
        return;
    }
    assert_eq!(
        found, expected,
        "{file} is stale: UPDATE_DOCS=1 cargo test --workspace --test formats_table writes it anew"
    );
}

#[test]
fn readme_names_every_format() {
    let people = FORMATS.iter().map(|row| row.people);
    let people: Vec<&str> = people.filter(|people| !people.is_empty()).collect();
    hold("README.md", &people.join(", "));
}

#[test]
fn the_table_of_formats_is_the_codes() {
    let mut table =
        "\n| `--sae-format` | files | becomes | folded into the weights |\n|---|---|---|---|\n"
            .to_owned();
    for row in FORMATS.iter().filter(|row| row.format != Format::SaeLens) {
        table.push_str(&format!(
            "| `{}` | {} | {} | {} |\n",
            row.format.name(),
            row.files,
            row.becomes,
            row.folded
        ));
    }
    hold("docs/formats.md", &table);
}

#[test]
fn no_format_is_left_out() {
    for format in Format::all() {
        let row = FORMATS.iter().find(|row| row.format == format);
        assert!(row.is_some(), "{format}: is not in FORMATS");
    }
}
