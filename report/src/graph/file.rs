//! A graph as circuit-tracer writes it, looked at before it is drawn.

use serde::Deserialize;
use std::collections::HashMap;

/// Nodes and links that a page can be asked to hold.
const MOST_NODES: usize = 50_000;
const MOST_LINKS: usize = 2_000_000;
const MOST_TOKENS: usize = 100_000;
const MOST_LAYERS: usize = 10_000;

/// A graph that cannot be shown.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GraphPageError {
    /// It is not JSON of this form.
    #[error("is not a graph as circuit-tracer writes it: {0}")]
    Json(#[from] serde_json::Error),
    /// It contradicts itself, or is too large.
    #[error("the graph {0}")]
    Invalid(String),
}

/// What a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Feature,
    Error,
    Token,
    Logit,
}

/// A node, in the place where it is drawn.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct GraphNode {
    pub(super) kind: Kind,
    /// 0 for tokens, 1 for block 0, and logits above all.
    pub(super) row: usize,
    /// The block's number in words, empty for tokens and logits.
    pub(super) layer: String,
    pub(super) position: usize,
    /// The feature's index, or the logit's token.
    pub(super) name: String,
    /// The share of influence that it and the nodes of more have.
    pub(super) cumulative: Option<f64>,
    pub(super) activation: Option<f64>,
    pub(super) prob: f64,
}

/// A graph to be shown: what the file has, and what is known besides.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct GraphPage {
    /// The prompt.
    pub prompt: String,
    /// Which transcoders these are.
    pub scan: String,
    /// The share of influence that features have on the logits rather than errors, if known.
    pub replacement: Option<f64>,
    /// The share of what goes into nodes that does not come from errors, if known.
    pub completeness: Option<f64>,
    /// Features that were active, if known.
    pub n_active: Option<u64>,
    pub(super) node_threshold: Option<f64>,
    pub(super) tokens: Vec<String>,
    pub(super) nodes: Vec<GraphNode>,
    /// Source, target and weight.
    pub(super) links: Vec<(usize, usize, f64)>,
    pub(super) n_rows: usize,
}

#[derive(Deserialize)]
struct File {
    metadata: Metadata,
    nodes: Vec<Node>,
    links: Vec<Link>,
}

#[derive(Deserialize)]
struct Metadata {
    #[serde(default)]
    scan: String,
    prompt_tokens: Vec<String>,
    #[serde(default)]
    prompt: String,
    #[serde(default)]
    node_threshold: Option<f64>,
}

#[derive(Deserialize)]
struct Node {
    #[serde(rename = "node_id")]
    id: String,
    #[serde(default)]
    layer: String,
    ctx_idx: usize,
    feature_type: String,
    #[serde(default)]
    token_prob: f64,
    #[serde(default)]
    clerp: String,
    #[serde(default)]
    influence: Option<f64>,
    #[serde(default)]
    activation: Option<f64>,
}

#[derive(Deserialize)]
struct Link {
    source: String,
    target: String,
    weight: f64,
}

impl GraphPage {
    /// Reads a graph's file: ours, or circuit-tracer's own.
    ///
    /// # Errors
    /// If it is not one, is larger than a page can be, or names nodes and positions that it does not have.
    pub fn from_json(text: &str) -> Result<Self, GraphPageError> {
        let File {
            metadata,
            nodes,
            links,
        } = serde_json::from_str(text)?;
        let invalid = |what: String| GraphPageError::Invalid(what);
        for (n, most, what) in [
            (nodes.len(), MOST_NODES, "nodes"),
            (links.len(), MOST_LINKS, "links"),
            (metadata.prompt_tokens.len(), MOST_TOKENS, "tokens"),
        ] {
            if n > most {
                return Err(invalid(format!(
                    "has {n} {what}, and a page shows {most} at the most; prune it more"
                )));
            }
        }
        let mut places = HashMap::new();
        let mut read = Vec::new();
        for node in nodes {
            if node.ctx_idx >= metadata.prompt_tokens.len() {
                return Err(invalid(format!(
                    "has node {:?} at position {} of {} tokens",
                    node.id,
                    node.ctx_idx,
                    metadata.prompt_tokens.len()
                )));
            }
            read.push(GraphNode::read(&node).map_err(invalid)?);
            if places.insert(node.id.clone(), read.len() - 1).is_some() {
                return Err(invalid(format!("has two nodes called {:?}", node.id)));
            }
        }
        let top = read.iter().map(|node: &GraphNode| node.row).max();
        let logits = top.unwrap_or(0) + 1;
        for node in &mut read {
            if node.kind == Kind::Logit {
                node.row = logits;
            }
        }
        let place = |id: &String| {
            let found = places.get(id).copied();
            found.ok_or_else(|| invalid(format!("has a link of {id:?}, and no such node")))
        };
        let links = links.iter().map(|link| {
            if !link.weight.is_finite() {
                return Err(invalid(format!("has a link of weight {}", link.weight)));
            }
            Ok((place(&link.source)?, place(&link.target)?, link.weight))
        });
        Ok(Self {
            links: links.collect::<Result<_, _>>()?,
            nodes: read,
            tokens: metadata.prompt_tokens,
            prompt: metadata.prompt,
            scan: metadata.scan,
            node_threshold: metadata.node_threshold,
            n_rows: logits + 1,
            replacement: None,
            completeness: None,
            n_active: None,
        })
    }
}

impl GraphNode {
    fn read(node: &Node) -> Result<Self, String> {
        let kind = match node.feature_type.as_str() {
            "embedding" => Kind::Token,
            "logit" => Kind::Logit,
            other if other.contains("error") => Kind::Error,
            _ => Kind::Feature,
        };
        let (row, layer) = match kind {
            Kind::Token | Kind::Logit => (0, String::new()),
            Kind::Feature | Kind::Error => {
                let layer = node.layer.parse().ok().filter(|&n: &usize| n < MOST_LAYERS);
                let layer = layer
                    .ok_or_else(|| format!("has node {:?} in layer {:?}", node.id, node.layer))?;
                (layer + 1, layer.to_string())
            }
        };
        let name = match kind {
            // `{layer}_{feature}_{position}`
            Kind::Feature => node.id.split('_').nth(1).unwrap_or_default().to_owned(),
            Kind::Logit => output(&node.clerp).to_owned(),
            Kind::Error | Kind::Token => String::new(),
        };
        let finite = |x: Option<f64>| x.filter(|x| x.is_finite());
        Ok(Self {
            kind,
            row,
            layer,
            position: node.ctx_idx,
            name,
            cumulative: finite(node.influence),
            activation: finite(node.activation),
            prob: if node.token_prob.is_finite() {
                node.token_prob.clamp(0.0, 1.0)
            } else {
                0.0
            },
        })
    }
}

/// The token of `Output "token" (p=0.123)`.
fn output(clerp: &str) -> &str {
    let inner = clerp
        .strip_prefix("Output \"")
        .and_then(|rest| rest.rsplit_once("\" (p="));
    inner.map_or(clerp, |(token, _)| token)
}
