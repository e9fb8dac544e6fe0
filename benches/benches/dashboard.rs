//! From an activation log to what each feature responds to.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use sae_dashboard::{ActivationLog, CollectOptions, LogInfo, LogWriter, Summary, collect};
use sae_progress::Unobserved;
use serde_json::Value;
use std::hint::black_box;
use std::path::Path;
use std::time::Duration;

const CONTEXT_SIZE: usize = 128;
const CONTEXTS: usize = 3_907;
const D_SAE: u32 = 4_608;
/// Features active on a token.
const L0: usize = 50;

/// `SplitMix64`.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// 0 to 1.
    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// `L0` different features; the first ones of the dictionary fire on nearly every token, the last ones on few, as those of trained SAEs do.
    fn row(&mut self, row: &mut Vec<(u32, f32)>) {
        row.clear();
        while row.len() < L0 {
            let feature = (self.unit().powi(3) * f64::from(D_SAE)) as u32;
            if row.iter().all(|(other, _)| *other != feature) {
                row.push((feature, (-self.unit().ln()) as f32 + f32::MIN_POSITIVE));
            }
        }
    }
}

fn write(dir: &Path) {
    let info = LogInfo {
        d_sae: D_SAE,
        context_size: CONTEXT_SIZE as u32,
        made_from: Value::Null,
    };
    let mut writer = LogWriter::create(dir, info).expect("the temporary directory takes files");
    let (mut random, mut row) = (Random(0), Vec::new());
    for context in 0..CONTEXTS {
        writer
            .push_context(context as u64, &[true; CONTEXT_SIZE], |_| {
                random.row(&mut row);
                row.clone()
            })
            .expect("finite values");
    }
    writer
        .finish()
        .expect("the temporary directory takes files");
}

fn dashboard(c: &mut Criterion) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("log");
    write(&path);
    let log = ActivationLog::open(&[&path]).expect("the log was just written");
    let n_tokens = CONTEXTS * CONTEXT_SIZE;
    assert_eq!(log.n_entries(), (n_tokens * L0) as u64);
    let summary = Summary::of(&log).expect("features of the dictionary");
    let n_alive = summary.n_fired.iter().filter(|n| **n > 0).count();
    assert_eq!(n_alive, D_SAE as usize, "every feature is worth measuring");
    let contexts: Vec<Vec<u32>> = (0..CONTEXTS as u32)
        .map(|c| vec![c; CONTEXT_SIZE])
        .collect();
    let features: Vec<u32> = (0..D_SAE).collect();

    let mut group = c.benchmark_group("dashboard");
    group
        .sample_size(10)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(10));
    group.throughput(Throughput::Elements(n_tokens as u64));
    group.bench_function("open", |b| {
        b.iter(|| black_box(ActivationLog::open(&[&path]).expect("as before")));
    });
    group.bench_function("summary", |b| {
        b.iter(|| black_box(Summary::of(&log).expect("as before")));
    });
    group.throughput(Throughput::Elements(u64::from(D_SAE)));
    for (name, memory) in [("1GiB", 1 << 30), ("64MiB", 64 << 20)] {
        let mut settings = CollectOptions::default();
        settings.memory = memory;
        group.bench_function(BenchmarkId::new("collect", name), |b| {
            b.iter(|| {
                let go_on = &mut Unobserved;
                let sink = |part| {
                    black_box(part);
                    Ok(())
                };
                collect(
                    &log,
                    &summary,
                    contexts.as_slice(),
                    &features,
                    &settings,
                    go_on,
                    sink,
                )
                .expect("tokens of every context");
            });
        });
    }
    group.finish();
}

criterion_group!(benches, dashboard);
criterion_main!(benches);
