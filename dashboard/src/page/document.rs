//! The HTML around the data.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

const PAGE: &str = include_str!("../../ui/page.html");

/// What `npm run build` in `ui` makes of its sources.
const STYLE: &str = include_str!("../../ui/dist/page.css");
const SCRIPT: &str = include_str!("../../ui/dist/page.js");

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
    // Scripts that a trusted one adds are trusted: the shards of a folder, which has no origin of its own on disk.
    let mut policy = format!(
        "default-src 'none'; base-uri 'none'; form-action 'none'; img-src data:; style-src {}; script-src 'strict-dynamic' {}",
        hash(STYLE),
        hash(SCRIPT)
    );
    let name = match source {
        DataSource::Embedded => "embedded",
        DataSource::Folder => "folder",
        DataSource::Live => {
            policy.push_str("; connect-src 'self'");
            "live"
        }
    };
    // The browser itself refuses to make markup of text, whoever asks. A folder's shards are scripts that the page adds by their names.
    if source != DataSource::Folder {
        policy.push_str("; require-trusted-types-for 'script'; trusted-types 'none'");
    }
    let mut page = String::with_capacity(PAGE.len() + STYLE.len() + SCRIPT.len() + overview.len());
    let (before, end) = PAGE.split_once("{{shards}}").unwrap_or((PAGE, ""));
    let parts = [
        ("{{policy}}", policy.as_str()),
        ("{{style}}", STYLE),
        ("{{source}}", name),
        ("{{overview}}", overview),
        ("{{script}}", SCRIPT),
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
    use super::{DataSource, SCRIPT, STYLE, page};

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
        for text in [STYLE, SCRIPT] {
            assert!(!text.contains("</"));
        }
        for scheme in ["https://", "//cdn"] {
            assert!(!page(DataSource::Live, "").0.contains(scheme));
        }
    }

    #[test]
    fn sources_make_no_markup_of_text() {
        let mut folders = vec![std::path::PathBuf::from(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/ui/src"
        ))];
        let mut n = 0;
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                let text = std::fs::read_to_string(&path).unwrap();
                for markup in [
                    "innerHTML",
                    "outerHTML",
                    "insertAdjacentHTML",
                    "document.write",
                    "eval(",
                ] {
                    assert!(!text.contains(markup), "{}: {markup}", path.display());
                }
                n += 1;
            }
        }
        assert!(n > 30, "{n} files");
    }

    #[test]
    fn only_a_live_page_may_connect() {
        assert!(page(DataSource::Live, "").0.contains("connect-src 'self'"));
        assert!(!page(DataSource::Folder, "").0.contains("connect-src"));
    }
}
