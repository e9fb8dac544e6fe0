//! Which features to look at.

use super::links::Links;
use crate::report::escape::escape;
use crate::report::features::{FEWEST, Features, Named};
use crate::report::plots::{count, number, percent};
use anyhow::Result;
use std::fmt::Write;

/// Characters of a list of features that are shown.
const SHOWN: usize = 1200;

pub(super) fn section(page: &mut String, features: &Features, links: &Links) -> Result<()> {
    page.push_str("<section id=\"features\"><h2>Features to look at<small>by how often and how evenly they fire on this text</small></h2>\n");
    let criterion = format!(
        "Peaked and flat ones are of moderate density (on at least {FEWEST} tokens, and on no more than 1 % of them), ordered by their largest activation over \
         the mean where they fire. Peaked ones fire strongly on a few of their tokens, which are the ones to read; flat ones fire about alike wherever \
         they do. Ultra-dense ones fire on more than 10 % of the tokens and say little about any."
    );
    writeln!(
        page,
        "<p>{}</p>\n<div class=\"columns\">",
        escape(&criterion)
    )?;
    table(
        page,
        "Peaked",
        "max / mean, greatest first",
        &features.peaked,
        links,
    )?;
    table(
        page,
        "Flat",
        "max / mean, smallest first",
        &features.flat,
        links,
    )?;
    table(
        page,
        "Ultra-dense",
        &format!("{} in all", count(features.n_ultra_dense)),
        &features.densest,
        links,
    )?;
    page.push_str("</div>\n");
    list(page, "Dead", features.n_dead, &features.dead)?;
    list(
        page,
        "Ultra-dense",
        features.n_ultra_dense,
        &features.ultra_dense,
    )?;
    let wanted: Vec<usize> = [&features.peaked, &features.flat, &features.densest]
        .into_iter()
        .flatten()
        .map(|f| f.feature)
        .collect();
    if let Some(command) = links.command(&wanted) {
        writeln!(
            page,
            "<p>Their pages:</p>\n<pre class=\"command\">{}</pre>",
            escape(&command)
        )?;
    }
    page.push_str("</section>\n");
    Ok(())
}

fn table(page: &mut String, name: &str, small: &str, named: &[Named], links: &Links) -> Result<()> {
    writeln!(page, "<div><h3>{name}<small>{}</small></h3>", escape(small))?;
    if named.is_empty() {
        page.push_str("<p class=\"none\">None on this much text.</p></div>\n");
        return Ok(());
    }
    page.push_str("<table><thead><tr><th>feature</th><th>density</th><th>max</th><th>mean</th><th>max / mean</th></tr></thead><tbody>\n");
    for f in named {
        let number_or_link = match links.to(f.feature) {
            Some(href) => format!("<a href=\"{}\">{}</a>", escape(&href), f.feature),
            None => f.feature.to_string(),
        };
        writeln!(
            page,
            "<tr><td class=\"mono\">{number_or_link}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            percent(f.density, 3),
            number(f.max, 3),
            number(f.mean, 3),
            number(f.max / f.mean, 3)
        )?;
    }
    page.push_str("</tbody></table></div>\n");
    Ok(())
}

/// All features of a kind, by number.
fn list(page: &mut String, name: &str, n: u64, list: &str) -> Result<()> {
    if n == 0 {
        return Ok(());
    }
    let shown = match list.get(..SHOWN) {
        Some(start) => format!(
            "{}… (the rest is in report.json)",
            &start[..=start.rfind(',').unwrap_or(start.len() - 1)]
        ),
        None => list.to_owned(),
    };
    writeln!(
        page,
        "<details><summary>{name}: {}</summary><p class=\"mono list\">{shown}</p></details>",
        count(n)
    )?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::list;

    #[test]
    fn long_lists_are_cut_between_features() {
        let numbers: Vec<String> = (0..2000).map(|n| (2 * n).to_string()).collect();
        let mut page = String::new();
        list(&mut page, "Dead", 2000, &numbers.join(",")).unwrap();
        assert!(page.contains("Dead: 2,000") && page.contains(",… (the rest") && page.len() < 1400);
        let mut none = String::new();
        list(&mut none, "Dead", 0, "").unwrap();
        assert_eq!(none, "");
    }
}
