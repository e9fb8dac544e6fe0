//! Keys, search, themes.

use crate::chromium::Tab;
use crate::fixture::Fixture;
use crate::write;
use sae_dashboard::page::PageForm;
use serde_json::json;

fn opened(tab: &mut Tab, index: u32) {
    tab.wait(&format!(
        "document.querySelector('.head .index')?.textContent === '{index}'"
    ));
}

#[test]
#[ignore = "needs Chromium; CI runs it"]
fn keys_go_through_the_list() {
    let fixture = Fixture::new(70);
    let dir = tempfile::tempdir().unwrap();
    let url = write(dir.path(), PageForm::Folder, &fixture);
    let mut tab = Tab::open(&format!("{url}#feature=62"));
    opened(&mut tab, 62);
    for (key, index) in [
        ("j", 63),
        ("ArrowRight", 64),
        ("ArrowDown", 65),
        ("k", 64),
        ("ArrowLeft", 63),
        ("ArrowUp", 62),
    ] {
        tab.key(key);
        opened(&mut tab, index);
    }
    assert!(tab.hash().starts_with("#feature=62"));
    tab.key("?");
    tab.wait_for("dialog[open]");
    tab.key("j");
    tab.key("?");
    tab.wait("!document.querySelector('dialog[open]')");
    opened(&mut tab, 62);
    tab.key("g");
    tab.wait_for(".overview h1");
    // In the order of the list, whatever that is.
    let densest = (0..70)
        .max_by(|a, b| fixture.overview.density[*a].total_cmp(&fixture.overview.density[*b]))
        .unwrap();
    tab.click("[data-sort=density]");
    tab.key("j");
    opened(&mut tab, densest as u32);
    tab.key("2");
    tab.wait_for(".pick:nth-child(2)[aria-pressed=true]");
    tab.key("Escape");
    tab.wait("!document.querySelector('.pick[aria-pressed=true]')");

    // The list is a list box: arrows choose.
    let second = tab.text(".row[aria-selected=true] + .row .i");
    tab.eval("document.querySelector('.viewport').focus()");
    tab.key("ArrowDown");
    opened(&mut tab, second.parse().unwrap());
    let active =
        tab.eval("document.querySelector('.viewport').getAttribute('aria-activedescendant')");
    assert_eq!(active, format!("row-{second}"));
    tab.key("ArrowUp");
    opened(&mut tab, densest as u32);

    // From token to token.
    tab.eval("document.querySelector('.example .strip').focus()");
    tab.key("ArrowRight");
    tab.wait("document.querySelector('.cursor').classList.contains('target')");
    tab.key("ArrowRight");
    assert_eq!(
        tab.eval("document.querySelector('.cursor').classList.contains('target')"),
        false
    );
    assert!(tab.text("#announce").contains("activation"));
    tab.key("Enter");
    tab.wait_for(".example.open .strip[aria-expanded=true]");
    opened(&mut tab, densest as u32);
    tab.assert_quiet();
}

