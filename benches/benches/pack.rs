//! Documents of ids to rows, and rows to a file and back.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use dataset_stream::{Packer, SaeLensIds, StreamOptions, TableMetadata, TokenTable};
use sae_benches::{texts, tokenizer};
use std::hint::black_box;
use std::time::Duration;

const CONTEXT_SIZE: usize = 128;
/// The demo's text this often over: 1.5 million ids.
const COPIES: usize = 16;

fn pack(c: &mut Criterion) {
    let tokenizer = tokenizer();
    let documents: Vec<Vec<u32>> = texts()
        .iter()
        .map(|text| {
            tokenizer
                .encode(text)
                .expect("a byte-level tokenizer takes any text")
        })
        .collect();
    let documents: Vec<Vec<u32>> = std::iter::repeat_n(documents, COPIES).flatten().collect();
    let n_ids: usize = documents.iter().map(Vec::len).sum();
    let bos = tokenizer.bos();
    let eos = tokenizer.eos().expect("the demo's tokenizer has EOS");
    let saelens = SaeLensIds {
        begin_batch: bos,
        separator: bos,
        ..SaeLensIds::default()
    };

    let mut group = c.benchmark_group("pack");
    group
        .sample_size(20)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2));
    group.throughput(Throughput::Elements(n_ids as u64));
    for (name, packer) in [
        ("notebook", Packer::notebook(CONTEXT_SIZE, bos, eos)),
        ("saelens", Packer::saelens(CONTEXT_SIZE, saelens)),
    ] {
        let rows = pack_all(packer.clone(), &documents, |_| {});
        assert!(
            rows >= n_ids / CONTEXT_SIZE,
            "{rows} rows lose some of {n_ids} ids"
        );
        group.bench_function(name, |b| {
            b.iter(|| {
                pack_all(packer.clone(), &documents, |row| {
                    black_box(row);
                })
            });
        });
    }

    let mut ids = Vec::new();
    let packer = Packer::notebook(CONTEXT_SIZE, bos, eos);
    pack_all(packer, &documents, |row| ids.extend(row));
    let table = TokenTable::new(CONTEXT_SIZE, ids).expect("rows of one length");
    let metadata = TableMetadata::new(&StreamOptions::new(CONTEXT_SIZE), &tokenizer);
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("tokens.safetensors");
    group.bench_function("table_write", |b| {
        b.iter(|| {
            table
                .write_atomic(&path, &metadata)
                .expect("the temporary directory takes files");
        });
    });
    group.bench_function("table_read", |b| {
        b.iter(|| {
            let table = TokenTable::open(&path).expect("the table was just written");
            for row in table.rows() {
                black_box(row.expect("the table was just written"));
            }
        });
    });
    group.finish();
}

/// Packs every document, hands on the rows, and counts them.
fn pack_all(mut packer: Packer, documents: &[Vec<u32>], mut emit: impl FnMut(Vec<u32>)) -> usize {
    let mut rows = 0;
    for document in documents {
        packer.push(document, |row| {
            rows += 1;
            emit(row);
        });
    }
    rows
}

criterion_group!(benches, pack);
criterion_main!(benches);
