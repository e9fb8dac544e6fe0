//! The page of a server.

use crate::chromium::Tab;
use crate::fixture::Fixture;
use crate::server::serve;

#[test]
#[ignore = "needs Chromium; CI runs it"]
fn a_server_gives_features_and_runs_ones_own_text() {
    let url = serve(Fixture::new(40));
    let mut tab = Tab::open(&format!("{url}#feature=7"));
    tab.wait_for(".feature .example");
    assert_eq!(tab.text(".head .index"), "7");
    tab.key("g");
    tab.wait_for("#prompt");
    tab.click(".prompt .primary");
    assert_eq!(tab.text("[role=alert]"), "Write some text first.");

    tab.click("#prompt");
    tab.type_text("In the slow <b>beginning</b>");
    tab.click(".prompt .primary");
    tab.wait_for("form[aria-busy=true] .primary:disabled");
    assert_eq!(tab.text(".prompt-status"), "The model runs…");
    tab.wait_for(".prompt-output .cell");
    assert_eq!(
        tab.texts(".prompt-output .cell"),
        ["In ", "the ", "slow ", "<b>beginning</b>"]
    );
    assert_eq!(tab.text(".answer .token"), " and <i>so</i> on");
    let rows = tab.texts(".prompt-features tbody td");
    assert_eq!(rows[0], "3");
    assert_eq!(rows[2..5], ["2.500", "87.5 %", "+0.01250"]);
    assert_eq!(
        (rows.len(), rows[5].as_str()),
        (10, "4"),
        "what was not measured has no column"
    );
    assert_eq!(rows[9], "—", "an effect that was not measured");
    // After the last token there is none to lose.
    assert!(tab.texts(".exact button").is_empty());
    tab.click(".prompt-output .cell:nth-child(2)");
    tab.click(".exact button");
    tab.wait_for(".prompt-features td:nth-child(6)");
    let rows = tab.texts(".prompt-features tbody td");
    assert_eq!((rows[0].as_str(), rows[5].as_str()), ("1", "−0.5000"));
    assert_eq!(rows[4], "+0.01250", "what was measured before stays");
    assert!(tab.texts(".exact button").is_empty());
    // What was measured is still there when one comes back.
    tab.click(".prompt-output .cell:nth-child(3)");
    tab.click(".prompt-output .cell:nth-child(2)");
    assert_eq!(tab.texts(".prompt-features tbody td")[5], "−0.5000");
    tab.click(".prompt-output .cell");
    assert!(
        tab.text(".prompt-features")
            .starts_with("No feature fires on")
    );

    tab.eval("document.querySelector('#prompt').value = 'fail'");
    tab.click(".prompt .primary");
    tab.wait_for(".prompt [role=alert]");
    assert_eq!(
        tab.text(".prompt-status"),
        "the model ran out of <b>memory</b>"
    );
    tab.wait_for(".prompt .primary:enabled");
    tab.eval("document.querySelector('#prompt').value = 'slow'");
    tab.click(".prompt .primary");
    tab.wait_for("form[aria-busy=true]");
    tab.click(".prompt .quiet");
    tab.wait("document.querySelector('.prompt-status').textContent === 'Stopped.'");

    tab.click(".prompt-output .cell:nth-child(3)");
    tab.click(".prompt-features a");
    tab.wait("document.querySelector('.head .index')?.textContent === '2'");
    assert!(
        tab.requests()
            .iter()
            .all(|asked| asked.starts_with(&url) || asked.starts_with("data:,"))
    );
}

#[test]
#[ignore = "needs Chromium; CI runs it"]
fn a_page_from_disk_asks_for_no_text() {
    let dir = tempfile::tempdir().unwrap();
    let url = crate::write(
        dir.path(),
        sae_dashboard::page::PageForm::File,
        &Fixture::new(5),
    );
    let mut tab = Tab::open(&url);
    tab.wait_for(".overview h1");
    assert_eq!(
        tab.eval("document.querySelector('#prompt')"),
        serde_json::Value::Null
    );
    // Nor could it: its policy forbids all connections.
    let refused = tab.eval("fetch('data:text/plain,x').then(() => 'sent', () => 'refused')");
    assert_eq!(refused, "refused");
}
