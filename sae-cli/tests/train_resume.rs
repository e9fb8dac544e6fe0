//! `sae train --resume`: a run that is killed goes on to the very same result, and one of other settings is refused.
#![cfg(unix)]
#![allow(clippy::unwrap_used)] // clippy sees only the #[test] functions as tests, not the functions they share

mod support;

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;
use support::Scratch;
use support::training::{
    CALL, assert_same, contents, latest, start, wait_for_checkpoint, with_tokens,
};

/// xorshift: tests are the same each time, as far as clocks allow.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n
    }
}

/// Kills a call again and again, half of the time anywhere, and half just after it has come further, until it is done; and all of it anew
/// until there were enough kills, as a fast machine gives less time for them.
fn killed_and_resumed(line: &str, runs: &[&str], kills: u32) {
    let scratch = with_tokens();
    scratch.sae(&format!("{line} --out whole"));
    let (mut killed, mut resumed, mut dice) = (0, 0, Dice(line.len() as u64));
    let mut round = 0;
    while killed < kills || resumed < kills / 2 {
        let out = format!("out{round}");
        round += 1;
        assert!(round < 40, "{killed} kills, {resumed} resumed");
        let (more, again) = until_done(&scratch, line, &out, runs, &mut dice);
        (killed, resumed) = (killed + more, resumed + again);
        compare(&scratch, &out, runs);
    }
}

/// How often a call was killed and resumed until it was done.
fn until_done(
    scratch: &Scratch,
    line: &str,
    out: &str,
    runs: &[&str],
    dice: &mut Dice,
) -> (u32, u32) {
    let line = format!("{line} --checkpoint-every 64 --resume --out {out}");
    let out = scratch.path(out);
    let done = |run: &&str| out.join(run).join("final_sae/cfg.json").exists();
    let (mut killed, mut resumed) = (0, 0);
    while !runs.iter().all(done) {
        let before = latest(&out);
        resumed += u32::from(before.is_some());
        let mut child = start(scratch, &line);
        if killed % 2 == 0 {
            sleep(Duration::from_millis(dice.below(300)));
        } else if wait_for_checkpoint(&mut child, &out, before) {
            sleep(Duration::from_micros(dice.below(20_000)));
        }
        if child.try_wait().unwrap().is_none() {
            killed += 1;
        }
        child.kill().ok();
        let ended = child.wait_with_output().unwrap();
        let said = String::from_utf8(ended.stderr).unwrap();
        assert!(
            !said.contains("error") && !said.contains("panicked"),
            "{said}"
        );
    }
    (killed, resumed)
}

/// The folder of a run that was interrupted is that of one that was not.
fn compare(scratch: &Scratch, out: &str, runs: &[&str]) {
    let page = scratch.read(&format!("{out}/training.html"));
    let out = scratch.path(out);
    for run in runs {
        assert_same(&scratch.path("whole").join(run), &out.join(run));
    }
    let whole: Vec<PathBuf> = contents(&scratch.path("whole")).into_keys().collect();
    let mut left = contents(&out);
    // Held by a process that is no more.
    left.remove(&PathBuf::from(".lock"));
    let left: Vec<PathBuf> = left
        .into_keys()
        .filter(|path| !path.to_str().unwrap().contains("/.sae-"))
        .collect();
    assert_eq!(left, whole);
    assert!(!page.contains("\"running\":true"));
}

#[test]
fn a_run_over_several_passes() {
    // With everything that has a state.
    let more = "--training-tokens 6400 --normalize-activations expected_average_only_in --n-batches-for-norm-estimate 3 \
        --ema-decay 0.99 --resample-dead-every 7 --dead-feature-window 3 --feature-sampling-window 9 --eval-every 20 \
        --lr-scheduler-name cosineannealing --lr-warm-up-steps 10";
    killed_and_resumed(&format!("{CALL} {more}"), &[""], 20);
}

#[test]
fn several_runs_side_by_side() {
    let more = "--hook blocks.2.hook_resid_pre --architecture batchtopk --k 4 --sweep lr=1e-3,2e-3 --training-tokens 3840 \
        --aux-loss-coefficient 0.1 --dead-feature-window 3 --eval-every 20";
    let runs = [
        "blocks.1.hook_resid_pre,lr=1e-3",
        "blocks.1.hook_resid_pre,lr=2e-3",
        "blocks.2.hook_resid_pre,lr=1e-3",
        "blocks.2.hook_resid_pre,lr=2e-3",
    ];
    killed_and_resumed(&format!("{CALL} {more}"), &runs, 15);
}

