//! docs/cli.md and docs/formats.md are true of the program: every option, JSON key, tensor and hook point is in them.

#![allow(clippy::unwrap_used)] // clippy sees only the #[test] functions as tests, not the functions they share

mod support;

use serde_json::Value;
use std::collections::BTreeSet;
use support::{Scratch, demo};

fn docs(name: &str) -> String {
    std::fs::read_to_string(demo("../docs").join(name)).unwrap()
}

/// What stands between backticks.
fn code(text: &str) -> BTreeSet<&str> {
    let inline = text.split('`').skip(1).step_by(2);
    inline
        .flat_map(|code| code.split([' ', '\\', '=', '[', ':', '<', '(', ')', '{', ',', '}', '|']))
        .flat_map(|word| std::iter::once(word).chain(word.split('.')))
        .collect()
}

/// The part of cli.md about a command.
fn section<'a>(text: &'a str, verb: &str) -> &'a str {
    let (_, rest) = text.split_once(&format!("\n## `sae {verb}`\n")).unwrap();
    rest.split("\n## ").next().unwrap()
}

/// The long options that a help text lists.
fn options(help: &str) -> BTreeSet<String> {
    let lines = help.lines().filter_map(|line| {
        let line = line.trim_start();
        let from = line.find("--").filter(|_| line.starts_with('-'))?;
        let end = |c: char| !(c.is_ascii_alphanumeric() || c == '-');
        line[from..].split(end).next().map(str::to_owned)
    });
    lines.collect()
}

/// Every key of a JSON value, however deep.
fn all_keys(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            for (key, value) in object {
                found.insert(key.clone());
                all_keys(value, found);
            }
        }
        Value::Array(values) => values.iter().for_each(|value| all_keys(value, found)),
        _ => {}
    }
}

#[test]
fn every_option_is_described() {
    let (scratch, text) = (Scratch::new(), docs("cli.md"));
    let everywhere = options(&scratch.ok("--help").stdout);
    let (_, shared) = text.split_once("\n## Options of every command\n").unwrap();
    let shared = code(shared.split("\n## ").next().unwrap());
    for option in &everywhere {
        assert!(shared.contains(option.as_str()), "{option}");
    }
    for verb in [
        "devices",
        "list",
        "info",
        "convert",
        "tokenize",
        "train",
        "activations",
        "encode",
        "eval",
        "merge",
        "prompt",
        "lens",
        "patch",
        "attribute",
        "generate",
        "graph",
        "analyze",
        "dashboard",
        "serve",
        "contrast",
        "bench",
    ] {
        let help = scratch.ok(&format!("{verb} --help")).stdout;
        let section = section(&text, verb);
        let described = code(section);
        let own: BTreeSet<_> = options(&help).difference(&everywhere).cloned().collect();
        for option in &own {
            assert!(
                section.contains(&format!("| `{option}")),
                "{verb} {option} has no row"
            );
        }
        for word in described.iter().filter(|word| word.starts_with("--")) {
            assert!(
                own.contains(*word) || everywhere.contains(*word),
                "{verb} has no {word}"
            );
        }
    }
}

