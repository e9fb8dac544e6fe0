//! Results that would be written over what is read, over each other, or by halves.

mod support;

use support::{Scratch, demo, read_json};

const TOKENIZE: &str =
    "tokenize --tokenizer $MODEL --dataset $TEXT --context-size 16 --sequences 2";

/// Copies of the demo's model, run and text, with `t.st` tokenised from them and `acts.st` to encode.
fn inputs() -> Scratch {
    let scratch = Scratch::new();
    scratch.copy_demo("model");
    scratch.copy_demo("run");
    let text = std::fs::read(demo("text/kjv.jsonl"));
    scratch.write("data/text.jsonl", text.expect("the demo has text"));
    scratch.ok(&format!("{TOKENIZE} --out t.st"));
    scratch
        .ok("activations --model model --tokens t.st --hook blocks.2.hook_resid_pre --out acts.st");
    scratch
}

#[test]
fn what_is_read_is_not_written_over() {
    let scratch = inputs();
    let tokenize = "tokenize --tokenizer model --context-size 16 --sequences 2";
    let activations = "activations --model model --tokens t.st --loss";
    let encode = "encode --sae run --input acts.st --key blocks.2.hook_resid_pre";
    let eval = "eval --sae run --model model --sequences 1";
    let cases = [
        (
            format!("{tokenize} --dataset data --out data/text.jsonl"),
            "--out data/text.jsonl",
        ),
        (
            format!("{tokenize} --dataset data/text.jsonl --out data/../data/text.jsonl"),
            "data/text.jsonl",
        ),
        (
            format!("{tokenize} --dataset data --out model/tokenizer.json"),
            "model/tokenizer.json",
        ),
        (
            format!("{activations} --out t.st"),
            "--out t.st: is a file that this call reads",
        ),
        (
            format!("{activations} --out model/model.safetensors"),
            "model/model.safetensors",
        ),
        (format!("{encode} --out ./acts.st"), "--out ./acts.st"),
        (
            format!("{encode} --out run/final_sae/sae_weights.safetensors"),
            "sae_weights.safetensors",
        ),
        (
            format!("{encode} --out run/sparsity.safetensors"),
            "sparsity.safetensors",
        ),
        (format!("{eval} --tokens t.st --csv t.st"), "--csv t.st"),
        (
            format!("{eval} --tokens t.st --json=run/final_sae/cfg.json"),
            "--json run/final_sae/cfg.json",
        ),
        (
            format!("{eval} --dataset data --csv data/text.jsonl"),
            "--csv data/text.jsonl",
        ),
        (
            "info run --json=run/final_sae/cfg.json".to_owned(),
            "--json",
        ),
        (
            "prompt In --answer the --model model --json=model/config.json".to_owned(),
            "--json",
        ),
        (
            "analyze run --model model --dataset data --sequences 1 --out o --json=data/text.jsonl"
                .to_owned(),
            "--json data/text.jsonl",
        ),
    ];
    let before = contents(&scratch);
    for (line, said) in cases {
        scratch.fails(2, &line, &[said, "choose another name"]);
    }
    assert!(contents(&scratch) == before, "every input is as it was");
}

fn contents(scratch: &Scratch) -> Vec<Vec<u8>> {
    let files = scratch.listing();
    files
        .iter()
        .filter_map(|path| std::fs::read(path).ok())
        .collect()
}

#[test]
fn results_are_not_written_over_each_other() {
    let scratch = inputs();
    let cases = [
        (
            "eval --sae run --model model --tokens t.st --json m.json --csv m.json",
            "--csv m.json and --json m.json are the same file",
        ),
        (
            "encode --sae run --input acts.st --out ./x --json=x",
            "--out ./x and --json x are the same file",
        ),
        (
            "tokenize --tokenizer model --dataset data --context-size 16 --out x --json=x",
            "--out x and --json x are the same file",
        ),
        (
            "activations --model model --tokens t.st --loss --out x --json=x",
            "are the same file; give one of them another name",
        ),
        (
            "analyze --out o --json o/report.json",
            "--out o/report.json and --json o/report.json are the same file",
        ),
    ];
    for (line, said) in cases {
        scratch.fails(2, line, &[said]);
    }
}

#[test]
fn a_report_is_replaced_as_a_whole_or_not_at_all() {
    let scratch = Scratch::new();
    scratch.write("o/report.json", "old");
    scratch.write("o/report.html/x", "");
    scratch.fails(
        1,
        "analyze --sequences 1 --out o",
        &["o/report.html: is a folder"],
    );
    assert_eq!(scratch.read("o/report.json"), "old");
}

#[test]
fn a_report_and_its_json_may_share_a_new_folder() {
    let scratch = Scratch::new();
    scratch.ok("analyze --sequences 1 --out made/new --json made/new/figures.json");
    assert_eq!(
        read_json(&scratch.path("made/new/figures.json")),
        read_json(&scratch.path("made/new/report.json"))
    );
    scratch.fails(
        1,
        "analyze --sequences 1 --out other --json no/figures.json",
        &["no/figures.json: there is no folder no", "--json"],
    );
}

#[cfg(unix)]
#[test]
fn links_are_followed() {
    use std::os::unix::fs::symlink;
    let scratch = inputs();
    let link = |to: &str, name: &str| {
        symlink(to, scratch.path(name)).expect("links can be made");
    };
    scratch.write("far/old.st", "old");
    link("far/old.st", "there");
    link("far/new.st", "not-yet");
    link("no/folder/x", "nowhere");
    link("circle", "circle");
    link("t.st", "input");
    for name in ["there", "not-yet"] {
        scratch.ok(&format!("{TOKENIZE} --out {name}"));
        scratch.ok(&format!(
            "activations --model model --tokens t.st --loss --out {name}"
        ));
        scratch.ok(&format!("info run --json={name}"));
        assert!(scratch.path(name).is_symlink(), "{name} is still a link");
    }
    for name in ["far/old.st", "far/new.st"] {
        assert_eq!(read_json(&scratch.path(name))["d_sae"], 1024, "{name}");
    }
    let activations = "activations --model model --tokens t.st --loss --out";
    scratch.fails(
        1,
        &format!("{activations} nowhere"),
        &["nowhere: there is no folder"],
    );
    scratch.fails(
        1,
        &format!("{activations} circle"),
        &["circle: is a link that leads in a circle"],
    );
    scratch.fails(
        2,
        &format!("{activations} input"),
        &["--out input: is a file that this call reads"],
    );
}
