//! SAEs and models by their names on the Hub: the demo, served as repositories, against the demo on disk.

#![allow(clippy::unwrap_used)] // clippy sees only the #[test] functions as tests, not the functions they share

mod served;
mod support;

use served::server::{Reply, Server};
use served::{COMMIT, WEIGHTS, answer, blobs, bodies, json, of_demo, online, run, saes, sha256};
use std::fs;
use support::{Scratch, finish};

#[test]
fn info_is_that_of_the_run_and_needs_no_weights() {
    let (scratch, server) = (Scratch::new(), Server::start(answer));
    let mut here = scratch.json("info $RUN");
    for name in [
        "org/saes:l3",
        "org/saes@main:l3/final_sae",
        "org/saes:flat/",
    ] {
        let mut there = json(&scratch, &server, &format!("info {name}"));
        let path = there["path"].take();
        let path = path.as_str().unwrap();
        assert!(path.contains(&format!("snapshots/{COMMIT}/")), "{path}");
        here["path"].take();
        assert_eq!(there, here, "{name}");
    }
    assert!(bodies(&server, WEIGHTS).is_empty());
    // Known now, and found without asking.
    let asked = server.requests().len();
    let outcome = scratch.ok("info org/saes:l3");
    assert!(outcome.stdout.contains("architecture"));
    assert_eq!(server.requests().len(), asked);
}

#[test]
fn figures_are_those_of_the_files_here() {
    let (scratch, server) = (Scratch::new(), Server::start(answer));
    let prompt =
        |run: &str, model: &str| format!("prompt Hello --answer World --sae {run} --model {model}");
    let here = scratch.json(&prompt("$RUN", "$MODEL"));
    let there = json(&scratch, &server, &prompt("org/saes:l3", "org/tiny"));
    assert_eq!(there, here);

    let eval = |run: &str, model: &str| {
        format!("eval --sae {run} --model {model} --dataset $TEXT --sequences 4 --context-size 32")
    };
    let mut here = scratch.json(&eval("$RUN", "$MODEL"));
    let mut there = json(&scratch, &server, &eval("org/saes:l3", "org/tiny"));
    assert_eq!(there["eval_cfg"]["sae"], "org/saes:l3");
    assert_eq!(there["metrics"].take(), here["metrics"].take());

    // The first command's files serve the second, too.
    assert_eq!(bodies(&server, WEIGHTS), [0]);
    assert_eq!(bodies(&server, "model.safetensors"), [0]);
    let asked = server.requests().len();
    scratch.ok(&prompt("org/saes:l3", "org/tiny"));
    let pinned = prompt(
        &format!("org/saes@{COMMIT}:l3"),
        &format!("org/tiny@{COMMIT}"),
    );
    scratch.ok(&pinned);
    assert_eq!(server.requests().len(), asked, "offline asks nobody");
    json(&scratch, &server, &pinned);
    assert_eq!(server.requests().len(), asked, "a commit is what it was");
}

#[test]
fn a_tokenizer_needs_no_weights() {
    let (scratch, server) = (Scratch::new(), Server::start(answer));
    let rest = "--dataset $TEXT --context-size 64 --sequences 4 --out";
    scratch.ok(&format!("tokenize --tokenizer $MODEL {rest} here.st"));
    json(
        &scratch,
        &server,
        &format!("tokenize --tokenizer org/tiny {rest} there.st"),
    );
    let read = |name: &str| support::tensors::read(&scratch.path(name))["tokens"].clone();
    assert_eq!(read("there.st"), read("here.st"));
    assert!(bodies(&server, "model.safetensors").is_empty());
}

#[test]
fn a_folder_here_comes_first() {
    let (scratch, server) = (Scratch::new(), Server::start(answer));
    scratch.copy_demo("run");
    fs::create_dir(scratch.path("org")).unwrap();
    fs::rename(scratch.path("run"), scratch.path("org/saes")).unwrap();
    let path = json(&scratch, &server, "info org/saes")["path"].take();
    assert_eq!(path, "org/saes/final_sae");
    assert_eq!(server.requests().len(), 0);
}

