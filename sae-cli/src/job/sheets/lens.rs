//! The logit lens as a sheet.

use sae_interventions::Lens;
use sae_report::{Cell, Grid, Sheet, csv_table};

/// A grid of layers and positions: the likeliest token, as strong as it is likely.
pub(crate) fn sheet(model: &str, lens: &Lens, tokens: &[String], answer: Option<&str>) -> Sheet {
    let mut sheet = Sheet::new("Logit lens", model);
    sheet.fact("tokens", tokens.len().to_string());
    let mut likeliest = grid(
        "The likeliest next token",
        "colour: its probability",
        tokens,
    );
    let mut follows = grid(
        &format!("The probability of {:?}", answer.unwrap_or_default()),
        "in percent; colour: the probability",
        tokens,
    );
    for layer in lens.layers.iter().rev() {
        let cells = layer.positions.iter().map(|cell| {
            let listed = cell.top.iter().map(|token| {
                let text = token.token.as_deref().unwrap_or_default();
                format!("{text:?} {:.2} %", 100.0 * token.prob)
            });
            let hover = listed.collect::<Vec<_>>().join("\n");
            let first = cell.top.first();
            let text = first.and_then(|token| token.token.clone());
            Cell::new(
                text.unwrap_or_default(),
                first.map(|token| token.prob),
                hover,
            )
        });
        likeliest.rows.push((short(&layer.hook), cells.collect()));
        let cells = layer.positions.iter().filter_map(|cell| {
            let token = cell.answer.as_ref()?;
            let rank = token
                .rank
                .map_or("undefined".to_owned(), |rank| rank.to_string());
            let percent = 100.0 * token.prob;
            Some(Cell::new(
                format!("{percent:.2}"),
                token.prob,
                format!("rank {rank}"),
            ))
        });
        follows.rows.push((short(&layer.hook), cells.collect()));
    }
    sheet.grids.push(likeliest);
    if answer.is_some() {
        sheet.grids.push(follows);
    }
    sheet.notes.push(
        "Each activation of the residual stream goes through the final norm, with its own norm, and the unembedding: what the model \
         would say if it stopped there. The last layer is at the top; point at a cell for the likeliest tokens."
            .to_owned(),
    );
    sheet
}

/// One row for each hook, position and token.
pub(crate) fn csv(lens: &Lens, tokens: &[String]) -> String {
    let mut rows = Vec::new();
    for layer in &lens.layers {
        for (position, cell) in layer.positions.iter().enumerate() {
            let listed = cell.top.iter().map(|token| ("top", token));
            for (kind, token) in listed.chain(cell.answer.iter().map(|token| ("answer", token))) {
                rows.push(vec![
                    layer.hook.clone(),
                    position.to_string(),
                    tokens[position].clone(),
                    kind.to_owned(),
                    token.rank.map_or(String::new(), |rank| rank.to_string()),
                    token.id.to_string(),
                    token.token.clone().unwrap_or_default(),
                    token.prob.to_string(),
                    token.logit.to_string(),
                ]);
            }
        }
    }
    let header = [
        "hook",
        "position",
        "token",
        "kind",
        "rank",
        "id",
        "next_token",
        "prob",
        "logit",
    ];
    csv_table(&header, &rows)
}

fn grid(title: &str, note: &str, tokens: &[String]) -> Grid {
    Grid {
        title: title.to_owned(),
        note: note.to_owned(),
        columns: tokens.to_vec(),
        rows: Vec::new(),
    }
}

/// `blocks.3.hook_resid_pre` as `3 resid_pre`.
fn short(hook: &str) -> String {
    let name = hook.trim_start_matches("blocks.");
    name.replacen(".hook_", " ", 1).replace("hook_", "")
}
