//! Which features speak for the token that comes next.

use crate::chromium::Tab;
use crate::{assert_own, open, run, serve, url};
use sae_serve::ServeOptions;
use serde_json::json;

const STATUS: &str = "#why-status";

fn finished(tab: &mut Tab, said: &str) {
    tab.wait(&format!(
        "document.querySelector({STATUS:?})?.textContent.startsWith({said:?})"
    ));
    tab.wait_for(".why-run .primary:enabled");
}

fn choose(tab: &mut Tab, id: u32) {
    tab.click(&format!(".next[data-id='{id}']"));
    tab.wait_for(&format!(".next[data-id='{id}'][aria-pressed=true]"));
}

fn against(tab: &mut Tab, id: &str) {
    tab.eval(&format!(
        "(() => {{ const s = document.querySelector('#against'); s.value = {id:?}; s.dispatchEvent(new Event('change', {{ bubbles: true }})); }})()"
    ));
}

#[test]
#[ignore = "needs Chromium; CI runs it"]
fn a_token_is_chosen_and_its_features_are_ranked() {
    let server = serve(ServeOptions::default());
    let mut tab = open(&server);
    run(&mut tab, "<s> of bees");
    tab.wait_for(".next");
    assert_eq!(
        tab.texts(".next"),
        [" Mary 77.9 %", " <b> 17.4 %", "↵ 1.83 %"]
    );
    choose(&mut tab, 5);
    tab.click(".why-run .primary");
    finished(&mut tab, "3 pairs of a feature and a token");
    // By size, with sign, position and token.
    assert_eq!(
        tab.texts(".effects tbody tr td:nth-child(5)"),
        ["+4.000", "+3.000", "−2.000"]
    );
    assert_eq!(
        tab.texts(".effects tbody tr td:nth-child(3)"),
        ["bees 2", "<s>  0", "of  1"]
    );
    assert_eq!(tab.texts(".effects tbody a"), ["4", "3", "2"]);
    assert_eq!(
        tab.texts(".sums dt"),
        ["features", "error", "bias", "together", "measured"]
    );
    assert_eq!(
        tab.texts(".sums dd"),
        ["+5.000", "+1.667", "+0.5000", "+7.167", "+4.250"]
    );
    assert_eq!(
        tab.texts(".positions tbody tr:nth-child(2) td")[1..],
        ["−2.00", "−0.667", "−0.200"]
    );
    let said = tab.text(".why-found .hint");
    assert!(
        said.starts_with("Effects on ln p( <i>5</i>), which is −0.5000 nats"),
        "{said}"
    );
    // The sum is far from what was measured, and that is said.
    assert!(
        said.contains("far apart here") && said.contains("sae attribute --method integrated"),
        "{said}"
    );
    // Compared with another token, which is not the same question any more.
    against(&mut tab, "6");
    tab.wait("!document.querySelector('.why-found')");
    tab.click(".why-run .primary");
    tab.wait_for(".why-found");
    let said = tab.text(".why-found .hint");
    assert!(
        said.starts_with("Effects on logit( <i>5</i>) − logit( <i>6</i>)"),
        "{said}"
    );
    // Another text has its own tokens.
    run(&mut tab, "of wasps");
    tab.wait("!document.querySelector('.why-found')");
    tab.click(".why-run .primary");
    tab.wait_for(".why-found");
    tab.click(".effects tbody a");
    tab.wait("location.hash.includes('feature=5')");
    assert_own(&mut tab, &server);
}

#[test]
#[ignore = "needs Chromium; CI runs it"]
fn the_address_holds_the_tokens_and_a_reload_answers_again() {
    let server = serve(ServeOptions::default());
    let mut tab = open(&server);
    run(&mut tab, "of bees");
    tab.wait_for(".next");
    choose(&mut tab, 6);
    against(&mut tab, "13");
    tab.wait("location.hash.includes('answer=6') && location.hash.includes('against=13')");
    tab.click(".why-run .primary");
    tab.wait_for(".why-found");
    tab.call("Page.reload", &json!({}));
    tab.wait_for(".why-found");
    assert_eq!(tab.eval("document.querySelector('#against').value"), "13");
    // A link runs nothing, and what it says is there once the reader has run it; a token that is not likely, too.
    let n = server.backend.begun().len();
    let mut other = Tab::open(&format!(
        "{}#text=of+bees&answer=4000000000&against=99&answer=77",
        url(&server)
    ));
    other.wait_for(".overview h1");
    assert_eq!(server.backend.begun().len(), n);
    other.click(".prompt .primary");
    other.wait_for(".next");
    assert_eq!(
        other.texts(".next").len(),
        3,
        "a number of ten digits is no token"
    );
    let mut odd = Tab::open(&format!(
        "{}#text=of+bees&answer=77&against=99",
        url(&server)
    ));
    odd.wait_for(".overview h1");
    odd.click(".prompt .primary");
    odd.wait_for(".next");
    assert_eq!(odd.texts(".next")[3], "⟨id 77⟩ ");
    assert_eq!(odd.eval("document.querySelector('#against').value"), "99");
    odd.click(".why-run .primary");
    odd.wait_for(".why-found");
    assert_own(&mut odd, &server);
}

#[test]
#[ignore = "needs Chromium; CI runs it"]
fn what_goes_wrong_is_said_and_work_is_stopped() {
    let server = serve(ServeOptions::default());
    let mut tab = open(&server);
    run(&mut tab, "nan bees");
    tab.wait_for(".next");
    choose(&mut tab, 5);
    tab.click(".why-run .primary");
    tab.wait_for(".why-run [role=alert]");
    run(&mut tab, "of bees");
    // The tokens of the text before are there until this one has run.
    tab.wait("location.hash.includes('text=of+bees')");
    tab.wait_for(".prompt .primary:enabled");
    choose(&mut tab, 13);
    tab.click(".why-run .primary");
    tab.wait_for(".why-run [role=alert]");
    let said = tab.text(STATUS);
    assert!(
        said.starts_with("an effect is not a finite number"),
        "{said}"
    );
    assert!(tab.texts(".why-found").is_empty());
    // With the keyboard alone.
    tab.eval("document.querySelector(\".next[data-id='5']\").focus()");
    tab.key("Enter");
    tab.wait_for(".next[data-id='5'][aria-pressed=true]");
    tab.eval("document.querySelector('.why-run .primary').focus()");
    tab.key("Enter");
    tab.wait_for(".why-found");
    tab.requests();
}

#[test]
#[ignore = "needs Chromium; CI runs it"]
fn on_a_telephone_nothing_is_cut() {
    let server = serve(ServeOptions::default());
    let mut tab = open(&server);
    let size = json!({"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": false});
    tab.call("Emulation.setDeviceMetricsOverride", &size);
    run(
        &mut tab,
        "of bees and a_word_that_is_longer_than_any_screen_of_a_telephone_is_wide",
    );
    tab.wait_for(".next");
    choose(&mut tab, 5);
    tab.click(".why-run .primary");
    tab.wait_for(".why-found");
    for theme in ["light", "dark"] {
        tab.eval(&format!(
            "document.documentElement.dataset.theme = '{theme}'"
        ));
        let sizes = tab.eval("(() => { const m = document.querySelector('main'); return [m.scrollWidth - m.clientWidth, document.documentElement.scrollWidth]; })()");
        assert_eq!(sizes, json!([0, 390]));
    }
    assert_own(&mut tab, &server);
}
