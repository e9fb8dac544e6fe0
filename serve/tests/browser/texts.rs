//! One's own text.

use crate::support::wait;
use crate::{assert_own, open, run, serve};
use sae_serve::ServeOptions;

#[test]
#[ignore = "needs Chromium; CI runs it"]
fn two_people_at_once_each_see_their_own_features() {
    let server = serve(ServeOptions::default());
    let mut first = open(&server);
    let mut second = open(&server);
    run(&mut first, "hold alpha");
    wait("the first to run", || {
        server.backend.begun() == ["hold alpha"]
    });
    second.click("#effects");
    run(&mut second, "of <b>bees</b> honey");
    second.wait_for(".prompt form[aria-busy=true] .primary:disabled");
    // While the first one's text runs, there are features to look at.
    second.click(".row:nth-child(3)");
    second.wait_for(".feature .example");
    second.key("g");
    second.wait_for(".prompt form[aria-busy=true]");
    assert_eq!(server.backend.begun(), ["hold alpha"]);
    server.backend.release();
    for (tab, words, shown) in [
        (
            &mut first,
            &["hold ", "alpha"][..],
            &["2.500", "87.5 %"][..],
        ),
        (
            &mut second,
            &["of ", "<b>bees</b> ", "honey"],
            &["2.500", "87.5 %", "−0.01250"],
        ),
    ] {
        tab.wait_for(".prompt-output .cell");
        assert_eq!(tab.texts(".prompt-output .cell"), words);
        assert_eq!(tab.text(".prompt-features tbody a"), "5");
        assert_eq!(tab.texts(".prompt-features tbody .v"), shown);
        let said = format!("{} tokens. Choose one to see its features.", words.len());
        assert_eq!(tab.text(".prompt-status"), said);
        assert_own(tab, &server);
    }
    second.click(".prompt-output .cell:nth-child(2)");
    second.click(".prompt-features a");
    second.wait("document.querySelector('.head .index')?.textContent === '11'");
    assert_own(&mut second, &server);
    // The feature's page asks for its activations on the same text.
    second.wait_for(".try .found");
    assert_eq!(
        server.backend.begun(),
        ["hold alpha", "of <b>bees</b> honey", "of <b>bees</b> honey"]
    );
}

#[test]
#[ignore = "needs Chromium; CI runs it"]
fn what_goes_wrong_is_said_in_words() {
    let mut options = ServeOptions::default();
    options.max_text_bytes = 40;
    options.queue = 0;
    let mut server = serve(options);
    let mut tab = open(&server);
    let long = "a rather long text of more than forty bytes";
    for (text, said) in [
        ("invalid", "this text has no tokens"),
        ("fail", "out of <b>memory</b>"),
        (
            long,
            "the text is too long: this server takes 40 bytes at once",
        ),
    ] {
        run(&mut tab, text);
        tab.wait(&format!(
            "document.querySelector('.prompt [role=alert]')?.textContent === {said:?}"
        ));
        tab.wait_for(".prompt .primary:enabled");
    }
    let mut other = open(&server);
    run(&mut other, "hold");
    wait("the other one's text to run", || {
        server.backend.begun().contains(&"hold".to_owned())
    });
    run(&mut tab, "more");
    tab.wait(
        "document.querySelector('.prompt [role=alert]')?.textContent.includes('the queue is full')",
    );
    // Stopping in the page stops the work.
    other.click(".prompt .quiet");
    other.wait("document.querySelector('.prompt-status').textContent === 'Stopped.'");
    wait("the work to stop", || {
        server.backend.log.lock().unwrap().stopped == ["hold"]
    });
    run(&mut tab, "more");
    tab.wait("document.querySelector('.prompt-status').textContent.startsWith('1 tokens')");
    server.shutdown.trigger();
    server.join();
    run(&mut tab, "nobody there");
    tab.wait("document.querySelector('.prompt [role=alert]')?.textContent === 'The server does not answer: is it still running?'");
}
