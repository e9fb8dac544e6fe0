//! report.html: whole, alone, and harmless whatever text it shows.

#![allow(clippy::unwrap_used)] // clippy sees only the #[test] functions as tests, not the functions they share

mod support;

use serde_json::Value;
use support::{Scratch, demo, finish, read_json};

/// What a page must not do with.
const HOSTILE: &str = "</script><script>alert(\"x\")</script><img src=x onerror='y'> &";

/// Analyses with hostile text in every place that a page shows.
fn hostile() -> (String, Value) {
    let scratch = Scratch::new();
    scratch.copy_demo("run");
    let cfg = "run/final_sae/cfg.json";
    let mut value = read_json(&scratch.path(cfg));
    value["dtype"] = HOSTILE.into();
    value["metadata"]["model_name"] = HOSTILE.into();
    value["metadata"]["dataset_path"] = HOSTILE.into();
    scratch.write(cfg, value.to_string());
    let text = scratch.path("<b>text.txt");
    std::fs::write(&text, "In the beginning God created. ".repeat(100)).unwrap();
    let mut command = scratch.command("analyze run --model $MODEL --sequences 2 --out o");
    command.arg("--dataset").arg(&text);
    command.args(["--prompt", HOSTILE, "--answer", HOSTILE]);
    let outcome = finish(&mut command);
    assert_eq!(outcome.code, 0, "{outcome:#?}");
    (
        scratch.read("o/report.html"),
        read_json(&scratch.path("o/report.json")),
    )
}

/// The content of the element with the data.
fn island(page: &str) -> Value {
    let (_, rest) = page
        .split_once("<script type=\"application/json\" id=\"report\">")
        .unwrap();
    let (json, _) = rest.split_once("</script>").unwrap();
    serde_json::from_str(json).unwrap()
}

/// Every tag of the page's body and head, with its attributes, outside scripts and styles.
fn tags(page: &str) -> Vec<String> {
    let mut rest = page;
    let mut tags = Vec::new();
    while let Some((_, after)) = rest.split_once('<') {
        let (tag, after) = after.split_once('>').expect("a tag ends");
        tags.push(tag.to_owned());
        rest = after;
        for raw in ["script", "style"] {
            if tag == raw || tag.starts_with(&format!("{raw} ")) {
                let (_, after) = rest.split_once(&format!("</{raw}")).expect("it is closed");
                rest = after.split_once('>').unwrap().1;
            }
        }
    }
    tags
}

#[test]
fn the_page_needs_nothing_else() {
    let scratch = Scratch::new();
    scratch.ok("analyze --sequences 2 --out o");
    let page = scratch.read("o/report.html");
    assert!(page.starts_with("<!DOCTYPE html>"));
    assert!(page.trim_end().ends_with("</html>"));
    for outside in [
        "http:", "https:", "@import", "src=", "href=", "url(", "fetch(", "import(",
    ] {
        assert!(!page.contains(outside), "{outside}");
    }
    assert!(
        page.contains("default-src 'none'"),
        "and could not fetch if it would"
    );
    assert_eq!(
        island(&page),
        read_json(&scratch.path("o/report.json")),
        "the page carries the report"
    );
}

#[test]
fn each_bin_can_be_asked() {
    let scratch = Scratch::new();
    scratch.ok("analyze --sequences 2 --out o");
    let page = scratch.read("o/report.html");
    let counts = island(&page)["l0"]["histogram"]["counts"].clone();
    for count in counts.as_array().unwrap().iter().filter(|c| **c != 0) {
        let count = count.to_string();
        // 2 rows have 254 tokens: no count has a separator.
        assert!(page.contains(&format!("tokens|{count}&#10;")), "{count}");
    }
    for (name, figure) in [("2 rows of 128 tokens", "rows"), ("Moses", "the answer")] {
        assert!(page.contains(name), "{figure}");
    }
}

