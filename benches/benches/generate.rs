//! Generation: the time of one more token, by rows at a time, on a random Llama of SmolLM2-135M's widths.

use burn::tensor::{Device, FloatDType};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use llama_hooked::generate::{GenerateOptions, Generator};
use llama_hooked::{KvCache, Llama, NoHooks};
use sae_benches::smollm2_shaped;
use std::hint::black_box;
use std::time::Duration;

/// SmolLM2-135M has 30 blocks; the cost of the blocks is linear in their number.
const LAYERS: usize = 6;
const PROMPT: usize = 32;

fn prompts(rows: usize, vocab_size: u32) -> Vec<Vec<u32>> {
    let id = |row: usize, i: usize| (row * 7919 + i * 104_729) as u32 % vocab_size;
    (0..rows)
        .map(|row| (0..PROMPT).map(|i| id(row, i)).collect())
        .collect()
}

fn generate(c: &mut Criterion) {
    let model = Llama::random(smollm2_shaped(LAYERS), 0, &Device::flex(), FloatDType::F32);
    let vocab_size = model.config().vocab_size as u32;
    let mut group = c.benchmark_group("generate");
    group
        .sample_size(10)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(4));
    for rows in [1, 8] {
        let prompts = prompts(rows, vocab_size);
        group.throughput(Throughput::Elements((rows * PROMPT) as u64));
        group.bench_function(BenchmarkId::new("prompt", rows), |b| {
            b.iter(|| {
                let mut cache = KvCache::new(model.config(), rows);
                black_box(model.extend(&prompts, &mut cache, &mut NoHooks))
                    .expect("tokens of the model")
            });
        });
        group.throughput(Throughput::Elements(rows as u64));
        let options = GenerateOptions::new(1 << 20);
        let mut generator = Generator::new(&model, &prompts, &options).expect("prompts");
        generator.step(&mut NoHooks).expect("tokens of the model");
        group.bench_function(BenchmarkId::new("token", rows), |b| {
            b.iter(|| black_box(generator.step(&mut NoHooks)).expect("tokens of the model"));
        });
    }
    group.finish();
}

criterion_group!(benches, generate);
criterion_main!(benches);
