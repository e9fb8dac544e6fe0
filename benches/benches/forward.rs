//! The forward pass: up to the hook, and whole, on a random Llama of SmolLM2-135M's widths.

use burn::tensor::{Device, FloatDType};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use llama_hooked::{
    Capture, ForwardOptions, HookPoint, Llama, NoHooks, Output, OutputKind, PointFilter,
};
use sae_benches::{smollm2_shaped, tokens};
use std::hint::black_box;
use std::time::Duration;

/// SmolLM2-135M has 30 blocks; the cost of the blocks is linear in their number.
const LAYERS: usize = 6;
const BATCH: usize = 1;
const POSITIONS: usize = 256;

fn forward(c: &mut Criterion) {
    for (name, dtype) in [
        ("forward", FloatDType::F32),
        ("forward_bf16", FloatDType::BF16),
    ] {
        forward_in(c, name, dtype);
    }
}

fn forward_in(c: &mut Criterion, name: &str, dtype: FloatDType) {
    let device = Device::flex();
    let model = Llama::random(smollm2_shaped(LAYERS), 0, &device, dtype);
    let tokens = tokens(BATCH, POSITIONS, model.config().vocab_size, &device);
    let run = |options: &ForwardOptions| {
        let output = model.forward(tokens.clone(), options, &mut NoHooks);
        finish(&device, output.expect("the run is within the model"));
    };

    let mut group = c.benchmark_group(name);
    group
        .sample_size(10)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(4));
    group.throughput(Throughput::Elements((BATCH * POSITIONS) as u64));
    for layers in [1, LAYERS / 2] {
        let mut options = ForwardOptions::default();
        options.stop_at_layer = Some(layers.cast_signed());
        options.output = OutputKind::Residual;
        group.bench_function(BenchmarkId::new("prefix", layers), |b| {
            b.iter(|| run(&options));
        });
    }
    for (name, output) in [
        ("blocks_and_norm", OutputKind::Nothing),
        ("loss", OutputKind::Loss),
        ("logits", OutputKind::Logits),
    ] {
        let mut options = ForwardOptions::default();
        options.stop_at_layer = None;
        options.output = output;
        group.bench_function(BenchmarkId::new("full", name), |b| b.iter(|| run(&options)));
    }
    group.finish();
}

/// What hooks cost: none, one that is computed anyway, one that keeps attention from being fused, and all of them.
fn hooks(c: &mut Criterion) {
    let device = Device::flex();
    let model = Llama::random(smollm2_shaped(1), 0, &device, FloatDType::F32);
    let tokens = tokens(BATCH, POSITIONS, model.config().vocab_size, &device);
    let mut options = ForwardOptions::default();
    options.stop_at_layer = None;
    options.output = OutputKind::Nothing;

    let mut group = c.benchmark_group("hooks");
    group
        .sample_size(10)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(3));
    group.throughput(Throughput::Elements((BATCH * POSITIONS) as u64));
    group.bench_function("none", |b| {
        b.iter(|| {
            let output = model.forward(tokens.clone(), &options, &mut NoHooks);
            finish(&device, output.expect("the run is within the model"));
        });
    });
    let capture = |filter: PointFilter| {
        let mut capture = Capture::new(filter);
        let output = model.forward(tokens.clone(), &options, &mut capture);
        finish(&device, output.expect("the run is within the model"));
        let cache = capture.into_cache();
        assert!(!cache.is_empty(), "the filter names a point of the run");
        black_box(cache)
    };
    group.bench_function("capture_resid_pre", |b| {
        b.iter(|| capture(HookPoint::ResidPre(0).into()));
    });
    group.bench_function("capture_pattern", |b| {
        b.iter(|| capture(HookPoint::Pattern(0).into()));
    });
    group.bench_function("capture_all", |b| {
        b.iter(|| capture(PointFilter::matching(|point| !point.is_opt_in())));
    });
    group.finish();
}

/// Waits until the work is done, without copying the result.
fn finish(device: &Device, output: Output) {
    device
        .sync()
        .expect("the device finishes what it was given");
    drop(black_box(output));
}

criterion_group!(benches, forward, hooks);
criterion_main!(benches);
