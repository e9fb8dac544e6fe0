//! The page of an attribution graph.

use crate::chromium::Tab;
use sae_report::{GraphPage, graph_page};
use serde_json::{Value, json};
use std::path::Path;

/// Features of two blocks at each of three tokens, an error, and two logits.
fn graph() -> Value {
    let node = |id: String, layer: &str, at: usize, kind: &str, activation: Value| {
        json!({
            "node_id": id, "feature": 0, "layer": layer, "ctx_idx": at, "feature_type": kind, "token_prob": if kind == "logit" { 0.4 } else { 0.0 },
            "clerp": if kind == "logit" { format!("Output \"{id}\" (p=0.400)") } else { String::new() }, "influence": 0.1 * (at + 1) as f64,
            "activation": activation,
        })
    };
    let mut nodes = Vec::new();
    for at in 0..3 {
        nodes.push(node(format!("E_7_{at}"), "E", at, "embedding", Value::Null));
        for layer in ["0", "1"] {
            let feature = "cross layer transcoder";
            nodes.push(node(
                format!("{layer}_5{at}_{at}"),
                layer,
                at,
                feature,
                json!(1.5),
            ));
        }
    }
    let error = "mlp reconstruction error";
    nodes.push(node("-1_1_2".to_owned(), "1", 2, error, Value::Null));
    for id in ["3_8_2", "3_9_2"] {
        nodes.push(node(id.to_owned(), "3", 2, "logit", Value::Null));
    }
    let link = |source: &str, target: &str, weight: f64| json!({"source": source, "target": target, "weight": weight});
    json!({
        "metadata": {"slug": "s", "scan": "made-up", "transcoder_list": [], "prompt_tokens": ["<s>", " state", " Dallas"], "prompt": "state Dallas",
            "node_threshold": 0.8},
        "qParams": {}, "nodes": nodes,
        "links": [
            link("E_7_2", "0_52_2", 1.0), link("0_52_2", "1_52_2", 2.0), link("0_51_1", "1_52_2", -1.0), link("1_52_2", "3_8_2", 3.0),
            link("-1_1_2", "3_8_2", -4.0), link("1_52_2", "3_9_2", 0.5),
        ],
    })
}

fn open(folder: &Path, graph: &Value) -> Tab {
    let path = folder.join("graph.html");
    let page = GraphPage::from_json(&graph.to_string()).unwrap();
    std::fs::write(&path, graph_page(&page)).unwrap();
    Tab::open(&format!("file://{}", path.display()))
}

/// The number of a node by its words.
fn place(tab: &mut Tab, name: &str) -> String {
    let n = tab.number(&format!("nodes.find((node) => node.name === {name:?}).i"));
    format!("#n{n}")
}

fn n_links(tab: &mut Tab) -> u32 {
    tab.number("document.querySelectorAll('#links path').length") as u32
}

#[test]
#[ignore = "needs Chromium; CI runs it"]
fn a_node_tells_what_goes_in_and_out() {
    let folder = tempfile::tempdir().unwrap();
    let mut tab = open(folder.path(), &graph());
    // The likeliest logit to begin with.
    assert!(tab.text("#details h2").starts_with("Output 3_8_2 (40"));
    assert_eq!(n_links(&mut tab), 2);
    let inputs = tab.texts("#details .both > div:first-child .go");
    assert_eq!(
        inputs,
        [
            "Error of block 1 at ·Dallas",
            "Block 1, feature 52 at ·Dallas"
        ]
    );
    let feature = place(&mut tab, "Block 1, feature 52 at ·Dallas");
    tab.hover(&feature);
    tab.wait("!tooltip.hidden && document.querySelectorAll('#links path').length === 4");
    assert!(tab.text("#details h2").contains("activation 1.5"));
    let outputs = tab.texts("#details .both > div:last-child td:last-child");
    assert_eq!(outputs, ["3", "0.5"]);
    let weights = tab.texts("#details .both > div:first-child td:last-child");
    assert_eq!(weights, ["2", "−1"]);
    assert_eq!(
        tab.number("document.querySelectorAll('#links .minus').length") as u32,
        1
    );
    tab.hover("h1");
    tab.wait("tooltip.hidden && document.querySelectorAll('#links path').length === 2");
    tab.assert_quiet();
}

