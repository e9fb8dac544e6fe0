use super::{CachedActivations, CachedRead, CachedReadError};
use crate::Activations;
use activation_cache::{ActivationCache, CacheSettings, CacheWriter, CachedHook};

/// Five rows of three tokens, in shards of two rows, at a hook of width 1 and one of two heads of width 2. A number says where it is from:
/// row, position, and its place among the five.
fn cache(dir: &std::path::Path) -> ActivationCache {
    let path = dir.join("c");
    let mut hooks = vec![CachedHook::new("a", 1), CachedHook::new("z", 4)];
    hooks[1].heads = Some(2);
    let mut settings = CacheSettings::new("model", hooks);
    (
        settings.context_size,
        settings.rows,
        settings.rows_per_shard,
    ) = (3, 5, 2);
    let mut writer = CacheWriter::open(&path, &settings).unwrap();
    while let Some(rows) = writer.next_rows() {
        let row = rows.start as f32;
        let token = |at: usize| (0..5).map(move |i| 100.0 * row + 10.0 * at as f32 + i as f32);
        let x: Vec<f32> = (0..3).flat_map(token).collect();
        writer.push(&[1, rows.start as u32, 9], &x).unwrap();
    }
    writer.finish().unwrap();
    ActivationCache::open(&path).unwrap()
}

fn all(source: &mut CachedActivations) -> Vec<Vec<f32>> {
    let mut batches = Vec::new();
    loop {
        let mut rows = Vec::new();
        if !source.next(&mut rows).unwrap() {
            return batches;
        }
        batches.push(rows);
    }
}

#[test]
fn rows_come_in_order_and_again_from_a_place() {
    let dir = tempfile::tempdir().unwrap();
    let reads = [CachedRead::new("a")];
    let mut source = CachedActivations::new(cache(dir.path()), &reads, 2).unwrap();
    assert_eq!(source.widths(), [1]);
    let whole = all(&mut source);
    assert_eq!(whole[0], [0.0, 10.0, 20.0, 100.0, 110.0, 120.0]);
    assert_eq!(whole[2], [400.0, 410.0, 420.0]);
    assert_eq!((whole.len(), source.place()), (3, 5));
    source.seek(2);
    assert_eq!(all(&mut source), whole[1..]);
    source.seek(u64::MAX);
    assert!(all(&mut source).is_empty());
    source.rows = 3..4;
    source.seek(0);
    assert_eq!(all(&mut source), [[300.0, 310.0, 320.0]]);
}

#[test]
fn positions_and_tokens_are_left_out() {
    let dir = tempfile::tempdir().unwrap();
    let reads = [CachedRead::new("a")];
    let mut source = CachedActivations::new(cache(dir.path()), &reads, 5).unwrap();
    source.positions = Some(vec![1, 0, 0, 7]);
    source.excluded = [1, 4].into();
    assert_eq!(all(&mut source), [[10.0, 210.0, 310.0]]);
}

#[test]
fn hooks_and_heads_are_chosen() {
    let dir = tempfile::tempdir().unwrap();
    let reads = [
        CachedRead::new("z").with_head(Some(1)),
        CachedRead::new("a"),
    ];
    let mut source = CachedActivations::new(cache(dir.path()), &reads, 1).unwrap();
    assert_eq!(source.widths(), [2, 1]);
    let first = all(&mut source).remove(0);
    assert_eq!(first, [3.0, 4.0, 0.0, 13.0, 14.0, 10.0, 23.0, 24.0, 20.0]);
    let refused = |read: CachedRead| {
        let hooks = [CachedHook::new("a", 1)];
        CachedActivations::widths_of(&hooks, &[read]).unwrap_err()
    };
    let said = refused(CachedRead::new("b"));
    assert_eq!(said.to_string(), "b is not among the cached hooks: a");
    let said = refused(CachedRead::new("a").with_head(Some(0)));
    assert!(matches!(said, CachedReadError::Head { n_heads: 0, .. }));
}
