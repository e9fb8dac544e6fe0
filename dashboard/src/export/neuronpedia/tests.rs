//! What both writers write, read back.

use std::io::Read;
use std::path::Path;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::sample::{any_features, dead, feature, overview, vocabulary};
use super::{BatchWriter, DEFAULT_CREATOR, Explanation, ExportError, ExportWriter, SourceId};
use crate::Feature;

const VECTOR: [f32; 4] = [1.0, -1.0, 1.0, -1.0];

fn id() -> SourceId {
    "a-model/3-some-set__v2".parse().unwrap()
}

fn read(path: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn read_rows(path: &Path) -> Vec<Value> {
    let mut text = String::new();
    flate2::read::GzDecoder::new(std::fs::File::open(path).unwrap())
        .read_to_string(&mut text)
        .unwrap();
    let lines = text.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn write_batches(out: &Path, features: &[Feature], d_sae: u32, per_file: usize) -> Vec<Value> {
    let shown: Vec<u32> = features.iter().map(|feature| feature.index).collect();
    let (overview, vocabulary) = (overview(d_sae, &shown), vocabulary());
    let mut writer = BatchWriter::create(out, &overview, &vocabulary, &id(), per_file).unwrap();
    for feature in features {
        writer.push(feature, &VECTOR).unwrap();
        assert!(!out.exists(), "it appears when it is complete");
    }
    writer.finish().unwrap();
    let file = |n: usize| out.join(format!("batch-{n}.json"));
    let names = (0..).map(file).take_while(|name| name.exists());
    names.map(|name| read(&name)).collect()
}

fn write_export(out: &Path, features: &[Feature], explanations: &[Explanation]) {
    let shown: Vec<u32> = features.iter().map(|feature| feature.index).collect();
    let (overview, vocabulary) = (overview(2000, &shown), vocabulary());
    let mut writer =
        ExportWriter::create(out, &overview, &vocabulary, &id(), DEFAULT_CREATOR).unwrap();
    for feature in features {
        writer.push(feature, &VECTOR, explanations).unwrap();
    }
    writer.finish().unwrap();
}

#[test]
fn numbers_are_those_of_a_direction_one_long() {
    let dir = tempfile::tempdir().unwrap();
    let batches = write_batches(&dir.path().join("out"), &[feature(5)], 8, 128);
    let [batch] = batches.as_slice() else {
        panic!("{} files", batches.len())
    };
    assert_eq!(batch["model_id"], "a-model");
    assert_eq!(batch["layer"], 3);
    assert_eq!(batch["sae_set"], "some-set");
    assert_eq!(batch["sae_id_suffix"], "v2");
    let found = &batch["features"][0];
    for (key, expected) in [
        ("feature_index", json!(5)),
        // Halved: the direction is two long.
        ("neuron_alignment_indices", json!([0, 2, 1])),
        ("neuron_alignment_values", json!([0.5, 0.5, -0.5])),
        ("neuron_alignment_l1", json!([0.25, 0.25, 0.25])),
        ("pos_str", json!([" word0", "\u{fffd}\u{fffd}\u{fffd}"])),
        ("pos_values", json!([1.5, 1.25])),
        ("neg_str", json!(["<|outofrange|>"])),
        ("neg_values", json!([-1.5])),
        ("logits_hist_data_bar_heights", json!([1, 7, 2])),
        ("logits_hist_data_bar_values", json!([-1.0, 0.0, 1.0])),
        ("vector", json!([0.5, -0.5, 0.5, -0.5])),
        // Doubled.
        ("freq_hist_data_bar_heights", json!([5, 2, 0, 1])),
        ("freq_hist_data_bar_values", json!([3.0, 5.0, 7.0, 9.0])),
        // Of 10 contexts of 16 tokens.
        ("frac_nonzero", json!(0.05)),
        ("n_prompts_total", json!(10)),
        ("n_tokens_in_prompt", json!(16)),
        ("dataset", json!("text.jsonl")),
    ] {
        assert_eq!(found[key], expected, "{key}");
    }
    let activations = found["activations"].as_array().unwrap();
    let figures = |activation: &Value| {
        [
            "bin_min",
            "bin_max",
            "bin_contains",
            "qualifying_token_index",
            "values",
        ]
        .map(|key| activation[key].clone())
    };
    assert_eq!(activations.len(), 2, "no random group");
    assert_eq!(
        figures(&activations[0]),
        [
            json!(-1.0),
            json!(8.0),
            json!(-1.0),
            json!(1),
            json!([0.0, 8.0, 2.001])
        ]
    );
    assert_eq!(
        figures(&activations[1]),
        [
            json!(4.0),
            json!(8.0),
            json!(0.0125),
            json!(1),
            json!([1.0, 5.0, 0.0])
        ]
    );
    let files: Vec<_> = std::fs::read_dir(dir.path().join("out")).unwrap().collect();
    assert_eq!(files.len(), 3);
    let skipped = read(&dir.path().join("out/skipped_indexes.json"));
    assert_eq!(skipped["skipped_indexes"], json!([0, 1, 2, 3, 4, 6, 7]));
    let settings = read(&dir.path().join("out/run_settings.json"));
    assert_eq!(settings["sae_path"], "runs/\u{202e}1");
}

#[test]
fn what_is_missing_is_empty() {
    let dir = tempfile::tempdir().unwrap();
    let batches = write_batches(&dir.path().join("out"), &[dead(0)], 1, 128);
    let found = batches[0]["features"][0].as_object().unwrap();
    for (key, value) in found {
        let filled = [
            "neuron_alignment_indices",
            "neuron_alignment_values",
            "neuron_alignment_l1",
            "vector",
        ];
        if let Some(list) = value.as_array().filter(|_| !filled.contains(&key.as_str())) {
            assert!(list.is_empty(), "{key}");
        }
    }
    // A direction of no length is left as it is.
    assert_eq!(found["vector"], json!(VECTOR));

    // Without the direction: the positive ones of those that are known.
    let (overview, vocabulary) = (overview(8, &[5]), vocabulary());
    let out = dir.path().join("bare");
    let mut writer = BatchWriter::create(&out, &overview, &vocabulary, &id(), 1).unwrap();
    writer.push(&feature(5), &[]).unwrap();
    writer.finish().unwrap();
    let found = read(&out.join("batch-0.json"));
    assert_eq!(found["features"][0]["neuron_alignment_indices"], json!([]));
    assert_eq!(found["features"][0]["vector"], json!([]));
}

#[test]
fn rows_of_an_export_say_the_same_as_the_batches() {
    let dir = tempfile::tempdir().unwrap();
    let features: Vec<Feature> = (0..1030).map(feature).collect();
    let explanations = [Explanation {
        text: "fires on \"things\"\u{202e}\n".to_owned(),
        type_name: Some("oai_token-act-pair".to_owned()),
        model: None,
    }];
    write_export(&dir.path().join("e"), &features, &explanations);
    write_export(&dir.path().join("again"), &features, &explanations);
    let batches = write_batches(&dir.path().join("b"), &features, 2000, 4096);
    let expected = batches[0]["features"].as_array().unwrap();
    for kind in ["features", "activations", "explanations"] {
        let file = |folder: &str, n| {
            dir.path()
                .join(format!("{folder}/{kind}/batch-{n}.jsonl.gz"))
        };
        let per_feature = if kind == "activations" { 2 } else { 1 };
        assert_eq!(read_rows(&file("e", 0)).len(), 1024 * per_feature);
        assert_eq!(read_rows(&file("e", 1)).len(), 6 * per_feature);
        assert!(!file("e", 2).exists());
        let bytes = |folder| std::fs::read(file(folder, 0)).unwrap();
        assert!(bytes("e") == bytes("again"), "{kind}");
    }
    let rows = |kind| read_rows(&dir.path().join(format!("e/{kind}/batch-1.jsonl.gz")));
    for (row, expected) in rows("features").iter().zip(&expected[1024..]) {
        assert_eq!(row["index"], expected["feature_index"].to_string());
        assert_eq!(row["layer"], "3-some-set__v2");
        assert_eq!(row["maxActApprox"], 8.0);
        assert_eq!(row["topkCosSimIndices"], json!([7, 2]));
        assert_eq!(row["hookName"], "blocks.3.hook_mlp_out");
        let shared = expected.as_object().unwrap().iter();
        let shared = shared.filter(|(key, _)| row.get(key).is_some());
        assert_eq!(shared.clone().count(), 17);
        for (key, value) in shared {
            assert_eq!(&row[key], value, "{key}");
        }
    }
    let activations = rows("activations");
    let expected = expected[1024..].iter();
    let expected = expected.flat_map(|feature| feature["activations"].as_array().unwrap());
    for (row, expected) in activations.iter().zip(expected) {
        for (key, name) in [
            ("tokens", "tokens"),
            ("values", "values"),
            ("binMin", "bin_min"),
            ("binMax", "bin_max"),
            ("binContains", "bin_contains"),
            ("qualifyingTokenIndex", "qualifying_token_index"),
        ] {
            assert_eq!(row[key], expected[name], "{key}");
        }
        assert_eq!(row["maxValue"], row["values"][1]);
        assert_eq!(row["minValue"], 0.0);
        assert_eq!(row["maxValueTokenIndex"], 1);
    }
    assert_eq!(activations[0]["dataIndex"], "9");
    let mut ids: Vec<&str> = activations
        .iter()
        .map(|row| row["id"].as_str().unwrap())
        .collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), activations.len());
    let explained = rows("explanations");
    assert_eq!(explained[0]["description"], "fires on \"things\"\u{202e}\n");
    assert_eq!(explained[0]["typeName"], "oai_token-act-pair");
    assert_eq!(explained[0]["explanationModelName"], Value::Null);
}

