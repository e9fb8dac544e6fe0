//! The fused operations beside what burn's own make of the same, at SmolLM2-135M's shapes and 1,024 tokens. `peers/ops.py` has torch's.

use burn::tensor::activation::{relu, silu, softmax};
use burn::tensor::{Bool, Device, Distribution, FloatDType, Int, Tensor};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use fused_ops::softmax::cross_entropy;
use fused_ops::{causal_attention, linear, rms_norm, silu_mul, sparse_matmul};
use sae_benches::{Product, product_gflops};
use std::hint::black_box;
use std::time::Duration;

const TOKENS: usize = 1024;
const D: usize = 576;
const D_MLP: usize = 1536;
const VOCAB: usize = 49_152;
const D_SAE: usize = 4608;

fn random<const N: usize>(dims: [usize; N]) -> Tensor<N> {
    Tensor::random(dims, Distribution::Normal(0.0, 1.0), &Device::flex())
}

fn group<'a>(
    c: &'a mut Criterion,
    name: &str,
) -> criterion::BenchmarkGroup<'a, criterion::measurement::WallTime> {
    let mut group = c.benchmark_group(name);
    group
        .sample_size(10)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(2));
    group
}

/// Products with weights; `gemm` is the library that both are made of, writing to memory that is reused.
fn products(c: &mut Criterion) {
    for (name, n_in, n_out) in [
        ("attention_576x576", D, D),
        ("up_576x1536", D, D_MLP),
        ("down_1536x576", D_MLP, D),
        ("unembed_576x3072", D, 3072),
        ("encode_576x4608", D, D_SAE),
    ] {
        let product = Product {
            rows: TOKENS,
            n_in,
            n_out,
        };
        let (x, w) = (random([TOKENS, n_in]), random([n_out, n_in]));
        let mut group = group(c, &format!("ops/linear/{name}"));
        group.throughput(Throughput::Elements(product.flops() as u64));
        group.bench_function("fused", |b| {
            b.iter(|| black_box(linear(x.clone(), w.clone())));
        });
        group.bench_function("burn", |b| {
            b.iter(|| black_box(x.clone().matmul(w.clone().transpose())));
        });
        group.bench_function("gemm", |b| {
            b.iter_custom(|n| {
                let seconds = product.flops() / (1e9 * product_gflops(product));
                Duration::from_secs_f64(seconds * n as f64)
            });
        });
        group.finish();
    }
}

/// Products of few rows and of many, in f32 and in bf16.
fn formats(c: &mut Criterion) {
    let w = random([D_MLP, D]);
    for rows in [1, 16, 512] {
        let x = random([rows, D]);
        let product = Product {
            rows,
            n_in: D,
            n_out: D_MLP,
        };
        let mut group = group(c, &format!("ops/linear/rows_{rows}"));
        group.throughput(Throughput::Elements(product.flops() as u64));
        for (name, dtype) in [("f32", FloatDType::F32), ("bf16", FloatDType::BF16)] {
            let (x, w) = (x.clone().cast(dtype), w.clone().cast(dtype));
            group.bench_function(name, |b| {
                b.iter(|| black_box(linear(x.clone(), w.clone())));
            });
        }
        group.finish();
    }
}

fn transformer(c: &mut Criterion) {
    let (gate, up) = (random([TOKENS, D_MLP]), random([TOKENS, D_MLP]));
    let mut silu_group = group(c, "ops/silu_mul");
    silu_group.bench_function("fused", |b| {
        b.iter(|| black_box(silu_mul(gate.clone(), up.clone())));
    });
    silu_group.bench_function("burn", |b| {
        b.iter(|| black_box(silu(gate.clone()) * up.clone()));
    });
    silu_group.finish();

    let (x, w) = (random([TOKENS, D]), random([D]));
    let mut norm_group = group(c, "ops/rms_norm");
    norm_group.bench_function("fused", |b| {
        b.iter(|| black_box(rms_norm(x.clone(), w.clone(), 1e-5)));
    });
    norm_group.bench_function("burn", |b| {
        b.iter(|| {
            let scale = x.clone().square().mean_dim(1).add_scalar(1e-5).sqrt();
            black_box(x.clone() / scale * w.clone().unsqueeze())
        });
    });
    norm_group.finish();

    let [q, k, v] = [9, 3, 3].map(|heads| random([4, 256, heads, 64]));
    let mut attention_group = group(c, "ops/attention");
    attention_group.bench_function("fused", |b| {
        b.iter(|| black_box(causal_attention(q.clone(), k.clone(), v.clone())));
    });
    attention_group.bench_function("burn", |b| {
        b.iter(|| {
            let repeat = |x: &Tensor<4>| {
                let x = x.clone().unsqueeze_dim::<5>(3).expand([4, 256, 3, 3, 64]);
                x.reshape([4, 256, 9, 64]).swap_dims(1, 2)
            };
            let scores = q.clone().swap_dims(1, 2).matmul(repeat(&k).swap_dims(2, 3)) / 8.0;
            let future = Tensor::<2, Bool>::tril_mask([256, 256], 0, &Device::flex());
            let future = future.unsqueeze::<4>().expand([4, 9, 256, 256]);
            let pattern = softmax(scores.mask_fill(future, f32::NEG_INFINITY), 3);
            black_box(pattern.matmul(repeat(&v)))
        });
    });
    attention_group.finish();
}

fn losses(c: &mut Criterion) {
    let (normed, unembedding) = (random([TOKENS, D]), random([VOCAB, D]) / 24.0);
    let targets = Tensor::<1, Int>::arange(0..TOKENS as i64, &Device::flex());
    let mut group = group(c, "ops/cross_entropy");
    group.bench_function("fused", |b| {
        b.iter(|| {
            let losses = cross_entropy(targets.clone(), VOCAB, 24 << 20, |rows, entries| {
                let normed = normed.clone().narrow(0, rows.start, rows.len());
                let weight = unembedding.clone().narrow(0, entries.start, entries.len());
                linear(normed, weight)
            });
            black_box(losses)
        });
    });
    group.finish();
}

fn sparse(c: &mut Criterion) {
    let w_dec = random([D_SAE, D]);
    let per_token = 60;
    let indptr: Vec<usize> = (0..=TOKENS).map(|row| row * per_token).collect();
    let indices: Vec<u32> = (0..TOKENS * per_token)
        .map(|i| ((i % per_token) * (D_SAE / per_token) + i / per_token % 70) as u32)
        .collect();
    let values = vec![0.5_f32; indices.len()];
    let features = relu(random([TOKENS, D_SAE]));
    let mut group = group(c, "ops/decode_60_of_4608");
    group.bench_function("sparse", |b| {
        b.iter(|| black_box(sparse_matmul(&indptr, &indices, &values, w_dec.clone())));
    });
    group.bench_function("dense", |b| {
        b.iter(|| black_box(linear(features.clone(), w_dec.clone().transpose())));
    });
    group.finish();
}

criterion_group!(benches, products, formats, transformer, losses, sparse);
criterion_main!(benches);
