//! The pruned graph as circuit-tracer's viewer reads it.

use crate::graph::{ActiveFeature, Graph, LogitNode, Node};
use crate::prune::Pruned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// The words that a graph is shown with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Labels {
    /// The name of the graph's file, without `.json`.
    pub slug: String,
    /// Which transcoders these are, for the viewer to find their features' pages.
    pub scan: String,
    /// The prompt as one text.
    pub prompt: String,
    /// The text of each token of the prompt.
    pub prompt_tokens: Vec<String>,
    /// The text of each logit's token.
    pub logit_tokens: Vec<String>,
}

impl Labels {
    /// Words for a graph, with the texts of tokens by their ids.
    pub fn new(graph: &Graph, slug: &str, scan: &str, text: impl Fn(u32) -> String) -> Self {
        let prompt_tokens: Vec<String> = graph.tokens.iter().map(|&id| text(id)).collect();
        Self {
            slug: slug.to_owned(),
            scan: scan.to_owned(),
            prompt: prompt_tokens.concat(),
            prompt_tokens,
            logit_tokens: graph.logits.iter().map(|logit| text(logit.token)).collect(),
        }
    }
}

/// The file of a graph: circuit-tracer's `Model`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[allow(non_snake_case, reason = "circuit-tracer's names")]
pub struct ViewerGraph {
    /// Of the graph as a whole.
    pub metadata: ViewerMetadata,
    /// What the viewer begins with.
    pub qParams: ViewerParams,
    /// The nodes that are kept.
    pub nodes: Vec<ViewerNode>,
    /// The edges that are kept.
    pub links: Vec<ViewerLink>,
}

/// circuit-tracer's `Metadata`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ViewerMetadata {
    /// The name of the file, without `.json`.
    pub slug: String,
    /// Which transcoders these are.
    pub scan: String,
    /// The transcoders by name, where they are not one scan.
    pub transcoder_list: Vec<String>,
    /// The text of each token.
    pub prompt_tokens: Vec<String>,
    /// The prompt.
    pub prompt: String,
    /// What the nodes were pruned by.
    pub node_threshold: Option<f64>,
    /// 1.
    pub schema_version: Option<u32>,
}

/// circuit-tracer's `QParams`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[allow(non_snake_case, reason = "circuit-tracer's names")]
pub struct ViewerParams {
    /// Nodes that are pinned.
    pub pinnedIds: Vec<String>,
    /// Groups of nodes.
    pub supernodes: Vec<Vec<String>>,
    /// Which links are shown.
    pub linkType: String,
    /// The node that is chosen.
    pub clickedId: String,
    /// Where the nodes of the subgraph are.
    pub sg_pos: String,
}

/// circuit-tracer's `Node`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[allow(non_snake_case, reason = "circuit-tracer's names")]
pub struct ViewerNode {
    /// `{layer}_{feature}_{position}` of features, `E_{token}_{position}` of tokens, `{layers + 1}_{token}_{position}` of logits,
    /// `-1_{layer}_{position}` of errors: circuit-tracer has 0 for −1, which some feature of block 0 may be called as well.
    pub node_id: String,
    /// Cantor's number of layer and index; −1 of errors, the position of tokens, the id of logits.
    pub feature: i64,
    /// The block; `E` of tokens, the number of blocks + 1 of logits.
    pub layer: String,
    /// The position.
    pub ctx_idx: usize,
    /// `cross layer transcoder` (of every feature), `mlp reconstruction error`, `embedding` or `logit`.
    pub feature_type: String,
    /// Of logits.
    pub token_prob: f64,
    /// Whether it is the first logit.
    pub is_target_logit: bool,
    /// 0.
    pub run_idx: usize,
    /// 0.
    pub reverse_ctx_idx: usize,
    /// The node's name for the viewer.
    pub jsNodeId: String,
    /// What it is, in words.
    pub clerp: String,
    /// The share of influence that it and the nodes of more have; none of logits.
    pub influence: Option<f64>,
    /// Of features.
    pub activation: Option<f64>,
}

/// An edge.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ViewerLink {
    /// A node's id.
    pub source: String,
    /// A node's id.
    pub target: String,
    /// What the source adds to the target.
    pub weight: f64,
}

/// (x, y) as one number, and no two as the same.
fn cantor(x: u64, y: u64) -> i64 {
    ((x + y) * (x + y + 1) / 2 + y).cast_signed()
}

/// An f32 with the digits that it has, not those that it gains as f64.
fn shortest(x: f32) -> f64 {
    x.to_string().parse().unwrap_or(f64::from(x))
}