#[test]
#[ignore = "needs Chromium; CI runs it"]
fn nodes_can_be_pinned_and_walked() {
    let folder = tempfile::tempdir().unwrap();
    let mut tab = open(folder.path(), &graph());
    for name in [
        "Block 1, feature 52 at ·Dallas",
        "Block 0, feature 52 at ·Dallas",
    ] {
        let node = place(&mut tab, name);
        tab.click(&node);
    }
    assert_eq!(tab.texts("#pinned .go").len(), 2);
    tab.hover("h1");
    // By keyboard: nothing chosen, and only the link between the two is left.
    tab.eval("document.getElementById('graph').focus()");
    tab.key("Escape");
    tab.wait("document.querySelectorAll('#links path').length === 1");
    tab.key("ArrowUp");
    assert!(tab.text("#details h2").starts_with("Output 3_8_2"));
    tab.key("ArrowDown");
    assert!(tab.text("#details h2").starts_with("Block 1, feature 52"));
    tab.key("Enter");
    // It was pinned.
    assert_eq!(tab.text("#pin"), "Pin");
    assert_eq!(tab.texts("#pinned .go").len(), 1);
    // From one node to another by its name.
    tab.click("#details .both .go");
    tab.click("#clear");
    assert_eq!(tab.eval("document.getElementById('pinned').hidden"), true);
    assert_eq!(n_links(&mut tab), 0);
    tab.assert_quiet();
}

#[test]
#[ignore = "needs Chromium; CI runs it"]
fn what_is_not_looked_for_is_dimmed() {
    let folder = tempfile::tempdir().unwrap();
    let mut tab = open(folder.path(), &graph());
    let seen = |tab: &mut Tab| tab.number("nodes.filter((node) => !node.dim).length") as u32;
    assert_eq!(seen(&mut tab), 12);
    tab.click("#find");
    tab.type_text("dallas block");
    assert_eq!(seen(&mut tab), 3);
    assert_eq!(tab.text("#found"), "3 of 12 nodes");
    tab.eval("byId('find').value = ''; filter()");
    tab.click("#errors");
    assert_eq!(seen(&mut tab), 11);
    // A link of what is dimmed is not drawn.
    assert_eq!(n_links(&mut tab), 1);
    tab.click("#features");
    assert_eq!(seen(&mut tab), 5);
    tab.eval("byId('features').click(); byId('errors').click(); byId('share').value = 0.15; byId('share').dispatchEvent(new Event('input'))");
    assert_eq!(
        seen(&mut tab),
        3 + 2 + 2,
        "tokens, logits, and the features of the first token"
    );
    tab.assert_quiet();
}

#[test]
#[ignore = "needs Chromium; CI runs it"]
fn it_fits_and_has_two_lights() {
    let folder = tempfile::tempdir().unwrap();
    let mut long = graph();
    long["metadata"]["prompt"] = "a-prompt-without-end-".repeat(30).into();
    long["metadata"]["prompt_tokens"][1] = "x".repeat(300).into();
    let mut tab = open(folder.path(), &long);
    for width in [1440, 800, 390, 320] {
        let size = json!({"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": false});
        tab.call("Emulation.setDeviceMetricsOverride", &size);
        let content = tab.number("document.documentElement.scrollWidth");
        assert!(content <= f64::from(width), "{content} px at {width}");
        let small = "[...document.querySelectorAll('main button, main input')].filter((e) => e.type !== 'checkbox' && e.getBoundingClientRect().height < 24).length";
        assert_eq!(tab.number(small) as u32, 0, "buttons can be hit at {width}");
    }
    let colours = "getComputedStyle(document.body).backgroundColor + getComputedStyle(document.querySelector('.n.f')).fill";
    let light = tab.eval(colours);
    tab.click("#theme");
    assert_ne!(tab.eval(colours), light);
    tab.assert_quiet();
}

#[test]
#[ignore = "needs Chromium; CI runs it"]
fn hostile_words_stay_text() {
    const HOSTILE: &str = "</script></style></svg><script>window.owned=1</script><img src=x onerror='owned=1'>\"]\r\n\\";
    let folder = tempfile::tempdir().unwrap();
    let mut graph = graph();
    for place in ["prompt", "scan"] {
        graph["metadata"][place] = HOSTILE.into();
    }
    graph["metadata"]["prompt_tokens"][2] = HOSTILE.into();
    graph["nodes"][10]["clerp"] = format!("Output \"{HOSTILE}\" (p=0.4)").into();
    let mut tab = open(folder.path(), &graph);
    tab.hover("#n8");
    tab.wait("!tooltip.hidden");
    tab.click("#n8");
    assert_eq!(tab.eval("typeof window.owned"), "undefined");
    assert_eq!(tab.eval("document.images.length"), 0);
    assert_eq!(tab.eval("document.scripts.length"), 2);
    assert!(tab.text("main").contains("window.owned=1"), "it is shown");
    tab.assert_quiet();
}
