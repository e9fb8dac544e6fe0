//! One's own text continued, plain and steered.

use crate::chromium::Tab;
use crate::support::wait;
use crate::{assert_own, open, serve, url, write};
use sae_serve::ServeOptions;
use serde_json::json;

const SIDES: [&str; 2] = [".continued.plain .cell", ".continued.steered .cell"];

fn add(tab: &mut Tab, feature: u32) {
    write(tab, "#steer-feature", &feature.to_string());
    tab.key("Enter");
    tab.wait_for(&format!("#steer-{feature}"));
}

fn status(tab: &mut Tab) -> String {
    tab.text("#steer-status")
}

fn finished(tab: &mut Tab, said: &str) {
    tab.wait(&format!(
        "document.querySelector('#steer-status').textContent === {said:?}"
    ));
    tab.wait_for(".steer-run .primary:enabled");
}

/// Chooses another kind, as a person does.
fn choose(tab: &mut Tab, feature: u32, kind: &str) {
    tab.eval(&format!(
        "(() => {{ const s = document.querySelector('#steer-{feature}'); s.value = {kind:?}; s.dispatchEvent(new Event('change', {{ bubbles: true }})); }})()"
    ));
}

fn few_tokens(tab: &mut Tab, n: u32) {
    write(tab, "#steer-tokens", &n.to_string());
    tab.key("Enter");
    tab.wait(&format!("location.hash.includes('tokens={n}')"));
}

#[test]
#[ignore = "needs Chromium; CI runs it"]
fn two_continuations_are_side_by_side_and_what_differs_is_marked() {
    let server = serve(ServeOptions::default());
    let mut tab = open(&server);
    tab.click(".steer-run .primary");
    assert_eq!(tab.text("#steer [role=alert]"), "Write some text first.");
    write(&mut tab, "#prompt", "of <b>bees</b>");
    tab.click(".steer-run .primary");
    assert_eq!(
        tab.text("#steer [role=alert]"),
        "Choose a feature to steer first."
    );
    add(&mut tab, 5);
    // The amount that it begins with is what its largest activation adds, to two digits.
    let usual = tab.number("Number(document.querySelector('.steer-row input[type=number]').value)");
    let most = tab.number("Number(document.querySelector('.steer-row input[type=range]').max)");
    assert!(
        (most - 2.0 * usual).abs() < 1e-9 && usual > 0.0,
        "{most} {usual}"
    );
    let unit = tab.text(".steer-row .unit");
    assert!(
        unit.starts_with("× unit direction · Its largest activation adds about "),
        "{unit}"
    );
    add(&mut tab, 7);
    choose(&mut tab, 7, "ablate");
    tab.wait("document.querySelectorAll('.steer-row input[type=range]').length === 1");
    few_tokens(&mut tab, 6);
    tab.click(".steer-run .primary");
    finished(
        &mut tab,
        "6 and 5 tokens; the first different one is token 3.",
    );
    assert_eq!(tab.texts(SIDES[0]), [" tick", " tock"].repeat(3));
    let steered = tab.texts(SIDES[1]);
    let add = format!(" {{feature:5,kind:add,amount:{usual:?}}}");
    let ablate = " {feature:7,kind:ablate}";
    assert_eq!(steered[2..], [&add, ablate, &add]);
    assert_eq!(
        tab.texts(".continued.plain .cell:not(.differs)"),
        [" tick", " tock"]
    );
    assert_eq!(tab.texts(".continued.steered .differs").len(), 3);
    assert_eq!(
        tab.text(".continued.steered .unit"),
        "The model ended the text here."
    );
    assert_eq!(
        tab.text(".continued.plain .unit"),
        "As many tokens as asked for."
    );
    tab.hover(".continued.steered .cell:nth-child(3)");
    let told = tab.text("#tooltip");
    for part in [
        "log-probability−0.500 (60.7 %)",
        "likeliest <i>tuck</i> −2.00 (13.5 %)",
        "has another token here",
    ] {
        assert!(told.contains(part), "{told}");
    }
    // What the steering changes, by token, with a sentence that says what that is.
    for part in ["plain−0.500 (60.7 %)", "KL0.500 nats"] {
        assert!(told.contains(part), "{told}");
    }
    assert_eq!(tab.texts(".continued.plain .kl-bar").len(), 6);
    assert_eq!(tab.texts(".continued.steered .kl-bar").len(), 5);
    let heights = tab.eval("[...document.querySelectorAll('.continued.steered .kl-bar')].map((bar) => Number(bar.style.getPropertyValue('--share')))");
    assert_eq!(
        heights,
        json!([0, 0.2, 0.4, 0.6, 0.8]),
        "of the largest on both sides"
    );
    assert_eq!(
        tab.text(".continued.steered .kl-said"),
        "KL 0.500 nats a token, at most 1.00"
    );
    let name = tab
        .eval("document.querySelector('.continued.plain [role=img]').getAttribute('aria-label')");
    assert_eq!(
        name,
        "Plain: KL per token, 0.625 nats in the mean, the largest 1.25 at token 6"
    );
    let meaning = tab.text(".kl-meaning");
    assert!(
        meaning.contains("p the model as it is, q steered")
            && meaning.contains("sae generate --compare"),
        "{meaning}"
    );
    tab.hover(".continued.steered .kl-bar:nth-child(4)");
    assert_eq!(tab.texts(".continued.steered .cell.target"), [&*steered[3]]);
    // With the keyboard, too.
    tab.eval("document.querySelector('.continued.plain .strip').focus()");
    tab.key("ArrowRight");
    let said = tab.text("#announce");
    assert!(said.contains("log-probability −0.500"), "{said}");
    for _ in 0..5 {
        tab.key("ArrowRight");
    }
    let said = tab.text("#announce");
    assert!(said.contains("steered −∞ (0 %), KL 1.25 nats"), "{said}");
    assert_own(&mut tab, &server);
}

