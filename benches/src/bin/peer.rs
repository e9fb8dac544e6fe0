//! Our side of `peers/compare.py`: one piece of work on a real model, timed without loading, as one line of JSON.
//!
//! `peer CASE MODEL RUN TOKENS ROWS`, where CASE is `prefix`, `full`, `eval` or `floor`.

#![allow(clippy::print_stdout)] // the line is what the program is for

use burn::tensor::{Device, FloatDType, Int, Tensor, TensorData};
use dataset_stream::TokenTable;
use llama_hooked::{
    ForwardOptions, HookPoint, Llama, LlamaLoadOptions, ModelSource, NoHooks, OutputKind, Positions,
};
use sae_benches::{Product, memory, product_gflops};
use sae_core::{RunDir, Sae};
use sae_llama::{ReconstructionPath, Spliced, SplitLlama};
use sae_metrics::{Masking, ProtocolOptions, Unobserved, evaluate};
use std::convert::Infallible;
use std::error::Error;
use std::time::Instant;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Rows of a forward pass, for both sides.
const BATCH: usize = 8;

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [case, model, run, tokens, rows] = args.as_slice() else {
        return Err("usage: peer prefix|full|eval|floor MODEL RUN TOKENS ROWS".into());
    };
    let device = Device::flex();
    let files = ModelSource::parse(model)?.resolve()?;
    let options = LlamaLoadOptions::new(&device, FloatDType::F32);
    let model = Llama::load(&files, &options)?;
    let table = TokenTable::open(tokens)?;
    let n_rows: usize = rows.parse()?;
    let rows = (0..n_rows)
        .map(|row| table.row(row))
        .collect::<Result<Vec<_>, _>>()?;
    let context = table.context_size();
    let n_tokens = n_rows * context;
    let batches: Vec<Tensor<2, Int>> = rows
        .chunks(BATCH)
        .map(|rows| {
            let ids: Vec<i32> = rows.concat().into_iter().map(u32::cast_signed).collect();
            Tensor::from_data(TensorData::new(ids, [rows.len(), context]), &device)
        })
        .collect();
    let run = RunDir::open(run)?;
    let layer = hook_layer(&run)?;

    let prefix = |tokens: Tensor<2, Int>| {
        let mut options = ForwardOptions::default();
        options.stop_at_layer = Some(layer.cast_signed());
        options.output = OutputKind::Residual;
        let point = HookPoint::ResidPre(layer - 1);
        model.run_with_cache(tokens, &options, point, Positions::ALL)
    };
    let full = |tokens: Tensor<2, Int>| {
        let mut options = ForwardOptions::default();
        options.stop_at_layer = None;
        options.output = OutputKind::Loss;
        model.forward(tokens, &options, &mut NoHooks)
    };
    let seconds = match case.as_str() {
        "prefix" => timed(&batches, |tokens| prefix(tokens).map(drop))?,
        "full" => timed(&batches, |tokens| full(tokens).map(drop))?,
        "floor" => {
            let seconds = timed(&batches, |tokens| full(tokens).map(drop))?;
            let products = products(&model, BATCH.min(n_rows) * context);
            let flops: f64 = products.iter().map(|(_, times)| *times).sum::<f64>();
            let time: f64 = products
                .iter()
                .map(|(product, flops)| flops / (1e9 * product_gflops(*product)))
                .sum();
            let floor = flops / time / 1e9;
            let reached =
                flops * (n_tokens as f64 / (BATCH.min(n_rows) * context) as f64) / seconds / 1e9;
            println!(
                "{{\"gemm_gflops\": {floor:.1}, \"forward_gflops\": {reached:.1}, \"share\": {:.3}}}",
                reached / floor
            );
            return Ok(());
        }
        "eval" => {
            let load = sae_core::SaeLoadOptions::new(&device);
            let sae = Sae::load_weights(run.cfg.clone(), &run.weights, &load)?;
            let split = SplitLlama::new(&model, &run.cfg)?;
            let spliced = Spliced::new(&sae, ReconstructionPath::DecodeEncode);
            let mut options = ProtocolOptions::default();
            options.masking = Masking::exclude([1, 2]);
            options.batch_size = BATCH;
            let evaluate = |rows: &[Vec<u32>]| {
                let rows = rows.iter().cloned().map(Ok::<_, Infallible>);
                evaluate(&split, &spliced, rows, &options, &mut Unobserved)
            };
            evaluate(&rows[..1])?;
            let start = Instant::now();
            let evaluation = evaluate(&rows)?;
            let seconds = start.elapsed().as_secs_f64();
            let loss = evaluation.reconstruction.cross_entropy;
            print_losses([loss.original.mean(), loss.reconstructed.mean()]);
            seconds
        }
        other => return Err(format!("there is no case {other}").into()),
    };
    println!(
        "{{\"seconds\": {seconds}, \"tokens\": {n_tokens}, \"peak_rss_mb\": {}}}",
        memory::peak_mb()
    );
    Ok(())
}

/// One warm-up on the first batch, then all of them.
fn timed<E: Error + 'static>(
    batches: &[Tensor<2, Int>],
    mut work: impl FnMut(Tensor<2, Int>) -> Result<(), E>,
) -> Result<f64, E> {
    work(batches[0].clone())?;
    let start = Instant::now();
    for batch in batches {
        work(batch.clone())?;
    }
    Ok(start.elapsed().as_secs_f64())
}

/// The layer of the run's hook.
fn hook_layer(run: &RunDir) -> Result<usize, Box<dyn Error>> {
    let name = run
        .cfg
        .metadata
        .hook_name
        .as_deref()
        .ok_or("cfg.json names no hook")?;
    let point: HookPoint = name.parse()?;
    Ok(point.layer().ok_or("the hook is in no layer")?)
}

/// The matrix products of a forward pass with losses over `tokens` tokens, and the operations that all of each kind take.
fn products(model: &Llama, tokens: usize) -> Vec<(Product, f64)> {
    let config = model.config();
    let (d, layers) = (config.d_model, config.n_layers as f64);
    let (q, kv) = (
        config.n_heads * config.d_head,
        config.n_kv_heads * config.d_head,
    );
    let of = |n_out: usize, n_in: usize, times: f64| {
        let product = Product {
            rows: tokens,
            n_in,
            n_out,
        };
        (product, product.flops() * times)
    };
    // The unembedding comes in pieces of some 3,000 entries.
    let piece = 3072;
    vec![
        of(q, d, layers),
        of(kv, d, 2.0 * layers),
        of(d, q, layers),
        of(config.d_mlp, d, 2.0 * layers),
        of(d, config.d_mlp, layers),
        of(piece, d, config.vocab_size as f64 / piece as f64),
    ]
}

#[allow(clippy::print_stderr)] // beside the figures, for a human to compare with the peer's
fn print_losses(losses: [f64; 2]) {
    eprintln!("losses {losses:?}");
}