impl ViewerGraph {
    /// What is kept of a graph, with its words.
    ///
    /// # Panics
    /// If a token or logit has no text.
    pub fn new(graph: &Graph, pruned: &Pruned, labels: &Labels) -> Self {
        let id = |node: usize| node_id(graph, node);
        let linked: BTreeSet<usize> = pruned.edges.iter().flat_map(|&(s, t)| [s, t]).collect();
        let always = graph.token_nodes().start;
        let shown = pruned
            .nodes
            .iter()
            .filter(|node| **node >= always || linked.contains(node));
        let links = pruned.edges.iter().map(|&(source, target)| ViewerLink {
            source: id(source),
            target: id(target),
            weight: shortest(graph.row(target).expect("has edges")[source]),
        });
        Self {
            metadata: ViewerMetadata {
                slug: labels.slug.clone(),
                scan: labels.scan.clone(),
                transcoder_list: Vec::new(),
                prompt_tokens: labels.prompt_tokens.clone(),
                prompt: labels.prompt.clone(),
                node_threshold: Some(pruned.options.node_threshold),
                schema_version: Some(1),
            },
            qParams: ViewerParams {
                pinnedIds: Vec::new(),
                supernodes: Vec::new(),
                linkType: "both".to_owned(),
                clickedId: String::new(),
                sg_pos: String::new(),
            },
            nodes: shown
                .map(|&node| viewer_node(graph, node, pruned.cumulative[node], labels))
                .collect(),
            links: links.collect(),
        }
    }

    /// The file's text.
    ///
    /// # Panics
    /// Never: these types are plain data.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("a graph is plain data")
    }
}

fn node_id(graph: &Graph, node: usize) -> String {
    match graph.node(node) {
        Node::Feature(ActiveFeature {
            layer,
            position,
            feature,
            ..
        }) => format!("{layer}_{feature}_{position}"),
        Node::Error { layer, position } => format!("-1_{layer}_{position}"),
        Node::Token { position, token } => format!("E_{token}_{position}"),
        Node::Logit(LogitNode { token, .. }) => {
            let last = graph.tokens.len() - 1;
            format!("{}_{token}_{last}", graph.n_layers + 1)
        }
    }
}

fn viewer_node(graph: &Graph, node: usize, cumulative: f64, labels: &Labels) -> ViewerNode {
    let blank = ViewerNode {
        node_id: node_id(graph, node),
        feature: -1,
        layer: String::new(),
        ctx_idx: 0,
        feature_type: String::new(),
        token_prob: 0.0,
        is_target_logit: false,
        run_idx: 0,
        reverse_ctx_idx: 0,
        jsNodeId: String::new(),
        clerp: String::new(),
        influence: Some(cumulative),
        activation: None,
    };
    match graph.node(node) {
        Node::Feature(active) => ViewerNode {
            feature: cantor(active.layer as u64, u64::from(active.feature)),
            layer: active.layer.to_string(),
            ctx_idx: active.position,
            feature_type: "cross layer transcoder".to_owned(),
            jsNodeId: format!("{}_{}-0", active.layer, active.feature),
            activation: Some(shortest(active.activation)),
            ..blank
        },
        Node::Error { layer, position } => ViewerNode {
            layer: layer.to_string(),
            ctx_idx: position,
            feature_type: "mlp reconstruction error".to_owned(),
            jsNodeId: format!("{layer}_{position}-0"),
            ..blank
        },
        Node::Token { position, token } => ViewerNode {
            feature: position as i64,
            layer: "E".to_owned(),
            ctx_idx: position,
            feature_type: "embedding".to_owned(),
            jsNodeId: format!("E_{token}-{position}"),
            ..blank
        },
        Node::Logit(LogitNode { token, probability }) => {
            let place = node - graph.logit_nodes().start;
            let text = &labels.logit_tokens[place];
            let position = graph.tokens.len() - 1;
            ViewerNode {
                feature: i64::from(token),
                layer: (graph.n_layers + 1).to_string(),
                ctx_idx: position,
                feature_type: "logit".to_owned(),
                token_prob: shortest(probability),
                is_target_logit: place == 0,
                jsNodeId: format!("L_{token}-{position}"),
                clerp: format!("Output \"{text}\" (p={probability:.3})"),
                influence: None,
                ..blank
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{cantor, shortest};

    #[test]
    fn pairs_have_circuit_tracers_numbers() {
        // `_cantor_pairing` of circuit-tracer 0.5.
        let found = [(0, 0), (1, 0), (0, 1), (3, 7), (25, 16_383)].map(|(x, y)| cantor(x, y));
        assert_eq!(found, [0, 1, 2, 62, 134_635_819]);
    }

    #[test]
    fn numbers_keep_their_digits() {
        assert_eq!(shortest(0.1).to_string(), "0.1");
        assert_eq!(shortest(-3.25e-12).to_string(), (-3.25e-12).to_string());
    }
}
