//! The page of a contrast: sorted, filtered, read on a small screen and without a mouse.

use crate::chromium::Tab;
use crate::open;
use sae_contrast::{Active, ContrastOptions, Groups, Observations, contrast};
use sae_report::ModelDescription;
use sae_report::contrast::{
    Card, ContrastReport, ContrastRow, ContrastSettings, PromptSet, SaeContrast, ShownPrompt,
    contrast_page,
};
use std::path::Path;

/// Thirty features, every seventh of which differs; six of them with cards.
fn report() -> ContrastReport {
    let n = 40;
    let value = |prompt: u32, feature: u32| {
        let noise = (prompt * 31 + feature * 17) % 23;
        let more = feature.is_multiple_of(7) && prompt < n;
        if noise < 6 {
            0.0
        } else {
            noise as f32 / 10.0 + if more { 2.5 } else { 0.0 }
        }
    };
    let active = |prompt: u32, feature: u32| Active {
        feature,
        value: value(prompt, feature),
        position: 1,
    };
    let prompts: Vec<Vec<Active>> = (0..2 * n)
        .map(|prompt| (0..30).map(|feature| active(prompt, feature)).collect())
        .collect();
    let observed = Observations::new(30, &prompts).unwrap();
    let groups = Groups::independent(n as usize, n as usize).unwrap();
    let found = contrast(&observed, &groups, &ContrastOptions::default()).unwrap();
    let settings = ContrastSettings::default();
    let rows = found.features.iter().map(|stats| {
        let token = format!(" token{}", stats.feature);
        ContrastRow::new(stats.clone(), Some(token), None)
    });
    let about = (
        "run".to_owned(),
        "blocks.3.hook_resid_pre".to_owned(),
        Some(3),
        30,
    );
    let mut sae = SaeContrast::new(about, &found, rows.collect(), &settings, 6);
    for &row in &sae.order[..6] {
        let tokens: Vec<String> = (0..90).map(|at| format!(" word{at}")).collect();
        let values = (0..90).map(|at| if at == 70 { 2.0 } else { 0.0 }).collect();
        let shown = ShownPrompt::new(0, tokens, values);
        sae.cards.push(Card::new(
            row,
            [vec![1.0, 2.0], vec![0.5]],
            [vec![shown], vec![]],
        ));
    }
    let set = |name: &str| PromptSet::new(name, n as usize, 400, 0);
    let model = ModelDescription::new("model", [4, 8, 100], "cpu", "f32");
    ContrastReport::new(model, [set("a.txt"), set("b.txt")], settings, vec![sae])
}

fn page(folder: &Path) -> Tab {
    let path = folder.join("index.html");
    std::fs::write(&path, contrast_page(&report(), &[])).unwrap();
    open(&path)
}

fn column(tab: &mut Tab, column: usize) -> Vec<String> {
    let cells = tab.eval(&format!(
        "[...document.querySelectorAll('table.features tbody tr:not([hidden])')].map((row) => row.cells[{column}].textContent)"
    ));
    serde_json::from_value(cells).unwrap()
}

#[test]
#[ignore = "needs Chromium; CI runs it"]
fn the_table_is_sorted_and_filtered() {
    let folder = tempfile::tempdir().unwrap();
    let mut tab = page(folder.path());
    let first = column(&mut tab, 0);
    assert_eq!(first.len(), 30);
    // AUROC, the largest first, then the smallest.
    tab.click("table.features th:nth-child(3) button");
    let number = |text: &String| text.replace('−', "-").parse::<f64>().unwrap();
    let values: Vec<f64> = column(&mut tab, 2).iter().map(number).collect();
    assert!(values.is_sorted_by(|x, y| x >= y), "{values:?}");
    tab.click("table.features th:nth-child(3) button");
    let values: Vec<f64> = column(&mut tab, 2).iter().map(number).collect();
    assert!(values.is_sorted(), "{values:?}");
    let sorted =
        "document.querySelector('table.features th:nth-child(3)').getAttribute('aria-sort')";
    assert_eq!(tab.eval(sorted), "ascending");
    tab.click("table.features th:first-child button");
    assert_eq!(column(&mut tab, 0), first, "as it came");
    // By a token, with its space.
    tab.click("#filter");
    tab.type_text(" token2");
    assert_eq!(tab.text("#found"), "11 of 30");
    assert!(
        column(&mut tab, 11)
            .iter()
            .all(|token| token.starts_with("·token2"))
    );
    tab.assert_quiet();
}

#[test]
#[ignore = "needs Chromium; CI runs it"]
fn bars_and_rows_lead_to_their_feature() {
    let folder = tempfile::tempdir().unwrap();
    let mut tab = page(folder.path());
    assert_eq!(tab.texts(".bars li a").len(), 6);
    tab.click(".bars li:nth-child(2) a");
    let hash = tab.hash();
    assert!(hash.starts_with("#f-0-"), "{hash}");
    assert_eq!(
        tab.number("document.querySelectorAll('.card:target').length") as u32,
        1
    );
    // Long prompts are shown around their largest token.
    assert!(
        tab.text(".card .text").contains("word70") && !tab.text(".card .text").contains("word9·")
    );
    let theme = "document.documentElement.dataset.theme";
    tab.click("#theme");
    let dark = tab.eval(theme);
    tab.click("#theme");
    assert_ne!(tab.eval(theme), dark);
    tab.assert_quiet();
}

#[test]
#[ignore = "needs Chromium; CI runs it"]
fn a_small_screen_shows_all_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut tab = page(folder.path());
    let metrics =
        serde_json::json!({"width": 390, "height": 800, "deviceScaleFactor": 1, "mobile": false});
    tab.call("Emulation.setDeviceMetricsOverride", &metrics);
    let fits = "document.documentElement.scrollWidth <= 390";
    assert_eq!(tab.eval(fits), true);
    tab.assert_quiet();
}
