//! The picture: positions from left to right, layers from the tokens up to the logits.

use super::file::{GraphPage, Kind};
use crate::escape::{escape, visible_token};
use std::fmt::Write;

const ROW: usize = 28;
/// From node to node; wider where there is room.
const STEP: usize = 13;
const WIDEST_STEP: usize = 26;
/// A picture is made about this wide if it can be.
const WIDE: usize = 1100;
const LEFT: usize = 54;
const TOP: usize = 12;
/// Below the tokens, for their texts.
const BELOW: usize = 92;
/// Characters of a token that there is room for.
const SHOWN: usize = 14;

/// Where everything is, in pixels.
pub(super) struct Layout {
    /// The centre of each node.
    pub(super) nodes: Vec<(usize, usize)>,
    /// Left edge and width of each position.
    columns: Vec<(usize, usize)>,
    width: usize,
    height: usize,
    n_rows: usize,
}

impl Layout {
    pub(super) fn new(page: &GraphPage) -> Self {
        let n = page.tokens.len();
        // Nodes of each cell, those of most influence first.
        let mut order: Vec<usize> = (0..page.nodes.len()).collect();
        order.sort_by(|&a, &b| {
            let [a, b] = [a, b].map(|node| &page.nodes[node]);
            let share = |x: Option<f64>| x.unwrap_or(0.0);
            let by_influence = share(a.cumulative).total_cmp(&share(b.cumulative));
            b.prob.total_cmp(&a.prob).then(by_influence)
        });
        let mut cells = std::collections::HashMap::new();
        let mut places = vec![0; page.nodes.len()];
        let mut widest = vec![1; n];
        for node in order {
            let at = &page.nodes[node];
            let cell = cells.entry((at.row, at.position)).or_insert(0);
            places[node] = *cell;
            *cell += 1;
            widest[at.position] = widest[at.position].max(*cell);
        }
        let slots: usize = widest.iter().sum();
        let step = (WIDE.saturating_sub(LEFT + 12 * n) / slots.max(1)).clamp(STEP, WIDEST_STEP);
        let mut left = LEFT;
        let columns: Vec<(usize, usize)> = widest
            .iter()
            .map(|&most| {
                let width = (most * step + 12).max(34);
                left += width;
                (left - width, width)
            })
            .collect();
        let y = |row: usize| TOP + (page.n_rows - 1 - row) * ROW + ROW / 2;
        let nodes = page.nodes.iter().zip(places).map(|(node, place)| {
            let (left, _) = columns[node.position];
            (left + 6 + step / 2 + place * step, y(node.row))
        });
        Self {
            nodes: nodes.collect(),
            columns,
            // Room for the last token's text, which is slanted.
            width: left + 12,
            height: TOP + page.n_rows * ROW + BELOW,
            n_rows: page.n_rows,
        }
    }
}

/// The picture as SVG. Links are drawn by the script, which knows of whom one wants to see them.
pub(super) fn svg(page: &GraphPage, layout: &Layout) -> String {
    let Layout { width, height, .. } = layout;
    let mut svg = format!(
        "<svg id=\"graph\" class=\"graph\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" tabindex=\"0\" role=\"application\" \
         aria-label=\"Nodes by layer and position; arrow keys move, Enter pins\">"
    );
    rows(&mut svg, layout);
    columns(&mut svg, page, layout);
    svg.push_str("<g id=\"links\"></g><g id=\"nodes\">");
    for (i, (node, (x, y))) in page.nodes.iter().zip(&layout.nodes).enumerate() {
        let _ = match node.kind {
            Kind::Feature => write!(
                svg,
                "<circle id=\"n{i}\" class=\"n f\" cx=\"{x}\" cy=\"{y}\" r=\"4.5\"/>"
            ),
            Kind::Error => write!(
                svg,
                "<path id=\"n{i}\" class=\"n e\" d=\"M{x} {}L{} {y}L{x} {}L{} {y}Z\"/>",
                y - 5,
                x + 5,
                y + 5,
                x - 5
            ),
            Kind::Token => write!(
                svg,
                "<rect id=\"n{i}\" class=\"n t\" x=\"{}\" y=\"{}\" width=\"9\" height=\"9\"/>",
                x - 4,
                y - 4
            ),
            Kind::Logit => write!(
                svg,
                "<rect id=\"n{i}\" class=\"n l\" x=\"{}\" y=\"{}\" width=\"10\" height=\"10\" rx=\"3\" fill-opacity=\"{:.2}\"/>",
                x - 5,
                y - 5,
                0.25 + 0.75 * node.prob.sqrt()
            ),
        };
    }
    svg.push_str("</g></svg>");
    svg
}

fn rows(svg: &mut String, layout: &Layout) {
    for row in 0..layout.n_rows {
        let y = TOP + (layout.n_rows - 1 - row) * ROW;
        let name = match row {
            0 => "tokens".to_owned(),
            row if row + 1 == layout.n_rows => "logits".to_owned(),
            row => format!("block {}", row - 1),
        };
        let _ = write!(
            svg,
            "<rect class=\"row r{}\" x=\"{LEFT}\" y=\"{y}\" width=\"{}\" height=\"{ROW}\"/><text class=\"name\" x=\"{}\" y=\"{}\">{name}</text>",
            row % 2,
            layout.width - LEFT,
            LEFT - 6,
            y + ROW / 2 + 4
        );
    }
}

fn columns(svg: &mut String, page: &GraphPage, layout: &Layout) {
    let bottom = TOP + layout.n_rows * ROW;
    for (position, (token, (left, width))) in page.tokens.iter().zip(&layout.columns).enumerate() {
        let whole = visible_token(token);
        let mut shown: String = whole.chars().take(SHOWN).collect();
        if shown.len() < whole.len() {
            shown.push('…');
        }
        let (x, y) = (left + width / 2, bottom + 10);
        let _ = write!(
            svg,
            "<path class=\"column\" d=\"M{left} {TOP}V{bottom}\"/><text class=\"token\" transform=\"translate({x} {y})rotate(-55)\"><title>{position}: {}</title>{}</text>",
            escape(&whole),
            escape(&shown)
        );
    }
}
