//! The HTML around the data.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

const PAGE: &str = include_str!("../../ui/page.html");

/// In the order of the cascade.
const STYLES: [&str; 5] = [
    include_str!("../../ui/base.css"),
    include_str!("../../ui/list.css"),
    include_str!("../../ui/overview.css"),
    include_str!("../../ui/feature.css"),
    include_str!("../../ui/prompt.css"),
];

/// One scope in the page: earlier scripts are defined first.
const SCRIPTS: [&str; 22] = [
    include_str!("../../ui/dom.js"),
    include_str!("../../ui/format.js"),
    include_str!("../../ui/text.js"),
    include_str!("../../ui/unpack.js"),
    include_str!("../../ui/source.js"),
    include_str!("../../ui/state.js"),
    include_str!("../../ui/theme.js"),
    include_str!("../../ui/tooltip.js"),
    include_str!("../../ui/histogram.js"),
    include_str!("../../ui/strip.js"),
    include_str!("../../ui/rows.js"),
    include_str!("../../ui/list.js"),
    include_str!("../../ui/scatter.js"),
    include_str!("../../ui/overview.js"),
    include_str!("../../ui/examples.js"),
    include_str!("../../ui/tables.js"),
    include_str!("../../ui/feature.js"),
    include_str!("../../ui/ask.js"),
    include_str!("../../ui/prompt.js"),
    include_str!("../../ui/check.js"),
    include_str!("../../ui/keyboard.js"),
    include_str!("../../ui/main.js"),
];

/// Where the page finds its data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DataSource {
    Embedded,
    Folder,
    Live,
}

/// The page for a live server: it asks the server it came from for `api/health`, `api/overview`, `api/features/INDEX` and, with text, for what
/// `api/health` offers: `api/prompt` and `api/check`.
pub fn live_page() -> String {
    let (mut page, end) = page(DataSource::Live, "");
    page.push_str(end);
    page
}

/// The page up to the place of the shards, and what follows them.
pub(super) fn page(source: DataSource, overview: &str) -> (String, &'static str) {
    let style = STYLES.concat();
    let script = format!("(() => {{\n'use strict';\n{}}})();\n", SCRIPTS.concat());
    // Scripts that a trusted one adds are trusted: the shards of a folder, which has no origin of its own on disk.
    let mut policy = format!(
        "default-src 'none'; base-uri 'none'; form-action 'none'; img-src data:; style-src {}; script-src 'strict-dynamic' {}",
        hash(&style),
        hash(&script)
    );
    let name = match source {
        DataSource::Embedded => "embedded",
        DataSource::Folder => "folder",
        DataSource::Live => {
            policy.push_str("; connect-src 'self'");
            "live"
        }
    };
    let mut page = String::with_capacity(PAGE.len() + style.len() + script.len() + overview.len());
    let (before, end) = PAGE.split_once("{{shards}}").unwrap_or((PAGE, ""));
    let parts = [
        ("{{policy}}", policy.as_str()),
        ("{{style}}", &style),
        ("{{source}}", name),
        ("{{overview}}", overview),
        ("{{script}}", &script),
    ];
    let mut rest = before;
    for (mark, part) in parts {
        if let Some((text, after)) = rest.split_once(mark) {
            page.push_str(text);
            page.push_str(part);
            rest = after;
        }
    }
    page.push_str(rest);
    (page, end)
}

/// A source for the policy: exactly this text.
fn hash(text: &str) -> String {
    format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text)))
}

#[cfg(test)]
mod tests {
    use super::{DataSource, SCRIPTS, STYLES, page};

    #[test]
    fn every_part_finds_its_place() {
        let (page, end) = page(DataSource::Embedded, "OVERVIEW");
        for mark in ["policy", "style", "source", "overview", "script", "shards"] {
            let mark = format!("{{{{{mark}}}}}");
            assert!(!page.contains(&mark) && !end.contains(&mark), "{mark}");
        }
        assert!(page.contains(">OVERVIEW<") && end.ends_with("</html>\n"));
    }

    #[test]
    fn nothing_in_the_page_closes_its_element_or_reaches_out() {
        for text in STYLES.into_iter().chain(SCRIPTS) {
            assert!(!text.contains("</"), "{text}");
            assert!(!text.contains("innerHTML"), "{text}");
        }
        for scheme in ["https://", "//cdn"] {
            assert!(!page(DataSource::Live, "").0.contains(scheme));
        }
    }

    #[test]
    fn only_a_live_page_may_connect() {
        assert!(page(DataSource::Live, "").0.contains("connect-src 'self'"));
        assert!(!page(DataSource::Folder, "").0.contains("connect-src"));
    }
}
