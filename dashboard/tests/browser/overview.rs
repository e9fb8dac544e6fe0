//! The whole SAE: figures, plots, a long list.

use crate::chromium::Tab;
use crate::fixture::Fixture;
use crate::{assert_shown, parse, write};
use sae_dashboard::Overview;
use sae_dashboard::page::{PageForm, PageWriter};

#[test]
#[ignore = "needs Chromium; CI runs it"]
fn figures_filters_and_plots_are_the_overviews() {
    let fixture = Fixture::new(400);
    let dir = tempfile::tempdir().unwrap();
    let url = write(dir.path(), PageForm::Folder, &fixture);
    let mut tab = Tab::open(&url);
    let density = &fixture.overview.density;
    let dead = density.iter().filter(|d| **d == 0.0).count();
    let dense = density.iter().filter(|d| **d > 0.1).count();
    assert!(dead > 3 && dense > 1);
    let figures = tab.texts(".figure dd");
    assert_shown(
        &figures[1].replace("features on a token", ""),
        density.iter().map(|d| f64::from(*d)).sum(),
        3,
    );
    assert_eq!(
        tab.texts(".filter:not([hidden]) .n")
            .iter()
            .map(|n| parse(n) as usize)
            .collect::<Vec<_>>(),
        [400, dead, dense]
    );
    tab.click(".filter[data-show=dead]");
    assert!(tab.text(".status").starts_with(&format!("{dead} features")));
    assert!(tab.texts(".row .none").iter().all(|text| text == "dead"));
    tab.click(".filter[data-show=dense]");
    assert_eq!(tab.texts(".row").len(), dense);
    tab.click(".filter[data-show=all]");
    tab.click("[data-sort=max]");
    let mut largest: Vec<usize> = (0..400).collect();
    largest.sort_by(|a, b| fixture.overview.max[*b].total_cmp(&fixture.overview.max[*a]));
    let largest: Vec<String> = largest.iter().map(ToString::to_string).collect();
    let shown = tab.texts(".row .i");
    assert!(shown.len() < 60);
    assert_eq!(shown, largest[..shown.len()]);

    // The bars of the densities are all features that fire; clicking one lists as many.
    let bars = tab.eval(
        "[...document.querySelectorAll('.wide rect')].map((bar) => Number(bar.dataset.count))",
    );
    let bars: Vec<usize> = serde_json::from_value(bars).unwrap();
    assert_eq!(bars.iter().sum::<usize>(), 400 - dead);
    let tallest = bars.iter().zip(1..).max().unwrap();
    tab.click(&format!(".wide rect:nth-child({})", tallest.1));
    assert!(
        tab.text(".status")
            .starts_with(&format!("{} features, density", tallest.0)),
        "{}",
        tab.text(".status")
    );
    assert!(tab.hash().contains("range="));
    tab.click(".status .link");

    // A point opens the feature that it says it is.
    let (x, y) = tab.middle(".scatter canvas");
    let on = (0..40)
        .flat_map(|i| (0..10).map(move |j| (x + 9.0 * f64::from(i - 20), y + 9.0 * f64::from(j))));
    let found = on.into_iter().find(|(x, y)| {
        tab.hover_at(*x, *y);
        tab.eval("document.querySelector('.scatter canvas').classList.contains('on')") == true
    });
    let (x, y) = found.expect("a point");
    let named = tab.text("#tooltip dd");
    tab.click_at(x, y);
    tab.wait(&format!(
        "document.querySelector('.head .index')?.textContent === '{named}'"
    ));
    tab.assert_quiet();
}

#[test]
#[ignore = "needs Chromium; CI runs it"]
fn a_list_of_a_hundred_thousand_has_some_dozen_rows() {
    let n = 131_072_u32;
    let overview = Overview {
        d_sae: n,
        density: (0..n).map(|i| 1.0 / (i + 2) as f32).collect(),
        max: vec![1.0; n as usize],
        mean: vec![0.5; n as usize],
        decoder_norm: vec![1.0; n as usize],
        top_token: (0..n).map(|i| Some(i % 3)).collect(),
        lens_token: Vec::new(),
        ..Overview::default()
    };
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("page.html");
    let vocabulary = vec![b"a".to_vec(), b"b".to_vec(), b"c".to_vec()];
    PageWriter::create(&path, PageForm::File, &overview, &vocabulary)
        .unwrap()
        .finish()
        .unwrap();
    let mut tab = Tab::open(&format!("file://{}", path.display()));
    tab.wait_for(".row");
    assert!(tab.texts(".row").len() < 60);
    tab.eval("document.querySelector('.viewport').scrollTop = 1e9");
    tab.wait("[...document.querySelectorAll('.row .i')].at(-1).textContent === '131071'");
    tab.click("[data-sort=density]");
    tab.click("[data-sort=density]");
    tab.eval("document.querySelector('.viewport').scrollTop = 0");
    tab.wait("document.querySelector('.row .i').textContent === '131071'");
    assert!(tab.text("main").contains("0 with a page"));
    tab.assert_quiet();
}
