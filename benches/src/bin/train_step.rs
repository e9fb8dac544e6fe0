//! Trains an SAE on activations in a file, round and round, and says how fast: what `benches/peers/train.py` compares with SAELens.
//!
//! `train_step ARCHITECTURE ACTIVATIONS.safetensors D_SAE TOKENS_PER_STEP STEPS [KEY=VALUE..]`

#![allow(clippy::print_stdout)] // what has been measured is the result

use mimalloc::MiMalloc;
use sae_benches::memory::peak_mb;
use sae_train::{Shape, TrainOptions, Trainer};
use safetensors::SafeTensors;
use serde_json::{Map, Value, json};
use std::error::Error;
use std::time::Instant;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Steps before the clock starts.
const WARM_UP: usize = 3;

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [architecture, path, d_sae, batch, steps, settings @ ..] = args.as_slice() else {
        return Err("usage: train_step ARCHITECTURE ACTIVATIONS.safetensors D_SAE TOKENS_PER_STEP STEPS [KEY=VALUE..]".into());
    };
    let (batch, steps): (usize, usize) = (batch.parse()?, steps.parse()?);
    let bytes = std::fs::read(path)?;
    let file = SafeTensors::deserialize(&bytes)?;
    let (_, view) = file.iter().next().ok_or("the file holds no tensor")?;
    let d_in = *view.shape().last().ok_or("the tensor has no axes")?;
    let x: Vec<f32> = view
        .data()
        .as_chunks::<4>()
        .0
        .iter()
        .map(|b| f32::from_le_bytes(*b))
        .collect();
    drop(bytes);
    let mut options: Map<String, Value> =
        serde_json::from_value(serde_json::to_value(TrainOptions::default())?)?;
    let own = [
        ("architecture", json!(architecture)),
        ("d_sae", json!(d_sae.parse::<usize>()?)),
        ("train_batch_size_tokens", json!(batch)),
        ("training_tokens", json!(batch * (steps + WARM_UP))),
    ];
    options.extend(own.map(|(key, value)| (key.to_owned(), value)));
    for setting in settings {
        let (key, value) = setting.split_once('=').ok_or("settings are KEY=VALUE")?;
        options.insert(key.to_owned(), serde_json::from_str(value)?);
    }
    let options: TrainOptions = serde_json::from_value(options.into())?;
    let mut trainer = Trainer::new(&options, d_in, d_in)?;
    let norms = x
        .chunks_exact(d_in)
        .map(|row| row.iter().map(|x| x * x).sum::<f32>().sqrt());
    let mean = norms.map(f64::from).sum::<f64>() / (x.len() / d_in) as f64;
    trainer.set_scales(Shape::new(&options, d_in, d_in).scales(mean, mean));
    let n_batches = x.len() / d_in / batch;
    let mut start = Instant::now();
    let mut last = None;
    for step in 0..steps + WARM_UP {
        if step == WARM_UP {
            start = Instant::now();
        }
        let at = (step % n_batches) * batch * d_in;
        last = Some(trainer.step(&x[at..at + batch * d_in], None)?);
    }
    let seconds = start.elapsed().as_secs_f64();
    let last = last.ok_or("no step was made")?;
    println!(
        "{}",
        json!({
            "tokens": batch * steps, "seconds": seconds, "peak_rss_mb": peak_mb(), "loss": last.overall_loss, "l0": last.l0,
            "dead": last.dead_features,
        })
    );
    Ok(())
}
