//! `sae graph`: from a prompt to a file that circuit-tracer's viewer opens, and to a page.

#![allow(clippy::unwrap_used)] // clippy sees only the #[test] functions as tests, not the functions they share

mod support;

use serde_json::{Value, json};
use std::collections::BTreeSet;
use support::transcoders::transcoder;
use support::{Scratch, keys, read_json};

const CALL: &str = "graph Abraham --model $MODEL --sae t/layer_{layer} --out graphs";

fn with_transcoders() -> Scratch {
    let scratch = Scratch::new();
    scratch.transcoders();
    scratch
}

#[test]
fn a_prompt_becomes_a_graph() {
    let scratch = with_transcoders();
    let found = scratch.json(&format!("{CALL} --node-threshold 1 --logits 3"));
    assert_eq!(found["slug"], "abraham");
    let n = found["prompt_tokens"].as_array().unwrap().len();
    assert!(n > 2 && found["prompt_tokens"][0] == "<|begin_of_text|>");
    assert_eq!(found["logits"].as_array().unwrap().len(), 3);
    assert_eq!(found["n_active"], found["n_feature_nodes"]);
    for score in ["replacement", "completeness"] {
        let score = found["scores"][score].as_f64().unwrap();
        assert!((0.0..=1.0).contains(&score));
    }
    let graph = read_json(&scratch.path("graphs/abraham.json"));
    // circuit-tracer 0.5's `Model`, key by key.
    assert_eq!(keys(&graph), ["metadata", "qParams", "nodes", "links"]);
    let of_metadata =
        "slug scan transcoder_list prompt_tokens prompt node_threshold schema_version";
    let words = |text: &'static str| -> Vec<&str> { text.split(' ').collect() };
    assert_eq!(keys(&graph["metadata"]), words(of_metadata));
    let of_params = "pinnedIds supernodes linkType clickedId sg_pos";
    assert_eq!(keys(&graph["qParams"]), words(of_params));
    let of_node = "node_id feature layer ctx_idx feature_type token_prob is_target_logit run_idx reverse_ctx_idx jsNodeId clerp influence activation";
    let nodes = graph["nodes"].as_array().unwrap();
    assert_eq!(found["n_nodes"], nodes.len());
    let mut ids = BTreeSet::new();
    for node in nodes {
        assert_eq!(keys(node), words(of_node));
        assert!(ids.insert(node["node_id"].as_str().unwrap()), "{node}");
        let is_feature = node["feature_type"] == "cross layer transcoder";
        assert_eq!(node["activation"].is_number(), is_feature, "{node}");
        if node["feature_type"] == "logit" {
            assert_eq!(
                (&node["layer"], &node["ctx_idx"]),
                (&json!("5"), &json!(n - 1))
            );
            assert!(node["clerp"].as_str().unwrap().contains("(p="));
        }
    }
    assert!(nodes.iter().any(|node| node["activation"].is_number()));
    for link in graph["links"].as_array().unwrap() {
        for end in ["source", "target"] {
            assert!(ids.contains(link[end].as_str().unwrap()), "{link}");
        }
        assert!(link["weight"].as_f64().unwrap().is_finite());
    }
    let page = scratch.read("graphs/abraham.html");
    assert!(page.contains("Attribution graph") && page.contains("Output "));
    assert_eq!(found["page"], "graphs/abraham.html");
}

#[test]
fn graphs_of_other_names_stay() {
    let scratch = with_transcoders();
    scratch.ok(CALL);
    let first = scratch.read("graphs/abraham.json");
    scratch.ok(&format!(
        "{CALL} --slug other --target s --no-bos --target s"
    ));
    scratch.ok(&format!("{CALL} --scan mine"));
    let slugs = |list: &Value| -> Vec<Value> {
        let graphs = list["graphs"].as_array().unwrap().iter();
        graphs.map(|graph| graph["slug"].clone()).collect()
    };
    let list = read_json(&scratch.path("graphs/graph-metadata.json"));
    assert_eq!(slugs(&list), ["other", "abraham"]);
    assert_eq!(list["graphs"][1]["scan"], "mine");
    assert_ne!(
        scratch.read("graphs/abraham.json"),
        first,
        "the scan is another"
    );
    let other = read_json(&scratch.path("graphs/other.json"));
    let logits = other["nodes"].as_array().unwrap().iter();
    let logits: Vec<_> = logits
        .filter(|node| node["feature_type"] == "logit")
        .collect();
    assert_eq!(logits.len(), 1);
    assert!(
        logits[0]["clerp"]
            .as_str()
            .unwrap()
            .starts_with("Output \"s\"")
    );
}

#[test]
fn streamed_weights_give_the_same_graph() {
    let scratch = with_transcoders();
    scratch.ok(CALL);
    let resident = scratch.read("graphs/abraham.json");
    scratch.ok(&format!("{CALL} --stream-layers"));
    assert!(
        scratch.read("graphs/abraham.json") == resident,
        "the graphs differ"
    );
    let plan = scratch.json(&format!("{CALL} --stream-layers --plan"));
    let parts = plan["parts"].as_array().unwrap().iter();
    let parts: Vec<&str> = parts.map(|part| part["name"].as_str().unwrap()).collect();
    for part in [
        "weights",
        "frozen model",
        "attention weights",
        "active features",
        "edges",
    ] {
        assert!(parts.contains(&part), "{parts:?}");
    }
}

#[test]
fn what_cannot_be_is_refused() {
    let scratch = with_transcoders();
    std::fs::create_dir(scratch.path("graphs")).unwrap();
    let before = scratch.listing();
    let call = |rest: &str| format!("graph In --model $MODEL --out graphs {rest}");
    for (code, rest, said) in [
        (
            1,
            "--sae t/layer_0 t/layer_1",
            "no transcoder for blocks 2, 3",
        ),
        (
            1,
            "--sae t/layer_{layer} t/layer_2",
            "both belong to block 2",
        ),
        (1, "--sae t/nothing_{layer}", "no such folder"),
        (1, "--sae $RUN", "a graph needs transcoders"),
        (
            1,
            "--sae t/layer_{layer} --memory 20MB",
            "does not fit in memory",
        ),
        (
            1,
            "--sae t/layer_{layer} --target Nebuchadnezzar",
            "--target \"Nebuchadnezzar\"",
        ),
        (
            1,
            "--sae t/layer_{layer} --zero-positions 9",
            "are left out",
        ),
        (
            2,
            "--sae t/layer_{layer} --slug a/b",
            "--slug \"a/b\": is not a name for a graph",
        ),
        (
            2,
            "--sae t/layer_{layer} --node-threshold 1.5",
            "a number from 0 to 1",
        ),
        (
            2,
            "--sae t/layer_{layer} --json=graphs/in.json",
            "graphs/in.json",
        ),
    ] {
        scratch.fails(code, &call(rest), &[said]);
    }
    assert_eq!(scratch.listing(), before, "nothing is left behind");
    transcoder(&scratch.path("wide"), 2, 64);
    let wide = "--sae t/layer_0 t/layer_1 wide t/layer_3";
    scratch.fails(
        1,
        &call(wide),
        &["reads 64 and writes 64", "the model has 128"],
    );
    scratch.write("graphs/graph-metadata.json", "[1, 2]");
    let all = "--sae t/layer_{layer}";
    scratch.fails(
        1,
        &call(all),
        &["is not a list of graphs", "Choose another folder"],
    );
    assert_eq!(scratch.read("graphs/graph-metadata.json"), "[1, 2]");
}
