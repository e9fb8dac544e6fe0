//! Which features to look at.

use super::links::Links;
use crate::features::{FEWEST, Features, Named};
use crate::scale::{count, number, percent};
use maud::{Markup, html};

/// Characters of a list of features that are shown.
const SHOWN: usize = 1200;

pub(super) fn section(features: &Features, links: &Links) -> Markup {
    let criterion = format!(
        "Peaked and flat features fire on at least {FEWEST} tokens and on no more than 1 % of all. They are ordered by their largest activation, divided by \
         their mean activation where they fire. Peaked features fire strongly on a few of their tokens: read those. Flat features fire about equally \
         strongly wherever they fire. Ultra-dense features fire on more than 10 % of all tokens and say little about any of them."
    );
    let listed = [&features.peaked, &features.flat, &features.densest];
    let listed: Vec<usize> = listed.into_iter().flatten().map(|f| f.feature).collect();
    let in_all = format!("{} in all", count(features.n_ultra_dense));
    html! {
        section #features {
            h2 { "Features to look at" small { "by how often and how evenly they fire on this text" } }
            p { (criterion) }
            div.columns {
                (table("Peaked", "max / mean, greatest first", &features.peaked, links))
                (table("Flat", "max / mean, smallest first", &features.flat, links))
                (table("Ultra-dense", &in_all, &features.densest, links))
            }
            (list("Dead", features.n_dead, &features.dead))
            (list("Ultra-dense", features.n_ultra_dense, &features.ultra_dense))
            @if let Some(command) = links.command(&listed) {
                p { "Their pages:" }
                pre.command { (command) }
            }
        }
    }
}

fn table(name: &str, small: &str, named: &[Named], links: &Links) -> Markup {
    html! {
        div {
            h3 { (name) small { (small) } }
            @if named.is_empty() {
                p.none { "None on this much text." }
            } @else {
                table {
                    thead {
                        tr { th { "feature" } th { "density" } th { "max" } th { "mean" } th { "max / mean" } }
                    }
                    tbody {
                        @for f in named {
                            tr {
                                td.mono {
                                    @match links.to(f.feature) {
                                        Some(href) => { a href=(href) { (f.feature) } }
                                        None => { (f.feature) }
                                    }
                                }
                                td { (percent(f.density, 3)) }
                                td { (number(f.max, 3)) }
                                td { (number(f.mean, 3)) }
                                td { (number(f.max / f.mean, 3)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// All features of a kind, by number.
fn list(name: &str, n: u64, list: &str) -> Markup {
    if n == 0 {
        return html! {};
    }
    let shown = match list.get(..SHOWN) {
        Some(start) => format!(
            "{}… (the rest is in report.json)",
            &start[..=start.rfind(',').unwrap_or(start.len() - 1)]
        ),
        None => list.to_owned(),
    };
    html! {
        details {
            summary { (name) ": " (count(n)) }
            p."mono list" { (shown) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::list;

    #[test]
    fn long_lists_are_cut_between_features() {
        let numbers: Vec<String> = (0..2000).map(|n| (2 * n).to_string()).collect();
        let page = list("Dead", 2000, &numbers.join(",")).into_string();
        assert!(page.contains("Dead: 2,000") && page.contains(",… (the rest") && page.len() < 1400);
        assert_eq!(list("Dead", 0, "").into_string(), "");
    }
}
