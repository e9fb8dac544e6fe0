//! Cross-entropy and KL over the vocabulary, from final-norm outputs, a piece at a time.
//!
//! Logits never exist as a whole. Those of all runs come from one matrix multiplication, so the unembedding is read once per
//! piece, and are reduced to five numbers per token. On the CPU a piece is all tokens by a range of the vocabulary, reduced by
//! plain Rust over host slices ([`host`]); on an accelerator it is some tokens by the whole vocabulary, reduced by tensor
//! operations, and only the five numbers travel ([`device`]).

mod device;
mod host;

use burn::tensor::{DType, Tensor};
use sae_traits::SplitModel;

/// Final-norm outputs of the three runs.
#[derive(Debug, Clone)]
pub(crate) struct Runs {
    /// `[n, d_model]`
    original: Tensor<2>,
    /// `[n, d_model]`
    reconstructed: Tensor<2>,
    /// `[n, d_model]`, or one row where they are all alike.
    ablated: Tensor<2>,
}

impl Runs {
    /// From the results of the edits keep, replace and zero, in this order.
    ///
    /// # Panics
    /// If these are not three.
    pub(crate) fn new(results: Vec<Tensor<3>>) -> Self {
        let results: [Tensor<3>; 3] = results.try_into().expect("one result per edit");
        let [original, reconstructed, ablated] = results.map(|normed| {
            let [b, p, d] = normed.dims();
            normed.reshape([b * p, d])
        });
        let [n, d] = original.dims();
        assert!(
            reconstructed.dims() == [n, d] && [[n, d], [1, d]].contains(&ablated.dims()),
            "results are of the shape of the batch"
        );
        // Equal rows have equal logits: one will do. A residual stream of zeros stays zero to the end of a network without biases.
        let ablated = if is_zero(&ablated) {
            ablated.narrow(0, 0, 1)
        } else {
            ablated
        };
        Self {
            original,
            reconstructed,
            ablated,
        }
    }

    /// Tokens `start..start + n` of the original and the reconstructed run, then the ablated rows, which are `n` or one.
    fn rows(&self, start: usize, n: usize) -> Tensor<2> {
        let ablated = if self.ablated_alike() {
            self.ablated.clone()
        } else {
            self.ablated.clone().narrow(0, start, n)
        };
        let rows = vec![
            self.original.clone().narrow(0, start, n),
            self.reconstructed.clone().narrow(0, start, n),
            ablated,
        ];
        Tensor::cat(rows, 0)
    }

    /// Whether all ablated rows are the same one.
    fn ablated_alike(&self) -> bool {
        self.ablated.dims()[0] == 1
    }
}

fn is_zero(x: &Tensor<2>) -> bool {
    x.dims()[0] > 0 && x.clone().cast(DType::F32).abs().max().into_scalar::<f32>() == 0.0
}

/// The loss and the divergence of one token. Cross-entropies mean nothing where there is no next token.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct TokenLosses {
    pub(crate) ce_original: f64,
    pub(crate) ce_reconstructed: f64,
    pub(crate) ce_ablated: f64,
    pub(crate) kl_reconstructed: f64,
    pub(crate) kl_ablated: f64,
}

/// The losses of every token, sequence after sequence.
///
/// `targets` holds the token that follows each one (anything valid where none does). At most about `max_bytes` of f32 logits exist
/// at a time, but at least one token's.
pub(crate) fn token_losses<M: SplitModel>(
    model: &M,
    runs: &Runs,
    targets: &[u32],
    max_bytes: usize,
) -> Vec<TokenLosses> {
    let vocab_size = model.vocab_size();
    let logits = |rows, entries| model.logits(rows, entries);
    if sae_backend::is_host(&runs.original.device()) {
        host::losses(runs, targets, vocab_size, max_bytes, logits)
    } else {
        device::losses(runs, targets, vocab_size, max_bytes, logits)
    }
}

#[cfg(all(test, feature = "cpu"))]
mod tests {
    use super::{Runs, TokenLosses, device, host};
    use burn::tensor::{DType, Device, Distribution, Tensor};
    use std::ops::Range;

    /// "Final-norm outputs" that are their own logits.
    fn runs(n: usize, vocab: usize, ablated_rows: usize) -> Runs {
        let device = Device::flex();
        device.seed(1);
        let random = |rows| {
            let dims = [1, rows, vocab];
            Tensor::<3>::random(dims, Distribution::Normal(0.0, 3.0), (&device, DType::F32))
        };
        Runs::new(vec![random(n), random(n), random(ablated_rows)])
    }

    fn itself(rows: Tensor<2>, entries: Range<usize>) -> Tensor<2> {
        rows.narrow(1, entries.start, entries.len())
    }

    #[test]
    fn tensors_and_host_agree_in_pieces_of_any_size() {
        let (n, vocab) = (7, 3001);
        for ablated_rows in [n, 1] {
            let runs = runs(n, vocab, ablated_rows);
            let targets: Vec<u32> = (0..n as u32).map(|token| token * 400).collect();
            let whole = device::losses(&runs, &targets, vocab, 1 << 30, itself);
            for max_bytes in [0, 100_000, 1 << 30] {
                let others = [
                    host::losses(&runs, &targets, vocab, max_bytes, itself),
                    device::losses(&runs, &targets, vocab, max_bytes, itself),
                ];
                for other in others {
                    assert_eq!(other.len(), n);
                    let pairs = other.iter().flat_map(numbers);
                    for (a, b) in pairs.zip(whole.iter().flat_map(numbers)) {
                        assert!((a - b).abs() < 1e-5 * (1.0 + a.abs()), "{a} and {b}");
                    }
                }
            }
        }
    }

    #[test]
    fn rows_of_zeros_become_one() {
        let zeros = Tensor::<3>::zeros([2, 3, 5], &Device::flex());
        let runs = Runs::new(vec![zeros.ones_like(), zeros.ones_like(), zeros]);
        assert_eq!(runs.ablated.dims(), [1, 5]);
        assert_eq!(runs.rows(1, 4).dims(), [9, 5]);
    }

    fn numbers(losses: &TokenLosses) -> [f64; 5] {
        [
            losses.ce_original,
            losses.ce_reconstructed,
            losses.ce_ablated,
            losses.kl_reconstructed,
            losses.kl_ablated,
        ]
    }
}