#[test]
#[ignore = "needs Chromium; CI runs it"]
fn tokens_come_one_by_one_and_stop_ends_the_work() {
    let server = serve(ServeOptions::default());
    let mut tab = open(&server);
    write(&mut tab, "#prompt", "pause here");
    add(&mut tab, 5);
    tab.click(".steer-run .primary");
    tab.wait("document.querySelectorAll('.continued .cell').length === 4");
    assert_eq!(status(&mut tab), "The model runs…");
    tab.wait_for(".continuations[aria-busy=true]");
    tab.click(".steer-run .quiet");
    finished(&mut tab, "Stopped. 2 and 2 tokens, the same on both sides.");
    wait("the work to be told", || {
        server.backend.log.lock().unwrap().stopped == ["hold"]
    });
    for (text, said) in [
        ("broken off", "out of <b>memory</b>"),
        ("invalid", "this text has no tokens"),
    ] {
        write(&mut tab, "#prompt", text);
        tab.click(".steer-run .primary");
        tab.wait(&format!(
            "document.querySelector('#steer [role=alert]')?.textContent === {said:?}"
        ));
    }
    tab.requests();
}

#[test]
#[ignore = "needs Chromium; CI runs it"]
fn the_address_holds_what_is_steered_and_how() {
    let server = serve(ServeOptions::default());
    let mut tab = open(&server);
    write(&mut tab, "#prompt", "of bees");
    add(&mut tab, 5);
    choose(&mut tab, 5, "clamp");
    write(&mut tab, ".steer-row input[type=number]", "-1.25");
    tab.key("Enter");
    tab.wait("location.hash.includes('steer=5_clamp_-1.25')");
    write(&mut tab, "#steer-temperature", "0.7");
    tab.key("Enter");
    tab.wait_for("#steer-seed");
    write(&mut tab, "#steer-seed", "11");
    tab.key("Enter");
    tab.click("#steer-chat");
    tab.click("#steer-special");
    few_tokens(&mut tab, 3);
    tab.click(".steer-run .primary");
    finished(
        &mut tab,
        "3 and 2 tokens; the first different one is token 3.",
    );
    let hash = tab.hash();
    for part in [
        "text=of+bees",
        "steer=5_clamp_-1.25",
        "tokens=3",
        "temperature=0.7",
        "seed=11",
        "chat=1",
        "special=1",
    ] {
        assert!(hash.contains(part), "{hash}");
    }
    let n = server.backend.begun().len();
    let mut other = Tab::open(&format!("{}{hash}", url(&server)));
    other.wait_for("#steer-5");
    assert_eq!(
        other.eval("document.querySelector('#prompt').value"),
        "of bees"
    );
    assert_eq!(
        other.eval("document.querySelector('#steer-5').value"),
        "clamp"
    );
    assert_eq!(
        other.eval("[...document.querySelectorAll('#steer input')].map((i) => i.type === 'checkbox' ? i.checked : i.value).slice(1)"),
        json!(["-1.25", "", "3", "0.7", "11", true, true])
    );
    assert_eq!(server.backend.begun().len(), n, "a link runs nothing");
    other.click(".steer-row .small");
    other.wait("!location.hash.includes('steer=')");
    // What is no steering is left out.
    let mut odd = Tab::open(&format!(
        "{}#steer=3_melt_1&steer=4_add_x&steer=4_add_1e39&steer=9_ablate&steer=9_add_1&steer=2_add_",
        url(&server)
    ));
    odd.wait_for("#steer-9");
    assert_eq!(odd.texts(".steer-name a"), ["9"]);
    assert_own(&mut odd, &server);
}

