//! Whether every tensor is one that the device can hold: Vulkan and Metal have a limit to each buffer, whatever the memory.

use super::Work;
use sae_backend::format_bytes;
use std::fmt;

/// A tensor that is larger than a tensor may be on the device.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TooLarge {
    /// What it is, with its shape.
    pub tensor: String,
    /// Its bytes.
    pub bytes: u64,
    /// The bytes that one tensor may have.
    pub most: u64,
    /// Whether a shorter row makes it smaller.
    pub of_tokens: bool,
}

impl fmt::Display for TooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let instead = if self.of_tokens { "shorter rows, " } else { "" };
        write!(
            f,
            "one tensor is too large for this device: {} for {}, where its driver allows {}; {instead}16 bits a number if the device has them, or \
             the CPU may do",
            format_bytes(self.bytes),
            self.tensor,
            format_bytes(self.most),
        )
    }
}

impl Work {
    /// The largest tensor of a batch of so many rows, if the device cannot hold it.
    pub(super) fn too_large(&self, rows: usize) -> Option<TooLarge> {
        let most = self.largest_tensor?;
        let (tensor, bytes, of_tokens) = self.largest(self.tokens(rows));
        (bytes > most).then_some(TooLarge {
            tensor,
            bytes,
            most,
            of_tokens,
        })
    }

    /// The largest tensor there is with so many tokens in a batch: its name, its bytes, and whether it grows with the tokens.
    fn largest(&self, tokens: u64) -> (String, u64, bool) {
        let (model, n) = (&self.model, tokens);
        let memory = model.memory(self.dtype);
        let size = memory.residual_per_token / model.d_model.max(1) as u64;
        let [vocab, d, mlp, heads, context] = [
            model.vocab_size,
            model.d_model,
            model.d_mlp,
            model.n_heads,
            self.context_size,
        ]
        .map(|n| n as u64);
        let queries = heads * model.d_head as u64;
        let mut tensors = vec![
            ("the embedding", [vocab, d], size, false),
            ("a weight of the MLP", [mlp, d], size, false),
            // Softmax and norms are in f32.
            ("the hidden layer of the MLP", [n, mlp], 4, true),
            ("the queries", [n, queries], 4, true),
            ("the attention pattern", [n * heads, context], 4, true),
        ];
        if let Some(sae) = self.sae {
            let [d_in, d_sae] = [sae.d_in, sae.d_sae].map(|n| n as u64);
            tensors.push(("a weight of the SAE", [d_in, d_sae], size, false));
            tensors.push(("the features", [n, d_sae], 4, true));
        }
        let bytes = |[a, b]: [u64; 2], size: u64| a.saturating_mul(b).saturating_mul(size);
        let largest = tensors
            .into_iter()
            .max_by_key(|&(_, shape, size, _)| bytes(shape, size));
        largest.map_or_else(
            || (String::new(), 0, false),
            |(name, [a, b], size, of_tokens)| {
                let bits = 8 * size;
                let name = format!("{name} ({a} × {b} numbers of {bits} bits)");
                (name, bytes([a, b], size), of_tokens)
            },
        )
    }
}

#[cfg(test)]
mod tests {
    use crate::plan::tests::{within, work};
    use burn::tensor::FloatDType;

    const GIB: u64 = 1 << 30;

    #[test]
    fn a_weight_that_the_device_cannot_hold_is_named() {
        let mut work = work(16_384, FloatDType::F32);
        work.on_cpu = false;
        work.largest_tensor = Some(GIB);
        let error = work.plan(&within(64), false).unwrap_err().to_string();
        assert_eq!(
            error,
            "one tensor is too large for this device: 1.96 GiB for the embedding (128256 × 4096 numbers of 32 bits), where its driver allows \
             1.00 GiB; 16 bits a number if the device has them, or the CPU may do"
        );
        work.largest_tensor = Some(2 * GIB);
        assert!(work.plan(&within(64), false).is_ok());
    }

    #[test]
    fn batches_are_as_large_as_the_largest_tensor_allows() {
        let mut work = work(65_536, FloatDType::BF16);
        let free = work.plan(&within(200), false).unwrap().batch_size;
        // An embedding of one GiB fits, and so do the features of 4096 tokens, but not of 8192.
        work.largest_tensor = Some(GIB);
        (work.rows, work.batch_size) = (Some(64), Some(32));
        let error = work.plan(&within(200), false).unwrap_err();
        assert_eq!(error.fitting_rows, Some(16));
        assert_eq!(
            error.to_string(),
            "one tensor is too large for this device: 2.00 GiB for the features (8192 × 65536 numbers of 32 bits), where its driver allows \
             1.00 GiB; shorter rows, 16 bits a number if the device has them, or the CPU may do; 16 rows at a time fit"
        );
        work.batch_size = None;
        let batch = work.plan(&within(200), false).unwrap().batch_size;
        assert!(batch <= 16 && batch <= free, "{batch} of {free}");
    }
}
