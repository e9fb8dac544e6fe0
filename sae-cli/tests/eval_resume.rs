//! `sae eval --resume` resumes after it was killed, to the very figures that it would have found.

#![allow(clippy::unwrap_used)] // clippy sees only the #[test] functions as tests, not the functions they share

mod support;

use serde_json::Value;
use std::fs;
use std::process::Stdio;
use std::thread::sleep;
use std::time::Duration;
use support::Scratch;

const CALL: &str = "eval --sae $RUN --model $MODEL --batch-size 3 --sequences 200";

/// Everything measured: all but how long it took, the memory there happened to be, and how much this run of the program had to do.
fn figures(json: &Value) -> Value {
    let mut figures = json.clone();
    let all = figures.as_object_mut().unwrap();
    all.remove("timings");
    all.remove("plan");
    match all.get_mut("saes") {
        Some(saes) => {
            let saes = saes.as_array_mut().unwrap();
            for of in saes {
                *of = figures_of_one(of);
            }
        }
        None => figures = figures_of_one(&figures),
    }
    figures
}

fn figures_of_one(json: &Value) -> Value {
    let mut figures = json.clone();
    figures.as_object_mut().unwrap().remove("timings");
    figures["eval_cfg"].as_object_mut().unwrap().remove("plan");
    figures
}

fn killed_and_resumed(data: &str) {
    let scratch = Scratch::new();
    scratch.sae("tokenize --tokenizer $MODEL --dataset $TEXT --context-size 32 --sequences 300 --out tokens.st");
    let whole = to_the_end(&scratch, data);

    // Without a state the sums are the same; only what cannot be kept in one is there in addition.
    let plain = scratch.sae(&format!("{CALL} {data} --json")).json();
    let mut plain = figures(&plain);
    let legacy = &mut plain["metrics"]["reconstruction_quality"]["explained_variance_legacy"];
    assert!(legacy.is_number());
    *legacy = Value::Null;
    assert_eq!(plain["metrics"], whole["metrics"]);
    assert_eq!(plain["feature_metrics"], whole["feature_metrics"]);
}

/// Kills it again and again, until it has come to the end; the figures, which are those of a run that was left alone.
fn to_the_end(scratch: &Scratch, data: &str) -> Value {
    let line = format!("{CALL} {data} --resume eval.state --checkpoint-every 10 --json out.json");
    let whole = scratch.sae(&line);
    assert_eq!(whole.code, 0, "{}", whole.stderr);
    let read = || -> Value {
        let text = fs::read_to_string(scratch.path("out.json")).unwrap();
        figures(&serde_json::from_str(&text).unwrap())
    };
    let whole = read();
    assert!(!scratch.path("eval.state").exists());
    fs::remove_file(scratch.path("out.json")).unwrap();

    let (mut kills, mut gone_on, mut wait) = (0, 0, 5);
    while !scratch.path("out.json").exists() {
        let mut child = scratch
            .command(&line)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // Each run lives until it has written a state of its own, and a little more.
        let before = fs::read(scratch.path("eval.state")).unwrap_or_default();
        gone_on += usize::from(!before.is_empty());
        while child.try_wait().unwrap().is_none() {
            let now = fs::read(scratch.path("eval.state")).unwrap_or_default();
            if now != before {
                sleep(Duration::from_millis(wait % 40));
                wait += 7;
                child.kill().unwrap();
                kills += 1;
                break;
            }
        }
        child.wait().unwrap();
    }
    assert!(
        kills >= 5 && gone_on >= 5,
        "{kills} kills, {gone_on} of them gone on from"
    );
    assert_eq!(read(), whole);
    // The output comes before the state goes; a kill in between leaves a state to clear away.
    scratch.sae(&line);
    assert_eq!(read(), whole);
    assert!(!scratch.path("eval.state").exists());
    whole
}

/// A copy of the demo's run at another hook.
fn copy_at(scratch: &Scratch, hook: &str, name: &str) {
    scratch.copy_demo("run");
    let cfg = "run/final_sae/cfg.json";
    scratch.edit(cfg, "blocks.2.hook_resid_pre", hook);
    fs::rename(scratch.path("run"), scratch.path(name)).unwrap();
}

#[test]
fn several_at_once_go_on() {
    let scratch = Scratch::new();
    copy_at(&scratch, "blocks.1.hook_resid_pre", "l1");
    copy_at(&scratch, "blocks.3.hook_mlp_out", "mlp");
    for more in ["--together", "--reconstruction-sequences 40"] {
        let data = format!("--sae l1 --sae mlp --context-size 32 --dataset $TEXT {more}");
        let whole = to_the_end(&scratch, &data);
        assert_eq!(whole["saes"].as_array().unwrap().len(), 3);
        assert_eq!(whole.get("together").is_some(), more == "--together");
    }
}

/// One group after the other goes over all of the rows: a kill may come in the midst of any.
#[test]
fn several_in_groups_go_on() {
    let scratch = Scratch::new();
    copy_at(&scratch, "blocks.1.hook_resid_pre", "l1");
    let data = "--sae l1 --context-size 32 --dataset $TEXT --shuffle 3 --sae-at-once 1";
    let whole = to_the_end(&scratch, data);
    let at_once = data.replace(" --sae-at-once 1", "");
    let alone = to_the_end(&scratch, &at_once);
    assert_eq!(whole["saes"], alone["saes"]);
}

