//! Labels, and one's own text on a feature's page.

use std::sync::Mutex;

use crate::support::{Fake, Running};
use crate::{assert_own, fake, open, serve, url, write};
use sae_dashboard::labels::{Label, Labels};
use sae_serve::ServeOptions;
use serde_json::json;

fn with_labels() -> Running {
    let fake = Fake {
        labels: Some(Mutex::new(Labels::default())),
        ..fake()
    };
    Running::new(fake, ServeOptions::default())
}

fn kept(server: &Running) -> Vec<Label> {
    let labels = server.backend.labels.as_ref().unwrap().lock().unwrap();
    labels.clone().into_vec()
}

#[test]
#[ignore = "needs Chromium; CI runs it"]
fn labels_are_kept_shown_and_found() {
    let server = with_labels();
    let mut tab = open(&server);
    tab.go(&format!("{}#feature=7", url(&server)));
    tab.wait_for(".feature .example");
    tab.key("s");
    tab.wait("document.querySelector('#star').textContent === '★'");
    tab.key("l");
    tab.wait_for("#label");
    tab.type_text("<i>names</i> of kings");
    write(&mut tab, "#note", "and of some queens");
    tab.click(".label-form .primary");
    tab.wait_for(".label-line .label");
    let expected = Label {
        feature: 7,
        label: "<i>names</i> of kings".into(),
        note: "and of some queens".into(),
        star: true,
    };
    assert_eq!(kept(&server), std::slice::from_ref(&expected));
    assert_eq!(
        tab.text(".row[aria-selected=true] .label"),
        "<i>names</i> of kings"
    );
    // Another tab, or a later day.
    tab.go(&format!("{}#q=kings", url(&server)));
    tab.wait_for(".row");
    assert_eq!(tab.texts(".row .i"), ["★7"]);
    assert_own(&mut tab, &server);
    // What the server refuses is not shown as kept.
    tab.go(&format!("{}#feature=9", url(&server)));
    tab.wait_for("#edit-label");
    tab.key("l");
    tab.wait_for("#label");
    tab.type_text("refused");
    tab.key("Enter");
    tab.wait("document.querySelector('.label-line [role=alert]')?.textContent === 'this label is refused'");
    assert_eq!(tab.texts(".row[aria-selected=true] .label").len(), 0);
    assert_eq!(kept(&server), [expected]);
}

#[test]
#[ignore = "needs Chromium; CI runs it"]
fn explanations_are_imported_and_do_not_replace_labels() {
    let server = with_labels();
    let ours = Label {
        feature: 3,
        label: "ours".into(),
        ..Label::default()
    };
    server
        .backend
        .labels
        .as_ref()
        .unwrap()
        .lock()
        .unwrap()
        .set(ours.clone());
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("batch-0.jsonl");
    let rows = concat!(
        r#"{"modelId":"m","layer":"l","index":"3","description":"theirs"}"#,
        "\n",
        r#"{"modelId":"m","layer":"l","index":"5","description":"colours"}"#,
        "\n",
        r#"{"modelId":"m","layer":"l","index":"5","description":"red things"}"#,
        "\n"
    );
    std::fs::write(&path, rows).unwrap();
    let mut tab = open(&server);
    let choose = |tab: &mut crate::chromium::Tab, path: &std::path::Path| {
        let input = tab.call(
            "Runtime.evaluate",
            &json!({"expression": "document.querySelector('.label-tools input')"}),
        );
        let file = json!({"objectId": input["result"]["objectId"], "files": [path]});
        tab.call("DOM.setFileInputFiles", &file);
    };
    choose(&mut tab, &path);
    tab.wait("document.querySelector('.label-tools .hint').textContent.includes('added')");
    assert_eq!(
        tab.text(".label-tools .hint"),
        "1 labels added; 1 features had one, which stays."
    );
    let theirs = Label {
        feature: 5,
        label: "colours".into(),
        note: "red things".into(),
        star: false,
    };
    assert_eq!(kept(&server), [ours, theirs]);
    assert_eq!(
        tab.text(".label-tools span"),
        "2 features labelled, 0 starred"
    );
    std::fs::write(&path, format!("{rows}{{\"feature\": 40}}\n")).unwrap();
    choose(&mut tab, &path);
    tab.wait("document.querySelector('.label-tools .error')?.textContent === 'batch-0.jsonl, line 4: there is no feature 40 here.'");
    assert_own(&mut tab, &server);
}

