//! One's own text: what is read off it is what is there.

use crate::chromium::Tab;
use crate::fixture::Fixture;
use crate::server::serve;
use serde_json::json;

fn run(tab: &mut Tab, text: &str) {
    tab.click("#prompt");
    tab.type_text(text);
    tab.click(".prompt .primary");
    tab.wait_for(".prompt-output .cell");
}

fn width(tab: &mut Tab, width: u32) {
    let size = json!({"width": width, "height": 844, "deviceScaleFactor": 1, "mobile": false});
    tab.call("Emulation.setDeviceMetricsOverride", &size);
}

#[test]
#[ignore = "needs Chromium; CI runs it"]
fn colours_characters_and_counts_are_those_of_the_text() {
    let mut tab = Tab::open(&serve(Fixture::new(40)));
    run(&mut tab, "special");
    // Tokens that do not count are off the scale; the strongest of the others has full colour.
    let heat = "[...document.querySelectorAll('.prompt-output .cell')].map((cell) => [cell.classList.contains('outside'), cell.style.getPropertyValue('--a')])";
    let expected = json!([
        [true, ""],
        [false, "1.000"],
        [false, "0.540"],
        [false, "0.264"]
    ]);
    assert_eq!(tab.eval(heat), expected);
    assert!(
        tab.text(".legend-line").contains("90.0"),
        "{}",
        tab.text(".legend-line")
    );
    assert!(tab.text(".legend-line").contains("off the scale"));
    // Three tokens of one character are one.
    assert_eq!(
        tab.texts(".prompt-output .cell"),
        ["<s>", "The", " fox", "日"]
    );
    // How many features fire, not how many are listed.
    tab.hover(".prompt-output .cell:nth-child(2)");
    let tip = tab.texts("#tooltip dd");
    assert_eq!(tip[..4], ["The", "2", "61", "90.00"]);
    tab.click(".prompt-output .cell:nth-child(2)");
    let caption = tab.text(".prompt-features caption");
    assert!(
        caption.starts_with("The 3 strongest of 61 features on The"),
        "{caption}"
    );
}

#[test]
#[ignore = "needs Chromium; CI runs it"]
fn the_table_is_sorted_by_any_column() {
    let mut tab = Tab::open(&serve(Fixture::new(40)));
    run(&mut tab, "special");
    tab.click(".prompt-output .cell:nth-child(2)");
    let features = "[...document.querySelectorAll('.prompt-features tbody a')].map((link) => link.textContent)";
    let heads = tab.texts(".prompt-features thead button");
    assert_eq!(heads, ["activation ↓", "quantile", "effect, nats"]);
    for (column, order) in [
        (4, ["2", "3", "1"]),
        (5, ["1", "2", "3"]),
        (5, ["2", "1", "3"]),
        (3, ["1", "2", "3"]),
    ] {
        tab.click(&format!(".prompt-features th:nth-child({column}) button"));
        assert_eq!(tab.eval(features), json!(order), "column {column}");
    }
    let sorted = tab.eval("[...document.querySelectorAll('.prompt-features [aria-sort=descending]')].map((th) => th.textContent)");
    assert_eq!(sorted, json!(["activation ↓"]));
    // What is copied are the numbers, in the order on view.
    tab.eval("window.copied = new Promise((done) => { Object.defineProperty(navigator, 'clipboard', { value: { writeText: async (text) => done(text) } }); }), 0");
    tab.click(".prompt-features .copy button");
    let copied = tab.eval("window.copied");
    let lines: Vec<&str> = copied.as_str().unwrap().lines().collect();
    assert_eq!(lines[0], "feature,label,fires_on,value,quantile,effect");
    assert!(
        lines[1].starts_with("1,,") && lines[1].ends_with(",90,0.25,0.5"),
        "{copied}"
    );
    assert!(lines[3].ends_with(",3,0.5,"), "{copied}");
}

#[test]
#[ignore = "needs Chromium; CI runs it"]
fn on_a_telephone_nothing_is_cut() {
    let mut tab = Tab::open(&serve(Fixture::new(40)));
    width(&mut tab, 390);
    run(&mut tab, "special");
    tab.click(".prompt-output .cell:nth-child(2)");
    for theme in ["light", "dark"] {
        tab.eval(&format!(
            "document.documentElement.dataset.theme = '{theme}'"
        ));
        let sizes = tab.eval("(() => { const m = document.querySelector('main'); return [m.scrollWidth - m.clientWidth, document.documentElement.scrollWidth]; })()");
        assert_eq!(sizes, json!([0, 390]));
    }
    tab.click(".prompt-features a");
    tab.wait_for(".feature .example");
    let sizes = tab.eval("(() => { const m = document.querySelector('main'); return [m.scrollWidth - m.clientWidth, document.documentElement.scrollWidth]; })()");
    assert_eq!(sizes, json!([0, 390]));
    // Chips are read, not guessed.
    let narrowest = tab.number("Math.min(...[...document.querySelectorAll('.chip .token')].map((t) => t.clientWidth - t.scrollWidth))");
    assert!(narrowest >= 0.0, "{narrowest}");
}

#[test]
#[ignore = "needs Chromium; CI runs it"]
fn a_text_is_in_the_address_and_is_remembered() {
    let url = serve(Fixture::new(40));
    let mut tab = Tab::open(&url);
    run(&mut tab, "A text & <b>more</b> #1");
    assert!(
        tab.hash()
            .contains("text=A+text+%26+%3Cb%3Emore%3C%2Fb%3E+%231"),
        "{}",
        tab.hash()
    );
    tab.call("Page.reload", &json!({}));
    tab.wait("document.querySelectorAll('.prompt-output .cell').length === 5");
    assert_eq!(
        tab.eval("document.querySelector('#prompt').value"),
        "A text & <b>more</b> #1"
    );
    // A link may be anybody's: it fills the box, and the reader runs it.
    let asked = |tab: &mut Tab| {
        tab.requests()
            .iter()
            .filter(|url| url.ends_with("/api/prompt"))
            .count()
    };
    let before = asked(&mut tab);
    tab.go(&format!("{url}#text=from+a+link"));
    tab.wait_for("#prompt");
    assert_eq!(
        tab.eval("document.querySelector('#prompt').value"),
        "from a link"
    );
    assert!(
        tab.text(".prompt-status")
            .starts_with("This text came with the address.")
    );
    assert_eq!(asked(&mut tab), before);
    tab.click(".prompt .primary");
    tab.wait("document.querySelectorAll('.prompt-output .cell').length === 3");
    // Texts that ran before are offered again, the latest first.
    assert_eq!(
        tab.texts(".before option"),
        ["Texts before…", "from a link", "A text & <b>more</b> #1"]
    );
    tab.eval("(() => { const s = document.querySelector('.before select'); s.value = '1'; s.dispatchEvent(new Event('change', { bubbles: true })); })()");
    tab.wait("document.querySelectorAll('.prompt-output .cell').length === 5");
    tab.click(".before .link");
    tab.wait("!document.querySelector('.before')");
    // A long one stays out of the address.
    tab.eval("document.querySelector('#prompt').value = 'word '.repeat(1000)");
    tab.click(".prompt .primary");
    tab.wait("document.querySelectorAll('.prompt-output .cell').length === 1000");
    assert!(tab.hash().len() < 300, "{}", tab.hash().len());
}
