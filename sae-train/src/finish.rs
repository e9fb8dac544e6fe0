//! From the weights of training to the SAE that is used: scales, norms and thresholds folded in, as SAELens saves it.

use crate::architecture::TrainArchitecture;
use crate::trainer::Trainer;
use crate::weights::{Shape, Weights};
use sae_core::{
    Architecture, Finish, MatchingPursuit, Sae, SaeConfig, SaeLoadError, SaeLoadOptions,
    SaeMetadata, TopK, Transcoder, Unfinished,
};
use safetensors::tensor::{Dtype, View};
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::path::Path;

/// What messages call it.
const IN_TRAINING: &str = "the SAE in training";

/// A tensor of a file, by its name.
pub(crate) type Named = (String, Numbers);

/// The numbers of a tensor on the host, with its shape.
#[derive(Debug, Clone)]
pub(crate) enum Numbers {
    F32(Vec<usize>, Vec<f32>),
    U64(Vec<usize>, Vec<u64>),
    /// A scalar.
    F64([f64; 1]),
}

impl Numbers {
    pub(crate) fn f32(shape: &[usize], values: impl Into<Vec<f32>>) -> Self {
        Self::F32(shape.to_vec(), values.into())
    }

    pub(crate) fn u64(values: &[u64]) -> Self {
        Self::U64(vec![values.len()], values.to_vec())
    }
}

impl View for Numbers {
    fn dtype(&self) -> Dtype {
        match self {
            Self::F32(..) => Dtype::F32,
            Self::U64(..) => Dtype::U64,
            Self::F64(_) => Dtype::F64,
        }
    }

    fn shape(&self) -> &[usize] {
        match self {
            Self::F32(shape, _) | Self::U64(shape, _) => shape,
            Self::F64(_) => &[],
        }
    }

    // The file is little-endian, and so is every machine that burn runs on.
    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(match self {
            Self::F32(_, values) => bytemuck::cast_slice(values),
            Self::U64(_, values) => bytemuck::cast_slice(values),
            Self::F64(value) => bytemuck::cast_slice(value),
        })
    }

    fn data_len(&self) -> usize {
        match self {
            Self::F32(_, values) => 4 * values.len(),
            Self::U64(_, values) => 8 * values.len(),
            Self::F64(_) => 8,
        }
    }
}

/// An SAE as it is used, still on the host.
#[derive(Debug)]
pub struct Finished {
    /// Its configuration, with how it was trained in the metadata.
    pub cfg: SaeConfig,
    tensors: Vec<Named>,
}

impl Finished {
    /// The bytes of its `sae_weights.safetensors`.
    ///
    /// # Panics
    /// Never: names are distinct and shapes are those of the numbers.
    pub fn to_bytes(&self) -> Vec<u8> {
        let tensors = self
            .tensors
            .iter()
            .map(|(name, numbers)| (name.as_str(), numbers.clone()));
        safetensors::serialize(tensors, None).expect("the tensors were made by this crate")
    }

    /// The SAE on a device.
    ///
    /// # Errors
    /// If a weight is not finite.
    pub fn to_sae(&self, options: &SaeLoadOptions) -> Result<Sae, SaeLoadError> {
        Sae::from_bytes(
            self.cfg.clone(),
            &self.to_bytes(),
            Path::new(IN_TRAINING),
            options,
        )
    }

    pub(crate) fn into_tensors(self) -> (SaeConfig, Vec<Named>) {
        (self.cfg, self.tensors)
    }
}

impl Trainer {
    /// The SAE as it is used, or its moving average where one is kept: scales of inputs and norms of decoder rows folded in, batchtopk's
    /// threshold as that of a jumprelu SAE.
    ///
    /// `metadata` says where it belongs; how it was trained is added.
    pub fn finished(&self, metadata: &SaeMetadata) -> Finished {
        let (options, shape) = (&self.options, self.shape);
        let weights = self.ema().unwrap_or_else(|| self.weights()).into_owned();
        let mut cfg = SaeConfig::new(self.used_as(), shape.d_in, shape.d_sae);
        cfg.d_out = shape.d_out;
        cfg.apply_b_dec_to_input =
            options.apply_b_dec_to_input && !options.architecture.is_transcoder();
        cfg.metadata = metadata.clone();
        self.describe(&mut cfg.metadata.extra);
        // As one reads a checkpoint of training, so that there is one rule of what becomes of it.
        cfg.unfinished = Some(self.unfinished());
        let mut finish = Finish::new(&mut cfg, Path::new(IN_TRAINING));
        let mut tensors = tensors(options.architecture, weights, shape);
        tensors.sort_by_key(|(name, _)| name != "W_dec");
        for (name, numbers) in &mut tensors {
            if let Numbers::F32(shape, values) = numbers {
                finish.apply(name, values, shape);
            }
        }
        if options.architecture.is_batch_topk() {
            let threshold = finish.shared_threshold(self.counts.topk_threshold) as f32;
            let all = Numbers::f32(&[shape.d_sae], vec![threshold; shape.d_sae]);
            tensors.push(("threshold".to_owned(), all));
        }
        Finished { cfg, tensors }
    }