#[test]
fn text_goes_on() {
    killed_and_resumed("--context-size 32 --dataset $TEXT");
}

#[test]
fn shuffled_text_of_one_worker_goes_on() {
    killed_and_resumed(
        "--context-size 32 --dataset $TEXT --shuffle 3 --shuffle-window 20 --shard 0/2",
    );
}

#[test]
fn a_file_of_tokens_goes_on() {
    killed_and_resumed("--tokens tokens.st");
}

#[test]
fn what_does_not_go_together_is_refused() {
    let scratch = Scratch::new();
    let line = format!(
        "{CALL} --context-size 32 --dataset $TEXT --resume eval.state --checkpoint-every 3"
    );
    scratch.write("eval.state", "nonsense");
    scratch.fails(1, &line, &["eval.state", "give another name"]);
    fs::remove_file(scratch.path("eval.state")).unwrap();
    let mut child = scratch
        .command(&line)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    while child.try_wait().unwrap().is_none() && !scratch.path("eval.state").exists() {}
    child.kill().ok();
    child.wait().unwrap();
    assert!(scratch.path("eval.state").exists());
    scratch.fails(
        1,
        &line.replace("--context-size 32", "--context-size 33"),
        &["eval.state", "other settings", "start again"],
    );
    scratch.fails(
        1,
        &format!("{line} --keep-all-tokens"),
        &[
            "eval.state",
            "another eval_cfg.convention",
            "remove it to start again",
        ],
    );
    scratch.fails(
        1,
        &line.replace("--batch-size 3", "--batch-size 4"),
        &["another eval_cfg.batch_size (3, now 4)"],
    );
    scratch.fails(
        2,
        &format!("{CALL} --context-size 32 --dataset $TEXT --checkpoint-every 5"),
        &["--resume"],
    );
    scratch.fails(
        2,
        &format!("{line} --on-bad-row quarantine=q.jsonl"),
        &["set aside", "--on-bad-row skip"],
    );
}

const THREE: &str =
    "eval --sae l{layer} --layers 1..4 --model $MODEL --batch-size 3 --sequences 100";

#[test]
fn states_of_other_saes_are_refused() {
    let scratch = Scratch::new();
    for layer in 1..4 {
        copy_at(
            &scratch,
            &format!("blocks.{layer}.hook_resid_pre"),
            &format!("l{layer}"),
        );
    }
    let data = "--context-size 32 --dataset $TEXT --resume eval.state --checkpoint-every 3";
    let begin = |call: &str| {
        fs::remove_file(scratch.path("eval.state")).ok();
        let mut child = scratch
            .command(&format!("{call} {data}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        while child.try_wait().unwrap().is_none() && !scratch.path("eval.state").exists() {}
        child.kill().ok();
        child.wait().unwrap();
        assert!(scratch.path("eval.state").exists());
    };
    let refused = |call: &str, said: &str| {
        scratch.fails(1, &format!("{call} {data}"), &["eval.state", said]);
    };
    let two = THREE.replace("1..4", "1..3");
    begin(THREE);
    refused(&two, "another count of SAEs (3, now 2)");
    refused(
        &THREE.replace("--layers 1..4", "--layers 2,1,3"),
        "another SAE 1.sae_cfg",
    );
    refused(&format!("{THREE} --together"), "another together");
    refused(&format!("{THREE} --sae-at-once 2"), "another sae_at_once");
    begin(&format!("{THREE} --sae-at-once 2"));
    refused(
        &format!("{THREE} --sae-at-once 2").replace("--sequences 100", "--sequences 99"),
        "another rows (100, now 99)",
    );
    begin("eval --sae l1 --model $MODEL --batch-size 3");
    refused(&two, "another count of SAEs (1, now 2)");
}

/// The same names, and other content.
#[test]
fn what_has_changed_since_is_refused() {
    let scratch = Scratch::new();
    scratch.copy_demo("run");
    let tokenize =
        "tokenize --tokenizer $MODEL --dataset $TEXT --context-size 32 --sequences 400 --out t.st";
    scratch.ok(tokenize);
    let line = "eval --model $MODEL --sae run --batch-size 3 --tokens t.st --resume eval.state --checkpoint-every 3";
    let mut child = scratch
        .command(line)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    while child.try_wait().unwrap().is_none() && !scratch.path("eval.state").exists() {}
    child.kill().ok();
    child.wait().unwrap();
    assert!(scratch.path("eval.state").exists());

    let weights = scratch.path("run/final_sae/sae_weights.safetensors");
    let before = fs::read(&weights).unwrap();
    let mut after = before.clone();
    *after.last_mut().unwrap() ^= 1;
    fs::write(&weights, after).unwrap();
    scratch.fails(
        1,
        line,
        &["another sae_weights (their content has changed)"],
    );
    fs::write(&weights, before).unwrap();

    fs::copy(scratch.path("t.st"), scratch.path("moved.st")).unwrap();
    scratch.ok(&tokenize
        .replace("t.st", "u.st")
        .replace("--sequences", "--shuffle 1 --sequences"));
    fs::copy(scratch.path("u.st"), scratch.path("t.st")).unwrap();
    scratch.fails(1, line, &["another tokens (their content has changed)"]);
    // Under another name they are the same.
    scratch.ok(&line.replace("t.st", "moved.st"));
}
