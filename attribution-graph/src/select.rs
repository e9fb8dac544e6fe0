//! Which features get a node: those of most influence, chosen some at a time.

use crate::attribute::Watch;
use crate::edges::Edges;
use crate::error::AttributeError;
use crate::options::AttributeOptions;
use crate::vjp::{Target, Vjp};

/// The rows of the logits, and of the features that they lead to.
///
/// As circuit-tracer does: all features are ranked by their influence as far as it is known, the next ones in order are attributed, and so
/// on. Of equal features the first goes first.
pub(crate) fn select(
    vjp: &Vjp<'_>,
    options: &AttributeOptions,
    watch: &mut Watch<'_>,
) -> Result<Edges, AttributeError> {
    let n_features = vjp.sources.features.len();
    let most = options.max_feature_nodes.unwrap_or(n_features);
    let most = most.min(n_features);
    let batch = options.batch(vjp.frozen.embeddings.dims()[0]);
    let mut edges = Edges::default();
    let logits: Vec<Target> = (0..vjp.logits.nodes.len()).map(Target::Logit).collect();
    for targets in logits.chunks(batch) {
        add(&mut edges, vjp, targets);
    }
    let mut visited = vec![false; n_features];
    let mut done = 0;
    while done < most {
        watch.attributing(done, most)?;
        let size = options.features_per_ranking.max(1).min(most - done);
        let mut pending = next(vjp, &edges, &visited, size, most == n_features);
        for &feature in &pending {
            visited[feature] = true;
        }
        // From the top, so that each pass begins as low as it can.
        pending.sort_unstable_by(|a, b| b.cmp(a));
        let targets: Vec<Target> = pending.into_iter().map(Target::Feature).collect();
        for targets in targets.chunks(batch) {
            add(&mut edges, vjp, targets);
            done += targets.len();
            watch.attributing(done, most)?;
        }
    }
    Ok(edges)
}

fn add(edges: &mut Edges, vjp: &Vjp<'_>, targets: &[Target]) {
    for (target, row) in targets.iter().zip(vjp.rows(targets)) {
        edges.push(*target, row);
    }
}

/// The features of most influence that have no row yet.
fn next(
    vjp: &Vjp<'_>,
    edges: &Edges,
    visited: &[bool],
    size: usize,
    all_wanted: bool,
) -> Vec<usize> {
    let mut pending: Vec<usize> = (0..visited.len()).filter(|&i| !visited[i]).collect();
    if !all_wanted {
        let probability = |logit: usize| f64::from(vjp.logits.nodes[logit].probability);
        let layer = |target| vjp.layer(target);
        let influence = edges.influence(visited.len(), probability, layer);
        pending.sort_by(|&a, &b| influence[b].total_cmp(&influence[a]));
    }
    pending.truncate(size);
    pending
}