#[test]
fn errors_name_both_readings() {
    let (scratch, server) = (Scratch::new(), Server::start(answer));
    let cases = [
        ("org/none", "not found (status 404); check the name"),
        (
            "org/saes",
            "has neither cfg.json nor final_sae/cfg.json at its top; folders that have one: flat, l3; give one, as in org/saes:flat",
        ),
        (
            "org/saes:l4",
            "in its folder \"l4\"; folders that have one: flat, l3",
        ),
        ("org/saes@other:l3", "not found (status 404)"),
        ("org/saes:../../l3", "in its folder \"../../l3\""),
    ];
    for (name, said) in cases {
        let outcome = run(&scratch, &server, &format!("info {name}"));
        assert_eq!((outcome.code, &*outcome.stdout), (1, ""), "{name}");
        let both = format!(
            "error: {name}: there is no such folder here, so it is taken for an SAE on the Hub (organisation/name[@revision][:folder])"
        );
        assert!(outcome.stderr.starts_with(&both), "{}", outcome.stderr);
        assert!(outcome.stderr.contains(said), "{}", outcome.stderr);
    }
    let asked = server.requests().len();
    let outcome = run(&scratch, &server, "info ./org/saes");
    assert!(
        outcome.stderr.contains("./org/saes: no such folder")
            && outcome
                .stderr
                .contains("nor is it the name of one on the Hub"),
        "{}",
        outcome.stderr
    );
    assert_eq!(server.requests().len(), asked);
    scratch.fails(
        1,
        "info org/saes:l3",
        &["org/saes@main is not in the cache", "HF_HUB_OFFLINE is set"],
    );
}

#[test]
fn what_is_missing_offline_is_named() {
    let (scratch, server) = (Scratch::new(), Server::start(answer));
    json(&scratch, &server, "info org/saes:l3");
    let missing = format!("there is no {WEIGHTS}, and HF_HUB_OFFLINE is set");
    scratch.fails(
        1,
        "prompt a --answer b --sae org/saes:l3 --model $MODEL",
        &["org/saes:l3", "in part", &missing],
    );
    scratch.fails(
        1,
        "info org/saes:other",
        &["there is no other/cfg.json, and HF_HUB_OFFLINE is set"],
    );
}

#[test]
fn gated_repositories_say_where_to_ask() {
    let scratch = Scratch::new();
    let server = Server::start(|_| Reply::new(403).with("X-Error-Code", "GatedRepo"));
    for line in [
        "info org/saes:l3",
        "prompt a --answer b --model org/tiny",
        "tokenize --tokenizer org/tiny --dataset $TEXT --context-size 8 --out x",
    ] {
        let outcome = run(&scratch, &server, line);
        assert_eq!(outcome.code, 1);
        for word in [
            "it is gated: accept the terms on",
            "set HF_TOKEN to a token of yours",
        ] {
            assert!(outcome.stderr.contains(word), "{}", outcome.stderr);
        }
    }
    let mut command = online(&scratch, &server, "info org/saes:l3");
    let outcome = finish(command.env("HF_TOKEN", "hf_secret"));
    let said = "as the user whose token HF_TOKEN is";
    assert!(outcome.stderr.contains(said), "{}", outcome.stderr);
    assert!(!outcome.stderr.contains("hf_secret"));
}

#[test]
fn the_token_stays_with_the_hub() {
    let scratch = Scratch::new();
    let weights = of_demo("run/final_sae/sae_weights.safetensors");
    let bytes = weights.clone();
    let storage = Server::start(move |request| Reply::file(request, &bytes, "\"s\""));
    let to = storage.url("");
    let server = Server::start(move |request| {
        saes()
            .linked(WEIGHTS, weights.clone(), sha256(&weights), &to)
            .answer(request)
    });
    let line = "prompt a --answer b --sae org/saes:l3 --model $MODEL";
    let outcome = finish(online(&scratch, &server, line).env("HF_TOKEN", "hf_secret"));
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    for request in server.requests() {
        assert_eq!(request.header("authorization"), Some("Bearer hf_secret"));
    }
    let elsewhere = storage.requests();
    assert_eq!(elsewhere.len(), 1);
    assert_eq!(elsewhere[0].header("authorization"), None);
}

#[test]
fn damaged_weights_get_no_name() {
    let scratch = Scratch::new();
    let server = Server::start(|request| {
        let mut reply = answer(request);
        if request.method == "GET" && request.path.ends_with(WEIGHTS) {
            let middle = reply.body.len() / 2;
            reply.body[middle] ^= 1;
        }
        reply
    });
    let line = "prompt a --answer b --sae org/saes:l3 --model $MODEL";
    let outcome = run(&scratch, &server, line);
    assert_eq!(outcome.code, 1);
    let said = "the SHA-256 of the bytes that came is ";
    assert!(outcome.stderr.contains(said), "{}", outcome.stderr);
    let weights = of_demo("run/final_sae/sae_weights.safetensors");
    let left = fs::read_dir(blobs(&scratch)).unwrap();
    let left: Vec<_> = left.map(|e| e.unwrap().file_name()).collect();
    assert!(
        !left
            .iter()
            .any(|name| name.to_string_lossy().contains(&sha256(&weights))),
        "{left:?}"
    );
}
