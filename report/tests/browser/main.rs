//! The page of a training in a real browser. `cargo test --workspace --test browser -- --ignored` runs these; they need Chromium.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "test code")]

#[allow(dead_code, reason = "the dashboard's tests use all of it")]
#[path = "../../../dashboard/tests/browser/chromium.rs"]
mod chromium;
mod contrast;
#[path = "../fixture/mod.rs"]
mod fixture;
mod graph;
mod reload;

use chromium::Tab;
use sae_report::{TrainingState, training_page};
use serde_json::json;
use std::path::{Path, PathBuf};

/// Writes a page that does not change under the test's hands, unless it says so.
fn write(folder: &Path, mut state: TrainingState, running: bool) -> PathBuf {
    state.running = running;
    let path = folder.join("training.html");
    let page = training_page(&state);
    let whole = folder.join("training.html.part");
    std::fs::write(&whole, page).unwrap();
    std::fs::rename(whole, &path).unwrap();
    path
}

fn open(path: &Path) -> Tab {
    Tab::open(&format!("file://{}", path.display()))
}

/// What a chart shows: its axes, element by element, the texts among them; and its lines.
fn drawn(tab: &mut Tab, slug: &str) -> (String, Vec<String>) {
    let axes = tab.eval(&format!(
        "[...document.querySelector('#{slug} .axes').children].map((e) => [e.tagName, ...[...e.attributes].map((a) => `${{a.name}}=${{a.value}}`).sort(), \
         e.textContent].join(' ')).join('\\n')"
    ));
    let paths = tab.eval(&format!(
        "[...document.querySelectorAll('#{slug} path')].map((path) => path.getAttribute('d'))"
    ));
    let axes = axes.as_str().unwrap().to_owned();
    (axes, serde_json::from_value(paths).unwrap())
}

fn pressed(tab: &mut Tab, selector: &str) -> bool {
    tab.eval(&format!(
        "document.querySelector({selector:?}).getAttribute('aria-pressed')"
    )) == "true"
}

#[test]
#[ignore = "needs Chromium; CI runs it"]
fn the_script_draws_what_was_drawn_before() {
    let folder = tempfile::tempdir().unwrap();
    for (n_runs, n_records) in [(1, 400), (3, 5000)] {
        let mut state = fixture::state(n_runs, n_records);
        fixture::lose(&mut state.runs[0], "losses/mse_loss", 200..230);
        let mut tab = open(&write(folder.path(), state, false));
        let slugs = tab.eval("charts.map((chart) => chart.slug)");
        let slugs: Vec<String> = serde_json::from_value(slugs).unwrap();
        assert!(slugs.len() > 9);
        for slug in slugs {
            let before = drawn(&mut tab, &slug);
            // There and back.
            tab.click("#along-steps");
            assert_ne!(drawn(&mut tab, &slug).0, before.0, "{slug}");
            tab.click("#along-tokens");
            assert_eq!(drawn(&mut tab, &slug), before, "{slug}");
        }
        tab.assert_quiet();
    }
}

#[test]
#[ignore = "needs Chromium; CI runs it"]
fn scales_and_lines_can_be_chosen() {
    let folder = tempfile::tempdir().unwrap();
    let mut tab = open(&write(folder.path(), fixture::state(1, 400), false));
    assert!(pressed(&mut tab, "#losses-log") && !pressed(&mut tab, "#dead-log"));
    let (log, _) = drawn(&mut tab, "losses");
    tab.click("#losses-log");
    assert!(!pressed(&mut tab, "#losses-log"));
    let (linear, lines) = drawn(&mut tab, "losses");
    assert_ne!(linear, log);
    // Without the large ones the scale is another.
    tab.click("#losses .key:nth-child(1)");
    assert!(!pressed(&mut tab, "#losses .key:nth-child(1)"));
    tab.click("#losses .key:nth-child(2)");
    let (_, fewer) = drawn(&mut tab, "losses");
    assert!(fewer[0].is_empty() && fewer[3].is_empty() && fewer[6] != lines[6]);
    tab.click("#losses .key:nth-child(1)");
    tab.click("#losses .key:nth-child(2)");
    assert_eq!(drawn(&mut tab, "losses").1, lines);
    // Nothing at all is possible, too; and only one, by keyboard.
    for key in 1..=3 {
        tab.click(&format!("#losses .key:nth-child({key})"));
    }
    assert!(drawn(&mut tab, "losses").0.contains("all lines are hidden"));
    tab.eval("document.querySelector('#losses .key:nth-child(2)').focus()");
    tab.key("Enter");
    assert!(pressed(&mut tab, "#losses .key:nth-child(2)"));
    assert!(!drawn(&mut tab, "losses").1[3].is_empty());
    tab.assert_quiet();
}

