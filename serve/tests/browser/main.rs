//! The live page in a real browser. `cargo test -p sae-serve --test browser -- --ignored` runs these; they need Chromium.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "test code")]

#[allow(dead_code, reason = "the dashboard's tests use all of it")]
#[path = "../../../dashboard/tests/browser/chromium.rs"]
mod chromium;
#[path = "../../../dashboard/tests/fixture/mod.rs"]
mod fixture;
#[path = "../support/mod.rs"]
mod support;

mod check;
mod labels;
mod others;
mod steer;
mod texts;
mod two;
mod why;

use chromium::Tab;
use fixture::Fixture;
use sae_dashboard::page::{feature_bytes, overview_bytes};
use sae_serve::ServeOptions;
use support::{Fake, Running};

/// A server of features that look like real ones.
fn serve(options: ServeOptions) -> Running {
    Running::new(fake(), options)
}

fn fake() -> Fake {
    let fixture = Fixture::new(40);
    let vocabulary = &fixture.corpus.vocabulary;
    let features = fixture.features.iter();
    Fake {
        overview: overview_bytes(&fixture.overview, vocabulary).unwrap(),
        features: features
            .map(|feature| feature_bytes(feature, vocabulary).unwrap())
            .collect(),
        ..Fake::default()
    }
}

fn open(server: &Running) -> Tab {
    let mut tab = Tab::open(&url(server));
    tab.wait_for(".overview h1");
    tab
}

fn url(server: &Running) -> String {
    format!("http://{}/", server.address)
}

/// Types a text in place of what is in a field.
fn write(tab: &mut Tab, field: &str, text: &str) {
    tab.eval(&format!("document.querySelector({field:?}).value = ''"));
    tab.click(field);
    tab.type_text(text);
}

fn run(tab: &mut Tab, text: &str) {
    write(tab, "#prompt", text);
    tab.click(".prompt .primary");
}

/// That nothing went wrong in the page, and that it asked nobody else.
fn assert_own(tab: &mut Tab, server: &Running) {
    assert_eq!(tab.complaints(), [] as [serde_json::Value; 0]);
    let own = url(server);
    for asked in tab.requests() {
        assert!(
            asked.starts_with(&own) || asked.starts_with("data:,"),
            "{asked}"
        );
    }
}
