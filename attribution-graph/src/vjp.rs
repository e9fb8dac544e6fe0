//! Rows of the graph: what every source adds to some targets, found by one pass downwards.
//!
//! A row is the product of a target's vector with the Jacobian of the frozen model, and that with each source's vector. The product is carried
//! down the layers as a gradient of the residual stream, `[P, n, d]`, position before target: P positions, as many as the last target needs.
//! Of each block it sees, from the top: what writes to the MLP's output (features, error, biases), a skip connection, new targets, and
//! the attention. Nothing is differentiated by rule but these linear maps.

use crate::encode::{LayerSources, Sources, indices, to_f32};
use crate::frozen::Frozen;
use crate::targets::LogitTargets;
use burn::tensor::Tensor;

/// A node whose row is to be found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Target {
    /// By its place among the logits.
    Logit(usize),
    /// By its place among all active features.
    Feature(usize),
}

/// What is added to one target.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Row {
    /// By each active feature, each error and each token.
    pub(crate) edges: Vec<f32>,
    /// By biases: the transcoders', and the target's own.
    pub(crate) constant: f32,
}

/// Everything that rows follow from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Vjp<'a> {
    pub(crate) frozen: &'a Frozen,
    pub(crate) sources: &'a Sources,
    pub(crate) logits: &'a LogitTargets,
}

impl Vjp<'_> {
    fn n_layers(&self) -> usize {
        self.frozen.layers.len()
    }

    fn n_positions(&self) -> usize {
        self.frozen.embeddings.dims()[0]
    }

    /// Sources of a row: features, errors, tokens.
    pub(crate) fn n_sources(&self) -> usize {
        self.sources.features.len() + (self.n_layers() + 1) * self.n_positions()
    }

    /// The block at whose MLP a target reads; the number of blocks for logits.
    pub(crate) fn layer(&self, target: Target) -> usize {
        match target {
            Target::Logit(_) => self.n_layers(),
            Target::Feature(feature) => self.sources.features[feature].layer,
        }
    }

    fn position(&self, target: Target) -> usize {
        match target {
            Target::Logit(_) => self.n_positions() - 1,
            Target::Feature(feature) => self.sources.features[feature].position,
        }
    }

    /// The rows of some targets.
    ///
    /// # Panics
    /// If the targets do not descend by layer.
    pub(crate) fn rows(&self, targets: &[Target]) -> Vec<Row> {
        assert!(
            targets.is_sorted_by_key(|&target| std::cmp::Reverse(self.layer(target))),
            "targets come from the top"
        );
        let own = |target: &Target| match *target {
            Target::Logit(_) => 0.0,
            Target::Feature(feature) => {
                let of_layer = &self.sources.layers[self.layer(*target)];
                of_layer.b_enc[of_layer.rows[feature - of_layer.first]]
            }
        };
        let mut rows: Vec<Row> = targets
            .iter()
            .map(|target| Row {
                edges: vec![0.0; self.n_sources()],
                constant: own(target),
            })
            .collect();
        let positions = targets.iter().map(|&target| self.position(target) + 1);
        let p = positions.max().unwrap_or(0);
        let mut n = targets.partition_point(|&target| self.layer(target) == self.n_layers());
        let mut g = self.logit_gradient(&targets[..n], p);
        for layer in (0..self.n_layers()).rev() {
            let frozen = &self.frozen.layers[layer];
            let sources = &self.sources.layers[layer];
            if let Some(top) = g.take() {
                add_features(&mut rows[..n], sources, &top);
                self.add_errors(&mut rows[..n], layer, &top);
                g = Some(match &sources.w_skip {
                    Some(w_skip) => {
                        let [p, n, d] = top.dims();
                        let x = top.clone().reshape([p * n, d]);
                        let x = fused_ops::linear(x, w_skip.clone().transpose());
                        top + frozen.before_read(x.reshape([p, n, d]))
                    }
                    None => top,
                });
            }
            let joining = targets[n..].partition_point(|&target| self.layer(target) == layer);
            let joining = &targets[n..n + joining];
            if let Some(new) = self.feature_gradient(joining, layer, p) {
                g = Some(match g {
                    Some(g) => Tensor::cat(vec![g, new], 1),
                    None => new,
                });
                n += joining.len();
            }
            g = g.map(|g| {
                let below = frozen.through_attention(&g);
                g + below
            });
        }
        if let Some(g) = g {
            let tokens = self.n_sources() - self.n_positions();
            let embeddings = self.frozen.embeddings.clone();
            add_dots(&mut rows, tokens, &g, embeddings);
        }
        rows
    }

    /// At the residual stream that the final norm reads, `[P, n, d]`.
    fn logit_gradient(&self, targets: &[Target], p: usize) -> Option<Tensor<3>> {
        let rows: Vec<usize> = targets
            .iter()
            .filter_map(|target| match target {
                Target::Logit(logit) => Some(*logit),
                Target::Feature(_) => None,
            })
            .collect();
        if rows.is_empty() {
            return None;
        }
        let directions = &self.logits.directions;
        let directions = directions.clone().select(0, indices(&rows, directions));
        let g = directions * self.frozen.final_norm.clone();
        Some(at_positions(g, &vec![p - 1; rows.len()], p))
    }

    /// At the residual stream before the layer's MLP, `[P, n, d]`.
    fn feature_gradient(&self, targets: &[Target], layer: usize, p: usize) -> Option<Tensor<3>> {
        if targets.is_empty() {
            return None;
        }
        let sources = &self.sources.layers[layer];
        let features = targets.iter().filter_map(|target| match target {
            Target::Feature(feature) => Some(*feature),
            Target::Logit(_) => None,
        });
        let rows: Vec<usize> = features
            .map(|feature| sources.rows[feature - sources.first])
            .collect();
        let encoders = &sources.encoders;
        let g = encoders.clone().select(0, indices(&rows, encoders));
        let positions: Vec<usize> = targets
            .iter()
            .map(|&target| self.position(target))
            .collect();
        Some(self.frozen.layers[layer].before_read(at_positions(g, &positions, p)))
    }

    fn add_errors(&self, rows: &mut [Row], layer: usize, g: &Tensor<3>) {
        let first = self.sources.features.len() + layer * self.n_positions();
        add_dots(rows, first, g, self.sources.layers[layer].errors.clone());
    }
}

