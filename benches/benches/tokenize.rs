//! Text to ids, on one thread and as a stream with threads, on the demo's text.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use dataset_stream::{Content, StreamOptions, TextSource, TokenStream};
use sae_benches::{texts, tokenizer};
use std::hint::black_box;
use std::time::Duration;

/// The demo's text this often over, for the stream: enough that starting threads does not matter.
const COPIES: usize = 8;

fn tokenize(c: &mut Criterion) {
    let (texts, tokenizer) = (texts(), tokenizer());
    let bytes: usize = texts.iter().map(String::len).sum();

    let mut group = c.benchmark_group("tokenize");
    group
        .sample_size(10)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(3));
    group.throughput(Throughput::Bytes(bytes as u64));
    let mut ids = Vec::new();
    group.bench_function("encode", |b| {
        b.iter(|| {
            ids.clear();
            for text in &texts {
                tokenizer
                    .encode_into(text, &mut ids)
                    .expect("a byte-level tokenizer takes any text");
            }
            black_box(ids.len())
        });
    });
    group.bench_function("decode", |b| {
        b.iter(|| black_box(tokenizer.decode(&ids).expect("the ids are its own")));
    });

    group.throughput(Throughput::Bytes((COPIES * bytes) as u64));
    for threads in [1, 2, 4] {
        let mut options = StreamOptions::new(128);
        options.threads = threads;
        group.bench_function(BenchmarkId::new("stream", threads), |b| {
            b.iter_batched(
                || documents(&texts),
                |documents| {
                    let source = TextSource::from_documents(documents);
                    let stream = TokenStream::new(source, &tokenizer, &options)
                        .expect("the tokenizer has BOS and EOS");
                    let mut rows = 0_usize;
                    for row in stream {
                        rows += black_box(row.expect("a byte-level tokenizer takes any text"))
                            .len()
                            .min(1);
                    }
                    rows
                },
                criterion::BatchSize::LargeInput,
            );
        });
    }
    group.finish();
}

fn documents(texts: &[String]) -> Vec<Content> {
    let copies = std::iter::repeat_n(texts, COPIES).flatten();
    copies.cloned().map(Content::Text).collect()
}

criterion_group!(benches, tokenize);
criterion_main!(benches);