#[test]
fn text_stays_text() {
    let (page, report) = hostile();
    assert_eq!(island(&page), report, "the island survives what it carries");
    assert_eq!(report["prompt"]["prompt"], HOSTILE);
    assert_eq!(report["sae"]["model_name"], HOSTILE);
    let tags = tags(&page);
    let count = |name: &str| {
        let named = tags.iter().map(|tag| tag.split([' ', '/']).next());
        named.filter(|tag| *tag == Some(name)).count()
    };
    assert_eq!(count("script"), 2, "the data and the page's own");
    for foreign in ["img", "iframe", "a", "link"] {
        assert_eq!(count(foreign), 0, "{foreign}");
    }
    for tag in &tags {
        assert!(!tag.contains("onerror") && !tag.contains("alert"), "{tag}");
    }
    assert!(page.contains("&lt;script&gt;"), "it is shown");
}

#[test]
fn the_demo_is_not_named_by_its_temporary_place() {
    let scratch = Scratch::new();
    scratch.ok("analyze --sequences 1 --out o");
    let page = scratch.read("o/report.html");
    assert!(!page.contains("sae-demo-"));
    assert!(!page.contains(demo("").to_str().unwrap()));
    assert!(page.contains("bundled demo"));
}

/// Width and height of a PNG, as its header says.
fn png_size(bytes: &[u8]) -> (u32, u32) {
    assert_eq!(&bytes[..8], b"\x89PNG\r\n\x1a\n");
    let number = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
    (number(16), number(20))
}

#[test]
fn plots_stand_alone() {
    let scratch = Scratch::new();
    scratch.ok("analyze --sequences 2 --out o");
    for name in ["l0", "density", "losses", "explained_variance"] {
        let svg = scratch.read(&format!("o/plots/{name}.svg"));
        assert!(svg.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\""));
        assert!(svg.contains("font-family=\"sans-serif\"") && svg.contains("<title>"));
        for outside in ["var(", "href", "url(", "@import", "<script", "light-dark("] {
            assert!(!svg.contains(outside), "{name}: {outside}");
        }
    }
}

#[test]
fn plots_become_pictures_where_there_are_fonts() {
    let scratch = Scratch::new();
    let outcome = scratch.sae("analyze --sequences 2 --png --out o");
    if outcome.code != 0 {
        // A machine without fonts says so, before the work.
        assert!(
            outcome.stderr.contains("no font is installed"),
            "{outcome:#?}"
        );
        assert!(scratch.listing().is_empty());
        return;
    }
    for (name, height) in [
        ("l0", 240),
        ("density", 240),
        ("losses", 184),
        ("explained_variance", 160),
    ] {
        let png = std::fs::read(scratch.path(&format!("o/plots/{name}.png"))).unwrap();
        assert_eq!(png_size(&png), (2 * 560, 2 * height), "{name}");
    }
}

#[test]
fn features_lead_to_their_pages() {
    let scratch = Scratch::new();
    let data = "analyze $RUN --model $MODEL --dataset $TEXT --sequences 8";
    scratch.ok(&format!("{data} --out o"));
    let page = scratch.read("o/report.html");
    assert!(page.contains("sae dashboard --sae ") && page.contains(" --out features/"));
    assert!(!page.contains("href="));
    scratch.ok("dashboard --sae $RUN --model $MODEL --dataset $TEXT --context-size 32 --sequences 9 --out pages");
    scratch.ok(&format!("{data} --features-page pages --out o"));
    let page = scratch.read("o/report.html");
    let report = read_json(&scratch.path("o/report.json"));
    let first = &report["features"]["peaked"][0]["feature"];
    assert!(page.contains(&format!("href=\"./../pages/index.html#feature={first}\"")));
    assert!(!page.contains("sae dashboard --sae"));
    // One that has no page is not linked.
    scratch.ok("dashboard --sae $RUN --model $MODEL --dataset $TEXT --context-size 32 --sequences 9 --features 0, --out one.html");
    scratch.ok(&format!("{data} --features-page one.html --out one"));
    assert!(!scratch.read("one/report.html").contains("href="));
    scratch.write("other.html", "<html></html>");
    scratch.fails(
        1,
        &format!("{data} --features-page other.html --out none"),
        &["--features-page other.html", "is not a page of features"],
    );
    std::fs::create_dir(scratch.path("empty")).unwrap();
    let empty = format!("{data} --features-page empty --out none");
    scratch.fails(
        2,
        &empty,
        &["--features-page empty: there is no empty/index.html"],
    );
}
