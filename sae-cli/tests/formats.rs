//! SAEs in other people's formats, by the program: described, encoded, converted, here and on the Hub.

#![allow(clippy::unwrap_used)] // clippy sees only the #[test] functions as tests, not the functions they share

mod served;
mod support;

use served::server::hub::Repository;
use served::server::{Reply, Request, Server};
use served::{COMMIT, bodies, json, run, sha256};
use std::fs;
use std::path::{Path, PathBuf};
use support::Scratch;

fn golden(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../tests/goldens/data/formats")
        .join(path)
}

/// Puts a golden here under a name: a folder of files, without folders in it, or a file.
fn put(scratch: &Scratch, from: &str, to: &str) {
    let from = golden(from);
    if from.is_file() {
        scratch.write(to, fs::read(from).unwrap());
        return;
    }
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let name = format!("{to}/{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() {
            for file in fs::read_dir(entry.path()).unwrap() {
                let file = file.unwrap();
                scratch.write(
                    &format!("{name}/{}", file.file_name().to_string_lossy()),
                    fs::read(file.path()).unwrap(),
                );
            }
        } else {
            scratch.write(&name, fs::read(entry.path()).unwrap());
        }
    }
}

#[test]
fn what_is_converted_is_what_was_read() {
    let scratch = Scratch::new();
    put(&scratch, "llama_scope/transcoder", "scope");
    put(
        &scratch,
        "expected/llama_scope_transcoder.safetensors",
        "x.safetensors",
    );
    let info = scratch.json("info scope");
    assert_eq!(info["format"], "llama_scope");
    assert_eq!(info["hook_name_out"], "blocks.9.hook_mlp_out");
    assert_eq!(info["model_name"], "meta-llama/Llama-3.1-8B");
    assert_eq!(info["folded"].as_array().unwrap().len(), 2);

    let said = scratch.json("convert scope out");
    assert_eq!(said["folded"], info["folded"]);
    assert_eq!(said["architecture"], "jumprelu_transcoder");
    assert_eq!(said["loads_in_saelens"], true);
    let converted = scratch.json("info out");
    assert_eq!(converted["format"], "saelens");
    assert_eq!(converted["folded"], serde_json::json!([]));
    for key in [
        "architecture",
        "hook_name",
        "hook_name_out",
        "d_in",
        "d_sae",
        "d_out",
        "model_name",
    ] {
        assert_eq!(converted[key], info[key], "{key}");
    }
    for sae in ["scope", "out"] {
        scratch.ok(&format!(
            "encode --sae {sae} --input x.safetensors --key x --out {sae}.st"
        ));
    }
    let [one, two] = ["scope.st", "out.st"].map(|name| support::tensors::read(&scratch.path(name)));
    for key in ["feature_acts", "forward"] {
        assert_eq!(one[key], two[key], "{key}");
    }

    let before = scratch.read("out/cfg.json");
    let outcome = scratch.sae("convert scope out");
    assert_eq!(outcome.code, 1);
    assert!(
        outcome.stderr.contains("out/cfg.json: is there already"),
        "{}",
        outcome.stderr
    );
    assert_eq!(scratch.read("out/cfg.json"), before);
    let shown = scratch.ok("convert scope again").stdout;
    assert!(shown.contains("read as llama_scope"), "{shown}");
    assert!(shown.contains("folded: scales of activations"), "{shown}");
}

#[test]
fn what_files_do_not_say_is_asked_for() {
    let scratch = Scratch::new();
    put(&scratch, "circuit_tracer", "set");
    scratch.fails(
        1,
        "info set",
        &["is a set of transcoders with layers 0 to 2", "--layer"],
    );
    assert_eq!(
        scratch.json("info set --layer 1")["hook_name"],
        "blocks.1.mlp.hook_in"
    );
    assert_eq!(
        scratch.json("info set/layer_2.safetensors")["architecture"],
        "jumprelu_skip_transcoder"
    );
    scratch.fails(
        1,
        "info set --layer 5",
        &["layer_5.safetensors: is missing"],
    );

    put(&scratch, "goodfire", "goodfire");
    assert_eq!(
        scratch.json("info goodfire")["hook_name"],
        "blocks.19.hook_resid_post"
    );
    scratch.fails(
        1,
        "info goodfire --sae-format sparsify",
        &["holds no SAE of the format sparsify"],
    );
    scratch.fails(
        2,
        "info goodfire --sae-format godfire",
        &["there is no format \"godfire\""],
    );

    put(&scratch, "sparsify/transcode/layers.4.mlp", "layers.4.mlp");
    let said = scratch.json("convert layers.4.mlp out");
    assert_eq!(said["loads_in_saelens"], false);
    assert!(
        said["warnings"][0]
            .as_str()
            .unwrap()
            .contains("SAELens has no architecture topk_transcoder")
    );
    assert_eq!(scratch.json("info out")["architecture"], "topk_transcoder");
    scratch.fails(1, "convert layers.4.mlp other --hook blocks.x", &["--hook"]);
}

#[test]
fn a_hostile_pickle_is_refused_by_name() {
    let scratch = Scratch::new();
    // {"a": posix.system("true")}
    let evil = b"\x80\x02}X\x01\0\0\0acposix\nsystem\nX\x04\0\0\0true\x85Rs.";
    scratch.write("sae_weights.pt", evil);
    scratch.fails(
        1,
        "info sae_weights.pt",
        &[
            "sae_weights.pt",
            "asks for posix.system",
            "runs code when Python loads it",
        ],
    );
}

