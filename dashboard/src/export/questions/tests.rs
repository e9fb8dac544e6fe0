use super::draw::nth_missing;
use super::{QuestionOptions, write};
use crate::export::Logged;
use crate::{ActivationLog, Contexts, LogInfo, LogWriter, Overview, Summary};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::path::Path;

const SIZE: u32 = 10;
const ROWS: u32 = 60;
const WINDOW: u32 = 4;

/// Each token's id is its place in the text.
#[derive(Debug)]
struct Counted;

impl Contexts for Counted {
    fn tokens(&self, context: u64) -> Option<Cow<'_, [u32]>> {
        let first = context as u32 * SIZE;
        Some((first..first + SIZE).collect::<Vec<_>>().into())
    }
}

/// How strongly feature 0 fires on a token; feature 1 fires on few, feature 2 on all.
fn value(row: u32, position: u32, feature: u32) -> f32 {
    let hash = (row * SIZE + position).wrapping_mul(2_654_435_761) >> 16;
    match feature {
        0 if hash.is_multiple_of(5) => (hash % 97) as f32 + 1.0,
        1 if hash.is_multiple_of(200) => 1.0,
        2 => 1.0,
        _ => 0.0,
    }
}

fn log(dir: &Path) -> ActivationLog {
    let info = LogInfo {
        d_sae: 3,
        context_size: SIZE,
        made_from: json!({}),
    };
    let mut writer = LogWriter::create(dir, info).unwrap();
    for row in 0..ROWS {
        let kept = [true; SIZE as usize];
        // What hardly fires counts as silent.
        let logged = move |at: u32, feature| match value(row, at, feature) {
            0.0 if at.is_multiple_of(3) => 5e-6,
            value => value,
        };
        let of = |at: usize| (0..3).map(move |feature| (feature, logged(at as u32, feature)));
        writer.push_context(row.into(), &kept, of).unwrap();
    }
    writer.finish().unwrap();
    ActivationLog::open(&[dir]).unwrap()
}

fn options(seed: u64) -> QuestionOptions {
    QuestionOptions {
        window: WINDOW as usize,
        min_windows: 40,
        n_quantiles: 5,
        n_train: 10,
        n_test: 15,
        n_silent: 12,
        seed,
    }
}

/// The lines of both files.
fn written(seed: u64, memory: u64) -> [Vec<Value>; 2] {
    let dir = tempfile::tempdir().unwrap();
    let log = log(&dir.path().join("log"));
    let summary = Summary::of(&log).unwrap();
    let mut logged = Logged::new(&log, &Counted, &summary);
    logged.memory = memory;
    let vocabulary: Vec<Vec<u8>> = (0..ROWS * SIZE).map(|id| format!(" {id}").into()).collect();
    let overview = Overview {
        d_sae: 3,
        shown: vec![0, 1, 2],
        ..Overview::default()
    };
    let out = dir.path().join("out");
    write(&out, &overview, &logged, &vocabulary, &options(seed)).unwrap();
    ["examples.jsonl", "questions.jsonl"].map(|name| {
        let text = fs::read_to_string(out.join(name)).unwrap();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    })
}

fn place(line: &Value) -> (u32, u32) {
    let number = |key: &str| line[key].as_u64().unwrap() as u32;
    (number("row"), number("position"))
}

fn values(line: &Value) -> Vec<f32> {
    let (row, position) = place(line);
    (position..position + WINDOW)
        .map(|at| value(row, at, 0))
        .collect()
}

fn of<'a>(lines: &'a [Value], kind: &str, label: bool) -> Vec<&'a Value> {
    let own = lines
        .iter()
        .filter(|line| line["feature"] == 0 && line["kind"] == kind && line["label"] == label);
    own.collect()
}

/// The text of a window with marks, written otherwise than the code does.
fn marked_text(line: &Value, is_marked: impl Fn(usize) -> bool) -> String {
    let (row, position) = place(line);
    let tokens = (0..WINDOW as usize).map(|at| {
        let token = format!(" {}", row * SIZE + position + at as u32);
        if is_marked(at) {
            format!("<<{token}>>")
        } else {
            token
        }
    });
    tokens.collect::<String>().replace(">><<", "")
}

