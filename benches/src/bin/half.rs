//! A model in f32 and in bf16 on the CPU: processor time of a forward pass and of one more token, and the logits of both.
//!
//! `half MODEL IDS [LOGITS]`: IDS is a file of token ids, one row; LOGITS, if given, is written as safetensors. The two take turns in one
//! process, and the least time of each counts. `RAYON_NUM_THREADS=1` leaves out what threads cost.

#![allow(clippy::print_stdout)] // the line is what the program is for

use burn::tensor::{Device, FloatDType, Int, Tensor, TensorData};
use llama_hooked::{
    ForwardOptions, KvCache, Llama, LlamaLoadOptions, ModelSource, NoHooks, OutputKind,
};
use sae_benches::processor;
use safetensors::tensor::TensorView;
use std::error::Error;
use std::hint::black_box;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Seconds for each comparison.
const SECONDS: f64 = 8.0;

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (model, ids, logits) = match args.as_slice() {
        [model, ids] => (model, ids, None),
        [model, ids, logits] => (model, ids, Some(logits)),
        _ => return Err("usage: half MODEL IDS [LOGITS]".into()),
    };
    let device = Device::flex();
    let files = ModelSource::parse(model)?.resolve()?;
    let load = |dtype| Llama::load(&files, &LlamaLoadOptions::new(&device, dtype));
    let (wide, half) = (load(FloatDType::F32)?, load(FloatDType::BF16)?);
    let text = std::fs::read_to_string(ids)?;
    let ids: Vec<u32> = text
        .split_whitespace()
        .map(str::parse)
        .collect::<Result<_, _>>()?;
    let tokens: Vec<i32> = ids.iter().map(|id| id.cast_signed()).collect();
    let tokens = TensorData::new(tokens, [1, ids.len()]);
    let tokens = Tensor::<2, Int>::from_data(tokens, &device);

    if let Some(path) = logits {
        write(path, [("f32", &wide), ("bf16", &half)], &tokens)?;
    }
    let mut options = ForwardOptions::default();
    options.output = OutputKind::Loss;
    let forward = |model: &Llama| {
        let output = model.forward(tokens.clone(), &options, &mut NoHooks);
        drop(black_box(output.expect("the tokens are the model's")));
    };
    report(
        "forward",
        SECONDS,
        [&mut || forward(&wide), &mut || forward(&half)],
    );
    for rows in [1, 8] {
        let prompt = vec![ids[..32.min(ids.len())].to_vec(); rows];
        let begun = |model: &Llama| {
            let mut cache = KvCache::new(model.config(), rows);
            model
                .extend(&prompt, &mut cache, &mut NoHooks)
                .map(|_| cache)
        };
        let caches = (begun(&wide)?, begun(&half)?);
        let next = vec![vec![ids[0]]; rows];
        let step = |model: &Llama, cache: &KvCache| {
            let mut cache = cache.clone();
            let normed = model.extend(&next, &mut cache, &mut NoHooks);
            let normed = normed.expect("the tokens are the model's");
            drop(black_box(model.next_logits(normed, &mut NoHooks)));
        };
        let name = format!("one more token, {rows} rows");
        let (mut wide_step, mut half_step) = (|| step(&wide, &caches.0), || step(&half, &caches.1));
        report(&name, SECONDS / 2.0, [&mut wide_step, &mut half_step]);
    }
    Ok(())
}

fn report(name: &str, limit: f64, work: [&mut dyn FnMut(); 2]) {
    let [wide, half] = processor::least(limit, work);
    println!(
        "{}",
        serde_json::json!({"name": name, "f32": wide, "bf16": half, "ratio": wide / half})
    );
}

/// Logits of every position, in f32.
fn write(
    path: &str,
    models: [(&str, &Llama); 2],
    tokens: &Tensor<2, Int>,
) -> Result<(), Box<dyn Error>> {
    let mut options = ForwardOptions::default();
    options.output = OutputKind::Logits;
    let mut tensors = Vec::new();
    for (name, model) in models {
        let output = model.forward(tokens.clone(), &options, &mut NoHooks)?;
        let logits = output.logits().ok_or("logits were asked for")?;
        let dims = logits.dims();
        let bytes: Vec<u8> = logits
            .into_data()
            .iter::<f32>()
            .flat_map(f32::to_le_bytes)
            .collect();
        tensors.push((name, dims, bytes));
    }
    let views = tensors.iter().map(|(name, dims, bytes)| {
        let view = TensorView::new(safetensors::Dtype::F32, dims.to_vec(), bytes);
        Ok((*name, view?))
    });
    let views = views.collect::<Result<Vec<_>, safetensors::SafeTensorError>>()?;
    safetensors::serialize_to_file(views, None, path.as_ref())?;
    Ok(())
}