#[test]
fn every_key_is_described() {
    let scratch = Scratch::new();
    scratch.ok(
        "tokenize --tokenizer $MODEL --dataset $TEXT --context-size 16 --sequences 2 --out t.st",
    );
    for (name, text) in [
        ("a.txt", "In the beginning\nAnd God said\nunto the king\n"),
        ("b.txt", "The earth\nwas void\nof the land\n"),
    ] {
        scratch.write(name, text);
    }
    let labelled = |label: &str, text: &str| {
        format!("{{\"text\": \"{text}\", \"label\": \"{label}\"}}\n").repeat(2)
    };
    let labelled = labelled("a", "And God said") + &labelled("b", "of the land");
    scratch.write("labelled/train.jsonl", &labelled);
    scratch.write("labelled/test.jsonl", &labelled);
    scratch.transcoders();
    let text = docs("cli.md") + &docs("formats.md");
    let described = code(&text);
    let calls = [
        "devices",
        "list",
        "info $RUN",
        "convert $RUN converted",
        "tokenize --tokenizer $MODEL --dataset $TEXT --context-size 16 --sequences 2 --out t2.st",
        "train --model $MODEL --tokens t.st --hook blocks.1.hook_resid_pre --d-sae 8 --train-batch-size-tokens 16 \
         --training-tokens 16 --wandb-log-frequency 1 --eval-sequences 1 --out run",
        "prompt In --answer the --sae $RUN --model $MODEL",
        "lens And --answer the --model $MODEL",
        "patch --clean And --corrupted In --answer the --against and --model $MODEL",
        "patch --clean And --corrupted In --answer the --model $MODEL --site feature --sae $RUN",
        "attribute And --answer the --against and --sae $RUN --model $MODEL",
        "attribute And --corrupted In --answer the --sae $RUN --model $MODEL",
        "attribute And --answer the --method direct --sae $RUN --model $MODEL",
        "generate In --model $MODEL --max-new-tokens 2 --top 2 --temperature 2",
        "generate In --model $MODEL --max-new-tokens 2 --sae $RUN --steer 5=add:9 --compare",
        "graph In --model $MODEL --sae t/layer_{layer} --out graphs",
        "eval --sae $RUN --model $MODEL --tokens t.st",
        "eval --sae $RUN --model $MODEL --tokens t.st --parts parts",
        "merge parts",
        "merge parts --out all.cbor",
        "eval --sae $RUN --sae $RUN --together --model $MODEL --tokens t.st",
        "analyze --sequences 1 --out o",
        "activations --model $MODEL --tokens t.st --hook blocks.0.attn.hook_z --shards --out c",
        "dashboard --sae $RUN --model $MODEL --tokens t.st --out pages",
        "dashboard --sae $RUN --model $MODEL --tokens t.st --work w --log-only",
        "contrast --a a.txt --b b.txt --probe 1 --sae $RUN --model $MODEL --out contrast",
        "bench --data labelled --train-size 4 --test-size 2 --sae $RUN --model $MODEL --out bench",
    ];
    for call in calls {
        let mut result = scratch.json(call);
        // The words of the run's own configuration are SAELens'.
        let several = result.get_mut("saes").and_then(Value::as_array_mut);
        for of in several.into_iter().flatten() {
            of.as_object_mut().map(|of| of.remove("sae_cfg"));
        }
        result
            .as_object_mut()
            .map(|object| object.remove("sae_cfg"));
        let mut keys = BTreeSet::new();
        all_keys(&result, &mut keys);
        for key in keys {
            assert!(described.contains(key.as_str()), "{call}: {key}");
        }
    }
    let mut keys = BTreeSet::new();
    all_keys(
        &support::read_json(&scratch.path("graphs/in.json")),
        &mut keys,
    );
    for key in keys {
        assert!(described.contains(key.as_str()), "graphs/in.json: {key}");
    }
    let tensors =
        scratch.json("activations --model $MODEL --tokens t.st --logits --loss --out a.st");
    assert!(
        support::keys(&tensors)
            .iter()
            .all(|key| described.contains(key))
    );
    for tensor in support::keys(&tensors["tensors"]) {
        assert!(described.contains(tensor), "{tensor}");
    }
}

#[test]
fn every_hook_point_is_in_the_table() {
    let text = docs("formats.md");
    let (_, table) = text.split_once("\n## Hook points\n").unwrap();
    let table = table.split("\n## ").next().unwrap();
    let listed: BTreeSet<&str> = code(table)
        .into_iter()
        .filter(|word| word.contains("hook_"))
        .collect();
    let n = llama_hooked::HookPoint::all(1).count();
    let points = llama_hooked::HookPoint::all(1).map(|point| point.to_string());
    let short: Vec<_> = points
        .map(|name| name.trim_start_matches("blocks.0.").to_owned())
        .collect();
    assert_eq!(short.len(), n);
    for name in &short {
        assert!(listed.contains(name.as_str()), "{name}");
        let row = table
            .lines()
            .find(|line| line.contains(&format!("`{name}`")))
            .unwrap();
        let point = llama_hooked::HookPoint::all(1)
            .nth(short.iter().position(|s| s == name).unwrap())
            .unwrap();
        let axes = row.split("`[").nth(1).unwrap().split(']').next().unwrap();
        assert_eq!(axes.split(',').count(), point.rank(), "{row}");
        assert_eq!(row.contains('†'), point.is_opt_in(), "{row}");
    }
}

#[test]
fn links_lead_somewhere() {
    for (from, text) in [
        ("cli.md", docs("cli.md")),
        ("formats.md", docs("formats.md")),
    ] {
        for link in text.split("](").skip(1) {
            let link = link.split(')').next().unwrap();
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = docs(if file.is_empty() { from } else { file });
            let headings = target.lines().filter(|line| line.starts_with('#'));
            let mut anchors = headings.map(|line| {
                let title = line
                    .trim_start_matches('#')
                    .trim()
                    .to_lowercase()
                    .replace(' ', "-");
                title.replace(|c: char| !(c.is_alphanumeric() || c == '-' || c == '_'), "")
            });
            assert!(
                anchor.is_empty() || anchors.any(|a| a == anchor),
                "{from}: {link}"
            );
        }
    }
}
