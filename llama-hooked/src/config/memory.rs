//! How much memory a model of this shape takes, known before anything is loaded.

use super::LlamaConfig;
use crate::hook::HookPoint;
use burn::tensor::FloatDType;

/// Bytes that a model takes on its device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ModelMemory {
    /// All weights.
    pub weights: u64,
    /// The weights of one block.
    pub block: u64,
    /// The embedding, and as much again for the unembedding unless they are one.
    pub embedding: u64,
    /// One token's residual stream.
    pub residual_per_token: u64,
    /// Memory that one token takes at most while a block without hooks works on it, its residual stream included.
    pub block_per_token: u64,
    /// The keys and values that a [`KvCache`](crate::KvCache) keeps of one token.
    pub cache_per_token: u64,
}

impl LlamaConfig {
    /// The number of weights.
    pub fn n_params(&self) -> u64 {
        let embeddings = if self.tie_word_embeddings { 1 } else { 2 };
        let [d, vocab] = [self.d_model, self.vocab_size].map(|n| n as u64);
        self.n_layers as u64 * self.block_params() + embeddings * vocab * d + d
    }

    fn block_params(&self) -> u64 {
        let [d, m, q, kv] = self.widths();
        2 * d * (q + kv) + 3 * d * m + 2 * d
    }

    /// How many numbers a hook point has for one row of so many positions.
    pub fn values_at(&self, point: HookPoint, positions: usize) -> u64 {
        let [d, m, q, kv] = self.widths();
        let [heads, kv_heads, p] = [self.n_heads, self.n_kv_heads, positions].map(|n| n as u64);
        match point {
            HookPoint::UnembedOut => p * self.vocab_size as u64,
            HookPoint::Ln1Scale(_) | HookPoint::Ln2Scale(_) | HookPoint::LnFinalScale => p,
            HookPoint::AttnIn(_) | HookPoint::QInput(_) | HookPoint::Result(_) => p * heads * d,
            HookPoint::KInput(_) | HookPoint::VInput(_) => p * kv_heads * d,
            HookPoint::Q(_) | HookPoint::RotQ(_) | HookPoint::Z(_) => p * q,
            HookPoint::K(_) | HookPoint::V(_) | HookPoint::RotK(_) => p * kv,
            HookPoint::AttnScores(_) | HookPoint::Pattern(_) => heads * p * p,
            HookPoint::MlpPre(_) | HookPoint::MlpPreLinear(_) | HookPoint::MlpPost(_) => p * m,
            HookPoint::Embed
            | HookPoint::ResidPre(_)
            | HookPoint::ResidMid(_)
            | HookPoint::ResidPost(_)
            | HookPoint::Ln1Normalized(_)
            | HookPoint::Ln2Normalized(_)
            | HookPoint::LnFinalNormalized
            | HookPoint::UnembedIn
            | HookPoint::AttnOut(_)
            | HookPoint::MlpIn(_)
            | HookPoint::MlpInput(_)
            | HookPoint::MlpOut(_) => p * d,
        }
    }

    /// Widths of the residual stream, the MLP, all query heads and all key heads.
    fn widths(&self) -> [u64; 4] {
        let q = self.n_heads * self.d_head;
        let kv = self.n_kv_heads * self.d_head;
        [self.d_model, self.d_mlp, q, kv].map(|n| n as u64)
    }

    /// The memory that the model takes in this dtype.
    ///
    /// The work within a block is counted by what exists at once: beside the residual stream and its norm, queries, keys, values and
    /// the attention's output, or the two hidden layers of the MLP. In 16 bits norms and gates have f32 copies besides; in bf16 on the CPU it is queries, keys
    /// and values that have, and products lay out their inputs once more.
    pub fn memory(&self, dtype: FloatDType) -> ModelMemory {
        let size = match dtype {
            FloatDType::F64 => 8,
            FloatDType::F16 | FloatDType::BF16 => 2,
            _ => 4,
        };
        let [d, m, q, kv] = self.widths();
        let attention = 3 * d + 2 * q + 2 * kv;
        let mlp = 3 * d + 2 * m;
        let copies = if size < 4 { 4 * (2 * m).max(3 * d) } else { 0 };
        ModelMemory {
            weights: size * self.n_params(),
            block: size * self.block_params(),
            embedding: size * d * self.vocab_size as u64,
            residual_per_token: size * d,
            block_per_token: size * attention.max(mlp) + copies,
            cache_per_token: size * self.n_layers as u64 * 2 * kv,
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::config::LlamaConfig;
    use crate::{Activation, ForwardOptions, Llama, PointFilter, Positions};
    use burn::tensor::{Device, FloatDType, Int, Tensor};

    fn llama_3_8b() -> LlamaConfig {
        LlamaConfig::from_json(
            r#"{"model_type": "llama", "vocab_size": 128256, "hidden_size": 4096, "intermediate_size": 14336,
            "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8, "rms_norm_eps": 1e-5,
            "rope_theta": 500000.0, "tie_word_embeddings": false, "max_position_embeddings": 8192}"#,
        )
        .unwrap()
    }

    #[test]
    fn llama_3_8b_has_as_many_weights_as_its_card_says() {
        let config = llama_3_8b();
        assert_eq!(config.n_params(), 8_030_261_248);
        let memory = config.memory(FloatDType::BF16);
        assert_eq!(memory.weights, 16_060_522_496);
        assert_eq!(memory.block, 436_224_000);
        assert_eq!(memory.embedding, 1_050_673_152);
        assert_eq!(memory.cache_per_token, 2 * 32 * 2 * 8 * 128);
    }

    /// Every point, opt-in ones too, against what a run captures there.
    #[test]
    fn points_are_as_large_as_they_turn_out() {
        let config = LlamaConfig::from_json(
            r#"{"model_type": "llama", "vocab_size": 11, "hidden_size": 12, "intermediate_size": 20, "num_hidden_layers": 1,
            "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 6, "rms_norm_eps": 1e-5, "rope_theta": 1e4,
            "tie_word_embeddings": true, "max_position_embeddings": 64}"#,
        )
        .unwrap();
        let device = Device::flex();
        let model = Llama::random(config.clone(), 0, &device, FloatDType::F32);
        let tokens = Tensor::<2, Int>::from_ints([[1, 2, 3, 4, 5]], &device);
        let everything = PointFilter::matching(|_| true);
        let options = ForwardOptions::default();
        let (_, cache) = model
            .run_with_cache(tokens, &options, everything, Positions::ALL)
            .unwrap();
        for (point, x) in cache {
            let found = match x {
                Activation::R3(x) => x.shape().num_elements(),
                Activation::R4(x) => x.shape().num_elements(),
            };
            assert_eq!(config.values_at(point, 5), found as u64, "{point}");
        }
    }

    #[test]
    fn half_the_bits_are_half_the_weights_but_not_half_the_work() {
        let config = llama_3_8b();
        let [wide, half] = [FloatDType::F32, FloatDType::BF16].map(|dtype| config.memory(dtype));
        assert_eq!(wide.weights, 2 * half.weights);
        assert_eq!(wide.block_per_token, 4 * (3 * 4096 + 2 * 14336));
        assert!(half.block_per_token > wide.block_per_token / 2);
    }
}