#[test]
fn hostile_tokens_stay_text() {
    let dir = tempfile::tempdir().unwrap();
    let mut long = feature(0);
    let example = &mut long.groups[0].examples[0];
    example.tokens = (0..10).collect();
    example.values = vec![1.0; 10];
    let batches = write_batches(&dir.path().join("b"), &[long.clone()], 1, 1);
    write_export(&dir.path().join("e"), &[long], &[]);
    let rows = read_rows(&dir.path().join("e/activations/batch-0.jsonl.gz"));
    for tokens in [
        &batches[0]["features"][0]["activations"][0]["tokens"],
        &rows[0]["tokens"],
    ] {
        let tokens: Vec<&str> = tokens
            .as_array()
            .unwrap()
            .iter()
            .map(|t| t.as_str().unwrap())
            .collect();
        assert_eq!(tokens[1], "\u{fffd}\u{fffd}\u{fffd}");
        assert_eq!(tokens[3], "\u{fffd}a\u{fffd}");
        assert_eq!(tokens[4], "\u{202e}\u{2066}abc\u{200f}");
        assert_eq!(tokens[5], "</script>\"\\\r\n\t\x1b[2J\x7f");
        assert_eq!(
            [tokens[7].len(), tokens[8].len(), tokens[9].len()],
            [1024, 1024, 0]
        );
    }
}

