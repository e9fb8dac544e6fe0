//! Memory is planned, kept to, and refused where there is not enough; streamed weights give the same figures.

#![allow(clippy::unwrap_used)] // clippy sees only the #[test] functions as tests, not the functions they share

mod support;

use serde_json::Value;
use support::Scratch;

const EVAL: &str = "eval --sae $RUN --model $MODEL --tokens t.st";

fn with_tokens() -> Scratch {
    let scratch = Scratch::new();
    scratch.ok(
        "tokenize --tokenizer $MODEL --dataset $TEXT --context-size 24 --sequences 5 --out t.st",
    );
    scratch
}

fn plan(scratch: &Scratch, call: &str) -> Value {
    let plan = scratch.json(&format!("{call} --plan"));
    let parts = plan["parts"].as_array().unwrap().iter();
    let sum: u64 = parts.map(|part| part["bytes"].as_u64().unwrap()).sum();
    assert_eq!(plan["total_bytes"], sum, "{call}");
    assert!(sum <= plan["limit_bytes"].as_u64().unwrap(), "{call}");
    plan
}

/// A batch size and a limit that one byte less than the resident model needs.
fn too_small(plan: &Value) -> String {
    format!("--memory {}", plan["total_bytes"].as_u64().unwrap() - 1)
}

#[test]
fn a_plan_is_printed_and_nothing_is_done() {
    let scratch = with_tokens();
    for call in [
        EVAL,
        "analyze --out report",
        "activations --model $MODEL --tokens t.st --hook blocks.1.attn.hook_pattern --logits --out a.st",
        "prompt In --answer the --sae $RUN --model $MODEL",
    ] {
        let plan = plan(&scratch, call);
        assert_eq!(plan["placement"], "resident", "{call}");
        let text = scratch.ok(&format!("{call} --plan")).stdout;
        assert!(text.starts_with("Memory plan, within "), "{text}");
        assert!(
            text.contains("all on the device") && text.contains("together"),
            "{text}"
        );
    }
    assert!(!scratch.path("report").exists() && !scratch.path("a.st").exists());
    let told = scratch.sae(&format!("{EVAL} -v")).stderr;
    assert!(told.contains("Memory plan, within"), "{told}");
}

#[test]
fn streamed_weights_give_the_same_figures() {
    let scratch = with_tokens();
    for call in [
        EVAL,
        "analyze --sequences 4 --out report",
        "prompt In --answer the --sae $RUN --model $MODEL",
    ] {
        let resident = scratch.json(call);
        let streamed = scratch.json(&format!("{call} --stream-layers"));
        for part in ["metrics", "l0", "loss", "baseline", "with_sae"] {
            assert_eq!(resident[part], streamed[part], "{call}: {part}");
        }
    }
    let call = "activations --model $MODEL --tokens t.st --hook blocks.2.hook_mlp_out blocks.1.attn.hook_pattern --loss --out";
    scratch.ok(&format!("{call} a.st"));
    scratch.ok(&format!("{call} b.st --stream-layers"));
    let read = |name| std::fs::read(scratch.path(name)).unwrap();
    assert!(read("a.st") == read("b.st"), "the files differ");
}

#[test]
fn weights_that_do_not_fit_are_streamed_with_a_warning() {
    let scratch = with_tokens();
    let call = format!("{EVAL} --batch-size 1");
    let small = too_small(&plan(&scratch, &call));
    let planned = plan(&scratch, &format!("{call} {small}"));
    assert_eq!(planned["placement"], "streamed");
    let told = scratch.sae(&format!("{call} {small}")).stderr;
    assert!(
        told.contains("streamed from their files, block by block"),
        "{told}"
    );
}

#[test]
fn what_does_not_fit_is_refused_with_figures_and_advice() {
    let scratch = with_tokens();
    for call in [
        EVAL,
        "analyze --out report",
        "activations --model $MODEL --tokens t.st --loss --out a.st",
    ] {
        let said = [
            "does not fit in memory",
            "19.07 MiB (--memory)",
            "weights",
            "headroom",
            "would make it fit",
        ];
        scratch.fails(1, &format!("{call} --memory 20MB"), &said);
    }
    assert!(
        !scratch.path("report").exists(),
        "a refused run leaves nothing behind"
    );
    let one = plan(&scratch, &format!("{EVAL} --batch-size 1 --stream-layers"));
    let memory = one["total_bytes"].as_u64().unwrap() + 100_000;
    let call = |rows: &str| format!("{EVAL} --stream-layers --memory {memory} --batch-size {rows}");
    let failed = scratch.sae(&call("5000")).stderr;
    let advised = failed.split("--batch-size ").nth(1).unwrap();
    let advised = advised.split(' ').next().unwrap();
    scratch.ok(&call(advised));
    scratch.fails(
        2,
        &format!("{EVAL} --memory lots"),
        &["\"lots\" is not a size"],
    );
}
