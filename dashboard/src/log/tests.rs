use super::{ActivationLog, CONTEXTS, ENTRIES, LogError, LogInfo, LogWriter, STATE, TOKENS};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

/// Of each token what fires, or `None` where it does not count.
type Context = Vec<Option<Vec<(u32, f32)>>>;

const SIZE: usize = 5;
const D_SAE: u32 = 7;

fn info() -> LogInfo {
    LogInfo {
        d_sae: D_SAE,
        context_size: SIZE as u32,
        made_from: json!({ "model": "m" }),
    }
}

fn push(writer: &mut LogWriter, number: u64, context: &Context) -> Result<(), LogError> {
    let kept: Vec<bool> = context.iter().map(Option::is_some).collect();
    writer.push_context(number, &kept, |i| context[i].clone().unwrap_or_default())
}

fn write(dir: &Path, contexts: &[(u64, &Context)]) {
    let mut writer = LogWriter::create(dir, info()).unwrap();
    for (number, context) in contexts {
        push(&mut writer, *number, context).unwrap();
    }
    writer.finish().unwrap();
}

fn read(log: &ActivationLog, place: usize) -> Context {
    let entries = |row: &[[u32; 2]]| row.iter().map(|&[f, x]| (f, f32::from_bits(x))).collect();
    log.tokens(place).map(|row| row.map(entries)).collect()
}

fn context() -> impl Strategy<Value = Context> {
    let value = prop_oneof![Just(0.0_f32), Just(-1.0), Just(f32::NAN), 0.001_f32..5.0];
    let row = prop::collection::btree_map(0..D_SAE, value, 0..5);
    let row = row.prop_map(|row| row.into_iter().rev().collect());
    prop::collection::vec(prop::option::weighted(0.8, row), SIZE)
}

/// What a log keeps of a context.
fn kept(context: &Context) -> Context {
    let keep = |row: &Vec<(u32, f32)>| {
        let mut row: Vec<_> = row.iter().copied().filter(|(_, x)| *x > 0.0).collect();
        row.sort_by_key(|(feature, _)| *feature);
        row
    };
    context.iter().map(|row| row.as_ref().map(keep)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn what_is_written_is_read_whatever_the_shards(
        contexts in prop::collection::vec((context(), 0_usize..3), 1..12),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let mut shards = vec![Vec::new(); 3];
        // Backwards, so that no shard is in order.
        for (number, (context, shard)) in contexts.iter().enumerate().rev() {
            shards[*shard].push((number as u64 * 3, context));
        }
        let dirs: Vec<_> = (0..3).map(|i| dir.path().join(i.to_string())).collect();
        for (dir, shard) in dirs.iter().zip(&shards) {
            write(dir, shard);
        }
        let log = ActivationLog::open(&dirs).unwrap();
        prop_assert_eq!(log.n_contexts(), contexts.len());
        for (place, (context, _)) in contexts.iter().enumerate() {
            prop_assert_eq!(log.context(place), place as u64 * 3);
            let expected = kept(context);
            for (position, row) in expected.iter().enumerate() {
                let found: Vec<_> = log.row(place, position).iter().map(|&[f, x]| (f, f32::from_bits(x))).collect();
                prop_assert_eq!(&found, &row.clone().unwrap_or_default());
            }
            prop_assert_eq!(read(&log, place), expected);
        }
    }

    #[test]
    fn an_interrupted_log_goes_on_to_the_same_bytes(
        contexts in prop::collection::vec(context(), 1..10),
        stops in prop::collection::vec((0_usize..10, 0_usize..10, any::<[u8; 9]>()), 0..3),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let (whole, cut) = (dir.path().join("whole"), dir.path().join("cut"));
        let numbered: Vec<_> = contexts.iter().enumerate().map(|(i, c)| (i as u64, c)).collect();
        write(&whole, &numbered);
        drop(LogWriter::create(&cut, info()).unwrap());
        for (checkpoint, lost, rubbish) in stops {
            let (mut writer, state) = LogWriter::resume(&cut).unwrap();
            let done = state.as_u64().unwrap_or(0) as usize;
            for (number, context) in numbered.iter().skip(done).take(checkpoint) {
                push(&mut writer, *number, context).unwrap();
            }
            writer.checkpoint(&json!(writer.n_contexts())).unwrap();
            for (number, context) in numbered.iter().skip(done + checkpoint).take(lost) {
                push(&mut writer, *number, context).unwrap();
            }
            drop(writer);
            // Half-written numbers at the end, as a crash leaves them.
            for name in [ENTRIES, TOKENS, CONTEXTS] {
                let mut bytes = fs::read(cut.join(name)).unwrap();
                bytes.extend(&rubbish[..rubbish[0] as usize % 9]);
                fs::write(cut.join(name), bytes).unwrap();
            }
        }
        let (mut writer, _) = LogWriter::resume(&cut).unwrap();
        for (number, context) in numbered.iter().skip(writer.n_contexts() as usize) {
            push(&mut writer, *number, context).unwrap();
        }
        writer.finish().unwrap();
        for name in [ENTRIES, TOKENS, CONTEXTS, STATE] {
            prop_assert_eq!(fs::read(whole.join(name)).unwrap(), fs::read(cut.join(name)).unwrap());
        }
    }

    /// Any byte of any file changed: an error, or numbers within their bounds.
    #[test]
    fn damage_does_not_panic(
        contexts in prop::collection::vec(context(), 1..4),
        file in prop::sample::select(vec![ENTRIES, TOKENS, CONTEXTS, STATE]),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        cut in any::<bool>(),
    ) {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), &contexts.iter().enumerate().map(|(i, c)| (i as u64, c)).collect::<Vec<_>>());
        let path = dir.path().join(file);
        let mut bytes = fs::read(&path).unwrap();
        if !bytes.is_empty() {
            let at = at.index(bytes.len());
            if cut { bytes.truncate(at); } else { bytes[at] = byte; }
        }
        fs::write(&path, bytes).unwrap();
        if let Ok(log) = ActivationLog::open(&[dir.path()]) {
            for place in 0..log.n_contexts() {
                let _ = (read(&log, place), log.entries(place).len());
            }
        }
    }
}

