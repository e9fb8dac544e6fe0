//! A page that is written again while one looks at it.

use crate::chromium::Tab;
use crate::{drawn, fixture, open, pressed, write};

/// Waits until the page has come again.
fn again(tab: &mut Tab) {
    tab.eval("window.before = true");
    tab.wait("!window.before && document.readyState === 'complete'");
}

#[test]
#[ignore = "needs Chromium; CI runs it"]
fn the_page_comes_again_as_it_was_left() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), fixture::state(1, 100), true);
    let mut tab = open(&path);
    tab.click("#losses-log");
    tab.click("#losses .key:nth-child(2)");
    tab.click("#along-steps");
    tab.click("#settings summary");
    tab.eval("window.scrollTo(0, 333)");
    let steps = tab.text(".state");
    write(folder.path(), fixture::state(1, 200), true);
    again(&mut tab);
    assert_ne!(tab.text(".state"), steps, "there is more");
    assert!(!pressed(&mut tab, "#losses-log"));
    assert!(!pressed(&mut tab, "#losses .key:nth-child(2)"));
    assert!(pressed(&mut tab, "#along-steps"));
    let (axes, lines) = drawn(&mut tab, "losses");
    assert!(axes.ends_with("steps") && lines[3].is_empty() && !lines[0].is_empty());
    assert!(drawn(&mut tab, "l0").0.ends_with("steps"));
    assert_eq!(tab.eval("document.getElementById('settings').open"), true);
    tab.wait("scrollY === 333");
    // The keyboard is where it was, too.
    tab.eval(
        "document.getElementById('l0-plot').focus({ focusVisible: true, preventScroll: true })",
    );
    again(&mut tab);
    assert_eq!(tab.eval("document.activeElement.id"), "l0-plot");
    tab.assert_quiet();
}

#[test]
#[ignore = "needs Chromium; CI runs it"]
fn it_waits_while_one_reads_and_when_training_ends() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), fixture::state(2, 100), true);
    let mut tab = open(&path);
    let wait = "new Promise((done) => setTimeout(() => done(true), 6500))";
    tab.eval("window.before = true");
    tab.hover("svg.chart");
    tab.eval(wait);
    assert_eq!(tab.eval("window.before"), true, "one reads");
    tab.click("#pause");
    assert_eq!(tab.text("#pause"), "Resume");
    tab.eval(wait);
    assert_eq!(tab.eval("window.before"), true, "it is paused");
    write(folder.path(), fixture::state(2, 120), false);
    tab.click("#pause");
    tab.wait("!window.before && document.readyState === 'complete'");
    assert!(tab.text(".badge").contains("stopped"));
    assert_eq!(tab.eval("document.getElementById('pause').hidden"), true);
    tab.eval("window.before = true");
    tab.eval(wait);
    assert_eq!(tab.eval("window.before"), true, "it has ended");
    tab.assert_quiet();
}
