//! Encoding and decoding, dense and sparse, with SAEs of eight features per dimension of SmolLM2-135M.

use burn::tensor::Device;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use sae_benches::{activations, sparse_sae};
use sae_core::{Architecture, TopK};
use std::hint::black_box;
use std::time::Duration;

const D_IN: usize = 576;
const D_SAE: usize = 8 * D_IN;
const TOKENS: usize = 512;
/// Some 1 % of the features, as in the notebook's SAE (148 of 16,384).
const ACTIVE: usize = 46;

fn sae(c: &mut Criterion) {
    let device = Device::flex();
    let x = activations(TOKENS, D_IN, &device);
    let density = ACTIVE as f64 / D_SAE as f64;
    let topk = TopK {
        k: ACTIVE,
        rescale_acts_by_decoder_norm: false,
    };
    for (architecture, density) in [
        (Architecture::Standard, density),
        (Architecture::TopK(topk), 0.5),
    ] {
        let name = architecture.name();
        let sae = sparse_sae(architecture, D_IN, D_SAE, density);
        let dense = sae.encode(x.clone());
        let sparse = sae.encode_sparse(x.clone());
        let per_token = sparse.features.n_active() as f64 / TOKENS as f64;
        assert!(
            (per_token - ACTIVE as f64).abs() < 5.0,
            "{per_token} features are active per token, which is not what is to be measured"
        );

        let mut group = c.benchmark_group(format!("sae/{name}"));
        group
            .sample_size(10)
            .warm_up_time(Duration::from_millis(500))
            .measurement_time(Duration::from_secs(3));
        group.throughput(Throughput::Elements(TOKENS as u64));
        let finish = || {
            device
                .sync()
                .expect("the device finishes what it was given");
        };
        group.bench_function("encode_dense", |b| {
            b.iter(|| {
                black_box(sae.encode(x.clone()));
                finish();
            });
        });
        group.bench_function("encode_sparse", |b| {
            b.iter(|| black_box(sae.encode_sparse(x.clone())));
        });
        group.bench_function("decode_dense", |b| {
            b.iter(|| {
                black_box(sae.decode(&dense));
                finish();
            });
        });
        group.bench_function("decode_sparse", |b| {
            b.iter(|| {
                black_box(sae.decode_sparse(&sparse, TOKENS));
                finish();
            });
        });
        group.bench_function("forward", |b| {
            b.iter(|| {
                black_box(sae.forward(x.clone()));
                finish();
            });
        });
        group.finish();
    }
}

criterion_group!(benches, sae);
criterion_main!(benches);
