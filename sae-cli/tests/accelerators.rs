//! Every accelerator of this machine that this build can use computes what the CPU does: activations, logits, losses, SAEs, and every figure of
//! an evaluation.
//!
//! Where there is none, or where the program refuses one because it computes wrongly, the tests say so on stderr and pass. They name the kinds, so
//! that they cannot pass in silence.

#![allow(clippy::unwrap_used)] // clippy sees only the #[test] functions as tests, not the functions they share

mod support;

use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use support::tensors::{Numbers, read};
use support::{Scratch, finish, read_json};

/// A device to try, and how far from the CPU it may be, as a share of the largest number.
struct Tried {
    name: String,
    tolerance: f64,
}

/// Says it although the test passes: the harness keeps what is printed by macros only.
fn say(text: &str) {
    std::io::stderr()
        .write_all(format!("{text}\n").as_bytes())
        .unwrap();
}

/// The accelerators that answer a prompt; the others are named, with the reason.
fn devices(test: &str) -> Vec<Tried> {
    let scratch = Scratch::new();
    let listed = scratch.json("devices");
    let listed = listed.as_array().unwrap();
    let mut found = Vec::new();
    for device in listed.iter().filter(|device| device["kind"] != "cpu") {
        let text = |key: &str| device[key].as_str().unwrap_or_default();
        let kind = text("kind");
        if device["available"] == false {
            say(&format!("{test}: not on {kind}: {}", text("reason")));
            continue;
        }
        let name = format!("{kind}:{}", device["index"]);
        let probe = format!("prompt In --answer the --model $MODEL --device {name} --dtype f32");
        let output = scratch.command(&probe).output().unwrap();
        if output.status.success() {
            // CUDA's tensor cores round what they multiply to TF32.
            let tolerance = if kind == "cuda" { 5e-3 } else { 1e-4 };
            found.push(Tried { name, tolerance });
            continue;
        }
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let refused = said.contains("computes wrongly") || said.contains("cannot be used");
        assert!(
            refused || device["software"] == true,
            "{name} ({}) fails: {}\n{said}",
            text("name"),
            output.status
        );
        let reason = said.lines().last().unwrap_or("it crashes");
        let status = output.status;
        say(&format!(
            "{test}: not on {name} ({}): {status}, {reason}",
            text("name")
        ));
    }
    found
}

/// The command on a device, in f32; its warnings do not matter here.
fn run(scratch: &Scratch, line: &str, device: &str) -> String {
    let line = format!("{line} --device {device} --dtype f32");
    let outcome = finish(&mut scratch.command(&line));
    assert_eq!(outcome.code, 0, "sae {line}\n{outcome:#?}");
    outcome.stdout
}

/// What is too far from the CPU's, a line each.
fn differences(
    here: &BTreeMap<String, Numbers>,
    cpu: &BTreeMap<String, Numbers>,
    (what, tried): (&str, &Tried),
    wrong: &mut String,
) {
    assert!(!cpu.is_empty() && here.keys().eq(cpu.keys()), "{what}");
    for (name, cpu) in cpu {
        let here = &here[name];
        assert_eq!(here.shape, cpu.shape, "{what} {name}");
        let largest = cpu.values.iter().filter(|x| x.is_finite());
        let largest = largest.fold(f64::MIN_POSITIVE, |most, x| most.max(x.abs()));
        let pairs = here.values.iter().zip(&cpu.values);
        let apart = pairs.map(|(a, b)| {
            // Infinities are equal; their difference is no number.
            if a.total_cmp(b).is_eq() {
                0.0
            } else {
                (a - b).abs()
            }
        });
        let limit = tried.tolerance * largest;
        let far = apart.filter(|d| *d > limit || d.is_nan()).count();
        if far > 0 {
            let n = cpu.values.len();
            let device = &tried.name;
            writeln!(wrong, "{device}: {what}: {far} of {n} numbers of {name}").unwrap();
        }
    }
}

#[test]
fn activations_and_losses_are_those_of_the_cpu() {
    let scratch = Scratch::new();
    scratch.ok(
        "tokenize --tokenizer $MODEL --dataset $TEXT --context-size 48 --sequences 3 --out t.st",
    );
    let hooks = "blocks.0.hook_resid_pre blocks.1.attn.hook_rot_q blocks.1.attn.hook_pattern blocks.2.hook_mlp_out blocks.3.hook_resid_post";
    let line =
        format!("activations --model $MODEL --tokens t.st --logits --loss --hook {hooks} --out");
    run(&scratch, &format!("{line} cpu.st"), "cpu");
    let cpu = read(&scratch.path("cpu.st"));
    let mut wrong = String::new();
    for tried in devices("activations") {
        run(&scratch, &format!("{line} here.st"), &tried.name);
        let here = read(&scratch.path("here.st"));
        differences(&here, &cpu, ("the demo's model", &tried), &mut wrong);
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// The runs that SAELens' goldens are of, one of each architecture and option.
fn saes() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/goldens/data/sae");
    let entries = std::fs::read_dir(folder.canonicalize().unwrap()).unwrap();
    let mut found: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    found.sort();
    assert!(found.len() > 30, "{found:?}");
    found
}

#[test]
fn every_sae_is_that_of_the_cpu() {
    let scratch = Scratch::new();
    let tried = devices("SAEs");
    let mut wrong = String::new();
    for sae in saes() {
        let input = sae.join("expected.safetensors");
        let name = sae.file_name().unwrap().to_string_lossy().into_owned();
        let line = format!(
            "encode --sae {} --input {} --key x --out",
            sae.display(),
            input.display()
        );
        run(&scratch, &format!("{line} cpu.st"), "cpu");
        let decoded = |file: &str| {
            let mut tensors = read(&scratch.path(file));
            tensors.retain(|name, _| name == "decoded");
            tensors
        };
        let cpu = decoded("cpu.st");
        for tried in &tried {
            run(&scratch, &format!("{line} here.st"), &tried.name);
            differences(&decoded("here.st"), &cpu, (&name, tried), &mut wrong);
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

fn figures(file: &Path) -> BTreeMap<String, Numbers> {
    let result = read_json(file);
    let groups = result["metrics"].as_object().unwrap().iter();
    let all = groups.flat_map(|(group, figures)| {
        let figures = figures.as_object().unwrap().iter();
        figures.map(move |(name, value)| (format!("{group}.{name}"), value))
    });
    let numbers = all.filter_map(|(name, value): (String, &Value)| {
        let value = value.as_f64()? as f32;
        Some((name, Numbers::f32(&[1], [value])))
    });
    numbers.collect()
}

#[test]
fn every_figure_of_an_evaluation_is_that_of_the_cpu() {
    let scratch = Scratch::new();
    let line = "eval --sae $RUN --model $MODEL --dataset $TEXT --sequences 4";
    run(&scratch, &format!("{line} --json cpu.json"), "cpu");
    let cpu = figures(&scratch.path("cpu.json"));
    let mut wrong = String::new();
    for mut tried in devices("eval") {
        // Figures are ratios and differences of sums: what one number is off by, they are off by several times.
        tried.tolerance *= 10.0;
        run(&scratch, &format!("{line} --json here.json"), &tried.name);
        let here = figures(&scratch.path("here.json"));
        differences(&here, &cpu, ("an evaluation", &tried), &mut wrong);
    }
    assert!(wrong.is_empty(), "{wrong}");
}