/// What the features of a layer add: at each position the product of the gradient with the decoders of what is active there.
fn add_features(rows: &mut [Row], sources: &LayerSources, g: &Tensor<3>) {
    let [p, n, d] = g.dims();
    let count = sources.offsets[p];
    if count > 0 {
        let decoders = &sources.decoders;
        let decoders = decoders
            .clone()
            .select(0, indices(&sources.rows[..count], decoders));
        let mut found = Vec::new();
        for position in 0..p {
            let (start, end) = (sources.offsets[position], sources.offsets[position + 1]);
            if start < end {
                let g = g.clone().narrow(0, position, 1).reshape([n, d]);
                let decoders = decoders.clone().narrow(0, start, end - start);
                found.push(fused_ops::linear(g, decoders));
            }
        }
        let activations = sources.activations.clone().narrow(1, 0, count);
        let found = to_f32(Tensor::cat(found, 1) * activations);
        for (row, found) in rows.iter_mut().zip(found.chunks_exact(count)) {
            row.edges[sources.first..sources.first + count].copy_from_slice(found);
        }
    }
    let sum = g.clone().sum_dim(0).reshape([n, d]);
    let biases = to_f32(fused_ops::linear(sum, sources.b_dec.clone()));
    for (row, bias) in rows.iter_mut().zip(biases) {
        row.constant += bias;
    }
}

/// Writes the product of the gradient at each position with that position's vector, `[T, d]`, to the columns from `first` on.
fn add_dots(rows: &mut [Row], first: usize, g: &Tensor<3>, vectors: Tensor<2>) {
    let [p, n, _] = g.dims();
    let vectors = vectors.narrow(0, 0, p).unsqueeze_dim(1);
    let found = to_f32((g.clone() * vectors).sum_dim(2));
    for (position, found) in found.chunks_exact(n).enumerate() {
        for (row, found) in rows.iter_mut().zip(found) {
            row.edges[first + position] = *found;
        }
    }
}

/// Each row at its position, zeros at the others: `[n, d]` → `[P, n, d]`.
fn at_positions(x: Tensor<2>, positions: &[usize], p: usize) -> Tensor<3> {
    let n = positions.len();
    let mut here = vec![0.0_f32; p * n];
    for (target, position) in positions.iter().enumerate() {
        here[position * n + target] = 1.0;
    }
    let here = Tensor::<1>::from_floats(here.as_slice(), &x.device());
    here.reshape([p, n, 1]) * x.unsqueeze_dim(0)
}
