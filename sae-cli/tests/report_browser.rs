//! report.html in a real browser. `cargo test --workspace --test report_browser -- --ignored` runs these; they need Chromium.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "test code")]

#[allow(dead_code, reason = "the feature pages' tests need more of it")]
#[path = "../../dashboard/tests/browser/chromium.rs"]
mod chromium;
mod support;

use chromium::Tab;
use serde_json::{Value, json};
use std::path::Path;
use support::{Scratch, finish, read_json};

fn open(report: &Path) -> Tab {
    Tab::open(&format!("file://{}", report.display()))
}

fn demo() -> (Scratch, Value) {
    let scratch = Scratch::new();
    scratch.ok("analyze --sequences 4 --out o");
    let report = read_json(&scratch.path("o/report.json"));
    (scratch, report)
}

/// What the tooltip says, by name.
fn told(tab: &mut Tab) -> Vec<(String, String)> {
    let names = tab.texts("#tooltip dt");
    names.into_iter().zip(tab.texts("#tooltip dd")).collect()
}

#[test]
#[ignore = "needs Chromium; CI runs it"]
fn bars_tell_their_values() {
    let (scratch, report) = demo();
    let mut tab = open(&scratch.path("o/report.html"));
    assert_eq!(tab.eval("document.getElementById('tooltip').hidden"), true);
    tab.hover("#plot-l0 g.bar .hit");
    tab.wait("!document.getElementById('tooltip').hidden");
    let first = report["l0"]["histogram"]["counts"][0].to_string();
    assert!(
        told(&mut tab).contains(&("tokens".into(), first)),
        "{:?}",
        told(&mut tab)
    );
    tab.hover("#plot-losses g.bar .hit");
    let original = report["loss"]["original"].as_f64().unwrap();
    tab.wait("document.getElementById('tooltip').textContent.includes('original')");
    let shown = told(&mut tab);
    assert_eq!(shown[1], ("value".into(), format!("{original:.4}")));
    tab.hover("h1");
    tab.wait("document.getElementById('tooltip').hidden");
    // The keyboard does the same.
    tab.eval("document.querySelector('#plot-density svg').focus()");
    tab.key("ArrowRight");
    tab.wait("!document.getElementById('tooltip').hidden");
    let counts = &report["features"]["log10_density_histogram"]["counts"];
    assert_eq!(
        told(&mut tab)[1],
        ("features".into(), counts[0].to_string())
    );
    assert!(tab.text("#announce").contains("features"));
    tab.assert_quiet();
}

#[test]
#[ignore = "needs Chromium; CI runs it"]
fn light_and_dark() {
    let (scratch, _) = demo();
    let mut tab = open(&scratch.path("o/report.html"));
    let colours = "getComputedStyle(document.body).backgroundColor + getComputedStyle(document.querySelector('.plot .fill')).fill";
    let light = tab.eval(colours);
    let emulate = |scheme| json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
    tab.call("Emulation.setEmulatedMedia", &emulate("dark"));
    let dark = tab.eval(colours);
    assert_ne!(light, dark);
    tab.wait("document.getElementById('theme').textContent === 'Light'");
    tab.click("#theme");
    assert_eq!(tab.eval(colours), light, "the button wins over the system");
    tab.assert_quiet();
}

#[test]
#[ignore = "needs Chromium; CI runs it"]
fn nothing_sticks_out() {
    let (scratch, _) = demo();
    let mut tab = open(&scratch.path("o/report.html"));
    for width in [1200, 600, 360] {
        let size = json!({"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": false});
        tab.call("Emulation.setDeviceMetricsOverride", &size);
        let content = tab.number("document.documentElement.scrollWidth");
        assert!(content <= f64::from(width), "{content} px at {width}");
    }
}

#[test]
#[ignore = "needs Chromium; CI runs it"]
fn hostile_names_stay_text() {
    const HOSTILE: &str =
        "</script></style></svg><script>window.owned=1</script><img src=x onerror='owned=1'>";
    let scratch = Scratch::new();
    scratch.copy_demo("run");
    let cfg = "run/final_sae/cfg.json";
    let mut value = read_json(&scratch.path(cfg));
    value["metadata"]["model_name"] = HOSTILE.into();
    value["dtype"] = HOSTILE.into();
    scratch.write(cfg, value.to_string());
    scratch.ok("dashboard --sae $RUN --model $MODEL --dataset $TEXT --context-size 32 --sequences 9 --out pages");
    std::fs::rename(scratch.path("pages"), scratch.path("a \"<b>&'")).unwrap();
    let mut command =
        scratch.command("analyze run --model $MODEL --dataset $TEXT --sequences 8 --out o");
    command.args(["--prompt", HOSTILE, "--answer", HOSTILE]);
    command.arg("--features-page").arg("a \"<b>&'");
    let outcome = finish(&mut command);
    assert_eq!(outcome.code, 0, "{outcome:#?}");
    let mut tab = open(&scratch.path("o/report.html"));
    assert_eq!(tab.eval("typeof window.owned"), "undefined");
    assert_eq!(tab.eval("document.images.length"), 0);
    assert_eq!(tab.eval("document.scripts.length"), 2);
    assert!(tab.text("main").contains("window.owned=1"), "it is shown");
    let links = "#features a";
    assert!(tab.text(links).parse::<usize>().is_ok());
    tab.assert_quiet();
    let feature = tab.text(links);
    tab.click(links);
    tab.wait_for(".feature .head");
    assert_eq!(tab.hash(), format!("#feature={feature}"));
}
