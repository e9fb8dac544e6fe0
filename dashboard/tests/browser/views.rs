//! One feature: hovering, intervals, links.

use crate::chromium::Tab;
use crate::fixture::Fixture;
use crate::{assert_shown, write};
use sae_dashboard::GroupKind;
use sae_dashboard::page::PageForm;

const MARKS: &str = "[...document.querySelectorAll('.charts .mark')].map((mark) => mark.hidden ? null : mark.dataset.value)";

#[test]
#[ignore = "needs Chromium; CI runs it"]
fn hovering_a_token_marks_both_histograms() {
    let fixture = Fixture::new(80);
    let dir = tempfile::tempdir().unwrap();
    for form in [PageForm::File, PageForm::Folder] {
        let url = write(dir.path(), form, &fixture);
        let mut tab = Tab::open(&format!("{url}#feature=7"));
        tab.wait_for(".example .target");
        assert_eq!(tab.eval(MARKS), serde_json::json!([null, null]));
        tab.hover(".example .target");
        let marks = tab.eval(MARKS);
        let feature = &fixture.features[7];
        assert_shown(marks[0].as_str().unwrap(), feature.statistics.max.into(), 4);
        // Its own logit where it is among the ten largest or smallest, else what lies between those.
        let lens = feature.lens.as_ref().unwrap();
        let example = &feature.groups[0].examples[0];
        let token = example.tokens[(example.position - example.start) as usize];
        let known = lens
            .top
            .iter()
            .chain(&lens.bottom)
            .find(|entry| entry.token == token);
        let expected: Vec<f32> = known
            .map_or(vec![lens.bottom[9].logit, lens.top[9].logit], |entry| {
                vec![entry.logit]
            });
        let shown: Vec<f32> = marks[1]
            .as_str()
            .unwrap()
            .split(' ')
            .map(|x| x.parse().unwrap())
            .collect();
        assert_eq!(shown, expected);
        let tip = tab.texts("#tooltip dd");
        assert_eq!(tip[1], token.to_string());
        assert_shown(&tip[2], feature.statistics.max.into(), 4);
        let share = tab.number("parseFloat(document.querySelector('.charts .mark').style.left)");
        assert!(
            (share - 100.0).abs() < 0.1,
            "the largest activation is at the right end, not at {share} %"
        );
        // Below, where the histograms are out of sight, the tooltip has them.
        assert_eq!(tab.texts("#tooltip .small").len(), 0);
        tab.hover(".group:last-child .example:last-child .target");
        let random = feature.groups[6].examples.last().unwrap();
        let value = random.values[(random.position - random.start) as usize];
        let small = tab.eval("[...document.querySelectorAll('#tooltip .small .mark')].map((mark) => mark.dataset.value)");
        assert_eq!(small.as_array().map(Vec::len), Some(2));
        assert_shown(small[0].as_str().unwrap(), value.into(), 4);
        tab.hover(".logits.up li");
        let mark = tab.eval(MARKS)[1].as_str().unwrap().parse();
        assert_eq!(mark, Ok(lens.top[0].logit));
        tab.assert_quiet();
        let shards = tab
            .requests()
            .iter()
            .filter(|url| url.ends_with("/shards/00000.js"))
            .count();
        assert_eq!(
            shards,
            usize::from(form == PageForm::Folder),
            "a shard is loaded once, when it is wanted"
        );
    }
}