#[test]
#[ignore = "needs Chromium; CI runs it"]
fn a_feature_is_tried_on_ones_own_text() {
    let server = serve(ServeOptions::default());
    let mut tab = open(&server);
    tab.go(&format!("{}#feature=5", url(&server)));
    tab.wait_for("#try");
    assert_eq!(tab.texts("#star").len(), 0, "labels are not offered");
    tab.key("t");
    tab.type_text("<s> alpha bee honey");
    tab.click(".try .primary");
    tab.wait_for(".try .cell");
    assert_eq!(tab.texts(".try .cell"), ["<s> ", "alpha ", "bee ", "honey"]);
    let warm = tab.eval("[...document.querySelectorAll('.try .cell')].map((cell) => cell.style.getPropertyValue('--a') !== '')");
    assert_eq!(warm, json!([false, true, false, true]));
    let found = tab.text(".try .found");
    assert!(
        found.starts_with("It fires on 2 of 4 tokens; at most 2.500"),
        "{found}"
    );
    // Hovering a token says where its activation lies among the feature's.
    tab.hover(".try .cell:nth-child(2)");
    assert_eq!(
        tab.eval("document.querySelector('.charts .mark').dataset.value"),
        "2.5"
    );
    // The text goes along to the next feature, and runs for that one.
    tab.key("j");
    tab.wait("document.querySelector('.head .index')?.textContent === '6'");
    tab.wait("document.querySelector('.try .found')?.textContent === 'It fires on none of these tokens.'");
    assert!(
        tab.hash().contains("text=%3Cs%3E+alpha+bee+honey"),
        "{}",
        tab.hash()
    );
    // Two side by side, each on its own scale.
    tab.go(&format!(
        "{}#feature=5&compare=3&text=bee+honey",
        url(&server)
    ));
    tab.wait_for(".compare #try");
    tab.click(".try .primary");
    tab.wait("document.querySelectorAll('.try .found').length === 2");
    let found = tab.texts(".try .found");
    assert!(
        found
            .iter()
            .all(|found| found.starts_with("It fires on 1 of 2 tokens")),
        "{found:?}"
    );
    assert_own(&mut tab, &server);
}

#[test]
#[ignore = "needs Chromium; CI runs it"]
fn a_text_is_coloured_by_a_feature() {
    let server = serve(ServeOptions::default());
    let mut tab = open(&server);
    crate::run(&mut tab, "alpha bee honey");
    tab.wait_for(".prompt-features .small");
    assert_eq!(tab.text(".prompt-features tbody a"), "5");
    tab.click(".prompt-features .small");
    tab.wait("document.querySelector('.prompt-output .cell')?.style.getPropertyValue('--a') !== '' && document.querySelectorAll('.prompt-output .cell')[1].style.getPropertyValue('--a') === ''");
    assert!(tab.text(".legend-line").contains("activation of 5"));
    assert!(tab.hash().contains("heat=5"));
    tab.eval("location.reload()");
    tab.wait("document.querySelector('.legend-line')?.textContent.includes('activation of 5')");
    tab.click(".legend-line .link");
    tab.wait(
        "document.querySelectorAll('.prompt-output .cell')[1].style.getPropertyValue('--a') !== ''",
    );
    assert!(!tab.hash().contains("heat"));
    // On a telephone the table scrolls in its own box.
    let size = json!({"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": false});
    tab.call("Emulation.setDeviceMetricsOverride", &size);
    assert_eq!(tab.eval("document.documentElement.scrollWidth"), 390);
    assert_own(&mut tab, &server);
}
