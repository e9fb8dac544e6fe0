//! `sae train` where something is wrong: the message says what, and nothing that was good is lost.
#![cfg(unix)]
#![allow(clippy::unwrap_used)] // clippy sees only the #[test] functions as tests, not the functions they share

mod support;

use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use std::fs;
use std::path::Path;
use std::process::Command;
use support::training::{
    CALL, assert_same, contents, latest, log, start, wait_for_checkpoint, with_tokens,
};
use support::{Scratch, finish};

/// Of two checkpoints, both are kept.
const KEEPING: &str = "--training-tokens 640 --checkpoint-every 320 --keep-checkpoints 2";

/// A run that has both checkpoints and is not finished, and `whole`, which is.
fn unfinished() -> Scratch {
    let scratch = with_tokens();
    scratch.trains(&format!("{CALL} {KEEPING} --out whole"));
    scratch.trains(&format!("{CALL} {KEEPING} --out run"));
    fs::remove_dir_all(scratch.path("run/final_sae")).unwrap();
    scratch
}

/// Rewrites a file of tensors with each in another shape.
fn reshape(path: &Path) {
    let bytes = fs::read(path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let views = file.tensors().into_iter().map(|(name, view)| {
        let n = view.data().len() / 8;
        let dtype = if view.dtype() == Dtype::U64 {
            Dtype::F64
        } else {
            view.dtype()
        };
        let len = if dtype == Dtype::F64 { n } else { 2 * n };
        (
            name,
            TensorView::new(dtype, vec![len, 1], view.data()).unwrap(),
        )
    });
    fs::write(path, safetensors::serialize(views, None).unwrap()).unwrap();
}

#[test]
fn a_damaged_checkpoint_is_named_and_the_advice_helps() {
    let scratch = unfinished();
    let line = format!("{CALL} {KEEPING} --resume --out run");
    let checkpoint = scratch.path("run/checkpoints/640");
    let files = contents(&checkpoint);
    assert_eq!(files.len(), 7);
    for (name, good) in &files {
        let (path, name) = (checkpoint.join(name), name.to_str().unwrap());
        let before = contents(&scratch.path("run"));
        let mut damages: Vec<(&str, Option<Vec<u8>>)> = vec![("is missing", None)];
        for len in [0, good.len() / 2, good.len() - 1] {
            damages.push(("", Some(good[..len].to_vec())));
        }
        for at in [0, good.len() / 3, good.len() - 2] {
            let mut flipped = good.clone();
            flipped[at] ^= 1;
            damages.push(("", Some(flipped)));
        }
        if name.ends_with("safetensors") {
            reshape(&path);
            damages.push((
                "has changed since it was written",
                Some(fs::read(&path).unwrap()),
            ));
        }
        for (problem, bytes) in damages {
            match &bytes {
                Some(bytes) => fs::write(&path, bytes).unwrap(),
                None => fs::remove_file(&path).unwrap(),
            }
            let file = format!("run/checkpoints/640/{name}: ");
            let advice = "remove run/checkpoints/640 to go on from the checkpoint before it";
            scratch.fails(1, &line, &[&file, problem, advice]);
            fs::write(&path, good).unwrap();
            assert!(contents(&scratch.path("run")) == before, "{name}");
        }
    }
    // The one before.
    fs::write(checkpoint.join("session.json"), "{}").unwrap();
    fs::remove_dir_all(&checkpoint).unwrap();
    scratch.trains(&line);
    assert_same(&scratch.path("whole"), &scratch.path("run"));
    // None.
    fs::remove_dir_all(scratch.path("run/final_sae")).unwrap();
    fs::remove_dir_all(scratch.path("run/checkpoints")).unwrap();
    scratch.trains(&line);
    assert_same(&scratch.path("whole"), &scratch.path("run"));
}

/// Whether the checkpoint's own words are checked, not only what they say of others.
#[test]
fn a_changed_digit_in_the_session_is_found() {
    let scratch = unfinished();
    scratch.edit(
        "run/checkpoints/640/session.json",
        "\"epochs\": 0",
        "\"epochs\": 1",
    );
    let line = format!("{CALL} {KEEPING} --resume --out run");
    scratch.fails(
        1,
        &line,
        &["session.json: has changed since it was written"],
    );
}

#[test]
fn a_full_disk_leaves_the_last_checkpoint() {
    let scratch = with_tokens();
    let line = format!("{CALL} --training-tokens 12800 --checkpoint-every 320 --out");
    scratch.sae(&format!("{line} whole"));
    // The first checkpoint, as an interrupted run has left it.
    let mut child = start(&scratch, &format!("{line} begun"));
    assert!(wait_for_checkpoint(
        &mut child,
        &scratch.path("begun"),
        None
    ));
    child.kill().unwrap();
    child.wait().unwrap();
    let tokens = latest(&scratch.path("begun")).unwrap();
    let good = contents(&scratch.path(&format!("begun/checkpoints/{tokens}")));

    // No file may be larger than 16 KiB, whose writers are told so instead of being ended.
    let call = scratch.command(&format!("{line} begun --resume"));
    let mut limited = Command::new("sh");
    limited
        .args(["-c", "trap '' XFSZ; ulimit -f 32; exec \"$0\" \"$@\""])
        .arg(call.get_program())
        .args(call.get_args())
        .current_dir(call.get_current_dir().unwrap());
    let outcome = finish(&mut limited);
    assert_eq!(outcome.code, 1, "{outcome:#?}");
    assert!(outcome.stderr.contains("File too large"), "{outcome:#?}");
    assert!(
        outcome.stderr.contains("begun/checkpoints/"),
        "{outcome:#?}"
    );
    let now = contents(&scratch.path(&format!("begun/checkpoints/{tokens}")));
    assert!(now == good, "the checkpoint has survived");
    let names = contents(&scratch.path("begun")).into_keys();
    let unfinished = names.filter(|name| name.to_str().unwrap().contains(".sae-"));
    assert_eq!(unfinished.count(), 0);
    scratch.sae(&format!("{line} begun --resume"));
    assert_same(&scratch.path("whole"), &scratch.path("begun"));
}

#[test]
fn a_folder_has_one_process_and_one_run() {
    let scratch = with_tokens();
    let line = format!("{CALL} --training-tokens 640000 --checkpoint-every 640 --out run");
    let mut child = start(&scratch, &line);
    assert!(wait_for_checkpoint(&mut child, &scratch.path("run"), None));
    let outcome = scratch.sae(&format!("{line} --resume"));
    assert_eq!(outcome.code, 1);
    assert_eq!(
        outcome.stderr,
        "error: --out run: another process is training there\n"
    );
    let outcome = scratch.sae(&line);
    assert_eq!(outcome.code, 2);
    assert!(
        outcome
            .stderr
            .contains("holds something already; give --resume")
    );
    assert!(child.try_wait().unwrap().is_none(), "it trains on");
    child.kill().unwrap();
    child.wait().unwrap();
    scratch.fails(
        2,
        &line,
        &["--out run: holds something already; give --resume"],
    );
    scratch.write("file", "");
    let line = line.replace("--out run", "--out");
    scratch.fails(1, &format!("{line} file"), &["--out file: is a file"]);
    scratch.fails(1, &format!("{line} no/run"), &["there is no folder no"]);
    scratch.fails(
        2,
        &format!("{line} ."),
        &["--out .: is a file that this call reads"],
    );
}

#[test]
fn data_that_ends() {
    let scratch = with_tokens();
    // 58 rows of 32 tokens.
    let json = scratch.json(&format!(
        "{CALL} --training-tokens 6400 --epochs 1 --out once"
    ));
    let warning = json["warnings"][0].as_str().unwrap();
    assert!(
        warning.contains("the data has ended after 1856 tokens (read once, 0 tokens are less than a batch): the run ends here"),
        "{warning}"
    );
    assert_eq!(json["runs"][0]["tokens"], 1856);
    scratch.ok("info once");
    assert_eq!(log(&scratch.path("once")).last().unwrap()["step"], 28);

    let json = scratch.json(&format!("{CALL} --training-tokens 4480 --out again"));
    let warnings = json["warnings"].as_array().unwrap();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    let warning = warnings[0].as_str().unwrap();
    assert!(
        warning.starts_with("all rows were trained on after ") && warning.contains("read again"),
        "{warning}"
    );
    assert_eq!(json["runs"][0]["tokens"], 4480);
}

#[test]
fn data_that_is_too_little() {
    let scratch = with_tokens();
    let small = CALL.replace(
        "--train-batch-size-tokens 64",
        "--train-batch-size-tokens 2048",
    );
    let line = format!("{small} --training-tokens 4096 --out");
    let said = [
        "does not even give a first step: 1856 tokens are left after it was read once",
        "smaller --train-batch-size-tokens",
    ];
    let fails = |line: &str, said: &[&str]| {
        let outcome = scratch.sae(line);
        assert_eq!(outcome.code, 1, "{outcome:#?}");
        for part in said {
            assert!(outcome.stderr.contains(part), "{part}\n{outcome:#?}");
        }
    };
    fails(&format!("{line} once --epochs 1"), &said);
    assert!(!scratch.path("once/final_sae").exists());
    // Without --epochs a batch has rows of several passes.
    let outcome = scratch.sae(&format!("{line} again"));
    assert_eq!(outcome.code, 0, "{outcome:#?}");
    assert!(outcome.stderr.contains("read again"));
    // No end of reading could help here.
    let all = "--seqpos-slice [40,50]";
    let line = format!("{CALL} --training-tokens 640 --out nothing {all}");
    fails(&line, &["0 tokens are left", "seqpos_slice"]);
    let norms = "--normalize-activations expected_average_only_in --epochs 1";
    let line = format!("{CALL} --training-tokens 640 --out norms {norms}");
    fails(&line, &["does not even give a first step"]);
    let line = format!("{CALL} --training-tokens 640 --out run")
        .replace("--eval-sequences 2", "--eval-sequences 60");
    scratch.fails(1, &line, &["--eval-sequences 60: there are 60 rows"]);
}

#[test]
fn tokens_outside_the_vocabulary() {
    let scratch = with_tokens();
    scratch.copy_demo("model");
    // The model's first half.
    scratch.edit(
        "model/config.json",
        "\"vocab_size\": 2048",
        "\"vocab_size\": 64",
    );
    let path = scratch.path("model/model.safetensors");
    let bytes = fs::read(&path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let views = file.tensors().into_iter().map(|(name, view)| {
        let mut shape = view.shape().to_vec();
        let mut data = view.data();
        if shape[0] == 2048 {
            shape[0] = 64;
            data = &data[..data.len() / 32];
        }
        (name, TensorView::new(view.dtype(), shape, data).unwrap())
    });
    fs::write(&path, safetensors::serialize(views, None).unwrap()).unwrap();
    let line = format!("{CALL} --training-tokens 640 --out run").replace("$MODEL", "model");
    let outcome = scratch.sae(&line.replace("--eval-sequences 2", "--eval-sequences 0"));
    assert_eq!(outcome.code, 1, "{outcome:#?}");
    assert!(
        outcome
            .stderr
            .contains("is outside the model's vocabulary (64)"),
        "{outcome:#?}"
    );
    assert!(!scratch.path("run/final_sae").exists());
}

#[test]
fn a_run_that_diverges() {
    let scratch = with_tokens();
    let line = format!("{CALL} --training-tokens 64000 --lr 1e6 --out run");
    let outcome = scratch.sae(&line);
    assert_eq!(outcome.code, 1, "{outcome:#?}");
    for said in [
        "error: sae: step ",
        "lr (now 1.000e6)",
        "lr_warm_up_steps",
        "normalize_activations",
    ] {
        assert!(outcome.stderr.contains(said), "{said}\n{outcome:#?}");
    }
    assert!(latest(&scratch.path("run")).is_some());
    assert!(!scratch.path("run/final_sae").exists());
    assert!(!scratch.path("run/.lock").exists());
}