#[test]
fn labels_and_marks_are_what_the_activations_say() {
    let [examples, questions] = written(7, 1 << 20);
    for kind in ["detection", "fuzzing"] {
        assert_eq!(of(&questions, kind, true).len(), 15);
        assert_eq!(of(&questions, kind, false).len(), 12);
    }
    for line in questions.iter().filter(|line| line["feature"] == 0) {
        let fires = values(line).iter().any(|&value| value > 0.0);
        assert_eq!(line["label"], fires, "{line}");
        assert_eq!(line["quantile"].is_null(), !fires, "{line}");
    }
    for line in of(&questions, "detection", true) {
        assert_eq!(line["text"], marked_text(line, |_| false));
    }
    let trues = of(&questions, "fuzzing", true);
    for line in &trues {
        let values = values(line);
        let max = values.iter().copied().fold(0.0, f32::max);
        assert_eq!(
            line["text"],
            marked_text(line, |at| values[at] >= 0.3 * max)
        );
    }
    let fired: usize = trues
        .iter()
        .map(|line| values(line).iter().filter(|v| **v > 0.0).count())
        .sum();
    for line in of(&questions, "fuzzing", false) {
        let marked = line["marked"].as_array().unwrap();
        assert_eq!(marked.len(), fired.div_ceil(trues.len()));
        assert_eq!(
            line["text"],
            marked_text(line, |at| marked.contains(&json!(at)))
        );
    }
    for line in examples.iter().filter(|line| line["feature"] == 0) {
        let values = values(line);
        assert_eq!(line["activations"], json!(values));
        assert_eq!(
            line["max"],
            json!(values.iter().copied().fold(0.0, f32::max))
        );
    }
}

#[test]
fn examples_are_not_asked_about_and_quantiles_descend() {
    let [examples, questions] = written(7, 1 << 20);
    let own = |lines: &[Value]| -> Vec<Value> {
        lines
            .iter()
            .filter(|line| line["feature"] == 0)
            .cloned()
            .collect()
    };
    let examples = own(&examples);
    assert_eq!(examples.len(), 10);
    let shown: BTreeSet<_> = examples.iter().map(place).collect();
    assert_eq!(shown.len(), 10);
    let asked: BTreeSet<_> = of(&questions, "detection", true)
        .into_iter()
        .map(place)
        .collect();
    assert_eq!(asked.len(), 15);
    assert!(shown.is_disjoint(&asked));
    let silent: BTreeSet<_> = of(&questions, "detection", false)
        .into_iter()
        .map(place)
        .collect();
    assert_eq!(silent.len(), 12);
    let mut of_quantile = HashMap::<u64, Vec<f32>>::new();
    for line in examples.iter().chain(of(&questions, "detection", true)) {
        let max = values(line).into_iter().fold(0.0, f32::max);
        of_quantile
            .entry(line["quantile"].as_u64().unwrap())
            .or_default()
            .push(max);
    }
    for quantile in 0..5 {
        assert_eq!(of_quantile[&quantile].len(), 5);
        let least = of_quantile[&quantile]
            .iter()
            .copied()
            .fold(f32::MAX, f32::min);
        let next = of_quantile.get(&(quantile + 1)).into_iter().flatten();
        assert!(next.into_iter().all(|&max| max <= least));
    }
    // Neither all true ones first nor all false ones.
    let labels: Vec<_> = questions
        .iter()
        .filter(|l| l["feature"] == 0 && l["kind"] == "detection")
        .map(|l| l["label"].clone())
        .collect();
    assert!(labels.windows(2).filter(|pair| pair[0] != pair[1]).count() > 3);
}

#[test]
fn rare_features_are_left_out_and_the_seed_alone_decides() {
    let lines = written(7, 1 << 20);
    let asked: BTreeSet<u64> = lines[1]
        .iter()
        .map(|line| line["feature"].as_u64().unwrap())
        .collect();
    assert_eq!(asked, [0, 2].into());
    // Feature 2 fires everywhere: there is no window to ask about in which it is silent.
    assert!(
        lines[1]
            .iter()
            .filter(|line| line["feature"] == 2)
            .all(|line| line["label"] == true)
    );
    assert_eq!(lines, written(7, 100));
    assert_ne!(lines, written(8, 1 << 20));
}

proptest! {
    #[test]
    fn the_nth_missing_number_is_missing_and_has_n_before_it(present in prop::collection::btree_set(0..40_u64, 0..30), nth in 0..20_u64) {
        let expected = (0_u64..).filter(|number| !present.contains(number)).nth(nth as usize);
        let present: Vec<_> = present.into_iter().collect();
        prop_assert_eq!(Some(nth_missing(&present, nth)), expected);
    }
}