#[test]
fn ids_are_read_and_written() {
    for (text, layer, set, suffix) in [
        ("gpt2-small/6-res-jb", 6, "res-jb", None),
        (
            "llama3.1-8b/31-llamascope-res-32k",
            31,
            "llamascope-res-32k",
            None,
        ),
        ("m_1/0-a_b__c_d", 0, "a_b", Some("c_d")),
    ] {
        let id: SourceId = text.parse().unwrap();
        assert_eq!(
            (id.layer, id.sae_set.as_str(), id.suffix.as_deref()),
            (layer, set, suffix)
        );
        assert_eq!(id.to_string(), text);
    }
    for wrong in [
        "",
        "m",
        "m/6",
        "m/six-res",
        "/6-res",
        "m/6-",
        "m/6-res__",
        "m/6-a__b__c",
        "m/6-a/b",
        "m x/6-a",
        "m/-1-a",
        "m/6-ä",
    ] {
        let error = wrong.parse::<SourceId>().unwrap_err();
        assert!(
            matches!(error, ExportError::Name { .. }),
            "{wrong}: {error}"
        );
    }
    assert_eq!(SourceId::layer_of("blocks.15.hook_resid_post"), Some(15));
    assert_eq!(SourceId::layer_of("blocks.2.attn.hook_z"), Some(2));
    assert_eq!(SourceId::layer_of("hook_embed"), None);
    assert_eq!(SourceId::layer_of("blocks.x.hook_z"), None);
}