    fn unfinished(&self) -> Unfinished {
        let architecture = self.options.architecture;
        let mut unfinished = Unfinished::default();
        unfinished.shared_threshold = architecture.is_batch_topk();
        unfinished.fold_w_dec_norm =
            architecture.is_topk() && self.options.rescale_acts_by_decoder_norm;
        unfinished.scales = self.scales;
        unfinished
    }

    /// What it runs as.
    fn used_as(&self) -> Architecture {
        let options = &self.options;
        let topk = TopK {
            k: options.k as usize,
            rescale_acts_by_decoder_norm: options.rescale_acts_by_decoder_norm,
        };
        let transcoder = |skip, jump_relu| Architecture::Transcoder(Transcoder { skip, jump_relu });
        match options.architecture {
            TrainArchitecture::Standard => Architecture::Standard,
            TrainArchitecture::Gated => Architecture::Gated,
            TrainArchitecture::TopK => Architecture::TopK(topk),
            TrainArchitecture::AbsTopK => Architecture::AbsTopK(topk),
            TrainArchitecture::BatchTopK
            | TrainArchitecture::MatryoshkaBatchTopK
            | TrainArchitecture::JumpRelu => Architecture::JumpRelu,
            TrainArchitecture::MatchingPursuit => Architecture::MatchingPursuit(MatchingPursuit {
                residual_threshold: options.residual_threshold,
                max_iterations: options.max_iterations,
                stop_on_duplicate_support: options.stop_on_duplicate_support,
            }),
            TrainArchitecture::Transcoder => transcoder(false, false),
            TrainArchitecture::SkipTranscoder => transcoder(true, false),
            TrainArchitecture::JumpReluTranscoder => transcoder(false, true),
            TrainArchitecture::JumpReluSkipTranscoder => transcoder(true, true),
        }
    }

    /// How it was trained, by SAELens' keys.
    fn describe(&self, extra: &mut Map<String, Value>) {
        extra.insert(
            "training_architecture".to_owned(),
            self.options.architecture.name().into(),
        );
        let own = self.options.of_architecture();
        extra.insert("training_architecture_details".to_owned(), own.into());
        let n = self.counts.window_tokens;
        if n > 0 {
            let l0 = self.counts.fired.iter().sum::<u64>() as f64 / n as f64;
            extra.insert("l0".to_owned(), l0.into());
            let dead = self.dead().iter().filter(|&&dead| dead).count();
            extra.insert("num_dead_features".to_owned(), dead.into());
        }
    }
}

/// Every tensor by SAELens' name, the encoder as it lays it.
pub(crate) fn tensors(
    architecture: TrainArchitecture,
    weights: Weights,
    shape: Shape,
) -> Vec<Named> {
    let Shape { d_in, d_out, d_sae } = shape;
    let bias = if architecture == TrainArchitecture::Gated {
        "b_gate"
    } else {
        "b_enc"
    };
    let w_enc = transpose(&weights.w_enc, d_in);
    let all = [
        ("W_enc", vec![d_in, d_sae], w_enc),
        (bias, vec![d_sae], weights.b_enc),
        ("W_dec", vec![d_sae, d_out], weights.w_dec),
        ("b_dec", vec![d_out], weights.b_dec),
        ("threshold", vec![d_sae], weights.threshold),
        ("b_mag", vec![d_sae], weights.b_mag),
        ("r_mag", vec![d_sae], weights.r_mag),
        ("W_skip", vec![d_out, d_in], weights.w_skip),
    ];
    let there = all.into_iter().filter(|(_, _, values)| !values.is_empty());
    there
        .map(|(name, shape, values)| (name.to_owned(), Numbers::F32(shape, values)))
        .collect()
}

/// `[n, width]` to `[width, n]`.
pub(crate) fn transpose(x: &[f32], width: usize) -> Vec<f32> {
    /// Rows and columns that are read together, so that what is written stays in the cache.
    const TILE: usize = 32;
    if x.is_empty() {
        return Vec::new();
    }
    let n = x.len() / width;
    let mut out = vec![0.0; x.len()];
    for top in (0..n).step_by(TILE) {
        for left in (0..width).step_by(TILE) {
            for i in top..(top + TILE).min(n) {
                for j in left..(left + TILE).min(width) {
                    out[j * n + i] = x[i * width + j];
                }
            }
        }
    }
    out
}

#[cfg(test)]
#[allow(clippy::float_cmp)] // numbers that are moved stay as they are
mod tests {
    use super::transpose;

    #[test]
    fn transposed_twice_is_the_same() {
        let x: Vec<f32> = (0..70 * 45).map(|i| i as f32).collect();
        let turned = transpose(&x, 45);
        assert_eq!(turned[1], 45.0);
        assert_eq!(transpose(&turned, 70), x);
    }
}