#[test]
#[ignore = "needs Chromium; CI runs it"]
fn a_search_finds_tokens_and_numbers() {
    let fixture = Fixture::new(400);
    let dir = tempfile::tempdir().unwrap();
    let url = write(dir.path(), PageForm::Folder, &fixture);
    let mut tab = Tab::open(&url);
    tab.key("/");
    tab.type_text("LORD");
    let text =
        |id: u32| String::from_utf8_lossy(&fixture.corpus.vocabulary[id as usize]).to_lowercase();
    let overview = &fixture.overview;
    let shown = |i: usize| {
        overview.lens_token[i]
            .into_iter()
            .chain(overview.top_token[i])
    };
    let listed = |i: usize| overview.fires_on[i].iter().chain(&overview.promotes[i]);
    let is_whole = |i: &usize| shown(*i).any(|id| text(id).trim() == "lord");
    let has = |i: &usize| {
        shown(*i).any(|id| text(id).contains("lord"))
            || listed(*i).any(|id| text(*id).contains("lord"))
    };
    let mut expected: Vec<usize> = (0..400).filter(has).collect();
    // Those that are shown with it come first.
    expected.sort_by_key(|i| !is_whole(i));
    assert!(expected.iter().any(is_whole) && !expected.iter().all(is_whole));
    let expected: Vec<String> = expected.iter().map(ToString::to_string).collect();
    assert!(
        (2..25).contains(&expected.len()),
        "a search that proves something: {}",
        expected.len()
    );
    tab.wait(&format!(
        "document.querySelector('.status').textContent.startsWith('{} features')",
        expected.len()
    ));
    assert_eq!(tab.texts(".row .i"), expected);
    tab.key("Enter");
    opened(&mut tab, expected[0].parse().unwrap());
    assert!(tab.hash().contains("q=LORD"));
    tab.key("j");
    opened(&mut tab, expected[1].parse().unwrap());
    tab.go(&format!("{url}#q=%23123"));
    assert_eq!(tab.text(".row .i"), "123");
    // Words are looked for each by itself, and all of them must be there; in quotes a whole token.
    let pair = (0..400)
        .find_map(|i| match overview.fires_on[i].as_slice() {
            [first, .., last] if text(*first).trim().len() > 3 && text(*last).trim().len() > 3 => {
                Some((
                    i,
                    text(*last).trim().to_owned(),
                    text(*first).trim().to_owned(),
                ))
            }
            _ => None,
        })
        .unwrap();
    tab.go(&format!("{url}#q={}+{}", pair.1, pair.2));
    assert!(tab.texts(".row .i").contains(&pair.0.to_string()));
    tab.go(&format!("{url}#q=%22+the%22"));
    let found: Vec<usize> = tab
        .texts(".row .i")
        .iter()
        .map(|i| i.parse().unwrap())
        .collect();
    assert!(!found.is_empty());
    for i in found {
        let mut tokens = shown(i).chain(listed(i).copied());
        assert!(tokens.any(|id| text(id) == " the"), "{i}");
    }
    tab.go(&format!("{url}#q=no+such+token"));
    assert!(tab.text(".status").starts_with("0 features"));
    assert_eq!(tab.text(".nothing"), "No feature matches.");
    tab.click(".status .link");
    assert!(tab.text(".status").starts_with("400 features"));
    tab.assert_quiet();
}

/// Contrast of two colours of the theme, as WCAG defines it.
const CONTRAST: &str = r"((pairs) => {
  const ink = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const style = getComputedStyle(document.documentElement);
  const light = (name) => {
    ink.fillStyle = style.getPropertyValue(name);
    ink.fillRect(0, 0, 1, 1);
    const [r, g, b] = [...ink.getImageData(0, 0, 1, 1).data].map((c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  return pairs.map(([a, b]) => { const [x, y] = [light(a), light(b)].sort((p, q) => q - p); return [a, b, (x + 0.05) / (y + 0.05)]; });
})";

#[test]
#[ignore = "needs Chromium; CI runs it"]
fn light_and_dark_can_be_read_and_chosen() {
    let fixture = Fixture::new(10);
    let dir = tempfile::tempdir().unwrap();
    let url = write(dir.path(), PageForm::File, &fixture);
    let mut tab = Tab::open(&url);
    let theme = "document.documentElement.dataset.theme";
    let page = "getComputedStyle(document.body).backgroundColor";
    let pairs = json!([
        ["--ink", "--page"],
        ["--ink", "--side"],
        ["--soft", "--page"],
        ["--soft", "--side"],
        ["--soft", "--hover"],
        ["--faint", "--page"],
        ["--faint", "--side"],
        ["--link", "--page"],
        ["--up", "--up-pale"],
        ["--up", "--side"],
        ["--down", "--down-pale"],
        ["--hot-ink", "--heat"]
    ]);
    for prefers in ["dark", "light"] {
        tab.call(
            "Emulation.setEmulatedMedia",
            &json!({"features": [{"name": "prefers-color-scheme", "value": prefers}]}),
        );
        tab.go(&url);
        assert_eq!(tab.eval(theme), prefers);
        for pair in tab
            .eval(&format!("{CONTRAST}({pairs})"))
            .as_array()
            .unwrap()
        {
            assert!(pair[2].as_f64().unwrap() >= 4.5, "{prefers}: {pair}");
        }
    }
    assert_eq!(tab.eval(page), "rgb(255, 255, 255)");
    tab.key("d");
    assert_eq!(tab.eval(theme), "dark");
    assert_ne!(tab.eval(page), "rgb(255, 255, 255)");
    assert!(tab.hash().contains("theme=dark"));
    tab.go(&format!("{url}#theme=light&feature=3"));
    assert_eq!(tab.eval(theme), "light");
    tab.click("#theme");
    assert_eq!(tab.eval(theme), "dark");
    tab.assert_quiet();
}