#[test]
#[ignore = "needs Chromium; CI runs it"]
fn a_place_tells_its_values() {
    let folder = tempfile::tempdir().unwrap();
    let state = fixture::state(2, 300);
    let value = |run: usize, record: usize| {
        let values = &state.runs[run].records[record].values;
        let value = values.iter().find(|value| value.0 == "metrics/l0");
        let digits: f64 = format!("{:.4e}", value.unwrap().1).parse().unwrap();
        digits.to_string()
    };
    let mut tab = open(&write(folder.path(), state.clone(), false));
    let slug = tab.eval("charts.find((chart) => chart.id === 'metrics/l0').slug");
    let plot = format!("#{}-plot", slug.as_str().unwrap());
    tab.hover(&plot);
    tab.wait("!tooltip.hidden && !!document.querySelector('.cross circle')");
    assert!(tab.text("#tooltip caption").starts_with("step "));
    assert_eq!(tab.texts("#tooltip td:first-child"), ["l1 0.5", "l1 1"]);
    tab.hover("h1");
    tab.wait("tooltip.hidden && !document.querySelector('.cross')");
    // By keyboard: the first place, and the one after. The runs have other batches, so that steps differ.
    tab.eval(&format!("document.querySelector({plot:?}).focus()"));
    tab.key("Home");
    let first = value(1, 0);
    assert_eq!(tab.text("#tooltip caption"), "step 10 · 20,480 tokens");
    assert_eq!(tab.texts("#tooltip tr:nth-child(2) td")[1], first);
    tab.key("ArrowRight");
    assert_eq!(tab.text("#tooltip caption"), "step 10 · 40,960 tokens");
    assert_eq!(tab.texts("#tooltip tr:nth-child(1) td")[1], value(0, 0));
    assert_eq!(
        tab.texts("#tooltip tr:nth-child(2) td")[1..],
        [value(1, 1), String::new(), "step 20".to_owned()]
    );
    assert!(tab.text("#announce").contains(&value(1, 1)));
    tab.key("Escape");
    tab.wait("tooltip.hidden");
    tab.assert_quiet();
}

#[test]
#[ignore = "needs Chromium; CI runs it"]
fn a_mean_lies_between_its_extremes() {
    let folder = tempfile::tempdir().unwrap();
    let mut tab = open(&write(folder.path(), fixture::state(3, 20_000), false));
    let wrong = tab.eval(
        "charts.flatMap((chart) => look(chart).shown).filter((shown) => shown.means).filter((shown) => \
         shown.means.values.some((mean, i) => { const n = shown.line.of.slice(0, i).reduce((a, b) => a + b, 0); \
         const [low, high] = extremes(shown.points.values.slice(n, n + shown.line.of[i])); \
         return mean < low - 1e-4 * Math.abs(low) || mean > high + 1e-4 * Math.abs(high); })).map((shown) => shown.line.key)",
    );
    assert_eq!(wrong, json!([]));
    tab.hover("svg.chart");
    tab.wait("!tooltip.hidden");
    assert!(tab.text("#tooltip td:nth-child(3)").contains(" to "));
    tab.assert_quiet();
}

#[test]
#[ignore = "needs Chromium; CI runs it"]
fn nothing_sticks_out() {
    let folder = tempfile::tempdir().unwrap();
    let mut state = fixture::state(8, 700);
    state.runs[0].name = "a-name-without-end-".repeat(20);
    state.runs[1].settings[9].1 = "/a/path/without/end".repeat(20);
    let mut tab = open(&write(folder.path(), state, false));
    tab.eval("document.getElementById('settings').open = true");
    for width in [1440, 800, 390, 320] {
        let size = json!({"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": false});
        tab.call("Emulation.setDeviceMetricsOverride", &size);
        let content = tab.number("document.documentElement.scrollWidth");
        assert!(content <= f64::from(width), "{content} px at {width}");
        let small = "[...document.querySelectorAll('main button, summary')].filter((e) => e.getBoundingClientRect().height < 24).length";
        assert_eq!(tab.number(small) as u32, 0, "buttons can be hit at {width}");
    }
    tab.assert_quiet();
}

#[test]
#[ignore = "needs Chromium; CI runs it"]
fn light_and_dark() {
    let folder = tempfile::tempdir().unwrap();
    let mut tab = open(&write(folder.path(), fixture::state(2, 50), false));
    let colours = "getComputedStyle(document.body).backgroundColor + getComputedStyle(document.querySelector('.line')).stroke";
    let light = tab.eval(colours);
    let dark = json!({"features": [{"name": "prefers-color-scheme", "value": "dark"}]});
    tab.call("Emulation.setEmulatedMedia", &dark);
    assert_ne!(tab.eval(colours), light);
    tab.click("#theme");
    assert_eq!(tab.eval(colours), light, "the button wins over the system");
    tab.assert_quiet();
}

#[test]
#[ignore = "needs Chromium; CI runs it"]
fn hostile_names_stay_text() {
    const HOSTILE: &str = "</script></style></svg><script>window.owned=1</script><img src=x onerror='owned=1'>\"]\r\n\\";
    let folder = tempfile::tempdir().unwrap();
    for n_runs in [1, 2] {
        let mut state = fixture::state(n_runs, 20);
        state.title = HOSTILE.to_owned();
        let run = &mut state.runs[0];
        (run.name, run.architecture) = (HOSTILE.to_owned(), HOSTILE.to_owned());
        run.warnings.push(HOSTILE.to_owned());
        run.settings.push((HOSTILE.to_owned(), HOSTILE.to_owned()));
        let names = ["losses/x", "other"].map(|name| (format!("{name}{HOSTILE}"), 1.0));
        run.records[7].values.extend(names);
        let mut tab = open(&write(folder.path(), state, false));
        assert_eq!(tab.eval("typeof window.owned"), "undefined");
        assert_eq!(tab.eval("document.images.length"), 0);
        assert_eq!(tab.eval("document.scripts.length"), 3);
        assert!(tab.text("main").contains("window.owned=1"), "it is shown");
        // Its lines can be hidden and asked as others can.
        tab.click(".key:last-child");
        tab.click(".log");
        tab.hover("svg.chart");
        tab.wait("!tooltip.hidden");
        tab.assert_quiet();
    }
}
