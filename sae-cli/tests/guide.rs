//! The commands of docs/hypothesis.md, as they stand there, on the demo.
#![cfg(unix)] // a shell reads them

mod support;

use std::path::Path;
use std::process::Command;
use support::{Scratch, demo, finish};

/// A conversation as plain text.
const TEMPLATE: &str = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}{% if add_generation_prompt %}assistant:{% endif %}";

/// The shell's part of a document: what stands in `sh`, and what follows `$ ` in `console`, with the lines that go on after a `\`.
fn commands(document: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let (mut language, mut goes_on) = (None, false);
    for line in document.lines() {
        match (line.strip_prefix("```"), language) {
            (Some(name), None) => (language, goes_on) = (Some(name), false),
            (Some(_), Some(_)) => language = None,
            (None, Some("sh" | "console")) if goes_on => {
                let last = found.last_mut().expect("a line before it");
                last.push('\n');
                last.push_str(line);
                goes_on = line.ends_with('\\');
            }
            (None, Some("sh")) => {
                found.push(line.to_owned());
                goes_on = line.ends_with('\\');
            }
            (None, Some("console")) => {
                if let Some(command) = line.strip_prefix("$ ") {
                    found.push(command.to_owned());
                    goes_on = command.ends_with('\\');
                }
            }
            _ => {}
        }
    }
    found
}

#[test]
fn every_command_of_the_guide_runs() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
    let document = std::fs::read_to_string(docs.join("hypothesis.md")).unwrap();
    let scratch = Scratch::new();
    scratch.copy_demo("model");
    scratch.write("model/chat_template.jinja", TEMPLATE);
    scratch.copy_demo("run");
    for name in ["monitored.jsonl", "system.txt", "ask.json"] {
        let text = std::fs::read(docs.join("guide").join(name)).unwrap();
        scratch.write(&format!("docs/guide/{name}"), text);
    }
    scratch.write(
        "pile/kjv.jsonl",
        std::fs::read(demo("text/kjv.jsonl")).unwrap(),
    );
    let binary = Path::new(env!("CARGO_BIN_EXE_sae"));
    let path = std::env::var("PATH").unwrap();
    let path = format!("{}:{path}", binary.parent().unwrap().display());
    let run = |line: &str| {
        let mut shell = Command::new("sh");
        shell.args(["-c", line]).current_dir(scratch.path("."));
        shell.env("PATH", &path).env("HF_HUB_OFFLINE", "1");
        shell.env("MODEL", "model").env("RUN", "run");
        shell.env("A", "<monitored>true</monitored> How does a brake work?");
        shell.env("B", "<monitored>false</monitored> How does a brake work?");
        let outcome = finish(&mut shell);
        assert_eq!(outcome.code, 0, "{line}\n{outcome:#?}");
        outcome.stdout
    };
    // The demo's dictionary is smaller, its text is not compressed, and a server never ends.
    let mut said = Vec::new();
    for command in commands(&document) {
        if !command.starts_with("sae ") {
            assert!(
                ["MODEL=", "RUN="]
                    .iter()
                    .any(|name| command.starts_with(name))
            );
            continue;
        }
        let line = command
            .replace("2653,4065,217", "653,65,217")
            .replace("=2653=", "=653=")
            .replace(" 2653=", " 653=")
            .replace(".jsonl.zst", ".jsonl")
            .replace("--max-tokens 500000", "--max-tokens 4096")
            .replace("sae serve", "sae serve --plan");
        said.push((command, run(&line)));
    }
    let of = |name: &str| {
        let found = said.iter().find(|(command, _)| command.starts_with(name));
        &found.unwrap_or_else(|| panic!("the guide has no {name}")).1
    };
    assert!(of("sae contrast").contains("open monitored/index.html"));
    assert!(of("sae attribute").contains("sum at blocks.2.hook_resid_pre"));
    assert!(of("sae generate").contains("without steering"));
    for written in [
        "monitored/contrast.csv",
        "features/index.html",
        "patch.html",
    ] {
        assert!(scratch.path(written).is_file(), "{written}");
    }
    assert_eq!(said.len(), 7, "{said:?}");
}
