//! Pages of others, in the same browser.

use crate::chromium::Tab;
use crate::{open, serve, url};
use sae_serve::ServeOptions;

#[test]
#[ignore = "needs Chromium; CI runs it"]
fn other_pages_can_neither_ask_nor_read_nor_frame() {
    let server = serve(ServeOptions::default());
    let own = url(&server);
    let mut tab = Tab::open("data:text/html,<title>another site</title>");
    for options in [
        "{ method: 'POST', mode: 'no-cors', body: JSON.stringify({ text: 'taken' }) }",
        "{ method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ text: 'taken' }) }",
        "{ mode: 'no-cors' }",
        "{}",
    ] {
        for path in ["api/prompt", "api/features/1"] {
            let asked = format!(
                "fetch('{own}{path}', {options}).then((answer) => answer.text(), () => '')"
            );
            assert_eq!(tab.eval(&asked), "", "{path} {options}");
        }
    }
    assert_eq!(server.backend.begun(), [""; 0]);
    let framed = format!(
        "new Promise((done) => {{ const frame = document.createElement('iframe'); frame.onload = () => done(frame.contentDocument === null); \
         frame.src = '{own}'; document.body.append(frame); }})"
    );
    assert_eq!(tab.eval(&framed), true);
    let asked = tab.requests();
    assert!(
        !asked.contains(&format!("{own}api/overview")),
        "a framed page must not run: {asked:?}"
    );
    // The same requests from its own page are answered.
    let mut tab = open(&server);
    let asked = "fetch('api/prompt', { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: '{\"text\": \"own\"}' }).then((a) => a.status)";
    assert_eq!(tab.eval(asked), 200);
    assert_eq!(server.backend.begun(), ["own"]);
}

#[test]
#[ignore = "needs Chromium; CI runs it"]
fn a_name_of_another_that_leads_here_gets_nothing() {
    let server = serve(ServeOptions::default());
    // Browsers take every name that ends so to this machine, as a rebound name would lead to it.
    let other = format!("http://evil.localhost:{}/", server.address.port());
    let mut tab = Tab::open(&other);
    assert!(
        tab.text("body").contains("does not answer to the name"),
        "{}",
        tab.text("body")
    );
    let asked = "fetch('/api/prompt', { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: '{\"text\": \"taken\"}' }).then((a) => a.status, () => 'refused')";
    assert_ne!(tab.eval(asked), 200);
    assert_eq!(server.backend.begun(), [""; 0]);
    tab.go(&format!("http://localhost:{}/", server.address.port()));
    tab.wait_for(".overview h1");
}
