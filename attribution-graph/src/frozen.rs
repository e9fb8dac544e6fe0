//! One prompt's run of the model, and what is held still of it.

use crate::error::AttributeError;
use crate::place::Reads;
use crate::transcoders::Transcoders;
use burn::tensor::{DType, FloatDType, Int, Tensor};
use llama_hooked::{Capture, ForwardError, HookPoint, LinearParts, Llama, PointFilter};

/// The model with its attention patterns and norms as they are on one prompt.
#[derive(Debug)]
pub(crate) struct Frozen {
    pub(crate) layers: Vec<FrozenLayer>,
    /// γ of the final norm over its divisor at the last position, `[1, d]`.
    pub(crate) final_norm: Tensor<2>,
    /// Embeddings of the tokens, `[T, d]`.
    pub(crate) embeddings: Tensor<2>,
    /// The last position's output of the final norm, `[1, d]`.
    pub(crate) normed: Tensor<2>,
}

/// One block. Tensors are f32 but for the weights, which are in the model's dtype.
#[derive(Debug)]
pub(crate) struct FrozenLayer {
    pub(crate) parts: LinearParts,
    pub(crate) n_kv_heads: usize,
    /// `[H, T, T]`, query before key.
    pub(crate) pattern: Tensor<3>,
    /// The attention norm's divisor, `[T, 1]`.
    pub(crate) ln1_scale: Tensor<2>,
    /// The MLP norm's divisor, `[T, 1]`.
    pub(crate) ln2_scale: Tensor<2>,
    /// What the transcoder reads, `[T, d]`, and the MLP's output, until features are found.
    pub(crate) activations: Option<(Tensor<2>, Tensor<2>)>,
    pub(crate) reads: Reads,
}

fn f32<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    x.cast(DType::F32)
}

impl Frozen {
    /// Runs the model on the prompt.
    pub(crate) fn run(
        model: &Llama,
        transcoders: &Transcoders,
        tokens: &[u32],
    ) -> Result<Self, AttributeError> {
        let config = model.config();
        let (n, d, vocab_size) = (tokens.len(), config.d_model, config.vocab_size);
        if n == 0 {
            return Err(AttributeError::Empty);
        }
        if let Some(&id) = tokens.iter().find(|&&id| id as usize >= vocab_size) {
            let id = i64::from(id);
            return Err(ForwardError::TokenOutOfRange { id, vocab_size }.into());
        }
        if transcoders.n_layers() != config.n_layers {
            return Err(AttributeError::Layers {
                transcoders: transcoders.n_layers(),
                model: config.n_layers,
            });
        }
        let ids: Vec<i32> = tokens.iter().map(|id| id.cast_signed()).collect();
        let ids = Tensor::<1, Int>::from_ints(ids.as_slice(), &model.device()).reshape([1, n]);
        let reads: Vec<Reads> = (0..config.n_layers).map(|l| transcoders.reads(l)).collect();
        let mut capture = Capture::new(wanted(reads.clone()));
        let embedded = model.embed(ids, &mut capture);
        let layers = 0..config.n_layers;
        let (resid, parts) = model.blocks_with_parts(embedded.clone(), layers, &mut capture);
        let normed = model.ln_final(resid.narrow(1, n - 1, 1), &mut capture);
        let mut cache = capture.into_cache();
        let mut take = |point: HookPoint| cache.remove(point).expect("every point was passed");
        let mut take_rows = |point: HookPoint| {
            let x = take(point).into_r3().expect("is of rank 3");
            let [_, p, width] = x.dims();
            f32(x).reshape([p, width])
        };
        let final_scale = take_rows(HookPoint::LnFinalScale);
        let mut frozen = Vec::new();
        for (layer, (parts, reads)) in parts.into_iter().zip(reads).enumerate() {
            let read = take_rows(read_at(reads, layer));
            let read = match reads {
                // As the model rounds it.
                Reads::MlpInput => f32(read.cast(model.dtype()) * parts.ln2.clone().unsqueeze()),
                _ => read,
            };
            let activations = Some((read, take_rows(HookPoint::MlpOut(layer))));
            frozen.push(FrozenLayer {
                ln1_scale: take_rows(HookPoint::Ln1Scale(layer)),
                ln2_scale: take_rows(HookPoint::Ln2Scale(layer)),
                // Below, as the closures share the cache.
                pattern: Tensor::zeros([0, 0, 0], &model.device()),
                n_kv_heads: config.n_kv_heads,
                parts,
                activations,
                reads,
            });
        }
        for (layer, frozen) in frozen.iter_mut().enumerate() {
            let pattern = cache.remove(HookPoint::Pattern(layer));
            let pattern = pattern.and_then(llama_hooked::Activation::into_r4);
            let pattern = pattern.expect("every point was passed");
            frozen.pattern = f32(pattern).reshape([config.n_heads, n, n]);
        }
        Ok(Self {
            layers: frozen,
            final_norm: f32(model.ln_final_weight()).unsqueeze() / final_scale,
            embeddings: f32(embedded).reshape([n, d]),
            normed: normed.reshape([1, d]),
        })
    }
}

