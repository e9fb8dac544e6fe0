//! What a model expects after some tokens, and how long a pass takes.
//!
//! ```sh
//! cargo run --release --example next_token -- MODEL 1 3057 2270
//! ```
#![allow(clippy::print_stdout, reason = "printing is what this program is for")]

use burn::tensor::{Device, FloatDType, Int, Tensor, TensorData};
use llama_hooked::{ForwardOptions, Llama, LlamaLoadOptions, ModelSource, NoHooks, OutputKind};
use std::error::Error;
use std::time::{Duration, Instant};

/// Length of the input that is timed.
const TIMED_TOKENS: usize = 512;

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let model = args.next().ok_or("usage: next_token MODEL ID...")?;
    let ids: Vec<i64> = args.map(|id| id.parse()).collect::<Result<_, _>>()?;
    let options = LlamaLoadOptions::new(&Device::flex(), FloatDType::F32);

    let start = Instant::now();
    let model = Llama::load(&ModelSource::parse(&model)?.resolve()?, &options)?;
    println!("loaded in {:.2?}", start.elapsed());

    let output = model.forward(row(&ids), &ForwardOptions::default(), &mut NoHooks)?;
    let logits = output.logits().ok_or("logits were asked for")?;
    let logits: Vec<f32> = logits.narrow(1, ids.len() - 1, 1).try_into_vec_as()?;
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let weight = |logit: f32| f64::from(logit - largest).exp();
    let sum: f64 = logits.iter().map(|&logit| weight(logit)).sum();
    let mut order: Vec<usize> = (0..logits.len()).collect();
    order.sort_by(|&a, &b| logits[b].total_cmp(&logits[a]));
    for (rank, &id) in order.iter().take(5).enumerate() {
        let percent = 100.0 * weight(logits[id]) / sum;
        println!(
            "rank {rank}: token {id:6}  logit {:6.3}  {percent:6.3} %",
            logits[id]
        );
    }

    let vocab_size = model.config().vocab_size as i64;
    let ids: Vec<i64> = (0..TIMED_TOKENS as i64)
        .map(|i| i * 7919 % vocab_size)
        .collect();
    for (output, what) in [
        (OutputKind::Nothing, "without logits"),
        (OutputKind::Loss, "with loss"),
    ] {
        let mut options = ForwardOptions::default();
        options.output = output;
        let passes = (0..5)
            .map(|_| timed(&model, &ids, &options))
            .collect::<Result<Vec<_>, _>>()?;
        println!(
            "{TIMED_TOKENS} tokens {what}: {:.2?}, the fastest of 5",
            passes.into_iter().min().unwrap_or_default()
        );
    }
    Ok(())
}

fn row(ids: &[i64]) -> Tensor<2, Int> {
    Tensor::from_data(
        TensorData::new(ids.to_vec(), [1, ids.len()]),
        &Device::flex(),
    )
}

fn timed(model: &Llama, ids: &[i64], options: &ForwardOptions) -> Result<Duration, Box<dyn Error>> {
    let start = Instant::now();
    model.forward(row(ids), options, &mut NoHooks)?;
    Ok(start.elapsed())
}
