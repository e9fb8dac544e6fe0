//! Random weights and inputs.

use burn::tensor::{Device, Distribution, FloatDType, Int, Tensor, TensorData};
use llama_hooked::{LlamaConfig, Rope, RopeScaling};
use sae_core::{Architecture, Sae, SaeConfig, SaeLoadOptions};
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};

/// A Llama of SmolLM2-135M's widths and vocabulary, and as many blocks as asked (SmolLM2 has 30).
pub fn smollm2_shaped(n_layers: usize) -> LlamaConfig {
    let mut config = LlamaConfig::new(n_layers, 576, 9, 1_536, 49_152);
    config.n_kv_heads = 3;
    config.rms_norm_eps = 1e-5;
    config.rope = Rope {
        theta: 100_000.0,
        scaling: RopeScaling::Default,
    };
    config.tie_word_embeddings = true;
    config.max_position_embeddings = 8_192;
    config
}

/// Ids spread over the vocabulary, `[b, p]`.
pub fn tokens(b: usize, p: usize, vocab_size: usize, device: &Device) -> Tensor<2, Int> {
    // Multiplication by a prime visits the vocabulary out of order, as text does, so that embedding rows are not read in sequence.
    let ids: Vec<i32> = (0..b * p)
        .map(|i| (i * 7_919 % vocab_size) as i32)
        .collect();
    Tensor::from_data(TensorData::new(ids, [b, p]), device)
}

/// Independent standard normal activations, `[1, n, d]`.
pub fn activations(n: usize, d: usize, device: &Device) -> Tensor<3> {
    device.seed(1);
    Tensor::random([1, n, d], Distribution::Normal(0.0, 1.0), device)
}

/// A random SAE whose features each fire on about `density` of [`activations`], as a trained one's might.
///
/// Unit encoder columns make pre-activations standard normal, so one bias for all sets the rate. Without it half of all features would
/// be active on every token, and sparse code would be measured on dense data.
///
/// # Panics
/// If the architecture has no `b_enc` or there is no temporary directory to write to.
pub fn sparse_sae(architecture: Architecture, d_in: usize, d_sae: usize, density: f64) -> Sae {
    let device = Device::flex();
    let cfg = SaeConfig::new(architecture, d_in, d_sae);
    let sae = Sae::random(cfg, 0, &device, FloatDType::F32).expect("an SAE of one matrix");
    let dir = tempfile::tempdir().expect("a temporary directory");
    sae.save(dir.path())
        .expect("the temporary directory takes files");

    let path = dir.path().join("sae_weights.safetensors");
    let bytes = std::fs::read(&path).expect("the weights were just written");
    let weights = SafeTensors::deserialize(&bytes).expect("the weights were just written");
    let bias = bias_for(density).to_le_bytes().repeat(d_sae);
    let tensors = weights
        .iter()
        .map(|(name, view)| match name {
            "b_enc" => TensorView::new(Dtype::F32, vec![d_sae], &bias).map(|view| (name, view)),
            _ => Ok((name, view)),
        })
        .collect::<Result<Vec<_>, _>>()
        .expect("one bias per feature");
    assert!(
        tensors.iter().any(|(name, _)| *name == "b_enc"),
        "the architecture has a b_enc"
    );
    let with_bias = safetensors::serialize(tensors, None).expect("the same tensors as before");
    std::fs::write(&path, with_bias).expect("the temporary directory takes files");
    Sae::load(dir.path(), &SaeLoadOptions::new(&device)).expect("the SAE was just saved")
}

/// The b for which a standard normal z has P(z + b > 0) = `density`, by bisection of Φ.
fn bias_for(density: f64) -> f32 {
    let (mut low, mut high) = (-8.0, 8.0);
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if normal_cdf(middle) < density {
            low = middle;
        } else {
            high = middle;
        }
    }
    low as f32
}

/// Φ(x), by Simpson's rule from the far tail; good to nine digits, which is more than a benchmark needs.
fn normal_cdf(x: f64) -> f64 {
    const FROM: f64 = -9.0;
    const STEPS: u32 = 2_000;
    let width = (x - FROM) / f64::from(STEPS);
    let density = |z: f64| (-z * z / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt();
    let sum: f64 = (0..=STEPS)
        .map(|i| {
            let weight = match i {
                0 | STEPS => 1.0,
                i if i % 2 == 1 => 4.0,
                _ => 2.0,
            };
            weight * density(FROM + f64::from(i) * width)
        })
        .sum();
    sum * width / 3.0
}

#[cfg(test)]
mod tests {
    use super::{activations, bias_for, sparse_sae};
    use burn::tensor::Device;
    use sae_core::{Architecture, TopK};

    #[test]
    fn the_bias_is_the_normal_quantile() {
        // Φ⁻¹(0.025) and Φ⁻¹(0.5).
        assert!((bias_for(0.025) + 1.959_964).abs() < 1e-5);
        assert!(bias_for(0.5).abs() < 1e-5);
    }

    #[test]
    fn features_are_as_rare_as_asked() {
        let x = activations(256, 64, &Device::flex());
        let sae = sparse_sae(Architecture::Standard, 64, 512, 0.02);
        let features = sae.encode_sparse(x.clone()).features;
        let density = features.n_active() as f64 / (256.0 * 512.0);
        assert!((density - 0.02).abs() < 0.005, "{density}");

        let topk = TopK {
            k: 4,
            rescale_acts_by_decoder_norm: false,
        };
        let features = sparse_sae(Architecture::TopK(topk), 64, 512, 0.5)
            .encode_sparse(x)
            .features;
        assert_eq!(features.n_active(), 4 * 256);
    }
}
