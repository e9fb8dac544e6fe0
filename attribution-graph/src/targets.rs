//! The logits that are explained.

use crate::encode::{indices, to_f32};
use crate::error::AttributeError;
use crate::frozen::Frozen;
use crate::graph::LogitNode;
use crate::options::AttributeOptions;
use burn::tensor::{DType, Tensor};
use llama_hooked::Llama;

/// Entries of the vocabulary whose rows of the unembedding are in f32 at once.
const ENTRIES: usize = 1024;

/// Logits and their directions.
#[derive(Debug)]
pub(crate) struct LogitTargets {
    pub(crate) nodes: Vec<LogitNode>,
    /// The unembedding's row of each less the mean of all rows, `[n, d]`.
    pub(crate) directions: Tensor<2>,
}

impl LogitTargets {
    /// Those asked for, or the likeliest until they have the probability wanted.
    pub(crate) fn find(
        model: &Llama,
        frozen: &Frozen,
        options: &AttributeOptions,
    ) -> Result<Self, AttributeError> {
        let vocab_size = model.config().vocab_size;
        let logits = to_f32(model.unembed(frozen.normed.clone()));
        if !logits.iter().all(|x| x.is_finite()) {
            return Err(AttributeError::NotFinite {
                what: "the logits".to_owned(),
            });
        }
        let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let exp = |logit: f32| f64::from(logit - largest).exp();
        let sum: f64 = logits.iter().map(|&logit| exp(logit)).sum();
        let probability = |id: u32| exp(logits[id as usize]) / sum;
        let ids = match &options.targets {
            Some(ids) => {
                if let Some(&id) = ids.iter().find(|&&id| id as usize >= vocab_size) {
                    return Err(AttributeError::Target { id, vocab_size });
                }
                let mut once = Vec::new();
                for &id in ids {
                    if !once.contains(&id) {
                        once.push(id);
                    }
                }
                once
            }
            None => likeliest(&logits, options, probability),
        };
        let nodes = ids.iter().map(|&token| LogitNode {
            token,
            probability: probability(token) as f32,
        });
        Ok(Self {
            nodes: nodes.collect(),
            directions: directions(model, &ids),
        })
    }
}

/// The first of the likeliest tokens that together have the probability wanted.
fn likeliest(
    logits: &[f32],
    options: &AttributeOptions,
    probability: impl Fn(u32) -> f64,
) -> Vec<u32> {
    let n = options.max_n_logits.clamp(1, logits.len());
    let mut ids: Vec<u32> = (0..logits.len() as u32).collect();
    let order = |a: &u32, b: &u32| {
        let [x, y] = [a, b].map(|id| logits[*id as usize]);
        y.total_cmp(&x).then(a.cmp(b))
    };
    if n < ids.len() {
        ids.select_nth_unstable_by(n, order);
        ids.truncate(n);
    }
    ids.sort_unstable_by(order);
    let mut together = 0.0;
    let mut enough = 0;
    for &id in &ids {
        enough += 1;
        together += probability(id);
        if together >= options.desired_logit_prob {
            break;
        }
    }
    ids.truncate(enough);
    ids
}

/// Rows of the unembedding less their mean over the vocabulary, a piece of which is in memory at a time.
fn directions(model: &Llama, ids: &[u32]) -> Tensor<2> {
    let (vocab_size, d) = (model.config().vocab_size, model.config().d_model);
    let device = model.device();
    let mut mean = Tensor::<2>::zeros([1, d], &device);
    let mut rows: Vec<Option<Tensor<2>>> = vec![None; ids.len()];
    for start in (0..vocab_size).step_by(ENTRIES) {
        let end = (start + ENTRIES).min(vocab_size);
        let piece = model.unembedding(start..end).cast(DType::F32);
        for (row, &id) in rows.iter_mut().zip(ids) {
            let id = id as usize;
            if (start..end).contains(&id) {
                // A copy: a view would keep the whole piece.
                *row = Some(piece.clone().select(0, indices(&[id - start], &piece)));
            }
        }
        mean = mean + piece.sum_dim(0) / vocab_size as f64;
    }
    let rows: Vec<Tensor<2>> = rows.into_iter().flatten().collect();
    if rows.is_empty() {
        return Tensor::zeros([0, d], &device);
    }
    Tensor::cat(rows, 0) - mean
}

#[cfg(test)]
mod tests {
    use super::likeliest;
    use crate::AttributeOptions;

    #[test]
    fn the_likeliest_are_taken_until_they_are_enough() {
        let probabilities = [0.1, 0.5, 0.06, 0.3, 0.04];
        let logits = probabilities.map(|p: f32| p.ln());
        let of = |n, share| {
            let mut options = AttributeOptions::new();
            (options.max_n_logits, options.desired_logit_prob) = (n, share);
            likeliest(&logits, &options, |id| {
                f64::from(probabilities[id as usize])
            })
        };
        assert_eq!(of(10, 0.85), [1, 3, 0]);
        assert_eq!(of(2, 0.85), [1, 3]);
        assert_eq!(of(10, 0.4), [1]);
        assert_eq!(of(0, 0.4), [1]);
        assert_eq!(of(10, 2.0), [1, 3, 0, 2, 4]);
    }
}
