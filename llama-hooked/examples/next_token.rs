//! What a model expects after a few tokens, and how long a pass takes.
//!
//! ```sh
//! cargo run --release --example next_token -- path/to/model 1 3057 2270
//! ```
#![allow(clippy::print_stdout, reason = "printing is what this program is for")]

use burn::tensor::activation::softmax;
use burn::tensor::{Device, FloatDType, Int, Tensor, TensorData};
use llama_hooked::{ForwardOptions, Llama, LoadOptions, ModelSource, NoHooks, OutputKind};
use std::error::Error;
use std::time::Instant;

/// Length of the input that is timed.
const TIMED_TOKENS: usize = 512;

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let model = args.next().ok_or("usage: next_token MODEL ID...")?;
    let ids = args.map(|id| id.parse()).collect::<Result<Vec<i64>, _>>()?;
    let options = LoadOptions {
        device: Device::flex(),
        dtype: FloatDType::F32,
    };

    let start = Instant::now();
    let model = Llama::load(&ModelSource::parse(&model)?.resolve()?, &options)?;
    println!("loaded in {:.2?}", start.elapsed());

    let tokens = row(&ids, &options.device);
    let output = model.forward(tokens, &ForwardOptions::default(), &mut NoHooks)?;
    let logits = output.logits().ok_or("logits were asked for")?;
    let last = logits
        .narrow(1, ids.len() - 1, 1)
        .flatten::<1>(0, 2)
        .cast(FloatDType::F32);
    let probabilities: Vec<f32> = softmax(last.clone(), 0).try_into_vec_as()?;
    let logits: Vec<f32> = last.try_into_vec_as()?;
    let mut order: Vec<usize> = (0..logits.len()).collect();
    order.sort_by(|&a, &b| logits[b].total_cmp(&logits[a]));
    for (rank, &id) in order.iter().take(5).enumerate() {
        let (logit, probability) = (logits[id], 100.0 * probabilities[id]);
        println!("rank {rank}: token {id:6}  logit {logit:6.3}  {probability:6.3} %");
    }

    let vocab_size = model.config().vocab_size as i64;
    let ids: Vec<i64> = (0..TIMED_TOKENS as i64)
        .map(|i| i * 7919 % vocab_size)
        .collect();
    for (output, what) in [
        (OutputKind::Nothing, "without logits"),
        (OutputKind::Loss, "with loss"),
    ] {
        let options = ForwardOptions {
            output,
            ..ForwardOptions::default()
        };
        let fastest = (0..3)
            .map(|_| timed(&model, &ids, &options))
            .collect::<Result<Vec<_>, _>>()?
            .into_iter()
            .min();
        println!(
            "{TIMED_TOKENS} tokens {what}: {:.0?}",
            fastest.unwrap_or_default()
        );
    }
    Ok(())
}

fn row(ids: &[i64], device: &Device) -> Tensor<2, Int> {
    Tensor::from_data(TensorData::new(ids.to_vec(), [1, ids.len()]), device)
}

fn timed(
    model: &Llama,
    ids: &[i64],
    options: &ForwardOptions,
) -> Result<std::time::Duration, Box<dyn Error>> {
    let start = Instant::now();
    let output = model.forward(row(ids, &model.device()), options, &mut NoHooks)?;
    // A GPU has only been told what to do; wait for it.
    model.device().sync()?;
    drop(output);
    Ok(start.elapsed())
}
