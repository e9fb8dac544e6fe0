//! Cross-entropy and KL over the vocabulary, from final-norm outputs, a piece at a time.
//!
//! Logits never exist as a whole: they are reduced to a few numbers per token. Those of the model as it is are made once, however many
//! altered runs they are compared with. On the CPU a piece is all tokens by a range of the vocabulary, each run a product of its own, so that
//! its figures do not depend on what else is measured; plain Rust reduces it over host slices ([`host`]). On an accelerator a piece is some
//! tokens by the whole vocabulary, all runs in one product that reads the unembedding once; tensor operations reduce it, and only the numbers
//! travel ([`device`]).

mod device;
mod host;

use crate::tensors::{Numbers, Part, Readout};
use burn::tensor::{DType, Tensor};
use std::ops::Range;

/// Runs whose logits are there at once: the original and a pair of others. The plan of memory counts on it.
const AT_ONCE: usize = 3;

/// Final-norm outputs of the model as it is, and of altered runs.
#[derive(Debug, Clone)]
pub(crate) struct Runs {
    /// `[n, d_model]`
    original: Tensor<2>,
    /// Each `[n, d_model]`, or one row where they are all alike.
    altered: Vec<Tensor<2>>,
}

impl Runs {
    /// From the results of the model as it is, and of each edit.
    ///
    /// # Panics
    /// If the results differ in shape, those apart that are one row for all.
    pub(crate) fn new(original: Tensor<3>, altered: Vec<Tensor<3>>) -> Self {
        let flat = |normed: Tensor<3>| {
            let [b, p, d] = normed.dims();
            normed.reshape([b * p, d])
        };
        let original = flat(original);
        let [n, d] = original.dims();
        let altered = altered.into_iter().map(flat).map(|altered| {
            assert!(
                [[n, d], [1, d]].contains(&altered.dims()),
                "results are of the shape of the batch"
            );
            // Equal rows have equal logits: one will do. A residual stream of zeros stays zero to the end of a network without biases. Models say
            // so themselves where they know; to ask a device would be to wait for it.
            if sae_backend::is_host(&altered.device()) && is_zero(&altered) {
                altered.narrow(0, 0, 1)
            } else {
                altered
            }
        });
        Self {
            altered: altered.collect(),
            original,
        }
    }

    /// Tokens `start..start + n` of an altered run: `n` rows, or the one that is the same for all.
    fn altered(&self, run: usize, start: usize, n: usize) -> Tensor<2> {
        let run = self.altered[run].clone();
        if run.dims()[0] == 1 {
            run
        } else {
            run.narrow(0, start, n)
        }
    }

    /// Tokens `start..start + n` of the original.
    fn original(&self, start: usize, n: usize) -> Tensor<2> {
        self.original.clone().narrow(0, start, n)
    }
}

fn is_zero(x: &Tensor<2>) -> bool {
    x.dims()[0] > 0 && x.clone().cast(DType::F32).abs().max().into_scalar::<f32>() == 0.0
}

/// The losses and divergences of every token. Cross-entropies mean nothing where there is no next token.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct TokenLosses {
    /// Cross-entropies of the model as it is.
    pub(crate) original: Vec<f64>,
    /// Of each altered run.
    pub(crate) altered: Vec<Vec<Altered>>,
}

/// One token of an altered run.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Altered {
    /// Its cross-entropy.
    pub(crate) ce: f64,
    /// The divergence from the model as it is.
    pub(crate) kl: f64,
}

/// Losses that are there, or are asked for and not yet there.
#[derive(Debug)]
pub(crate) enum AskedLosses {
    /// The host has them.
    Known(TokenLosses),
    /// As [`device::losses`] lays them out, of so many runs.
    Asked(Part, usize),
}

impl AskedLosses {
    /// The losses, once what was asked for has been read.
    pub(crate) fn get(self, numbers: &Numbers) -> TokenLosses {
        match self {
            Self::Known(losses) => losses,
            Self::Asked(part, n_runs) => device::take_apart(&numbers[part], n_runs),
        }
    }
}

