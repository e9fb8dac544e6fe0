//! Cross-entropy and KL over the vocabulary, from final-norm outputs, a few tokens at a time.
//!
//! Logits exist only for one chunk of tokens: those of all runs come from one matrix multiplication, so the unembedding is
//! read once per chunk, and are reduced to five numbers per token. On the CPU the reduction is plain Rust over host slices
//! ([`host`]); on an accelerator it is tensor operations, and only the five numbers travel ([`device`]).

mod device;
mod exp;
mod host;
mod row;

use crate::model::SplitModel;
use burn::tensor::{DType, Device, Tensor};

/// Final-norm outputs of the three runs, each `[b, p, d_model]`.
#[derive(Debug, Clone)]
pub(crate) struct Runs {
    pub(crate) original: Tensor<3>,
    pub(crate) reconstructed: Tensor<3>,
    pub(crate) ablated: Tensor<3>,
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

/// The logits of a chunk of `n` tokens: `n` rows of the original run, `n` reconstructed, then the ablated ones, which are `n`
/// or, where they are all alike, a single one.
struct ChunkLogits {
    /// `[2n + n or 2n + 1, vocab]`, in the model's dtype.
    logits: Tensor<2>,
    n: usize,
}

/// The losses of every token, sequence after sequence.
///
/// `targets` holds the token that follows each one (anything valid where none does). At most `max_bytes` of f32 logits exist at
/// a time, but at least one token's.
pub(crate) fn token_losses<M: SplitModel>(
    model: &M,
    runs: Runs,
    targets: &[u32],
    max_bytes: usize,
) -> Vec<TokenLosses> {
    let [b, p, d] = runs.original.dims();
    let [original, reconstructed, ablated] =
        [runs.original, runs.reconstructed, runs.ablated].map(|normed| normed.reshape([b * p, d]));
    // A residual stream of zeros stays zero to the end of a network without biases. Equal rows have equal logits: one will do.
    let ablated_alike = ablated
        .clone()
        .cast(DType::F32)
        .abs()
        .max()
        .into_scalar::<f32>()
        == 0.0;
    let step = tokens_per_chunk(model.vocab_size(), max_bytes);
    let on_host = is_host(&original.device());
    let mut losses = Vec::with_capacity(b * p);
    let mut pending = Vec::new();
    for start in (0..b * p).step_by(step) {
        let n = step.min(b * p - start);
        let ablated_rows = if ablated_alike { 1 } else { n };
        let rows = Tensor::cat(
            vec![
                original.clone().narrow(0, start, n),
                reconstructed.clone().narrow(0, start, n),
                ablated.clone().narrow(0, start, ablated_rows),
            ],
            0,
        );
        let chunk = ChunkLogits {
            logits: model.logits(rows),
            n,
        };
        let targets = &targets[start..start + n];
        if on_host {
            losses.extend(host::losses(chunk, targets));
        } else {
            pending.push(device::losses(&chunk, targets));
        }
    }
    losses.extend(device::read(pending));
    losses
}

/// How many tokens' logits, of three runs, fit in `max_bytes` as f32.
fn tokens_per_chunk(vocab_size: usize, max_bytes: usize) -> usize {
    (max_bytes / (3 * size_of::<f32>() * vocab_size.max(1))).max(1)
}

/// Whether tensors of this device lie in host memory, so that reading one back is free.
fn is_host(device: &Device) -> bool {
    #[cfg(feature = "cpu")]
    let host = Some(Device::flex());
    #[cfg(not(feature = "cpu"))]
    let host: Option<Device> = None;
    host.as_ref() == Some(device)
}

#[cfg(all(test, feature = "cpu"))]
mod tests {
    use super::{ChunkLogits, TokenLosses, device, host, tokens_per_chunk};
    use burn::tensor::{DType, Device, Distribution, Tensor};

    #[test]
    fn tensors_and_host_agree() {
        let (device, n, vocab) = (Device::flex(), 7, 1031);
        device.seed(1);
        for ablated_rows in [n, 1] {
            let shape = [2 * n + ablated_rows, vocab];
            let logits =
                Tensor::random(shape, Distribution::Normal(0.0, 3.0), (&device, DType::F32));
            let chunk = || ChunkLogits {
                logits: logits.clone(),
                n,
            };
            let targets: Vec<u32> = (0..n as u32).map(|token| token * 100).collect();
            let on_host = host::losses(chunk(), &targets);
            let on_device = device::read(vec![device::losses(&chunk(), &targets)]);
            assert_eq!((on_host.len(), on_device.len()), (n, n));
            for (a, b) in on_host
                .iter()
                .flat_map(numbers)
                .zip(on_device.iter().flat_map(numbers))
            {
                assert!(
                    (a - b).abs() < 1e-5 * (1.0 + a.abs()),
                    "{a} on the host, {b} in tensors"
                );
            }
        }
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

    #[test]
    fn a_chunk_is_bounded_but_never_empty() {
        assert_eq!(tokens_per_chunk(128_256, 64 << 20), 43);
        assert_eq!(tokens_per_chunk(128_256, 0), 1);
    }
}
