//! A graph in few words.

use crate::graph::Graph;
use crate::scores::Scores;
use crate::viewer::ViewerGraph;
use serde::Serialize;

/// What was found, for people and for JSON.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Summary {
    /// The graph's name.
    pub slug: String,
    /// The text of each token.
    pub prompt_tokens: Vec<String>,
    /// Features that are active.
    pub n_active: usize,
    /// Those of them that got a node.
    pub n_feature_nodes: usize,
    /// Nodes after pruning.
    pub n_nodes: usize,
    /// Edges after pruning.
    pub n_links: usize,
    /// Nodes after pruning that are features.
    pub n_features: usize,
    /// Nodes after pruning that are errors.
    pub n_errors: usize,
    /// The logits that are explained.
    pub logits: Vec<LogitSummary>,
    /// Of the graph before pruning.
    pub scores: Scores,
}

/// A logit.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct LogitSummary {
    /// The token's text.
    pub token: String,
    /// Its id.
    pub id: u32,
    /// Its probability as the next token.
    pub prob: f32,
}

impl Summary {
    /// Of a graph, and of what was kept of it.
    pub fn new(graph: &Graph, viewer: &ViewerGraph, logit_tokens: &[String]) -> Self {
        let of_type = |name: &str| {
            let nodes = viewer.nodes.iter();
            nodes.filter(|node| node.feature_type == name).count()
        };
        let logits = graph.logits.iter().zip(logit_tokens);
        Self {
            slug: viewer.metadata.slug.clone(),
            prompt_tokens: viewer.metadata.prompt_tokens.clone(),
            n_active: graph.n_active,
            n_feature_nodes: graph.features.len(),
            n_nodes: viewer.nodes.len(),
            n_links: viewer.links.len(),
            n_features: of_type("cross layer transcoder"),
            n_errors: of_type("mlp reconstruction error"),
            logits: logits
                .map(|(logit, token)| LogitSummary {
                    token: token.clone(),
                    id: logit.token,
                    prob: logit.probability,
                })
                .collect(),
            scores: graph.scores(),
        }
    }

    /// For the terminal.
    pub fn text(&self) -> String {
        let mut text = format!(
            "{} tokens, {} active features, {} of them with a node\n",
            self.prompt_tokens.len(),
            self.n_active,
            self.n_feature_nodes
        );
        for logit in &self.logits {
            text.push_str(&format!(
                "  {:6.2} %  {:?}\n",
                100.0 * logit.prob,
                logit.token
            ));
        }
        let share =
            |score: Option<f64>| score.map_or("undefined".to_owned(), |x| format!("{x:.3}"));
        text.push_str(&format!(
            "Replacement score {}, completeness score {}\nAfter pruning: {} nodes ({} features, {} errors), {} links\n",
            share(self.scores.replacement),
            share(self.scores.completeness),
            self.n_nodes,
            self.n_features,
            self.n_errors,
            self.n_links
        ));
        text
    }
}