#[test]
#[ignore = "needs Chromium; CI runs it"]
fn an_interval_filters_bars_and_examples_and_has_a_link() {
    let fixture = Fixture::new(20);
    let dir = tempfile::tempdir().unwrap();
    let url = write(dir.path(), PageForm::File, &fixture);
    let feature = &fixture.features[18];
    let mut tab = Tab::open(&format!("{url}#feature=18&interval=2"));
    tab.wait_for(".group.interval");
    assert_eq!(tab.texts(".group").len(), 1);
    let GroupKind::Interval { low, high, .. } = feature.groups[4].kind else {
        panic!("the second from below")
    };
    let title = tab.text(".group h2");
    let (found_low, rest) = title
        .strip_prefix("Interval (")
        .unwrap()
        .split_once(", ")
        .unwrap();
    assert_shown(found_low, low.into(), 3);
    assert_shown(rest.split_once(']').unwrap().0, high.into(), 3);
    let pale = "[...document.querySelectorAll('.charts .histogram')[0].querySelectorAll('rect')].filter((bar) => bar.style.fill.includes('pale')).length";
    let outside = tab.number(pale);
    assert!(
        (39.0..=41.0).contains(&outside),
        "{outside} bars of 50 are outside a fifth"
    );

    tab.click(".pick[aria-pressed=true]");
    assert_eq!(tab.texts(".group").len(), 7);
    assert!(!tab.hash().contains("interval"));
    tab.click(".pick:nth-child(3)");
    assert!(tab.hash().contains("interval=3"));
    assert_eq!(tab.texts(".group").len(), 1);
    // The bars themselves can be clicked, too.
    tab.eval("document.querySelector('main').scrollTop = 0");
    let place = tab.eval("(() => { const b = document.querySelector('.field svg').getBoundingClientRect(); return [b.left + 2, b.bottom - 4]; })()");
    tab.click_at(place[0].as_f64().unwrap(), place[1].as_f64().unwrap());
    assert!(tab.hash().contains("interval=1"), "{}", tab.hash());
    tab.click(".groups-head .link");
    assert_eq!(tab.texts(".group").len(), 7);
    tab.assert_quiet();
}

#[test]
#[ignore = "needs Chromium; CI runs it"]
fn lines_unfold_and_neighbours_are_links() {
    let fixture = Fixture::new(80);
    let dir = tempfile::tempdir().unwrap();
    let url = write(dir.path(), PageForm::Folder, &fixture);
    let mut tab = Tab::open(&format!("{url}#feature=7"));
    tab.wait_for(".example");
    let height = "document.querySelector('.example .strip').getBoundingClientRect().height";
    let folded = tab.number(height);
    tab.click(".example .target");
    assert!(tab.number(height) > 1.8 * folded);
    // What is copied is the text itself.
    let copied = tab.eval(
        "(() => { const line = document.querySelector('.example .strip'); getSelection().selectAllChildren(line); \
         const event = new ClipboardEvent('copy', { clipboardData: new DataTransfer(), bubbles: true, cancelable: true }); \
         line.dispatchEvent(event); getSelection().removeAllRanges(); return event.clipboardData.getData('text/plain'); })()",
    );
    let example = &fixture.features[7].groups[0].examples[0];
    let bytes = example
        .tokens
        .iter()
        .flat_map(|id| &fixture.corpus.vocabulary[*id as usize]);
    let raw = String::from_utf8(bytes.copied().collect()).unwrap();
    assert!(raw.contains('\n'), "a line with something to replace");
    assert_eq!(copied, raw);
    assert_eq!(tab.text(".example .strip"), raw.replace('\n', "↵"));
    // The target is in the middle of a folded line, whatever stands around it.
    let middle = tab.eval(
        "(() => { const line = document.querySelectorAll('.example .strip')[1].getBoundingClientRect(); \
         const t = document.querySelectorAll('.example .target')[1].getBoundingClientRect(); \
         return (t.left + t.right) / 2 - (line.left + line.right) / 2; })()",
    );
    assert!(middle.as_f64().unwrap().abs() < 2.0, "{middle}");
    tab.click(".neighbours a");
    tab.wait("document.querySelector('.head .index')?.textContent !== '7'");
    let opened = fixture.features[7].neighbours.decoder[0].index.to_string();
    assert_eq!(tab.text(".head .index"), opened);
    tab.eval("history.back()");
    tab.wait("document.querySelector('.head .index')?.textContent === '7'");
    tab.assert_quiet();
}

