//! An attribution graph as one page: layers by positions, and what goes into and out of each node.

mod draw;
mod file;
#[cfg(test)]
mod tests;

pub use file::{GraphPage, GraphPageError};

use crate::escape::{json_for_script, visible, visible_token};
use crate::page::Shell;
use crate::scale::{count, number, percent};
use draw::Layout;
use file::{GraphNode, Kind};
use maud::{Markup, PreEscaped, html};
use serde_json::json;

const OWN_STYLE: &str = include_str!("graph.css");
const SCRIPT: &str = concat!(
    include_str!("ui/nodes.js"),
    include_str!("ui/details.js"),
    include_str!("ui/controls.js")
);
/// Inputs of a logit that are there without a script.
const LISTED: usize = 12;

/// The page of a graph: it needs nothing but itself.
///
/// Nodes are drawn where they are; pointing at one shows its strongest inputs and outputs, a click pins it, and what is not looked for can be dimmed.
pub fn graph_page(page: &GraphPage) -> String {
    let layout = Layout::new(page);
    let main = html! {
        main.attribution {
            header { h1 { (visible(&page.prompt)) } (facts(page)) }
            (controls())
            div.scroll #picture { (PreEscaped(draw::svg(page, &layout))) }
            div.legend aria-hidden="true" {
                span.f { "feature" } span.e { "error" } span.t { "token" } span.l { "logit" }
                span.plus { "adds" } span.minus { "takes away" }
            }
            section #pinned aria-label="Pinned nodes" hidden {}
            section #details aria-live="polite" { (likeliest(page)) }
        }
    };
    let shell = Shell {
        title: &format!("Graph of {}", page.prompt),
        brand: "Attribution graph",
        about: &page.scan,
        style: &[OWN_STYLE],
        script: SCRIPT,
        data: Some(("data", &json_for_script(&data(page, &layout)))),
        ..Shell::default()
    };
    shell.around(&main)
}

fn facts(page: &GraphPage) -> Markup {
    let of = |kind| page.nodes.iter().filter(|node| node.kind == kind).count() as u64;
    let share = |x: Option<f64>| x.map(|x| percent(x, 3));
    html! {
        dl.figures {
            div.figure { dt { "Features shown" } dd { (count(of(Kind::Feature))) @if let Some(n) = page.n_active { small { "of " (count(n)) " active" } } } }
            div.figure { dt { "Errors shown" } dd { (count(of(Kind::Error))) } }
            div.figure { dt { "Links" } dd { (count(page.links.len() as u64)) } }
            @if let Some(share) = share(page.replacement) {
                div.figure { dt { "Replacement score" } dd { (share) small { "of the influence begins at tokens, not at errors" } } }
            }
            @if let Some(share) = share(page.completeness) {
                div.figure { dt { "Completeness score" } dd { (share) small { "of what goes into nodes is not from errors" } } }
            }
            @if let Some(share) = share(page.node_threshold) {
                div.figure { dt { "Kept" } dd { (share) small { "of the nodes’ influence" } } }
            }
        }
    }
}

fn controls() -> Markup {
    html! {
        form.controls #controls hidden {
            label { "Find " input #find type="search" placeholder="feature, token or block" autocomplete="off"; }
            label { input #features type="checkbox" checked; " features" }
            label { input #errors type="checkbox" checked; " errors" }
            label { "Influence " input #share type="range" min="0.1" max="1" step="0.01" value="1"; output #share-said for="share" { "all" } }
            button.quiet #clear type="button" { "Unpin all" }
            span #found role="status" {}
        }
    }
}

/// What goes into the likeliest logit, which is there without a script.
fn likeliest(page: &GraphPage) -> Markup {
    let logit = page.nodes.iter().position(|node| node.kind == Kind::Logit);
    let mut into: Vec<(usize, f64)> = page
        .links
        .iter()
        .filter(|link| Some(link.1) == logit)
        .map(|link| (link.0, link.2))
        .collect();
    into.sort_by(|a, b| b.1.abs().total_cmp(&a.1.abs()));
    html! {
        @if let Some(logit) = logit {
            h2 { (name(page, &page.nodes[logit])) small { "its strongest inputs" } }
            table {
                tbody {
                    @for (source, weight) in into.iter().take(LISTED) {
                        tr { td { (name(page, &page.nodes[*source])) } td.mono { (number(*weight, 3)) } }
                    }
                }
            }
        } @else {
            p.none { "The graph has no logits." }
        }
    }
}

/// A node in words.
fn name(page: &GraphPage, node: &GraphNode) -> String {
    let token = visible_token(&page.tokens[node.position]);
    match node.kind {
        Kind::Feature => format!(
            "Block {}, feature {} at {token}",
            node.layer,
            visible(&node.name)
        ),
        Kind::Error => format!("Error of block {} at {token}", node.layer),
        Kind::Token => format!("Token {token}"),
        Kind::Logit => format!(
            "Output {} ({})",
            visible_token(&node.name),
            percent(node.prob, 3)
        ),
    }
}

/// What the script knows: words, places and links.
fn data(page: &GraphPage, layout: &Layout) -> String {
    let nodes = page.nodes.iter().zip(&layout.nodes).map(|(node, (x, y))| {
        let kind = match node.kind {
            Kind::Feature => "f",
            Kind::Error => "e",
            Kind::Token => "t",
            Kind::Logit => "l",
        };
        json!([
            kind,
            name(page, node),
            node.position,
            node.cumulative,
            node.activation,
            x,
            y
        ])
    });
    let nodes: Vec<_> = nodes.collect();
    let links = page.links.iter();
    let links: Vec<_> = links.map(|(s, t, w)| json!([s, t, w])).collect();
    json!({ "nodes": nodes, "links": links }).to_string()
}
