//! From a prompt to its graph.

use crate::edges::Edges;
use crate::encode::Sources;
use crate::error::AttributeError;
use crate::frozen::Frozen;
use crate::graph::{ActiveFeature, Graph};
use crate::options::AttributeOptions;
use crate::select::select;
use crate::targets::LogitTargets;
use crate::transcoders::Transcoders;
use crate::vjp::{Row, Target, Vjp};
use llama_hooked::Llama;
use sae_progress::{Observer, Stopped};

/// How far a graph is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttributeProgress {
    /// So many blocks of so many have their features found.
    Encoding {
        /// Blocks that are done.
        layers: usize,
        /// Blocks of the model.
        of: usize,
    },
    /// So many features of so many have their edges found.
    Attributing {
        /// Features that are done.
        features: usize,
        /// Features that get a node.
        of: usize,
    },
}

/// Tells an observer.
pub(crate) struct Watch<'a>(&'a mut dyn Observer<AttributeProgress>);

impl Watch<'_> {
    fn tell(&mut self, progress: AttributeProgress) -> Result<(), AttributeError> {
        Ok(Stopped::check(self.0.observe(&progress))?)
    }

    pub(crate) fn attributing(&mut self, features: usize, of: usize) -> Result<(), AttributeError> {
        self.tell(AttributeProgress::Attributing { features, of })
    }
}

/// The attribution graph of a prompt.
///
/// The replacement model, the selection and the order of nodes are circuit-tracer's (Ameisen et al., *Circuit Tracing*, 2025). With the
/// features f of each block's transcoder, the edge from a source s with vector v to a target t with vector w is `v·J·w`, where J is the
/// Jacobian, from s's place to t's, of the model with attention patterns and norms' divisors frozen, and MLPs replaced by constants (and
/// skip connections). v is `f·W_dec`, the error of a transcoder, or an embedding; w is a column of `W_enc`, or a row of the
/// unembedding less the mean row.
///
/// With [`AttributeOptions::zero_positions`] 0 and a node for every feature, `Σ edges into t + constant = t`'s pre-activation.
///
/// Everything after the model's own run is computed in f32.
///
/// # Errors
/// If the tokens or targets are not the model's, the transcoders are not, one cannot be loaded, the active features do not fit into
/// [`AttributeOptions::limit_bytes`], numbers overflow, or the observer stops the work.
pub fn attribute(
    model: &Llama,
    transcoders: &Transcoders,
    tokens: &[u32],
    options: &AttributeOptions,
    observer: &mut dyn Observer<AttributeProgress>,
) -> Result<Graph, AttributeError> {
    if !tokens.is_empty() && options.zero_positions >= tokens.len() {
        return Err(AttributeError::AllZeroed {
            tokens: tokens.len(),
            zeroed: options.zero_positions,
        });
    }
    let mut watch = Watch(observer);
    let mut frozen = Frozen::run(model, transcoders, tokens)?;
    let of = transcoders.n_layers();
    let sources = Sources::find(&mut frozen, model, transcoders, options, |layers| {
        watch.tell(AttributeProgress::Encoding { layers, of })
    })?;
    let logits = LogitTargets::find(model, &frozen, options)?;
    let vjp = Vjp {
        frozen: &frozen,
        sources: &sources,
        logits: &logits,
    };
    let edges = select(&vjp, options, &mut watch)?;
    let graph = pack(edges, &sources.features, tokens, of, logits);
    let finite = |row: &Vec<f32>| row.iter().all(|x| x.is_finite());
    if !graph.rows.iter().all(finite) {
        return Err(AttributeError::NotFinite {
            what: "the edges".to_owned(),
        });
    }
    Ok(graph)
}

/// The rows in the order of the nodes, with the columns of features that have one.
fn pack(
    edges: Edges,
    features: &[ActiveFeature],
    tokens: &[u32],
    n_layers: usize,
    logits: LogitTargets,
) -> Graph {
    let rank = |target: &Target| match target {
        Target::Feature(feature) => *feature,
        Target::Logit(logit) => features.len() + logit,
    };
    let mut rows: Vec<(Target, Row)> = edges.targets.into_iter().zip(edges.rows).collect();
    rows.sort_by_key(|(target, _)| rank(target));
    let chosen = rows.iter().filter_map(|(target, _)| match target {
        Target::Feature(feature) => Some(*feature),
        Target::Logit(_) => None,
    });
    let chosen: Vec<usize> = chosen.collect();
    let constants = rows.iter().map(|(_, row)| row.constant).collect();
    let rows = rows.into_iter().map(|(_, row)| {
        // In place: there are two copies of one row at the most.
        let mut edges = row.edges;
        for (to, &from) in chosen.iter().enumerate() {
            edges[to] = edges[from];
        }
        edges.drain(chosen.len()..features.len());
        edges.resize(edges.len() + logits.nodes.len(), 0.0);
        edges.shrink_to_fit();
        edges
    });
    Graph {
        rows: rows.collect(),
        constants,
        tokens: tokens.to_vec(),
        n_layers,
        features: chosen.iter().map(|&feature| features[feature]).collect(),
        n_active: features.len(),
        logits: logits.nodes,
    }
}