#[test]
fn text_that_is_tokenised_on_the_way() {
    let call = CALL.replace("--tokens t.st", "--dataset $TEXT --context-size 32");
    let more = "--architecture jumprelu --training-tokens 3840 --eval-every 10";
    killed_and_resumed(&format!("{call} {more}"), &[""], 15);
}

#[test]
fn a_call_that_was_killed_between_its_last_files_goes_on() {
    let scratch = with_tokens();
    let line = format!("{CALL} --training-tokens 640 --sweep lr=1e-3,2e-3 --out out");
    scratch.trains(&line);
    let before = contents(&scratch.path("out"));
    let second = scratch.path("out/lr=2e-3");
    fs::remove_dir_all(second.join("final_sae")).unwrap();
    fs::remove_file(second.join("sparsity.safetensors")).unwrap();
    // The evaluation was the last line.
    let log = fs::read_to_string(second.join("metrics.jsonl")).unwrap();
    let (cut, _) = log.trim_end().rsplit_once('\n').unwrap();
    fs::write(
        second.join("metrics.jsonl"),
        format!("{cut}\n{{\"step\": 9, \"det"),
    )
    .unwrap();
    scratch.trains(&format!("{line} --resume"));
    for (path, bytes) in contents(&scratch.path("out")) {
        let same = bytes == before[&path] || path.ends_with("training.html");
        assert!(same, "{}", path.display());
    }
}

#[test]
fn ctrl_c_leaves_a_checkpoint() {
    let scratch = with_tokens();
    let line = format!("{CALL} --training-tokens 64000 --checkpoint-every 640 --out");
    scratch.sae(&format!("{line} whole"));
    let mut child = start(&scratch, &format!("{line} out"));
    let out = scratch.path("out");
    assert!(wait_for_checkpoint(&mut child, &out, None));
    let told = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status();
    assert!(told.unwrap().success());
    let ended = child.wait_with_output().unwrap();
    let said = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(130), "{said}");
    assert_eq!(
        said.lines().last().unwrap(),
        "interrupted: a checkpoint was written; give the same call with --resume to go on"
    );
    let tokens = latest(&out).unwrap();
    let last = support::training::log(&out);
    let last = last.last().unwrap()["details/n_training_samples"].as_u64();
    assert!(last.unwrap().abs_diff(tokens) <= 64, "{last:?}, {tokens}");
    assert!(!out.join("final_sae").exists() && !out.join(".lock").exists());
    scratch.sae(&format!("{line} out --resume"));
    assert_same(&scratch.path("whole"), &out);
}

/// Batches of which norms are estimated are not trained on, and there may be many.
#[test]
fn ctrl_c_is_heard_before_the_first_step() {
    let scratch = with_tokens();
    let norms = "--normalize-activations expected_average_only_in --n-batches-for-norm-estimate";
    let line = format!("{CALL} --training-tokens 640 --out out");
    let child = start(&scratch, &format!("{line} {norms} 100000000"));
    while !scratch.path("out/metrics.jsonl").exists() {
        sleep(Duration::from_millis(2));
    }
    sleep(Duration::from_millis(50));
    let told = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status();
    assert!(told.unwrap().success());
    let ended = child.wait_with_output().unwrap();
    let said = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(130), "{said}");
    assert_eq!(
        said,
        "interrupted: there is no checkpoint; the same call with --resume begins again\n"
    );
    assert_eq!(latest(&scratch.path("out")), None);
    // From the beginning, and with anything else.
    scratch.trains(&format!("{line} {norms} 3 --resume"));
    scratch.trains(&format!("{line} {norms} 3").replace("--out out", "--out whole"));
    assert_same(&scratch.path("whole"), &scratch.path("out"));
}

/// A run whose last checkpoint is there, and nothing after it.
fn unfinished() -> Scratch {
    let scratch = with_tokens();
    scratch.copy_demo("model");
    scratch.trains(&format!("{CALL} --training-tokens 640 --out run"));
    fs::remove_dir_all(scratch.path("run/final_sae")).unwrap();
    scratch
}

