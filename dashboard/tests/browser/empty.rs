//! What is not there is said.

use crate::chromium::Tab;
use crate::fixture::Fixture;
use crate::write;
use sae_dashboard::page::PageForm;

#[test]
#[ignore = "needs Chromium; CI runs it"]
fn dead_features_and_missing_lenses_are_said() {
    let mut fixture = Fixture::new(40);
    let dead = fixture
        .features
        .iter()
        .position(|f| f.statistics.n_fired == 0)
        .unwrap();
    for feature in &mut fixture.features {
        feature.lens = None;
    }
    fixture.overview.lens_token.clear();
    let dir = tempfile::tempdir().unwrap();
    let url = write(dir.path(), PageForm::Folder, &fixture);
    let mut tab = Tab::open(&format!("{url}#feature={dead}"));
    tab.wait_for(".feature");
    let text = tab.text("main");
    for said in [
        "This feature is dead: it fires on none of the tokens.",
        "There are no examples",
        "No logit lens",
        "It never fires.",
    ] {
        assert!(text.contains(said), "{said}");
    }
    assert!(
        !text.contains("NaN") && !text.contains("undefined"),
        "{text}"
    );
    tab.go(&format!("{url}#feature=7"));
    tab.wait_for(".example .target");
    tab.hover(".example .target");
    assert!(tab.text("#tooltip").contains("activation"));
    assert_eq!(tab.texts(".chip").len(), 0);
    tab.assert_quiet();
}

#[test]
#[ignore = "needs Chromium; CI runs it"]
fn features_without_a_page_and_numbers_too_high_are_said() {
    let mut fixture = Fixture::new(20);
    fixture.overview.shown = vec![2, 5, 11];
    let dir = tempfile::tempdir().unwrap();
    let url = write(dir.path(), PageForm::File, &fixture);
    let mut tab = Tab::open(&format!("{url}#feature=3"));
    assert!(
        tab.text("main").contains("Feature 3 has no page here"),
        "{}",
        tab.text("main")
    );
    tab.go(&format!("{url}#feature=99"));
    assert!(
        tab.text("main")
            .contains("There is no feature 99: the dictionary has 20.")
    );
    tab.click(".notice button");
    tab.wait_for(".overview h1");
    for index in [2, 5, 11] {
        tab.key("j");
        tab.wait(&format!(
            "document.querySelector('.head .index')?.textContent === '{index}'"
        ));
    }
    tab.assert_quiet();
}

#[test]
#[ignore = "needs Chromium; CI runs it"]
fn a_shard_that_is_missing_or_a_file_that_is_cut_is_said() {
    let fixture = Fixture::new(70);
    let dir = tempfile::tempdir().unwrap();
    let url = write(dir.path(), PageForm::Folder, &fixture);
    let shard = dir.path().join("page/shards/00001.js");
    let aside = dir.path().join("aside");
    std::fs::rename(&shard, &aside).unwrap();
    let mut tab = Tab::open(&format!("{url}#feature=65"));
    tab.wait_for("main .notice");
    assert!(
        tab.text("main")
            .contains("shards/00001.js is missing beside this page")
    );
    std::fs::rename(&aside, &shard).unwrap();
    tab.click(".notice button");
    tab.wait_for(".feature");
    assert_eq!(tab.text(".head .index"), "65");

    let url = write(dir.path(), PageForm::File, &fixture);
    let path = dir.path().join("page one.html");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, &text[..text.find("id=\"shard-1\"").unwrap()]).unwrap();
    tab.go(&format!("{url}#feature=65"));
    tab.wait_for("main .notice");
    assert!(tab.text("main").contains("This file is not whole"));
}
