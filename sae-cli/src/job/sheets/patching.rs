//! Patching as a sheet.

use super::{figure, hundredths};
use sae_interventions::{Ends, FeaturePatches, Patched};
use sae_report::{Cell, Grid, Sheet, Table, csv_table};

/// What both kinds of patching have in common.
pub(crate) struct About<'a> {
    pub(crate) model: &'a str,
    pub(crate) metric: &'a str,
    pub(crate) site: &'a str,
}

fn begin(about: &About, ends: Ends) -> Sheet {
    let mut sheet = Sheet::new("Activation patching", about.model);
    sheet.fact("site", about.site);
    sheet.fact("metric", about.metric);
    sheet.fact("clean", figure(ends.clean));
    sheet.fact("corrupted", figure(ends.corrupted));
    sheet.notes.push(
        "The corrupted prompt runs with one activation of the clean prompt. 0: the patch changes nothing; 1: it restores the clean \
         prompt's metric. Below 0 it makes matters worse, above 1 it overshoots."
            .to_owned(),
    );
    sheet
}

/// A heat map; `columns` are the corrupted prompt's tokens, or the heads. The first `alike` columns, where both prompts are the same and a patch
/// changes nothing, are left out.
pub(crate) fn map(about: &About, patched: &Patched, columns: &[String], alike: usize) -> Sheet {
    let mut sheet = begin(about, patched.ends);
    if alike > 0 {
        sheet.fact(
            "tokens that are the same in both",
            format!("the first {alike}: not shown"),
        );
    }
    let rows = patched.restored.iter().zip(&patched.metric).enumerate();
    let rows = rows.rev().map(|(layer, (shares, metrics))| {
        let cells = shares
            .iter()
            .zip(metrics)
            .skip(alike)
            .map(|(share, metric)| {
                let text = share.map_or("undefined".to_owned(), hundredths);
                Cell::new(
                    text,
                    *share,
                    format!("{} {}", about.metric, figure(*metric)),
                )
            });
        (format!("L{layer}"), cells.collect())
    });
    sheet.grids.push(Grid {
        title: "Restored".to_owned(),
        note: "the share of the difference between both prompts".to_owned(),
        columns: columns[alike..].to_vec(),
        rows: rows.collect(),
    });
    sheet
}

/// One row for each layer and column.
pub(crate) fn map_csv(patched: &Patched, columns: &[String], column: &str) -> String {
    let mut rows = Vec::new();
    for (layer, (shares, metrics)) in patched.restored.iter().zip(&patched.metric).enumerate() {
        for (at, (share, metric)) in shares.iter().zip(metrics).enumerate() {
            rows.push(vec![
                layer.to_string(),
                at.to_string(),
                columns[at].clone(),
                metric.to_string(),
                share.map_or(String::new(), |share| share.to_string()),
            ]);
        }
    }
    csv_table(&["layer", column, "name", "metric", "restored"], &rows)
}

/// A ranked list.
pub(crate) fn features(about: &About, patched: &FeaturePatches) -> Sheet {
    let mut sheet = begin(about, patched.ends);
    sheet.fact("features that differ", patched.n_differing.to_string());
    sheet.tables.push(Table {
        title: "Features".to_owned(),
        columns: ["feature", "restored", "metric", "expected change"]
            .map(str::to_owned)
            .to_vec(),
        rows: feature_rows(patched, figure),
    });
    sheet.notes.push(
        "A feature is patched at every position at once. The expected change is what the gradient at the corrupted prompt promises; \
         it chose which features were measured."
            .to_owned(),
    );
    sheet
}

/// One row for each feature.
pub(crate) fn features_csv(patched: &FeaturePatches) -> String {
    let header = ["feature", "restored", "metric", "expected"];
    csv_table(&header, &feature_rows(patched, |x| x.to_string()))
}

fn feature_rows(patched: &FeaturePatches, shown: impl Fn(f64) -> String) -> Vec<Vec<String>> {
    let row = |f: &sae_interventions::FeaturePatch| {
        vec![
            f.feature.to_string(),
            f.restored.map_or(String::new(), &shown),
            shown(f.metric),
            shown(f.expected),
        ]
    };
    patched.features.iter().map(row).collect()
}