#[test]
#[ignore = "needs Chromium; CI runs it"]
fn an_interval_whose_contexts_are_at_the_top_shows_them() {
    let mut fixture = Fixture::new(20);
    let feature = &mut fixture.features[18];
    // As it is where the text is short: the strongest contexts are all in the top group.
    feature.groups[1].examples.clear();
    let GroupKind::Interval { low, high, .. } = feature.groups[1].kind else {
        panic!("the highest interval")
    };
    let dir = tempfile::tempdir().unwrap();
    let url = write(dir.path(), PageForm::File, &fixture);
    let mut tab = Tab::open(&format!("{url}#feature=18"));
    tab.wait_for(".group.interval");
    let few = tab.texts(".group.interval:nth-of-type(2) .example").len();
    assert!((1..=5).contains(&few), "{few}");
    tab.click(".pick:last-child");
    let values = tab.texts(".group .example .value");
    let inside = fixture.features[18]
        .groups
        .iter()
        .flat_map(|group| &group.examples)
        .filter(|e| e.values.iter().any(|x| low < *x && *x <= high))
        .count();
    assert!(inside > few);
    assert_eq!(values.len(), inside);
    for value in values {
        let value = crate::parse(&value);
        assert!(
            value > f64::from(low) * 0.9995 && value <= f64::from(high) * 1.0005,
            "{value}"
        );
    }
    // Each line is about the token that has the activation.
    let line = tab.text(".example .strip");
    assert!(!line.is_empty());
    assert_eq!(tab.texts(".example .target").len(), inside);
    tab.assert_quiet();
}

#[test]
#[ignore = "needs Chromium; CI runs it"]
fn labels_that_came_with_the_page_are_shown_and_found() {
    let mut fixture = Fixture::new(20);
    let label = |feature, label: &str, note: &str, star| sae_dashboard::labels::Label {
        feature,
        label: label.into(),
        note: note.into(),
        star,
    };
    fixture.overview.labels = vec![
        label(3, "<b>names</b> of places", "first line\nsecond", false),
        label(7, "", "", true),
    ];
    let dir = tempfile::tempdir().unwrap();
    let url = write(dir.path(), PageForm::Folder, &fixture);
    let mut tab = Tab::open(&format!("{url}#q=places+names"));
    tab.wait_for(".row");
    assert_eq!(tab.texts(".row .i"), ["3"]);
    assert_eq!(tab.text(".row .label"), "<b>names</b> of places");
    tab.key("Enter");
    tab.go(&format!("{url}#feature=3"));
    tab.wait_for(".label-line .label");
    assert_eq!(tab.text(".label-line .label"), "<b>names</b> of places");
    assert_eq!(tab.text(".note"), "first line\nsecond");
    assert_eq!(
        tab.texts("#star, #edit-label").len(),
        0,
        "a page from disk keeps nothing"
    );
    tab.click(".filter[data-show=starred]");
    assert_eq!(tab.texts(".row .i"), ["★7"]);
    tab.click(".filter[data-show=labelled]");
    assert_eq!(tab.texts(".row .i"), ["3"]);
    tab.assert_quiet();
}

#[test]
#[ignore = "needs Chromium; CI runs it"]
fn two_features_are_compared() {
    let fixture = Fixture::new(80);
    let dir = tempfile::tempdir().unwrap();
    let url = write(dir.path(), PageForm::File, &fixture);
    let mut tab = Tab::open(&format!("{url}#feature=7"));
    tab.wait_for(".feature .example");
    tab.key("c");
    tab.type_text("18");
    tab.key("Enter");
    tab.wait_for(".compare .side:nth-child(2) .example");
    assert!(
        tab.hash().contains("feature=7&compare=18"),
        "{}",
        tab.hash()
    );
    let facts = tab.texts(".side .line:not(.fires) b");
    for (side, index) in [(0, 7), (1, 18)] {
        let feature = &fixture.features[index];
        let expected = [
            feature.statistics.density,
            f64::from(feature.statistics.max),
            feature.statistics.mean,
            f64::from(feature.decoder_norm),
        ];
        for (shown, value) in facts[4 * side..].iter().zip(expected) {
            assert_shown(shown, value, 4);
        }
    }
    assert_eq!(tab.texts(".side").len(), 2);
    // What is beside it stays there on the way back.
    tab.click(".head .quiet:last-child");
    tab.wait("!document.querySelector('.compare')");
    tab.eval("history.back()");
    tab.wait_for(".compare .side");
    tab.key("Escape");
    tab.wait("document.querySelector('.head .index')?.textContent === '7'");
    let beside = fixture.features[7].neighbours.decoder[0];
    tab.click(".beside");
    tab.wait_for(".compare .side");
    let relation = tab.text(".compare .head .fact");
    assert!(relation.starts_with("cosine "), "{relation}");
    assert_shown(
        relation["cosine ".len()..].split(';').next().unwrap(),
        beside.value.into(),
        4,
    );
    tab.assert_quiet();
}
