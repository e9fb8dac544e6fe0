//! The prompt check.

use crate::support::{Fake, Running};
use crate::{assert_own, fake, open, serve, write};
use sae_serve::ServeOptions;

#[test]
#[ignore = "needs Chromium; CI runs it"]
fn ranks_and_probabilities_plain_and_with_the_sae() {
    let server = serve(ServeOptions::default());
    let mut tab = open(&server);
    tab.click(".check .primary");
    assert_eq!(tab.text(".check [role=alert]"), "Write a prompt first.");
    write(&mut tab, "#check-prompt", "John gave the bag to");
    tab.click(".check .primary");
    assert_eq!(
        tab.text(".check [role=alert]"),
        "Write what should come next."
    );
    write(&mut tab, "#check-answer", " Mary");
    tab.key("Enter");
    tab.wait_for(".check tbody");
    assert_eq!(tab.texts(".check tbody th"), [" Mary"]);
    assert_eq!(tab.texts(".check tbody td"), ["0", "75.0 %", "3", "12.5 %"]);
    assert_eq!(tab.texts(".tops h3"), ["As it is", "With the SAE"]);
    assert_eq!(
        tab.texts(".tops li .token"),
        [" Mary", " <b>", " Mary", " <b>"]
    );
    assert_eq!(
        tab.texts(".tops li .v"),
        ["75.0 %", "6.25 %", "12.5 %", "6.25 %"]
    );
    assert_eq!(
        tab.texts(".tops .right .token"),
        [" Mary"],
        "the answer is the likeliest as it is"
    );
    assert_eq!(server.backend.begun(), ["John gave the bag to"]);

    write(&mut tab, "#check-prompt", "undefined");
    tab.click(".check .primary");
    tab.wait("document.querySelectorAll('.check tbody td')[2].textContent === 'undefined'");
    write(&mut tab, "#check-prompt", "plain");
    write(&mut tab, "#check-answer", "Mary Ann");
    tab.click(".check .primary");
    tab.wait("document.querySelectorAll('.check tbody tr').length === 3");
    assert_eq!(
        tab.texts(".check tbody th"),
        [" Mary", " Ann", "the whole answer"]
    );
    assert_eq!(
        tab.texts(".check tbody td"),
        ["0", "75.0 %", "0", "75.0 %", "", "56.3 %"]
    );
    assert_eq!(tab.texts(".tops h3"), ["As it is"]);
    assert_own(&mut tab, &server);
    write(&mut tab, "#check-prompt", "invalid");
    tab.click(".check .primary");
    tab.wait(
        "document.querySelector('.check [role=alert]')?.textContent === 'this text has no tokens'",
    );
}

#[test]
#[ignore = "needs Chromium; CI runs it"]
fn it_is_not_there_where_it_is_not_offered() {
    let fake = Fake {
        no_check: true,
        ..fake()
    };
    let server = Running::new(fake, ServeOptions::default());
    let mut tab = open(&server);
    assert_eq!(tab.texts(".prompt:not(.steer, .contrasted)").len(), 1);
    assert_eq!(tab.texts(".check").len(), 0);
    assert_own(&mut tab, &server);
}
