//! A sheet as a page.

use super::{Cell, Grid, Sheet, Strip, Table};
use crate::escape::{visible, visible_token};
use crate::page::{Shell, warnings};
use maud::{Markup, html};

const OWN_STYLE: &str = include_str!("sheet.css");

pub(super) fn page(sheet: &Sheet) -> String {
    let main = html! {
        main.sheet {
            (warnings(&sheet.warnings))
            dl.pairs {
                @for (name, value) in &sheet.facts {
                    dt { (visible(name)) } dd { (visible(value)) }
                }
            }
            @for strip in &sheet.strips { (of_strip(strip)) }
            @for grid in &sheet.grids { (of_grid(grid)) }
            @for table in &sheet.tables { (of_table(table)) }
            @if !sheet.notes.is_empty() {
                section {
                    h2 { "How to read this" }
                    @for note in &sheet.notes { p.note { (visible(note)) } }
                }
            }
        }
    };
    let shell = Shell {
        title: &format!("{} · {}", sheet.title, sheet.subtitle),
        brand: &sheet.title,
        about: &sheet.subtitle,
        style: &[OWN_STYLE],
        ..Shell::default()
    };
    shell.around(&main)
}

fn of_strip(strip: &Strip) -> Markup {
    html! {
        section {
            h2 { (visible(&strip.title)) }
            p.tokens {
                @for cell in &strip.cells {
                    span style=[colour(cell)] title=(visible(&cell.hover)) { (visible_token(&cell.text)) }
                }
            }
        }
    }
}

fn of_grid(grid: &Grid) -> Markup {
    html! {
        section {
            h2 { (visible(&grid.title)) small { (visible(&grid.note)) } }
            div.scroll tabindex="0" role="region" aria-label=(visible(&grid.title)) {
                table.grid {
                    thead { tr {
                        th {}
                        @for column in &grid.columns { th scope="col" { (visible_token(column)) } }
                    } }
                    tbody {
                        @for (name, cells) in &grid.rows {
                            tr {
                                th scope="row" { (visible(name)) }
                                @for cell in cells {
                                    td style=[colour(cell)] title=(visible(&cell.hover)) { (visible_token(&cell.text)) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn of_table(table: &Table) -> Markup {
    html! {
        section {
            h2 { (visible(&table.title)) }
            div.scroll {
                table.ranked {
                    thead { tr { @for column in &table.columns { th scope="col" { (visible(column)) } } } }
                    tbody {
                        @for row in &table.rows {
                            tr { @for cell in row { td { (visible(cell)) } } }
                        }
                    }
                }
            }
        }
    }
}

/// The background of a cell, mixed so that its text can be read in light and in dark.
fn colour(cell: &Cell) -> Option<String> {
    let strength = cell.colour.filter(|c| c.is_finite())?.clamp(-1.0, 1.0);
    let name = if strength < 0.0 { "point" } else { "heat" };
    let share = (70.0 * strength.abs()).round();
    (share > 0.0)
        .then(|| format!("background: color-mix(in srgb, var(--{name}) {share}%, transparent)"))
}