#[test]
#[ignore = "needs Chromium; CI runs it"]
fn a_feature_is_steered_from_its_page_and_from_the_table() {
    let server = serve(ServeOptions::default());
    let mut tab = Tab::open(&format!("{}#feature=12", url(&server)));
    tab.wait_for(".steer-with");
    tab.click(".steer-with");
    tab.wait_for("#steer-12");
    tab.wait("document.activeElement.id === 'steer-12'");
    crate::run(&mut tab, "of bees");
    tab.wait_for(".prompt-features tbody tr");
    tab.click("[aria-label='Steer with feature 4']");
    tab.wait_for("#steer-4");
    // Once is enough.
    tab.click("[aria-label='Steer with feature 4']");
    assert_eq!(tab.texts(".steer-name a"), ["12", "4"]);
    // A slider is moved with the keyboard.
    let before = tab.number("Number(document.querySelector('#steer-4 ~ input[type=range]').value)");
    tab.eval("document.querySelector('#steer-4 ~ input[type=range]').focus()");
    tab.key("ArrowRight");
    tab.wait(&format!(
        "Number(document.querySelector('#steer-4 ~ input[type=number]').value) > {before}"
    ));
    tab.wait(&format!(
        "Number(/steer=4_add_([0-9.]+)/.exec(location.hash)[1]) > {before}"
    ));
    assert_own(&mut tab, &server);
}

#[test]
#[ignore = "needs Chromium; CI runs it"]
fn on_a_telephone_nothing_is_cut() {
    let server = serve(ServeOptions::default());
    let mut tab = open(&server);
    let size = json!({"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": false});
    tab.call("Emulation.setDeviceMetricsOverride", &size);
    write(&mut tab, "#prompt", "of bees");
    add(&mut tab, 5);
    add(&mut tab, 7);
    few_tokens(&mut tab, 9);
    tab.click(".steer-run .primary");
    finished(
        &mut tab,
        "9 and 8 tokens; the first different one is token 3.",
    );
    for theme in ["light", "dark"] {
        tab.eval(&format!(
            "document.documentElement.dataset.theme = '{theme}'"
        ));
        let sizes = tab.eval("(() => { const m = document.querySelector('main'); return [m.scrollWidth - m.clientWidth, document.documentElement.scrollWidth]; })()");
        assert_eq!(sizes, json!([0, 390]));
    }
    let names = tab.eval("[...document.querySelectorAll('#steer input, #steer select')].every((i) => i.labels?.length || i.getAttribute('aria-label'))");
    assert_eq!(names, true);
}
