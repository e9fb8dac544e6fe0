//! The notebook's measurements, end to end, on the bundled demo: from rows of ids to losses, L0 and explained variance.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use sae_benches::Demo;
use sae_llama::{ReconstructionPath, Spliced, SplitLlama};
use sae_metrics::{
    Masking, ProtocolOptions, Unobserved, evaluate, explained_variance_legacy, reconstruction,
    sparsity,
};
use std::convert::Infallible;
use std::hint::black_box;
use std::time::Duration;

const SEQUENCES: u64 = 32;

fn eval(c: &mut Criterion) {
    let demo = Demo::load(SEQUENCES);
    let model = SplitLlama::new(&demo.model, demo.sae.cfg()).expect("the SAE is the model's");
    let sae = Spliced::new(&demo.sae, ReconstructionPath::Forward);
    let rows = || demo.rows.iter().cloned().map(Ok::<_, Infallible>);
    let options = |batch_size| {
        let mut options = ProtocolOptions::default();
        options.masking = Masking::Notebook { prepend_bos: true };
        options.batch_size = batch_size;
        options
    };

    let measured = evaluate(&model, &sae, rows(), &options(8), &mut Unobserved)
        .expect("the rows are the model's");
    let score = measured.reconstruction.cross_entropy.score();
    assert!(
        score > 0.9,
        "the SAE keeps {score} of the loss: the demo is not what is being measured"
    );
    let mean = measured.sparsity.quality.mean_activation();

    let mut group = c.benchmark_group("eval");
    group
        .sample_size(10)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(4));
    let n_tokens: usize = demo.rows.iter().map(Vec::len).sum();
    group.throughput(Throughput::Elements(n_tokens as u64));
    let expect = "the rows are the model's";
    group.bench_function("sparsity", |b| {
        b.iter(|| {
            black_box(sparsity(&model, &sae, rows(), &options(8), &mut Unobserved).expect(expect))
        });
    });
    group.bench_function("reconstruction", |b| {
        b.iter(|| {
            black_box(
                reconstruction(&model, &sae, rows(), &options(8), &mut Unobserved).expect(expect),
            )
        });
    });
    for batch_size in [1, 8, 32] {
        let options = options(batch_size);
        group.bench_function(BenchmarkId::new("both", batch_size), |b| {
            b.iter(|| {
                black_box(evaluate(&model, &sae, rows(), &options, &mut Unobserved).expect(expect))
            });
        });
    }
    group.bench_function("legacy_second_pass", |b| {
        b.iter(|| {
            let options = options(8);
            black_box(
                explained_variance_legacy(&model, &sae, rows(), &mean, &options, &mut Unobserved)
                    .expect(expect),
            )
        });
    });
    group.finish();
}

criterion_group!(benches, eval);
criterion_main!(benches);