#[test]
fn what_cannot_be_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    let empty = || vec![Some(Vec::new()); SIZE];
    let said = |dirs: &[&str]| {
        let dirs: Vec<_> = dirs.iter().map(|name| path(name)).collect();
        ActivationLog::open(&dirs).unwrap_err().to_string()
    };
    assert!(said(&["none"]).starts_with("cannot read"));
    write(&path("a"), &[(1, &empty())]);
    write(&path("b"), &[(1, &empty())]);
    assert!(said(&["a", "b"]).starts_with("context 1 is logged twice"));
    write(&path("nothing"), &[]);
    assert_eq!(said(&["nothing"]), "the log has no context");
    let other = LogInfo {
        made_from: json!({ "model": "n" }),
        ..info()
    };
    LogWriter::create(path("other"), other)
        .unwrap()
        .finish()
        .unwrap();
    assert!(said(&["a", "other"]).contains("made_from"));
    assert!(matches!(
        LogWriter::create(path("a"), info()),
        Err(LogError::Exists { .. })
    ));

    let mut writer = LogWriter::create(path("half"), info()).unwrap();
    push(&mut writer, 0, &empty()).unwrap();
    let mut infinite = empty();
    infinite[3] = Some(vec![(2, f32::INFINITY)]);
    let error = push(&mut writer, 9, &infinite).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("feature 2 is inf at position 3 of context 9")
    );
    writer.checkpoint(&Value::Null).unwrap();
    drop(writer);
    assert!(said(&["half"]).contains("not finished (1 contexts so far)"));

    let state = fs::read_to_string(path("a").join(STATE)).unwrap();
    for (from, to) in [
        ("\"contexts\": 1", "\"contexts\": 18446744073709551615"),
        ("\"contexts\": 1", "\"contexts\": 2"),
        ("\"entries\": 0", "\"entries\": 3"),
        ("log 1", "log 2"),
        ("\"context_size\": 5", "\"context_size\": 0"),
    ] {
        fs::write(path("a").join(STATE), state.replace(from, to)).unwrap();
        assert!(said(&["a"]).contains("create it again"), "{from}");
    }
}
