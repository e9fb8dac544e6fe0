//! One transformer block.

use super::attention::{Attention, HeadInput, Inputs, Past};
use super::mlp::Mlp;
use super::rms_norm::RmsNorm;
use super::rotary::Rotary;
use crate::hook::{Fire, Hook, HookPoint};
use burn::tensor::Tensor;

/// `resid_mid = resid_pre + attention(ln1(resid_pre)); resid_post = resid_mid + mlp(ln2(resid_mid))`.
#[derive(Debug, Clone)]
pub(crate) struct Block {
    pub(crate) ln1: RmsNorm,
    pub(crate) attention: Attention,
    pub(crate) ln2: RmsNorm,
    pub(crate) mlp: Mlp,
}

impl Block {
    /// # Shapes
    /// `resid`: `[b, p, d]` → the same.
    pub(crate) fn forward<H: Hook + ?Sized>(
        &self,
        layer: usize,
        resid: Tensor<3>,
        rotary: &Rotary,
        past: Option<Past<'_>>,
        hooks: &mut H,
    ) -> Tensor<3> {
        let resid_pre = hooks.fire(HookPoint::ResidPre(layer), resid);
        let inputs = self.attention_inputs(layer, resid_pre.clone(), hooks);
        let resid_mid = self
            .attention
            .forward(layer, resid_pre, inputs, rotary, past, hooks);
        let resid_mid = hooks.fire(HookPoint::ResidMid(layer), resid_mid);
        let mlp_in = hooks.fire(HookPoint::MlpIn(layer), resid_mid.clone());
        let normed = self.ln2.forward(
            mlp_in,
            HookPoint::Ln2Scale(layer),
            HookPoint::Ln2Normalized(layer),
            hooks,
        );
        let normed = hooks.fire(HookPoint::MlpInput(layer), normed);
        let resid_post = self.mlp.forward(layer, resid_mid, normed, hooks);
        hooks.fire(HookPoint::ResidPost(layer), resid_post)
    }

    /// The first norm. One input for all heads, unless a hook asks for the residual stream as each head reads it.
    fn attention_inputs<H: Hook + ?Sized>(
        &self,
        layer: usize,
        resid: Tensor<3>,
        hooks: &mut H,
    ) -> Inputs {
        let (scale, normalized) = (HookPoint::Ln1Scale(layer), HookPoint::Ln1Normalized(layer));
        let (attn_in, q_input) = (HookPoint::AttnIn(layer), HookPoint::QInput(layer));
        let (k_input, v_input) = (HookPoint::KInput(layer), HookPoint::VInput(layer));
        let wanted = [attn_in, q_input, k_input, v_input].map(|point| hooks.wants(point));
        if wanted == [false; 4] {
            let x = HeadInput::Shared(self.ln1.forward(resid, scale, normalized, hooks));
            return Inputs {
                q: x.clone(),
                k: x.clone(),
                v: x,
            };
        }

        let (n_heads, n_kv_heads) = (self.attention.n_heads, self.attention.n_kv_heads);
        let attn_in = wanted[0].then(|| hooks.fire(attn_in, per_head(resid.clone(), n_heads)));
        let mut input = |point, heads| {
            let x = match &attn_in {
                Some(x) => group_mean(x.clone(), heads),
                None => per_head(resid.clone(), heads),
            };
            hooks.fire(point, x)
        };
        let inputs = [
            input(q_input, n_heads),
            input(k_input, n_kv_heads),
            input(v_input, n_kv_heads),
        ];
        let edit = self.ln1_edit(resid, scale, normalized, hooks);
        let [q, k, v] = inputs.map(|x| {
            let x = self.ln1.forward_unhooked(x);
            HeadInput::PerHead(match &edit {
                Some(edit) => x + edit.clone(),
                None => x,
            })
        });
        Inputs { q, k, v }
    }

    /// The change that hooks on the norm make: they see the one norm of the residual stream, whatever the number of heads, and what they
    /// change is added to each head's own norm.
    fn ln1_edit<H: Hook + ?Sized>(
        &self,
        resid: Tensor<3>,
        scale: HookPoint,
        normalized: HookPoint,
        hooks: &mut H,
    ) -> Option<Tensor<4>> {
        if !hooks.wants(scale) && !hooks.wants(normalized) {
            return None;
        }
        let plain = self.ln1.forward_unhooked(resid.clone());
        let edited = self.ln1.forward(resid, scale, normalized, hooks);
        Some((edited - plain).unsqueeze_dim(2))
    }
}

/// `[b, p, d]` → `[b, p, heads, d]`, the same for each head.
fn per_head(x: Tensor<3>, heads: usize) -> Tensor<4> {
    let [b, p, d] = x.dims();
    x.unsqueeze_dim::<4>(2).expand([b, p, heads, d])
}

/// `[b, p, H, d]` → `[b, p, heads, d]`: a key/value head reads the mean of what the query heads that share it read.
fn group_mean(x: Tensor<4>, heads: usize) -> Tensor<4> {
    let [b, p, n, d] = x.dims();
    if n == heads {
        return x;
    }
    let group = x.reshape([b, p, heads, n / heads, d]);
    group.mean_dim(3).squeeze_dim(3)
}
