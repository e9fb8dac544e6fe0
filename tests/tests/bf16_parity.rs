//! bf16 on the CPU against torch's (`goldens/bf16.py`): on the demo's model, both are held to the logits and losses of f32.

#![allow(clippy::unwrap_used)] // clippy sees only the #[test] functions as tests, not the functions they share

use burn::tensor::{Device, FloatDType, Int, Tensor, TensorData, bf16};
use llama_hooked::{
    ForwardOptions, Llama, LlamaLoadOptions, ModelSource, NoHooks, Output, OutputKind,
};
use safetensors::{Dtype, SafeTensors};
use std::path::{Path, PathBuf};

fn here() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

struct Golden {
    bytes: Vec<u8>,
}

impl Golden {
    fn read() -> Self {
        let path = here().join("goldens/data/bf16/demo.safetensors");
        Self {
            bytes: std::fs::read(path).unwrap(),
        }
    }

    fn numbers(&self, name: &str) -> Vec<f32> {
        let file = SafeTensors::deserialize(&self.bytes).unwrap();
        let view = file.tensor(name).unwrap();
        match view.dtype() {
            Dtype::F32 => words(view.data(), f32::from_le_bytes),
            Dtype::BF16 => words(view.data(), |b| bf16::from_le_bytes(b).to_f32()),
            other => panic!("{name} is {other:?}"),
        }
    }

    fn tokens(&self) -> Tensor<2, Int> {
        let file = SafeTensors::deserialize(&self.bytes).unwrap();
        let view = file.tensor("tokens").unwrap();
        let ids: Vec<i64> = words(view.data(), i64::from_le_bytes);
        Tensor::from_data(TensorData::new(ids, view.shape()), &Device::flex())
    }
}

fn words<const N: usize, T>(bytes: &[u8], read: impl Fn([u8; N]) -> T) -> Vec<T> {
    let (words, _) = bytes.as_chunks::<N>();
    words.iter().map(|word| read(*word)).collect()
}

fn demo() -> PathBuf {
    here().join("../demo/model")
}

fn run(dtype: FloatDType, output: OutputKind, tokens: Tensor<2, Int>) -> Output {
    let files = ModelSource::Dir(demo()).resolve().unwrap();
    let options = LlamaLoadOptions::new(&Device::flex(), dtype);
    let model = Llama::load(&files, &options).unwrap();
    let mut options = ForwardOptions::default();
    options.output = output;
    model.forward(tokens, &options, &mut NoHooks).unwrap()
}

/// Every 32nd logit of every position.
fn logits(dtype: FloatDType, golden: &Golden) -> Vec<f32> {
    let output = run(dtype, OutputKind::Logits, golden.tokens());
    let logits = output.logits().unwrap();
    let all: Vec<f32> = logits.into_data().iter::<f32>().collect();
    all.into_iter().step_by(32).collect()
}

fn losses(dtype: FloatDType, golden: &Golden) -> Vec<f32> {
    let output = run(dtype, OutputKind::Loss, golden.tokens());
    let losses = output.loss().unwrap();
    losses.into_data().iter::<f32>().collect()
}

/// The root of the mean square of differences.
fn error(a: &[f32], b: &[f32]) -> f64 {
    assert_eq!(a.len(), b.len());
    let squares = a.iter().zip(b).map(|(a, b)| f64::from(a - b).powi(2));
    (squares.sum::<f64>() / a.len() as f64).sqrt()
}

#[test]
fn logits_in_bf16_err_no_more_than_pytorchs() {
    let golden = Golden::read();
    let exact = golden.numbers("f32.logits");
    assert!(error(&logits(FloatDType::F32, &golden), &exact) < 1e-4);
    let ours = error(&logits(FloatDType::BF16, &golden), &exact);
    let theirs = error(&golden.numbers("bf16.logits"), &exact);
    assert!(ours > 0.0, "it is not f32 under another name");
    assert!(ours <= 1.5 * theirs, "{ours} here, {theirs} by PyTorch");
}

#[test]
fn losses_in_bf16_err_no_more_than_pytorchs() {
    let golden = Golden::read();
    let exact = golden.numbers("f32.losses");
    assert!(error(&losses(FloatDType::F32, &golden), &exact) < 1e-4);
    let ours = error(&losses(FloatDType::BF16, &golden), &exact);
    let theirs = error(&golden.numbers("bf16.losses"), &exact);
    assert!(ours <= 1.5 * theirs, "{ours} here, {theirs} by PyTorch");
}
