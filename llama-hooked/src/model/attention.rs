//! Causal self-attention with grouped queries.

use super::explicit_attention::explicit;
use super::linear::Linear;
use super::rotary::Rotary;
use crate::hook::{Fire, Hook, HookPoint};
use burn::tensor::Tensor;
use fused_ops::{KeyValues, causal_attention};

/// Queries, keys, values and the output projection of one block.
#[derive(Debug, Clone)]
pub(crate) struct Attention {
    pub(crate) q: Linear,
    pub(crate) k: Linear,
    pub(crate) v: Linear,
    pub(crate) o: Linear,
    pub(crate) n_heads: usize,
    pub(crate) n_kv_heads: usize,
}

/// The input of a projection, after the norm.
#[derive(Debug, Clone)]
pub(crate) enum HeadInput {
    /// `[b, p, d]`: one input for all heads.
    Shared(Tensor<3>),
    /// `[b, p, heads, d]`: one for each.
    PerHead(Tensor<4>),
}

/// What was there before the input of a run, and how many columns of each row of the input are padding.
pub(crate) struct Past<'a> {
    pub(crate) key_values: &'a mut KeyValues,
    pub(crate) padding: &'a [usize],
}

/// The normed inputs of the three projections.
#[derive(Debug, Clone)]
pub(crate) struct Inputs {
    pub(crate) q: HeadInput,
    pub(crate) k: HeadInput,
    pub(crate) v: HeadInput,
}

impl Attention {
    /// Adds the attention to the residual stream.
    ///
    /// # Shapes
    /// `resid`: `[b, p, d]` → the same.
    pub(crate) fn forward<H: Hook + ?Sized>(
        &self,
        layer: usize,
        resid: Tensor<3>,
        inputs: Inputs,
        rotary: &Rotary,
        past: Option<Past<'_>>,
        hooks: &mut H,
    ) -> Tensor<3> {
        let q = hooks.fire(
            HookPoint::Q(layer),
            project(&self.q, inputs.q, self.n_heads),
        );
        let k = hooks.fire(
            HookPoint::K(layer),
            project(&self.k, inputs.k, self.n_kv_heads),
        );
        let v = hooks.fire(
            HookPoint::V(layer),
            project(&self.v, inputs.v, self.n_kv_heads),
        );
        let q = hooks.fire(HookPoint::RotQ(layer), rotary.apply(q));
        let k = hooks.fire(HookPoint::RotK(layer), rotary.apply(k));
        let inside =
            hooks.wants(HookPoint::AttnScores(layer)) || hooks.wants(HookPoint::Pattern(layer));
        let z = match past {
            None if inside => explicit(layer, q, k, v, None, hooks),
            None => causal_attention(q, k, v),
            Some(past) if inside => {
                past.key_values.push(&k, &v, past.padding);
                let hidden = past.key_values.hidden(q.dims()[1], &q);
                let (k, v) = past.key_values.dense();
                explicit(layer, q, k, v, Some(hidden), hooks)
            }
            Some(past) => past.key_values.attend(q, k, v, past.padding),
        };
        let z = hooks.fire(HookPoint::Z(layer), z);
        let [b, p, heads, d_head] = z.dims();
        let out = if hooks.wants(HookPoint::Result(layer)) {
            let result = hooks.fire(HookPoint::Result(layer), self.o.forward_from_heads(z));
            result.sum_dim(2).squeeze_dim(2)
        } else {
            let z = z.reshape([b, p, heads * d_head]);
            if !hooks.wants(HookPoint::AttnOut(layer)) {
                return self.o.add_to(resid, z);
            }
            self.o.forward(z)
        };
        resid + hooks.fire(HookPoint::AttnOut(layer), out)
    }
}

/// → `[b, p, heads, d_head]`.
fn project(linear: &Linear, input: HeadInput, heads: usize) -> Tensor<4> {
    match input {
        HeadInput::Shared(x) => {
            let x = linear.forward(x);
            let [b, p, width] = x.dims();
            x.reshape([b, p, heads, width / heads])
        }
        HeadInput::PerHead(x) => linear.forward_per_head(x),
    }
}
