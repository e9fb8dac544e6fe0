use std::io::Write;
use std::path::Path;

use proptest::prelude::*;

use super::{Label, LabelError, LabelFile, LabelSubject, Labels};

fn subject() -> LabelSubject {
    LabelSubject {
        model: "a model".into(),
        sae: "runs/1".into(),
        hook_name: "blocks.3.hook_resid_post".into(),
        d_sae: 100,
    }
}

fn label(feature: u32, label: &str) -> Label {
    Label {
        feature,
        label: label.into(),
        ..Label::default()
    }
}

fn lines(path: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn labels_are_lines_and_later_ones_count() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("labels.jsonl");
    let mut file = LabelFile::open(&path, subject()).unwrap();
    assert!(file.labels().unwrap().is_empty() && !path.exists());
    file.set(vec![label(7, "\u{202e}</script> \"places\"")])
        .unwrap();
    file.set(vec![label(3, "names"), label(7, "places")])
        .unwrap();
    let note = Label {
        note: "two\nlines".into(),
        star: true,
        ..label(9, "")
    };
    file.set(vec![note.clone()]).unwrap();
    file.set(vec![label(3, "")]).unwrap();
    let written = lines(&path);
    assert_eq!(written.len(), 6);
    assert_eq!(
        written[0],
        r#"{"labels_of":{"model":"a model","sae":"runs/1","hook_name":"blocks.3.hook_resid_post","d_sae":100}}"#
    );
    assert_eq!(written[3], r#"{"feature":7,"label":"places"}"#);
    assert_eq!(written[5], r#"{"feature":3}"#);
    let read = Labels::read(&path, &subject()).unwrap();
    assert_eq!(read.into_vec(), [label(7, "places"), note]);
}

#[test]
fn what_others_write_into_the_file_is_seen_and_kept() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("labels.jsonl");
    let mut file = LabelFile::open(&path, subject()).unwrap();
    file.set(vec![label(1, "ours")]).unwrap();
    let mut by_hand = std::fs::OpenOptions::new()
        .append(true)
        .open(&path)
        .unwrap();
    // Without an end, as editors leave it.
    write!(by_hand, r#"{{"feature": 2, "label": "theirs"}}"#).unwrap();
    file.set(vec![label(4, "more")]).unwrap();
    let expected = [label(1, "ours"), label(2, "theirs"), label(4, "more")];
    assert_eq!(file.labels().unwrap().clone().into_vec(), expected);
    let read = Labels::read(&path, &subject()).unwrap();
    assert_eq!(read.into_vec(), expected);
}

#[test]
fn a_line_that_is_broken_off_spoils_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("labels.jsonl");
    let mut file = LabelFile::open(&path, subject()).unwrap();
    file.set(vec![label(1, "one"), label(2, "two")]).unwrap();
    let whole = std::fs::read(&path).unwrap();
    std::fs::write(&path, &whole[..whole.len() - 6]).unwrap();
    let mut file = LabelFile::open(&path, subject()).unwrap();
    file.set(vec![label(3, "three")]).unwrap();
    let read = Labels::read(&path, &subject()).unwrap();
    assert_eq!(read.into_vec(), [label(1, "one"), label(3, "three")]);
}

#[test]
fn explanations_of_neuronpedia_are_read_packed_or_not() {
    let dir = tempfile::tempdir().unwrap();
    let rows = concat!(
        r#"{"id":"c1","modelId":"m","layer":"3-res","index":"12","authorId":"a","description":" names of places ","embedding":null,"typeName":"np_max-act","explanationModelName":"gpt-4o"}"#,
        "\n",
        r#"{"id":"c2","modelId":"m","layer":"3-res","index":"12","description":"capitals"}"#,
        "\n",
        r#"{"id":"c3","modelId":"m","layer":"3-res","index":"99","description":null}"#,
        "\n"
    );
    let plain = dir.path().join("batch-0.jsonl");
    std::fs::write(&plain, rows).unwrap();
    let packed = dir.path().join("batch-0.jsonl.gz");
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(rows.as_bytes()).unwrap();
    std::fs::write(&packed, gzip.finish().unwrap()).unwrap();
    let expected = Label {
        note: "capitals".into(),
        ..label(12, "names of places")
    };
    for path in [&plain, &packed] {
        let read = Labels::read(path, &subject()).unwrap();
        assert_eq!(read.into_vec(), std::slice::from_ref(&expected));
        let refused = LabelFile::open(path, subject()).unwrap_err();
        assert!(
            refused.to_string().contains("a file of its own"),
            "{refused}"
        );
    }
}

#[test]
fn what_is_wrong_with_a_file_is_said_with_its_line() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("labels.jsonl");
    let head = |d_sae: u32, hook: &str| {
        format!(
            r#"{{"labels_of":{{"model":"a model","sae":"runs/1","hook_name":"{hook}","d_sae":{d_sae}}}}}"#
        )
    };
    for (text, said) in [
        (
            head(101, "blocks.3.hook_resid_post"),
            "d_sae 101, and here it is 100",
        ),
        (
            head(100, "blocks.4.hook_resid_post"),
            "of another SAE (hook_name blocks.4",
        ),
        (
            "{\"feature\": 1}\n{\"feature\": 100}\n".into(),
            "line 2: there is no feature 100",
        ),
        ("{\"feature\": -1}\n".into(), "line 1: is not a label"),
        (
            "{\"feature\": 1, \"lable\": \"x\"}\n".into(),
            "unknown field `lable`",
        ),
        (
            "{\"index\": \"x\", \"description\": \"y\"}\n".into(),
            "not the number of a feature",
        ),
        (
            format!("{{\"feature\": 1, \"label\": \"{}\"}}\n", "x".repeat(501)),
            "501 bytes, and 500",
        ),
        (
            "{\"feature\": 1, \"label\": \"a\\nb\"}\n".into(),
            "one line of text",
        ),
        (
            format!("{{\"feature\": 1}}\n{}", "x".repeat(2 << 20)),
            "line 2: has more than",
        ),
    ] {
        std::fs::write(&path, &text).unwrap();
        let error = LabelFile::open(&path, subject()).unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
    }
    assert!(matches!(
        Labels::read(dir.path().join("none"), &subject()),
        Err(LabelError::Read { .. })
    ));
    let mut file = LabelFile::open(dir.path().join("new"), subject()).unwrap();
    let refused = file
        .set(vec![label(1, "good"), label(100, "x")])
        .unwrap_err();
    assert!(refused.to_string().contains("no feature 100"), "{refused}");
    assert!(file.labels().unwrap().is_empty() && !dir.path().join("new").exists());
}

fn some_label() -> impl Strategy<Value = Label> {
    let text = "[ -~\u{e9}\u{65e5}\u{202e}]{0,12}";
    (0_u32..20, text, "\\PC{0,12}", any::<bool>()).prop_map(|(feature, label, note, star)| Label {
        feature,
        label,
        note,
        star,
    })
}

proptest! {
    #[test]
    fn what_is_set_is_what_is_read(labels in prop::collection::vec(prop::collection::vec(some_label(), 0..4), 0..12)) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("labels.jsonl");
        let mut file = LabelFile::open(&path, subject()).unwrap();
        let mut expected = Labels::default();
        for some in labels {
            file.set(some.clone()).unwrap();
            for label in some {
                expected.set(label);
            }
        }
        prop_assert_eq!(file.labels().unwrap(), &expected);
        let mut again = LabelFile::open(&path, subject()).unwrap();
        prop_assert_eq!(again.labels().unwrap(), &expected);
    }
}