#[test]
fn what_does_not_fit_is_refused_and_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (out, vocabulary) = (dir.path().join("out"), vocabulary());
    let create =
        |shown: &[u32]| BatchWriter::create(&out, &overview(8, shown), &vocabulary, &id(), 4);
    for shown in [&[3, 3][..], &[4, 2], &[8]] {
        assert!(
            matches!(create(shown), Err(ExportError::Shown { .. })),
            "{shown:?}"
        );
    }
    let mut writer = create(&[2, 5]).unwrap();
    let error = writer.push(&feature(5), &VECTOR).unwrap_err();
    assert!(error.to_string().contains("expected feature 2"), "{error}");
    let mut torn = feature(2);
    torn.groups[0].examples[0].values.pop();
    assert!(matches!(
        writer.push(&torn, &VECTOR),
        Err(ExportError::Example { .. })
    ));
    torn.groups[0].examples[0].values.push(0.0);
    torn.groups[0].examples[0].start = 100;
    assert!(matches!(
        writer.push(&torn, &VECTOR),
        Err(ExportError::Example { .. })
    ));
    writer.push(&feature(2), &VECTOR).unwrap();
    let error = writer.finish().unwrap_err();
    assert!(error.to_string().starts_with("1 of 2 features"), "{error}");
    assert_eq!(
        dir.path().read_dir().unwrap().count(),
        0,
        "something was left"
    );

    std::fs::create_dir(&out).unwrap();
    std::fs::write(out.join("file"), "").unwrap();
    assert!(matches!(create(&[2]), Err(ExportError::Exists { .. })));
    let nowhere = dir.path().join("no/such");
    let created = ExportWriter::create(nowhere, &overview(8, &[2]), &vocabulary, &id(), "");
    assert!(matches!(created, Err(ExportError::Output(_))));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn any_features_are_spread_evenly_and_come_back(features in any_features(), per_file in 1_usize..10) {
        let dir = tempfile::tempdir().unwrap();
        let batches = write_batches(&dir.path().join("out"), &features, 1000, per_file);
        prop_assert_eq!(batches.len(), features.len().div_ceil(per_file));
        let sizes: Vec<usize> = batches.iter().map(|b| b["features"].as_array().unwrap().len()).collect();
        prop_assert!(sizes.iter().max().unwrap() - sizes.iter().min().unwrap() <= 1);
        let found = batches.iter().flat_map(|batch| batch["features"].as_array().unwrap());
        for (found, feature) in found.zip(&features) {
            prop_assert_eq!(&found["feature_index"], feature.index);
            let norm = if feature.decoder_norm == 0.0 { 1.0 } else { f64::from(feature.decoder_norm) };
            let examples: Vec<_> = feature.groups.iter().take(3).flat_map(|group| &group.examples).collect();
            let activations = found["activations"].as_array().unwrap();
            prop_assert_eq!(activations.len(), examples.len());
            for (found, example) in activations.iter().zip(examples) {
                let target = found["qualifying_token_index"].as_u64().unwrap();
                prop_assert_eq!(target, u64::from(example.position - example.start));
                prop_assert_eq!(found["tokens"].as_array().unwrap().len(), example.tokens.len());
                let values = found["values"].as_array().unwrap();
                for (found, value) in values.iter().zip(&example.values) {
                    prop_assert!((found.as_f64().unwrap() - f64::from(*value) * norm).abs() <= 0.000_501);
                }
            }
        }
    }
}
