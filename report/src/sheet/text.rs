//! A sheet on the terminal.

use super::{Grid, Sheet, Table};
use crate::escape::visible_token;

/// Characters of a cell of a grid.
const WIDE: usize = 7;
/// Characters of a line of a grid.
const LINE: usize = 120;

pub(super) fn text(sheet: &Sheet) -> String {
    let mut out = format!("{}: {}\n", sheet.title, sheet.subtitle);
    for (name, value) in &sheet.facts {
        out += &format!("{name}: {value}\n");
    }
    for grid in &sheet.grids {
        out += &format!("\n{}", of_grid(grid));
    }
    for table in &sheet.tables {
        out += &format!("\n{}", of_table(table));
    }
    out
}

fn of_grid(grid: &Grid) -> String {
    let names = grid.rows.iter().map(|(name, _)| name.chars().count());
    let first = names.max().unwrap_or(0);
    // A long prompt goes on below, so that no line is longer than people read.
    let at_once = (LINE.saturating_sub(first) / (WIDE + 2)).max(1);
    let mut out = format!("{}\n", grid.title);
    for start in (0..grid.columns.len()).step_by(at_once) {
        let columns = start..grid.columns.len().min(start + at_once);
        if start > 0 {
            out.push('\n');
        }
        out += &format!("{:first$}", "");
        for column in &grid.columns[columns.clone()] {
            out += &format!("  {:>WIDE$}", short(&visible_token(column)));
        }
        out.push('\n');
        for (name, cells) in &grid.rows {
            out += &format!("{name:first$}");
            for cell in cells.iter().take(columns.end).skip(columns.start) {
                out += &format!("  {:>WIDE$}", short(&visible_token(&cell.text)));
            }
            out.push('\n');
        }
    }
    out
}

fn of_table(table: &Table) -> String {
    let width = |column: usize| {
        let cells = table.rows.iter().filter_map(|row| row.get(column));
        let cells = cells.map(|cell| cell.chars().count());
        cells.chain([table.columns[column].chars().count()]).max()
    };
    let widths: Vec<usize> = (0..table.columns.len())
        .map(|column| width(column).unwrap_or(0))
        .collect();
    let line = |cells: &[String]| {
        let cells = cells.iter().zip(&widths);
        let cells = cells.map(|(cell, &width)| format!("{cell:>width$}"));
        cells.collect::<Vec<_>>().join("  ") + "\n"
    };
    let mut out = format!("{}\n{}", table.title, line(&table.columns));
    for row in &table.rows {
        out += &line(row);
    }
    out
}

/// Cut to the width of a cell.
fn short(text: &str) -> String {
    if text.chars().count() <= WIDE {
        return text.to_owned();
    }
    text.chars().take(WIDE - 1).chain(['…']).collect()
}
