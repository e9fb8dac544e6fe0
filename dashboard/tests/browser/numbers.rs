//! Every number on the page is the feature's.

use crate::chromium::Tab;
use crate::fixture::Fixture;
use crate::{assert_shown, parse, write};
use sae_dashboard::page::PageForm;
use sae_dashboard::{Feature, GroupKind, TokenLogit};

fn statistic(tab: &mut Tab, name: &str, value: f64) {
    let selector = format!("[data-statistic='{name}']");
    assert_shown(&tab.text(&selector), value, 4);
    let title = tab.eval(&format!("document.querySelector({selector:?}).title"));
    let exact: f64 = title.as_str().unwrap().parse().unwrap();
    assert_eq!(exact.to_bits(), value.to_bits(), "{name}");
}

fn logits(tab: &mut Tab, selector: &str, expected: &[TokenLogit]) {
    let shown = tab.texts(&format!("{selector} .v"));
    assert_eq!(shown.len(), expected.len());
    for (text, entry) in shown.iter().zip(expected) {
        assert_shown(text, entry.logit.into(), 4);
    }
}

fn counts(tab: &mut Tab, plot: usize, expected: &[u64]) {
    let bars = tab.eval(&format!(
        "[...document.querySelectorAll('.charts .histogram')[{plot}].querySelectorAll('rect')].map((bar) => Number(bar.dataset.count))"
    ));
    assert_eq!(bars, serde_json::json!(expected));
}

fn examples(tab: &mut Tab, feature: &Feature) {
    let headings = tab.texts(".group h2 small");
    assert_eq!(headings.len(), feature.groups.len());
    for (heading, group) in headings.iter().zip(&feature.groups) {
        if let GroupKind::Interval { n_fired, .. } = group.kind {
            assert_eq!(
                heading.split(" of ").map(parse).collect::<Vec<_>>(),
                [group.examples.len() as f64, n_fired as f64]
            );
        }
    }
    let values = tab.texts(".examples:not(.borrowed) .value");
    let expected: Vec<_> = feature
        .groups
        .iter()
        .flat_map(|group| &group.examples)
        .collect();
    assert_eq!(values.len(), expected.len());
    for (value, example) in values.iter().zip(&expected) {
        assert_shown(
            value,
            example.values[(example.position - example.start) as usize].into(),
            4,
        );
    }
    let lengths = tab.eval("[...document.querySelectorAll('.examples:not(.borrowed) .strip')].map((strip) => strip.querySelectorAll('.cell').length)");
    assert_eq!(
        lengths,
        serde_json::json!(expected.iter().map(|e| e.tokens.len()).collect::<Vec<_>>())
    );
}

#[test]
#[ignore = "needs Chromium; CI runs it"]
fn every_number_shown_is_the_features() {
    let fixture = Fixture::new(80);
    let dir = tempfile::tempdir().unwrap();
    let url = write(dir.path(), PageForm::Folder, &fixture);
    let mut tab = Tab::open(&format!("{url}#feature=7"));
    for index in [7, 18, 70] {
        let feature = &fixture.features[index];
        tab.go(&format!("{url}#feature={index}"));
        tab.wait_for(".feature .group");
        assert_eq!(tab.text(".head .index"), index.to_string());
        let s = &feature.statistics;
        assert_shown(&tab.text("[data-figure=density]"), s.density, 4);
        assert_shown(&tab.text("[data-figure=max]"), s.max.into(), 4);
        assert_shown(
            &tab.text("[data-figure=norm]"),
            feature.decoder_norm.into(),
            4,
        );
        assert_eq!(
            parse(&tab.text("[data-statistic='fires on']")) as u64,
            s.n_fired
        );
        for (name, value) in [
            ("density", s.density),
            ("mean", s.mean),
            ("mean square", s.mean_square),
            ("skewness", s.skewness),
            ("kurtosis", s.kurtosis),
        ] {
            statistic(&mut tab, name, value);
        }
        let quantiles = tab.texts("[data-quantile]");
        assert_eq!(quantiles.len(), s.quantiles.len());
        for (text, quantile) in quantiles.iter().zip(&s.quantiles) {
            assert_shown(text, quantile.value.into(), 4);
        }
        let lens = feature.lens.as_ref().unwrap();
        logits(&mut tab, ".logits.up", &lens.top);
        logits(&mut tab, ".logits.down", &lens.bottom);
        counts(&mut tab, 0, &feature.activations.counts);
        counts(&mut tab, 1, &lens.histogram.counts);
        let neighbours = feature
            .neighbours
            .decoder
            .iter()
            .chain(&feature.neighbours.coactive);
        let links = tab.texts(".neighbours a");
        let shares = tab.texts(".neighbours li:has(a) .v");
        assert_eq!(links.len(), neighbours.clone().count());
        for ((link, share), neighbour) in links.iter().zip(&shares).zip(neighbours) {
            assert_eq!(*link, neighbour.index.to_string());
            assert_shown(share, neighbour.value.into(), 4);
        }
        let entries = tab.texts(".neighbours li:not(:has(a)) .v");
        for (texts, entry) in entries.chunks(2).zip(&feature.alignment) {
            assert_shown(&texts[0], entry.value.into(), 4);
            assert_shown(&texts[1], entry.l1_share.into(), 3);
        }
        examples(&mut tab, feature);
    }
    tab.assert_quiet();
}
