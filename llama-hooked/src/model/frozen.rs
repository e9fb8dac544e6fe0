//! What is left of a block when its attention pattern and norms are held still: linear maps.

use super::block::Block;
use super::{Llama, Pass};
use crate::hook::Hook;
use burn::tensor::Tensor;
use std::ops::Range;

/// The weights of a block that act once its attention pattern and the divisors of its norms are given numbers. Tensors are shared with the
/// model where its weights are resident, and stay on the device for as long as this does where they are streamed.
#[derive(Debug, Clone)]
pub struct LinearParts {
    /// The value projection, `[kv heads · d_head, d_model]`.
    pub w_v: Tensor<2>,
    /// The output projection, `[d_model, heads · d_head]`.
    pub w_o: Tensor<2>,
    /// γ of the attention's norm, `[d_model]`.
    pub ln1: Tensor<1>,
    /// γ of the MLP's norm, `[d_model]`.
    pub ln2: Tensor<1>,
}

impl LinearParts {
    fn of(block: &Block) -> Self {
        Self {
            w_v: block.attention.v.weight(),
            w_o: block.attention.o.weight(),
            ln1: block.ln1.weight(),
            ln2: block.ln2.weight(),
        }
    }
}

impl Llama {
    /// [`blocks`](Self::blocks), and the linear parts of each on the way: streamed weights are read once for both.
    ///
    /// # Shapes
    /// `resid`: `[b, p, d_model]`, cast to the model's dtype → the same.
    ///
    /// # Panics
    /// If the range ends beyond the last block.
    pub fn blocks_with_parts<H: Hook + ?Sized>(
        &self,
        resid: Tensor<3>,
        layers: Range<usize>,
        hooks: &mut H,
    ) -> (Tensor<3>, Vec<LinearParts>) {
        let mut hooks = hooks;
        let pass = Pass {
            resid,
            layers,
            hooks: &mut hooks,
        };
        let mut parts = Vec::new();
        let mut resids = self.run(vec![pass], |block| parts.push(LinearParts::of(block)));
        (resids.pop().expect("a residual for each pass"), parts)
    }

    /// Rows of the unembedding, in the model's dtype.
    ///
    /// # Shapes
    /// `[entries.len(), d_model]`
    ///
    /// # Panics
    /// If the range ends beyond the vocabulary.
    pub fn unembedding(&self, entries: Range<usize>) -> Tensor<2> {
        assert!(
            entries.end <= self.config.vocab_size,
            "the vocabulary has {} entries, not {}",
            self.config.vocab_size,
            entries.end
        );
        self.weights.unembedding(entries).weight()
    }
}

#[cfg(test)]
mod tests {
    use crate::{HookPoint, Llama, LlamaConfig, NoHooks, Positions};
    use burn::tensor::{Device, FloatDType, Int, Tensor};

    fn largest<const D: usize>(x: Tensor<D>) -> f32 {
        x.abs().max().into_scalar()
    }

    #[test]
    fn the_parts_are_the_attention_and_the_unembedding() {
        let config = LlamaConfig::from_json(
            r#"{"vocab_size": 30, "hidden_size": 12, "intermediate_size": 20, "num_hidden_layers": 2, "num_attention_heads": 4,
            "num_key_value_heads": 2, "head_dim": 6}"#,
        )
        .unwrap();
        let device = Device::flex();
        let model = Llama::random(config, 5, &device, FloatDType::F32);
        let tokens = Tensor::<2, Int>::from_ints([[1, 2, 3, 4, 5]], &device);
        let points = [
            HookPoint::Pattern(1),
            HookPoint::Ln1Normalized(1),
            HookPoint::AttnOut(1),
        ];
        let options = crate::ForwardOptions::default();
        let (output, cache) = model
            .run_with_cache(tokens.clone(), &options, points, Positions::ALL)
            .unwrap();
        let resid = model.embed(tokens, &mut NoHooks);
        let (resid, parts) = model.blocks_with_parts(resid, 0..2, &mut NoHooks);
        assert_eq!(parts.len(), 2);
        let x = cache.r3(points[1]).reshape([5, 12]) * parts[1].ln1.clone().unsqueeze();
        let v = x.matmul(parts[1].w_v.clone().transpose());
        let v = v.reshape([5, 2, 1, 6]).expand([5, 2, 2, 6]);
        let v = v.reshape([5, 4, 6]).swap_dims(0, 1);
        let z = cache.r4(points[0]).reshape([4, 5, 5]).matmul(v);
        let out = z
            .swap_dims(0, 1)
            .reshape([5, 24])
            .matmul(parts[1].w_o.clone().transpose());
        let error = largest(out - cache.r3(points[2]).reshape([5, 12]));
        assert!(error < 1e-5, "{error}");
        let normed = model.ln_final(resid, &mut NoHooks).reshape([5, 12]);
        let logits = normed.matmul(model.unembedding(0..30).transpose());
        let error = largest(logits - output.logits().unwrap().reshape([5, 30]));
        assert!(error < 1e-5, "{error}");
    }
}
