//! Attribution as a sheet.

use super::{figure, hundredths};
use sae_interventions::{Attribution, Completeness, SaeAttribution};
use sae_report::{Cell, Grid, Sheet, Strip, Table, csv_table};

/// Tokens in colour, ranked features, heads as a grid.
pub(crate) fn sheet(model: &str, found: &Attribution, tokens: &[String]) -> Sheet {
    let mut sheet = Sheet::new("Attribution", model);
    sheet.fact("method", &*found.method);
    sheet.fact(found.metric, figure(found.value));
    if let Some(corrupted) = found.corrupted {
        sheet.fact("of the corrupted prompt", figure(corrupted));
    }
    for sae in &found.saes {
        of_sae(&mut sheet, sae, tokens);
    }
    if !found.components.is_empty() {
        of_components(&mut sheet, found);
    }
    sheet.notes.push(
        "An effect is a share of the metric, in its units: positive where the part speaks for the answer. Effects at different hooks \
         overlap and are not to be added to each other."
            .to_owned(),
    );
    sheet
}

fn of_sae(sheet: &mut Sheet, sae: &SaeAttribution, tokens: &[String]) {
    let hook = &sae.write_hook;
    complete(sheet, &format!("sum at {hook}"), &sae.completeness);
    let strongest = sae.by_position.iter().fold(0.0_f64, |m, x| m.max(x.abs()));
    let cells = tokens.iter().zip(&sae.by_position).map(|(token, &effect)| {
        Cell::new(
            token.clone(),
            effect / strongest,
            format!("features {}", figure(effect)),
        )
    });
    sheet.strips.push(Strip {
        title: format!("The prompt, by the effects of features at {hook}"),
        cells: cells.collect(),
    });
    let rows = sae.features.iter().map(|f| {
        vec![
            f.feature.to_string(),
            f.position.to_string(),
            format!("{:?}", tokens[f.position]),
            figure(f.activation.into()),
            figure(f.corrupted.into()),
            figure(f.effect),
        ]
    });
    let columns = [
        "feature",
        "position",
        "token",
        "activation",
        "corrupted",
        "effect",
    ];
    sheet.tables.push(Table {
        title: format!("Features at {hook}, the strongest of {}", sae.n_active),
        columns: columns.map(str::to_owned).to_vec(),
        rows: rows.collect(),
    });
    let rows = sae.totals.iter().map(|f| {
        vec![
            f.feature.to_string(),
            f.n_positions.to_string(),
            figure(f.effect),
        ]
    });
    sheet.tables.push(Table {
        title: format!("Features at {hook}, over all positions"),
        columns: ["feature", "positions", "effect"]
            .map(str::to_owned)
            .to_vec(),
        rows: rows.collect(),
    });
    if !sae.error.is_empty() {
        let sum = |x: &[f64]| figure(x.iter().sum());
        sheet.tables.push(Table {
            title: format!("At {hook} in all"),
            columns: ["part", "effect"].map(str::to_owned).to_vec(),
            rows: vec![
                vec!["features".to_owned(), sum(&sae.by_position)],
                vec![
                    "error (what the SAE leaves out)".to_owned(),
                    sum(&sae.error),
                ],
                vec![
                    "bias (what it writes without features)".to_owned(),
                    sum(&sae.bias),
                ],
            ],
        });
    }
}

fn of_components(sheet: &mut Sheet, found: &Attribution) {
    if let Some(completeness) = &found.components_completeness {
        complete(sheet, "sum of components", completeness);
    }
    let strongest = found
        .components
        .iter()
        .fold(0.0_f64, |m, c| m.max(c.effect.abs()));
    let n_layers = found.components.iter().filter_map(|c| c.layer).max();
    let n_heads = found.components.iter().filter_map(|c| c.head).max();
    let (n_layers, n_heads) = (n_layers.map_or(0, |n| n + 1), n_heads.map_or(0, |n| n + 1));
    let mut rows: Vec<(String, Vec<Cell>)> = (0..n_layers)
        .map(|layer| (format!("L{layer}"), vec![Cell::default(); n_heads + 1]))
        .collect();
    for component in &found.components {
        let Some(layer) = component.layer else {
            continue;
        };
        let at = component.head.unwrap_or(n_heads);
        let text = hundredths(component.effect);
        let hover = format!("{} {}", component.name(), figure(component.effect));
        rows[layer].1[at] = Cell::new(text, component.effect / strongest, hover);
    }
    rows.reverse();
    let columns = (0..n_heads).map(|head| format!("H{head}"));
    sheet.grids.push(Grid {
        title: "Heads and MLPs".to_owned(),
        note: "effect on the metric".to_owned(),
        columns: columns.chain(["MLP".to_owned()]).collect(),
        rows,
    });
    let rows = found.components.iter().take(20);
    sheet.tables.push(Table {
        title: "Heads and MLPs, the strongest".to_owned(),
        columns: ["component", "effect"].map(str::to_owned).to_vec(),
        rows: rows.map(|c| vec![c.name(), figure(c.effect)]).collect(),
    });
}

fn complete(sheet: &mut Sheet, name: &str, c: &Completeness) {
    let text = format!(
        "{}, measured {} ({})",
        figure(c.sum),
        figure(c.measured),
        c.between
    );
    sheet.fact(name, text);
}

/// One row for each feature and position, error, bias, and component.
pub(crate) fn csv(found: &Attribution, tokens: &[String]) -> String {
    let mut rows = Vec::new();
    let mut row =
        |hook: &str, kind: &str, name: String, position: Option<usize>, values: [String; 3]| {
            let token = position.map_or(String::new(), |at| tokens[at].clone());
            let position = position.map_or(String::new(), |at| at.to_string());
            let [activation, corrupted, effect] = values;
            rows.push(vec![
                hook.to_owned(),
                kind.to_owned(),
                name,
                position,
                token,
                activation,
                corrupted,
                effect,
            ]);
        };
    let alone = |effect: f64| [String::new(), String::new(), effect.to_string()];
    for sae in &found.saes {
        for f in &sae.features {
            let values = [
                f.activation.to_string(),
                f.corrupted.to_string(),
                f.effect.to_string(),
            ];
            row(
                &sae.write_hook,
                "feature",
                f.feature.to_string(),
                Some(f.position),
                values,
            );
        }
        for (kind, effects) in [("error", &sae.error), ("bias", &sae.bias)] {
            for (position, &effect) in effects.iter().enumerate() {
                row(
                    &sae.write_hook,
                    kind,
                    String::new(),
                    Some(position),
                    alone(effect),
                );
            }
        }
    }
    for c in &found.components {
        row("", c.kind, c.name(), None, alone(c.effect));
    }
    let header = [
        "hook",
        "kind",
        "name",
        "position",
        "token",
        "activation",
        "corrupted",
        "effect",
    ];
    csv_table(&header, &rows)
}