/// The hook point that gives what is read, before the norm's weight.
fn read_at(reads: Reads, layer: usize) -> HookPoint {
    match reads {
        Reads::ResidMid => HookPoint::ResidMid(layer),
        Reads::Normalized | Reads::MlpInput => HookPoint::Ln2Normalized(layer),
    }
}

fn wanted(reads: Vec<Reads>) -> PointFilter {
    PointFilter::matching(move |point| match point {
        HookPoint::Pattern(_)
        | HookPoint::Ln1Scale(_)
        | HookPoint::Ln2Scale(_)
        | HookPoint::MlpOut(_)
        | HookPoint::LnFinalScale => true,
        _ => point
            .layer()
            .is_some_and(|layer| point == read_at(reads[layer], layer)),
    })
}

impl FrozenLayer {
    /// What the gradient of the transcoder's input is of the residual stream before the norm.
    ///
    /// # Shapes
    /// `g`: `[P, n, d]`, of the first P positions → the same.
    pub(crate) fn before_read(&self, g: Tensor<3>) -> Tensor<3> {
        let [p, ..] = g.dims();
        let scale = self.ln2_scale.clone().narrow(0, 0, p).unsqueeze_dim(2);
        match self.reads {
            Reads::ResidMid => g,
            Reads::Normalized => g / scale,
            Reads::MlpInput => g * f32(self.parts.ln2.clone()).unsqueeze() / scale,
        }
    }

    /// What the gradient at the attention's output is at its input, through values and output projection: for each head
    /// `patternᵀ · g · W_O · W_V`, with the norm's weight and divisor.
    ///
    /// # Shapes
    /// `g`: `[P, n, d]`, of the first P positions → the same.
    pub(crate) fn through_attention(&self, g: &Tensor<3>) -> Tensor<3> {
        let [p, n, d] = g.dims();
        let [heads, ..] = self.pattern.dims();
        let kv = self.n_kv_heads;
        let (w_o, w_v) = (&self.parts.w_o, &self.parts.w_v);
        let d_head = w_v.dims()[0] / kv;
        let group = heads / kv;
        let gz = linear(g.clone().reshape([p * n, d]), w_o.clone().transpose());
        let gz = gz
            .reshape([p, n, kv, group, d_head])
            .permute([2, 3, 0, 1, 4])
            .reshape([kv, group * p, n * d_head]);
        let pattern = self.pattern.clone().narrow(1, 0, p).narrow(2, 0, p);
        let pattern = pattern
            .reshape([kv, group, p, p])
            .permute([0, 3, 1, 2])
            .reshape([kv, p, group * p]);
        let gv = fused_ops::matmul(pattern, gz)
            .reshape([kv, p, n, d_head])
            .permute([1, 2, 0, 3])
            .reshape([p * n, kv * d_head]);
        let out = linear(gv, w_v.clone().transpose()).reshape([p, n, d]);
        let scale = self.ln1_scale.clone().narrow(0, 0, p).unsqueeze_dim(2);
        out * f32(self.parts.ln1.clone()).unsqueeze() / scale
    }
}

/// x·Wᵀ in f32, whatever the dtype of the weight.
fn linear(x: Tensor<2>, weight: Tensor<2>) -> Tensor<2> {
    let weight = if FloatDType::from(weight.dtype()) == FloatDType::F32 {
        weight
    } else {
        f32(weight)
    };
    fused_ops::linear(x, weight)
}
