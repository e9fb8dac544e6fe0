//! Pages in a real browser. `cargo test -p sae-dashboard --test browser -- --ignored` runs these; they need Chromium.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "test code")]

#[path = "../fixture/mod.rs"]
mod fixture;

mod chromium;
mod empty;
mod hostile;
mod keyboard;
mod live;
mod numbers;
mod overview;
mod own_text;
mod server;
mod views;

use std::path::Path;

use fixture::Fixture;
use sae_dashboard::page::{PageForm, PageWriter};

/// Writes a page; its address.
fn write(folder: &Path, form: PageForm, fixture: &Fixture) -> String {
    let (name, document) = match form {
        PageForm::File => ("page one.html", "page%20one.html"),
        PageForm::Folder => ("page", "page/index.html"),
    };
    let path = folder.join(name);
    let mut writer =
        PageWriter::create(path, form, &fixture.overview, &fixture.corpus.vocabulary).unwrap();
    for index in &fixture.overview.shown {
        writer
            .push(fixture.features[*index as usize].clone())
            .unwrap();
    }
    writer.finish().unwrap();
    format!("file://{}/{document}", folder.display())
}

/// A number as the page writes it.
fn parse(text: &str) -> f64 {
    let text = text.trim().replace(',', "").replace('−', "-");
    let (text, scale) = text
        .strip_suffix(" %")
        .map_or((text.as_str(), 1.0), |text| (text, 0.01));
    let number: f64 = text
        .trim_start_matches('+')
        .parse()
        .unwrap_or_else(|_| panic!("{text:?} is no number"));
    number * scale
}

/// That what is shown is the value with so many significant digits.
fn assert_shown(text: &str, value: f64, digits: i32) {
    let shown = parse(text);
    let error = (shown - value).abs();
    assert!(
        error <= 0.50001 * 10_f64.powi(1 - digits) * value.abs(),
        "{text} is shown for {value}"
    );
}