fn repository() -> Repository {
    let mut repository = Repository::new("org/saes", COMMIT).file("README.md", "# SAEs");
    for (path, from) in [
        (
            "scope/hyperparams.json",
            "llama_scope/residual/hyperparams.json",
        ),
        (
            "scope/lm_config.json",
            "llama_scope/residual/lm_config.json",
        ),
        (
            "scope/checkpoints/final.safetensors",
            "llama_scope/residual/checkpoints/final.safetensors",
        ),
        (
            "sparse/layers.15/cfg.json",
            "sparsify/topk/layers.15/cfg.json",
        ),
        (
            "sparse/layers.15/sae.safetensors",
            "sparsify/topk/layers.15/sae.safetensors",
        ),
        ("sparse/config.json", "sparsify/topk/config.json"),
        (
            "x-SAE-l19.pth",
            "goodfire/Llama-3.1-8B-Instruct-SAE-l19.pth",
        ),
        ("set/config.yaml", "circuit_tracer/config.yaml"),
        (
            "set/layer_0.safetensors",
            "circuit_tracer/layer_0.safetensors",
        ),
        (
            "set/layer_1.safetensors",
            "circuit_tracer/layer_1.safetensors",
        ),
    ] {
        let bytes = fs::read(golden(from)).unwrap();
        let tag = sha256(&bytes);
        repository = repository.tagged(path, bytes, tag);
    }
    repository
}

fn answer(request: &Request) -> Reply {
    repository().answer(request)
}

#[test]
fn formats_are_read_on_the_hub() {
    let (scratch, server) = (Scratch::new(), Server::start(answer));
    let info = |name: &str| json(&scratch, &server, &format!("info {name}"));
    let scope = info("org/saes:scope");
    assert_eq!(
        (&scope["format"], &scope["d_sae"]),
        (&"llama_scope".into(), &24.into())
    );
    assert!(
        bodies(&server, "scope/checkpoints/final.safetensors").is_empty(),
        "a description needs no weights"
    );
    let sparse = info("org/saes:sparse/layers.15");
    assert_eq!(sparse["format"], "sparsify");
    assert_eq!(sparse["model_name"], "HuggingFaceTB/SmolLM2-135M");
    assert_eq!(info("org/saes:x-SAE-l19.pth")["format"], "goodfire");
    assert_eq!(
        info("org/saes:set/layer_1.safetensors")["architecture"],
        "jumprelu_transcoder"
    );
    assert_eq!(info("org/saes:set --layer 0")["architecture"], "transcoder");

    let outcome = run(&scratch, &server, "convert org/saes:scope out --json");
    assert_eq!((outcome.code, &*outcome.stderr), (0, ""));
    assert_eq!(bodies(&server, "scope/checkpoints/final.safetensors"), [0]);
    let outcome = run(&scratch, &server, "info org/saes:nowhere");
    assert_eq!(outcome.code, 1);
    assert!(
        outcome
            .stderr
            .contains("neither cfg.json nor final_sae/cfg.json"),
        "{}",
        outcome.stderr
    );
}

/// Llama Scope and Goodfire, where they lie on the Hub; small ones in their place.
fn published(request: &Request) -> Reply {
    let of = |repository: Repository, path: &str, from: &str| {
        let bytes = fs::read(golden(from)).unwrap();
        let tag = sha256(&bytes);
        repository.tagged(path, bytes, tag)
    };
    if request.path.contains("/Goodfire/") {
        let name = "Llama-3.1-8B-Instruct-SAE-l19.pth";
        let repository = Repository::new("Goodfire/Llama-3.1-8B-Instruct-SAE-l19", COMMIT);
        return of(repository, name, &format!("goodfire/{name}")).answer(request);
    }
    let files = [
        "hyperparams.json",
        "lm_config.json",
        "checkpoints/final.safetensors",
    ];
    let repository = Repository::new("fnlp/Llama3_1-8B-Base-LXR-8x", COMMIT);
    let repository = files.iter().fold(repository, |repository, name| {
        let path = format!("Llama3_1-8B-Base-L15R-8x/{name}");
        of(repository, &path, &format!("llama_scope/residual/{name}"))
    });
    repository.answer(request)
}

#[test]
fn names_of_releases_lead_to_their_files() {
    let (scratch, server) = (Scratch::new(), Server::start(published));
    let name = "llama_scope_lxr_8x/l15r_8x";
    let info = json(&scratch, &server, &format!("info {name}"));
    assert_eq!(info["format"], "llama_scope");
    assert_eq!(
        info["published"],
        serde_json::json!({
            "release": "llama_scope_lxr_8x",
            "id": "l15r_8x",
            "path": "Llama3_1-8B-Base-L15R-8x",
            "l0": 50.0,
            "explained_variance": null,
            "neuronpedia": "llama3.1-8b/15-llamascope-res-32k"
        })
    );
    let shown = run(&scratch, &server, &format!("info {name}")).stdout;
    assert!(shown.contains("as published"), "{shown}");
    let goodfire = json(
        &scratch,
        &server,
        "info goodfire-llama-3.1-8b-instruct/layer_19",
    );
    assert_eq!(goodfire["format"], "goodfire");
    assert_eq!(goodfire["published"]["l0"], 91.0);
    // A folder of that name here goes before.
    scratch.copy_demo("run");
    fs::create_dir_all(scratch.path("llama_scope_lxr_8x")).unwrap();
    fs::rename(scratch.path("run"), scratch.path(name)).unwrap();
    let here = json(&scratch, &server, &format!("info {name}"));
    assert_eq!(here["format"], "saelens");
    assert!(here.get("published").is_none());
    let asked = server.requests().len();
    scratch.fails(
        1,
        "info llama_scope_lxr_8x/l99r_8x",
        &["the release llama_scope_lxr_8x has no SAE l99r_8x; it has "],
    );
    assert_eq!(server.requests().len(), asked);
}
