//! Results on stdout, everything else on stderr; files appear whole, where `--json` and its like say.

mod support;

use std::io::Read;
use std::process::Stdio;
use support::{Scratch, finish, read_json};

#[test]
fn json_goes_where_it_is_sent() {
    let scratch = Scratch::new();
    let human = scratch.ok("info $RUN").stdout;
    let json = scratch.ok("info $RUN --json").stdout;
    assert!(serde_json::from_str::<serde_json::Value>(&human).is_err());
    for spelling in [
        "--json info $RUN",
        "info --json $RUN",
        "info $RUN --json -",
        "info $RUN --json=-",
    ] {
        assert_eq!(scratch.ok(spelling).stdout, json, "{spelling}");
    }
    for (spelling, file) in [
        ("info $RUN --json a.json", "a.json"),
        ("info --json b.JSON $RUN", "b.JSON"),
        ("info $RUN --json=odd.name", "odd.name"),
    ] {
        assert_eq!(scratch.ok(spelling).stdout, human, "{spelling}");
        assert_eq!(scratch.read(file), json, "{spelling}");
    }
    assert_eq!(scratch.listing().len(), 3, "and nowhere else");
}

#[test]
fn a_file_is_replaced_as_a_whole() {
    let scratch = Scratch::new();
    scratch.write("a.json", "x".repeat(100_000));
    scratch.ok("info $RUN --json a.json");
    assert_eq!(read_json(&scratch.path("a.json"))["d_sae"], 1024);
    // A call that fails leaves what was there.
    scratch.write("a.json", "old");
    scratch.fails(
        1,
        "info nowhere --json a.json",
        &["nowhere: no such folder"],
    );
    assert_eq!(scratch.read("a.json"), "old");
}

#[cfg(unix)]
#[test]
fn a_new_file_is_like_any_other() {
    use std::os::unix::fs::PermissionsExt;
    let scratch = Scratch::new();
    scratch.write("plain", "");
    scratch.ok("tokenize --tokenizer $MODEL --dataset $TEXT --context-size 16 --sequences 2 --out t.safetensors");
    scratch.ok("activations --model $MODEL --tokens t.safetensors --loss --out a.safetensors --json r.json");
    let mode = |name: &str| scratch.path(name).metadata().unwrap().permissions().mode();
    for name in ["t.safetensors", "a.safetensors", "r.json"] {
        assert_eq!(mode(name), mode("plain"), "{name}");
    }
}

#[cfg(unix)]
#[test]
fn devices_and_pipes_are_written_into_not_replaced() {
    let scratch = Scratch::new();
    scratch.ok("info $RUN --json=/dev/null");
    let null = std::fs::metadata("/dev/null").unwrap();
    assert!(!null.is_file(), "it is still a device");
    let pipe = scratch.path("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    let reader = std::thread::spawn({
        let pipe = pipe.clone();
        move || std::fs::read_to_string(pipe).unwrap()
    });
    scratch.ok("info $RUN --json=pipe");
    assert!(reader.join().unwrap().contains("\"d_sae\": 1024"));
    scratch.fails(
        1,
        "tokenize --tokenizer $MODEL --dataset $TEXT --context-size 16 --out pipe",
        &["pipe: is a device or a pipe"],
    );
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let scratch = Scratch::new();
    let mut command =
        scratch.command("eval --sae $RUN --model $MODEL --dataset $TEXT --sequences 1 --json");
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let mut stderr = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut stderr)
        .unwrap();
    assert!(child.wait().unwrap().success(), "{stderr}");
    assert_eq!(stderr, "");
}

#[test]
fn logs_go_to_stderr_and_are_asked_for() {
    let scratch = Scratch::new();
    let prompt = "prompt In --answer the --model $MODEL --json";
    let quiet = scratch.ok(prompt).stdout;
    let said = scratch.sae(&format!("{prompt} -vv"));
    assert_eq!(said.stdout, quiet);
    assert!(said.stderr.contains("DEBUG"), "{}", said.stderr);
    let mut by_variable = scratch.command(prompt);
    let said = finish(by_variable.env("SAE_LOG", "debug"));
    assert!(said.stderr.contains("DEBUG"), "{}", said.stderr);
}

#[test]
fn exit_codes_tell_failure_from_misuse() {
    let scratch = Scratch::new();
    assert_eq!(scratch.sae("--version").code, 0);
    assert_eq!(scratch.sae("--help").code, 0);
    assert_eq!(scratch.sae("info $RUN").code, 0);
    assert_eq!(scratch.sae("info nowhere").code, 1);
    assert_eq!(scratch.sae("").code, 2);
    assert_eq!(scratch.sae("info").code, 2);
    assert_eq!(
        scratch.sae("eval --sae $RUN --dataset a --tokens b").code,
        2
    );
}
