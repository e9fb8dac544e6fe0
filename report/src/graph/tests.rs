//! What is drawn, and what is refused.

use super::{GraphPage, graph_page};
use serde_json::{Value, json};

fn node(id: &str, layer: &str, ctx: usize, kind: &str) -> Value {
    json!({
        "node_id": id, "feature": 1, "layer": layer, "ctx_idx": ctx, "feature_type": kind, "token_prob": 0.25, "is_target_logit": true,
        "run_idx": 0, "reverse_ctx_idx": 0, "jsNodeId": id, "clerp": "Output \" Austin\" (p=0.250)", "influence": 0.5, "activation": 2.5,
    })
}

fn graph() -> Value {
    json!({
        "metadata": {"slug": "s", "scan": "llama", "transcoder_list": [], "prompt_tokens": ["<s>", " Dallas"], "prompt": "Dallas", "node_threshold": 0.8,
            "schema_version": 1},
        "qParams": {"pinnedIds": [], "supernodes": [], "linkType": "both", "clickedId": "", "sg_pos": ""},
        "nodes": [
            node("2_77_1", "2", 1, "cross layer transcoder"), node("-1_0_1", "0", 1, "mlp reconstruction error"),
            node("E_5_1", "E", 1, "embedding"), node("4_9_1", "4", 1, "logit"),
        ],
        "links": [{"source": "2_77_1", "target": "4_9_1", "weight": 1.5}, {"source": "-1_0_1", "target": "2_77_1", "weight": -0.5}],
    })
}

#[test]
fn a_graph_is_drawn_and_described() {
    let mut page = GraphPage::from_json(&graph().to_string()).unwrap();
    (page.replacement, page.n_active) = (Some(0.625), Some(1234));
    let html = graph_page(&page);
    for part in [
        "Block 2, feature 77 at ·Dallas",
        "Output ·Austin (25.0 %)",
        "62.5 %",
        "of 1,234 active",
        ">block 2</text>",
        ">logits</text>",
        "<circle id=\"n0\"",
        "<rect id=\"n3\"",
    ] {
        assert!(html.contains(part), "{part}\n{html}");
    }
    assert!(
        !html.contains(">block 3</text>"),
        "rows end with the last block"
    );
    assert!(!html.contains("src="), "nothing is loaded");
}

#[test]
fn names_stay_text() {
    let mut hostile = graph();
    let bad = "</script><img src=x onerror=alert(1)>\u{202e}";
    hostile["metadata"]["prompt"] = bad.into();
    hostile["metadata"]["scan"] = bad.into();
    hostile["metadata"]["prompt_tokens"][1] = bad.into();
    hostile["nodes"][0]["node_id"] = format!("2_{bad}_1").into();
    hostile["links"][0]["source"] = format!("2_{bad}_1").into();
    hostile["links"][1]["target"] = format!("2_{bad}_1").into();
    hostile["nodes"][3]["clerp"] = format!("Output \"{bad}\" (p=0.1)").into();
    let html = graph_page(&GraphPage::from_json(&hostile.to_string()).unwrap());
    assert!(!html.contains("<img") && !html.contains('\u{202e}'));
    assert_eq!(html.matches("</script>").count(), 2);
}

#[test]
fn what_contradicts_itself_is_refused() {
    let refused = |pointer: &str, value: Value, said: &str| {
        let mut bad = graph();
        *bad.pointer_mut(pointer).unwrap() = value;
        let error = GraphPage::from_json(&bad.to_string())
            .unwrap_err()
            .to_string();
        assert!(error.contains(said), "{error}");
    };
    refused("/nodes/0/ctx_idx", 2.into(), "at position 2 of 2 tokens");
    refused(
        "/nodes/0/layer",
        "99999999999".into(),
        "in layer \"99999999999\"",
    );
    refused("/nodes/1/layer", "x".into(), "in layer \"x\"");
    refused(
        "/nodes/1/node_id",
        "2_77_1".into(),
        "two nodes called \"2_77_1\"",
    );
    refused(
        "/links/0/source",
        "7_7_7".into(),
        "a link of \"7_7_7\", and no such node",
    );
    refused(
        "/links/0/weight",
        "heavy".into(),
        "is not a graph as circuit-tracer writes it",
    );
    refused("/nodes/0/ctx_idx", (-1).into(), "is not a graph");
}

#[test]
fn nothing_is_a_graph_too() {
    let mut empty = graph();
    (empty["nodes"], empty["links"]) = (json!([]), json!([]));
    let html = graph_page(&GraphPage::from_json(&empty.to_string()).unwrap());
    assert!(html.contains("The graph has no logits."));
}