#[test]
fn other_settings_are_refused() {
    let scratch = unfinished();
    let before = contents(&scratch.path("run"));
    let line = format!("{CALL} --training-tokens 640 --resume --out run");
    for (more, difference) in [
        ("--lr 0.001", "settings.sae.lr (0.0003, now 0.001)"),
        (
            "--architecture gated",
            "settings.sae.architecture (\"standard\", now \"gated\")",
        ),
        (
            "--l1-coefficient 2",
            "settings.sae.l1_coefficient (1.0, now 2.0)",
        ),
        ("--adam-beta1 0", "settings.sae.adam_beta1 (0.9, now 0.0)"),
        ("--seed 1", "settings.sae.seed (42, now 1)"),
        (
            "--activations-mixing-fraction 0",
            "activations_mixing_fraction (0.5, now 0.0)",
        ),
        ("--seqpos-slice [1,-1]", "settings.sae.seqpos_slice"),
        (
            "--exclude-special-tokens",
            "settings.sae.exclude_special_tokens",
        ),
        ("--hook blocks.2.hook_resid_pre", "settings."),
        ("--sweep l1_coefficient=1,2", "settings."),
    ] {
        let said = [
            "--resume: run/checkpoints/640 was begun with another",
            difference,
            "--out",
        ];
        scratch.fails(1, &format!("{line} {more}"), &said);
    }
    for (from, to, difference) in [
        (
            "--training-tokens 640",
            "--training-tokens 1280",
            "training_tokens (640, now 1280)",
        ),
        (
            "--d-sae 64",
            "--d-sae 32",
            "settings.sae.d_sae (64, now 32)",
        ),
        (
            "--store-batch-size-prompts 5",
            "--store-batch-size-prompts 3",
            "store_batch_size_prompts (5, now 3)",
        ),
        (
            "--buffer-tokens 256",
            "--buffer-tokens 512",
            "buffer_tokens (256, now 512)",
        ),
        (
            "--eval-sequences 2",
            "--eval-sequences 3",
            "data.rows (58, now 57)",
        ),
        (
            "blocks.1.hook_resid_pre",
            "blocks.1.hook_resid_post",
            "settings.sae.hook_name",
        ),
        (
            "--train-batch-size-tokens 64",
            "--train-batch-size-tokens 32",
            "train_batch_size_tokens (64, now 32)",
        ),
    ] {
        scratch.fails(
            1,
            &line.replace(from, to),
            &["begun with another", difference],
        );
    }
    assert!(
        contents(&scratch.path("run")) == before,
        "nothing was changed"
    );

    // What has another name is the same, what has another content is not.
    let model = scratch.path("model/model.safetensors");
    let weights = fs::read(&model).unwrap();
    let mut other = weights.clone();
    *other.last_mut().unwrap() ^= 1;
    fs::write(&model, other).unwrap();
    let of_model = line.replace("$MODEL", "model");
    scratch.fails(1, &of_model, &["model_weights (their content has changed)"]);
    fs::write(&model, weights).unwrap();
    scratch.ok("tokenize --tokenizer $MODEL --dataset $TEXT --shuffle 1 --context-size 32 --sequences 60 --out u.st");
    let of_tokens = of_model.replace("t.st", "u.st");
    scratch.fails(1, &of_tokens, &["data.tokens (their content has changed)"]);
    fs::rename(scratch.path("t.st"), scratch.path("moved.st")).unwrap();
    scratch.sae(&of_model.replace("t.st", "moved.st"));
    assert!(scratch.path("run/final_sae/cfg.json").exists());
}

#[test]
fn what_changes_no_weight_may_be_changed() {
    let scratch = unfinished();
    let line = format!("{CALL} --training-tokens 640 --resume --out run");
    let line = line.replace("--wandb-log-frequency 2", "--wandb-log-frequency 5");
    scratch.trains(&format!(
        "{line} --eval-every 3 --checkpoint-every 128 --keep-checkpoints 2 --epochs 9 --threads 1"
    ));
    assert!(scratch.path("run/final_sae/cfg.json").exists());
    scratch.fails(1, &line, &["run is finished; nothing is left to do"]);
}

#[test]
fn other_text_is_refused() {
    let scratch = Scratch::new();
    let call = CALL.replace("--tokens t.st", "--dataset $TEXT --context-size 32");
    scratch.trains(&format!("{call} --training-tokens 640 --out run"));
    fs::remove_dir_all(scratch.path("run/final_sae")).unwrap();
    let line = format!("{call} --training-tokens 640 --resume --out run");
    for more in ["--packing notebook", "--shuffle 1"] {
        scratch.fails(
            1,
            &format!("{line} {more}"),
            &["--out run: holds rows of other text or settings"],
        );
    }
    scratch.fails(
        1,
        &line.replace("--context-size 32", "--context-size 16"),
        &["--out run: holds rows of other text or settings"],
    );
    scratch.trains(&line);
}