/// The losses of every token, sequence after sequence; from a device they are asked for.
///
/// `targets` holds the token that follows each one (anything valid where none does). At most about `max_bytes` of f32 logits exist
/// at a time, but at least one token's. `logits` is what [`SplitModel::logits`](sae_traits::SplitModel::logits) is.
pub(crate) fn token_losses(
    logits: impl Fn(Tensor<2>, Range<usize>) -> Tensor<2>,
    runs: &Runs,
    targets: &[u32],
    vocab_size: usize,
    max_bytes: usize,
    readout: &mut Readout,
) -> AskedLosses {
    if sae_backend::is_host(&runs.original.device()) {
        return AskedLosses::Known(host::losses(runs, targets, vocab_size, max_bytes, logits));
    }
    let losses = device::losses(runs, targets, vocab_size, max_bytes, logits);
    AskedLosses::Asked(readout.ask(losses), 1 + runs.altered.len())
}

#[cfg(all(test, feature = "cpu"))]
mod tests {
    use super::{Runs, TokenLosses, device, host};
    use crate::tensors::to_f32s;
    use burn::tensor::{DType, Device, Distribution, Tensor};
    use std::ops::Range;

    /// "Final-norm outputs" that are their own logits, with altered runs of so many rows.
    fn runs(n: usize, vocab: usize, altered: &[usize]) -> Runs {
        let device = Device::flex();
        device.seed(1);
        let random = |rows| {
            let dims = [1, rows, vocab];
            Tensor::<3>::random(dims, Distribution::Normal(0.0, 3.0), (&device, DType::F32))
        };
        let original = random(n);
        Runs::new(original, altered.iter().map(|&rows| random(rows)).collect())
    }

    fn itself(rows: Tensor<2>, entries: Range<usize>) -> Tensor<2> {
        rows.narrow(1, entries.start, entries.len())
    }

    #[test]
    fn tensors_and_host_agree_in_pieces_of_any_size() {
        let (n, vocab) = (7, 3001);
        for altered in [vec![n, n], vec![n, 1], vec![1, n, n], vec![n, 1, n, 1, n]] {
            let runs = runs(n, vocab, &altered);
            let targets: Vec<u32> = (0..n as u32).map(|token| token * 400).collect();
            let on_device = |max_bytes| {
                let losses = device::losses(&runs, &targets, vocab, max_bytes, itself);
                device::take_apart(&to_f32s(losses), 1 + altered.len())
            };
            let whole = on_device(1 << 30);
            assert_eq!(whole.altered.len(), altered.len());
            for max_bytes in [0, 100_000, 1 << 30] {
                let others = [
                    host::losses(&runs, &targets, vocab, max_bytes, itself),
                    on_device(max_bytes),
                ];
                for other in others {
                    let (found, expected) = (numbers(&other), numbers(&whole));
                    assert_eq!(found.len(), n * (1 + 2 * altered.len()));
                    assert_eq!(found.len(), expected.len());
                    for (a, b) in found.iter().zip(expected) {
                        assert!((a - b).abs() < 1e-5 * (1.0 + a.abs()), "{a} and {b}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_run_has_the_same_figures_whatever_else_is_measured() {
        let (n, vocab) = (9, 2500);
        let all = runs(n, vocab, &[n, 1, n, n]);
        let targets: Vec<u32> = (0..n as u32).map(|token| token * 100).collect();
        let together = host::losses(&all, &targets, vocab, 1 << 16, itself);
        for at in 0..4 {
            let alone = Runs {
                original: all.original.clone(),
                altered: vec![all.altered[at].clone()],
            };
            let alone = host::losses(&alone, &targets, vocab, 1 << 16, itself);
            assert_eq!(alone.altered[0], together.altered[at]);
            assert_eq!(alone.original, together.original);
        }
    }

    #[test]
    fn rows_of_zeros_become_one() {
        let zeros = Tensor::<3>::zeros([2, 3, 5], &Device::flex());
        let runs = Runs::new(zeros.ones_like(), vec![zeros.ones_like(), zeros]);
        assert_eq!(runs.altered[1].dims(), [1, 5]);
        assert_eq!(runs.altered(0, 1, 4).dims(), [4, 5]);
        assert_eq!(runs.altered(1, 1, 4).dims(), [1, 5]);
    }

    fn numbers(losses: &TokenLosses) -> Vec<f64> {
        let altered = losses.altered.iter().flatten();
        let altered = altered.flat_map(|token| [token.ce, token.kl]);
        losses.original.iter().copied().chain(altered).collect()
    }
}
