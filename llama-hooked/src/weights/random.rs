//! Models with random weights, for tests and benchmarks.

use super::TensorSource;
use super::decode::Target;
use crate::config::LlamaConfig;
use crate::model::Llama;
use burn::tensor::{Device, FloatDType, Tensor, TensorData};
use std::convert::Infallible;

impl Llama {
    /// A model with random weights, the same for a seed on every device and machine.
    ///
    /// Embeddings have unit variance, projections the variance 1/inputs and norms weights near 1, so that every part of the network
    /// matters in its output.
    ///
    /// # Panics
    /// If the configuration is not valid ([`LlamaConfig::validate`]) or the dtype is not F32, F16 or BF16.
    pub fn random(config: LlamaConfig, seed: u64, device: &Device, dtype: FloatDType) -> Self {
        if let Err(error) = config.validate() {
            panic!("{error}");
        }
        let target = Target::new(dtype).unwrap_or_else(|| {
            panic!("a model cannot be made as {dtype:?}; choose F32, F16 or BF16")
        });
        let mut source = RandomSource {
            state: seed,
            device,
            target,
        };
        let Ok(model) = Self::assemble(config, dtype, &mut source);
        model
    }
}

struct RandomSource<'a> {
    state: u64,
    device: &'a Device,
    target: Target,
}

impl RandomSource<'_> {
    /// The `SplitMix64` generator (Steele, Lea and Flood, 2014).
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Close enough to a standard normal, and the same everywhere: a centred sum of four uniform numbers, no transcendental function.
    fn normal(&mut self) -> f32 {
        let bits = self.next();
        let sum: u64 = (0..4).map(|i| (bits >> (16 * i)) & 0xFFFF).sum();
        let uniform = sum as f32 / 65_536.0 - 2.0;
        uniform * 3.0_f32.sqrt()
    }

    fn values(&mut self, n: usize, mean: f32, deviation: f32) -> Vec<f32> {
        (0..n).map(|_| mean + deviation * self.normal()).collect()
    }
}

impl TensorSource for RandomSource<'_> {
    type Error = Infallible;

    fn vector(&mut self, _: &str, len: usize) -> Result<Tensor<1>, Infallible> {
        let values = TensorData::new(self.values(len, 1.0, 0.1), [len]);
        Ok(Tensor::from_data(
            values,
            (self.device, self.target.dtype()),
        ))
    }

    fn matrix(&mut self, name: &str, shape: [usize; 2]) -> Result<Tensor<2>, Infallible> {
        let deviation = if name == "model.embed_tokens.weight" {
            1.0
        } else {
            (shape[1] as f32).sqrt().recip()
        };
        let values = TensorData::new(self.values(shape[0] * shape[1], 0.0, deviation), shape);
        Ok(Tensor::from_data(
            values,
            (self.device, self.target.dtype()),
        ))
    }
}
