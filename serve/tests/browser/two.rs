//! Two texts, and the features that tell them apart.

use crate::chromium::Tab;
use crate::support::{Fake, Running};
use crate::{assert_own, fake, open, serve, url, write};
use sae_serve::ServeOptions;
use serde_json::json;

fn compare(tab: &mut Tab, first: &str, second: &str) {
    write(tab, "#prompt", first);
    write(tab, "#other", second);
    tab.click(".contrasted .primary");
}

fn finished(tab: &mut Tab, said: &str) {
    tab.wait(&format!(
        "document.querySelector('#two-status').textContent === {said:?}"
    ));
    tab.wait_for(".contrasted .primary:enabled");
}

/// Words of a text that have a colour.
fn coloured(tab: &mut Tab, nth: u32) -> Vec<String> {
    tab.texts(&format!(
        ".both section:nth-child({nth}) .cell:is(.warm, .hot)"
    ))
}

#[test]
#[ignore = "needs Chromium; CI runs it"]
fn features_that_differ_are_ranked_and_colour_both_texts() {
    let server = serve(ServeOptions::default());
    let mut tab = open(&server);
    tab.click(".contrasted .primary");
    assert_eq!(
        tab.text(".contrasted [role=alert]"),
        "Write a text in the box above first."
    );
    write(&mut tab, "#prompt", "<s> of <b>bees</b>");
    tab.click(".contrasted .primary");
    assert_eq!(
        tab.text(".contrasted [role=alert]"),
        "Write the second text first."
    );
    write(&mut tab, "#other", "of all wasps <i>");
    tab.eval("document.querySelector('#other').focus()");
    tab.click(".contrasted .primary");
    finished(&mut tab, "2 features differ.");
    assert_eq!(tab.texts(".differences tbody a"), ["11", "5"]);
    assert_eq!(
        tab.texts(".differences tbody tr:nth-child(1) td")[2..7],
        ["5.500", "<b>bees</b>", "0", "—", "+5.500"]
    );
    assert_eq!(
        tab.texts(".differences tbody tr:nth-child(2) td")[2..7],
        ["0", "—", "2.500", "wasps ", "−2.500"]
    );
    // The one that differs most colours them, then the one that is chosen.
    tab.wait_for(".both .cell:is(.warm, .hot)");
    assert_eq!(coloured(&mut tab, 1), ["<b>bees</b>"]);
    assert_eq!(coloured(&mut tab, 2), [""; 0]);
    assert!(tab.texts(".both .outside").iter().eq(["<s> "]));
    tab.click(".differences [aria-label='Colour the text by feature 5']");
    tab.wait("location.hash.includes('heat=5')");
    tab.wait_for(".both section:nth-child(2) .cell:is(.warm, .hot)");
    assert_eq!(coloured(&mut tab, 2), ["wasps "]);
    assert_eq!(tab.text(".contrasted .legend-line a"), "5");
    let said = tab.text(".contrasted .hint");
    assert!(
        said.contains("nothing here is a statistic") && said.contains("sae contrast"),
        "{said}"
    );
    // With the keyboard, too.
    tab.eval("document.querySelector('.both section:nth-child(2) .strip').focus()");
    for _ in 0..3 {
        tab.key("ArrowRight");
    }
    let said = tab.text("#announce");
    assert!(said.contains("activation of 5 2.500"), "{said}");
    tab.click(".differences tbody a");
    tab.wait("location.hash.includes('feature=11')");
    assert_own(&mut tab, &server);
}

#[test]
#[ignore = "needs Chromium; CI runs it"]
fn the_address_holds_both_texts_and_a_reload_compares_again() {
    let server = serve(ServeOptions::default());
    let mut tab = open(&server);
    compare(&mut tab, "of bees", "of wasps & flies");
    finished(&mut tab, "3 features differ.");
    let hash = tab.hash();
    assert!(
        hash.contains("text=of+bees") && hash.contains("other=of+wasps+%26+flies"),
        "{hash}"
    );
    tab.call("Page.reload", &json!({}));
    tab.wait_for(".differences");
    tab.wait_for(".both .cell:is(.warm, .hot)");
    tab.wait_for(".prompt-features .exact, .next");
    let n = server.backend.begun().len();
    let mut other = Tab::open(&format!("{}{hash}", url(&server)));
    other.wait_for(".overview h1");
    assert_eq!(
        other.eval("document.querySelector('#other').value"),
        "of wasps & flies"
    );
    assert_eq!(server.backend.begun().len(), n, "a link runs nothing");
    other.click(".contrasted .primary");
    other.wait_for(".differences");
    assert_own(&mut other, &server);
}

#[test]
#[ignore = "needs Chromium; CI runs it"]
fn what_goes_wrong_is_said_and_work_is_stopped() {
    let server = serve(ServeOptions::default());
    let mut tab = open(&server);
    compare(&mut tab, "hold on", "of bees");
    tab.wait_for(".contrasted .quiet");
    tab.click(".contrasted form .quiet");
    finished(&mut tab, "Stopped.");
    crate::support::wait("the work to be told", || {
        server.backend.log.lock().unwrap().stopped == ["hold on"]
    });
    for (text, said) in [
        ("invalid", "this text has no tokens"),
        ("fail", "out of <b>memory</b>"),
    ] {
        compare(&mut tab, text, "of bees");
        tab.wait(&format!(
            "document.querySelector('.contrasted [role=alert]')?.textContent === {said:?}"
        ));
    }
    tab.requests();
    // Without what it needs, the view is not there.
    let bare = Running::new(
        Fake {
            no_effects: true,
            ..fake()
        },
        ServeOptions::default(),
    );
    let mut tab = open(&bare);
    crate::run(&mut tab, "of bees");
    tab.wait_for(".prompt-features");
    assert!(tab.texts(".contrasted").is_empty() && tab.texts(".why").is_empty());
}

#[test]
#[ignore = "needs Chromium; CI runs it"]
fn on_a_telephone_nothing_is_cut() {
    let server = serve(ServeOptions::default());
    let mut tab = open(&server);
    let size = json!({"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": false});
    tab.call("Emulation.setDeviceMetricsOverride", &size);
    compare(
        &mut tab,
        "of bees",
        "a_word_that_is_longer_than_any_screen_of_a_telephone_is_wide of wasps",
    );
    tab.wait_for(".differences");
    for theme in ["light", "dark"] {
        tab.eval(&format!(
            "document.documentElement.dataset.theme = '{theme}'"
        ));
        let sizes = tab.eval("(() => { const m = document.querySelector('main'); return [m.scrollWidth - m.clientWidth, document.documentElement.scrollWidth]; })()");
        assert_eq!(sizes, json!([0, 390]));
    }
    let names = tab.eval("[...document.querySelectorAll('.contrasted textarea, .contrasted button')].every((i) => i.textContent || i.getAttribute('aria-label'))");
    assert_eq!(names, true);
    assert_own(&mut tab, &server);
}
