//! Calls that make no sense, and places that cannot be written to.

mod support;

use support::Scratch;

const TOKENIZE: &str =
    "tokenize --tokenizer $MODEL --dataset $TEXT --context-size 16 --sequences 2";
const ACTIVATIONS: &str = "activations --model $MODEL --tokens t.st";
const EVAL: &str = "eval --sae $RUN --model $MODEL --dataset $TEXT --sequences 1";

/// A place with rows of tokens, `t.st`.
fn with_tokens() -> Scratch {
    let scratch = Scratch::new();
    scratch.ok(&format!("{TOKENIZE} --out t.st"));
    scratch
}

#[test]
fn unknown_words() {
    let scratch = Scratch::new();
    let cases = [
        ("banana", "unrecognized subcommand 'banana'"),
        ("analyse --out o", "a similar subcommand exists: 'analyze'"),
        ("info $RUN --colour", "unexpected argument '--colour'"),
        (
            "info $RUN --thread 2",
            "a similar argument exists: '--threads'",
        ),
        ("info $RUN more", "unexpected argument 'more'"),
        (
            "info $RUN --device gpu",
            "\"gpu\" is not a device; expected auto, cpu, cuda, cuda:N, metal, metal:N, vulkan, vulkan:N",
        ),
        ("info $RUN --device cuda:x", "\"cuda:x\" is not a device"),
        ("info $RUN --dtype f64", "possible values: f32, bf16"),
        ("info $RUN --threads 0", "0 is not in 1..=1024"),
        ("info $RUN --threads 65535", "65535 is not in 1..=1024"),
        ("info $RUN --json=", "a value is required for '--json"),
        ("info $RUN --json --json", "cannot be used multiple times"),
        (
            "eval $RUN --dataset $TEXT",
            "eval takes the run by an option: --sae ",
        ),
        (
            "info $RUN --json out.txt",
            "the file of --json ends in .json; for another name, write --json=out.txt",
        ),
        (
            "tokenize --tokenizer $MODEL --dataset $TEXT --context-size many --out t",
            "invalid value 'many' for '--context-size <N>'",
        ),
        (
            "tokenize --tokenizer $MODEL --dataset $TEXT --context-size 16 --packing tight --out t",
            "possible values: notebook, saelens",
        ),
        (
            "eval --sae $RUN --dataset $TEXT --exclude-tokens 1,x",
            "invalid value 'x' for '--exclude-tokens",
        ),
        (
            "eval --sae $RUN --dataset $TEXT --sequences 0",
            "0 is not in 1..",
        ),
        (
            "eval --sae $RUN --dataset $TEXT --batch-size 0",
            "0 is not in 1..",
        ),
        ("analyze --sequences 0 --out o", "0 is not in 1.."),
        (
            "analyze --context-size 0 --out o",
            "0 is not in 1..=16777216",
        ),
        (
            "tokenize --tokenizer $MODEL --dataset $TEXT --context-size 99999999999999 --out t",
            "99999999999999 is not in 1..=16777216",
        ),
        (
            "eval --sae $RUN --dataset $TEXT --context-size 18446744073709551615",
            "is not in 1..=16777216",
        ),
        (
            "activations --model $MODEL --tokens t --hook hook_embed --positions x --out a",
            "\"x\" is not a range of positions; write A:B",
        ),
    ];
    for (line, said) in cases {
        scratch.fails(2, line, &[said, "try '--help'"]);
    }
}

#[test]
fn missing_words() {
    let scratch = Scratch::new();
    let cases: [(&str, &[&str]); 8] = [
        ("info", &["<RUN>"]),
        (
            "tokenize --dataset $TEXT --out t",
            &["--tokenizer <DIR|ID>", "--context-size <N>"],
        ),
        ("activations --model $MODEL --out a", &["--tokens"]),
        ("encode --sae $RUN --out e", &["--input"]),
        ("eval --sae $RUN", &["--dataset <SRC>|--tokens <FILE|DIR>"]),
        ("prompt In --model $MODEL", &["--answer <STR>"]),
        (
            "prompt In --answer the",
            &[
                "<--sae <DIR|ID>|--model <DIR|ID>>",
                "Usage: sae prompt --answer <STR> <--sae <DIR|ID>|--model <DIR|ID>> <TEXT>",
            ],
        ),
        ("analyze", &["--out <DIR>"]),
    ];
    for (line, said) in cases {
        scratch.fails(2, line, said);
    }
}

#[test]
fn words_that_exclude_each_other() {
    let scratch = Scratch::new();
    let cases = [
        (
            "info $RUN --quiet --verbose",
            "'--quiet' cannot be used with",
        ),
        (
            "eval --sae $RUN --dataset a --tokens b",
            "'--dataset <SRC>' cannot be used with '--tokens <FILE|DIR>'",
        ),
        (
            "eval --sae $RUN --tokens b --context-size 4",
            "cannot be used with '--context-size <N>'",
        ),
        (
            "eval --sae $RUN --tokens b --column c",
            "--column is about text (--dataset)",
        ),
        (
            "eval --sae $RUN --dataset a --keep-all-tokens --exclude-special-tokens",
            "cannot be used with",
        ),
        (
            "eval --sae $RUN --dataset a --keep-all-tokens --exclude-tokens 1",
            "cannot be used with",
        ),
        (
            "eval --sae $RUN --dataset a --sequences 1 --max-tokens 9",
            "cannot be used with",
        ),
        (
            "tokenize --tokenizer a --dataset b --context-size 2 --sequences 1 --max-tokens 9 --out t",
            "cannot be used with",
        ),
        ("analyze --prompt a --out o", "--answer <STR>"),
        ("analyze --answer a --out o", "--prompt <TEXT>"),
        (
            "eval --sae $RUN --dataset a --csv - --json",
            "--csv - and --json both go to stdout",
        ),
    ];
    for (line, said) in cases {
        scratch.fails(2, line, &[said]);
    }
}

#[test]
fn contradictions_that_show_once_files_are_read() {
    let scratch = with_tokens();
    let keep = format!("{ACTIVATIONS} --out a.st");
    scratch.fails(
        2,
        &keep,
        &["nothing to keep: give --hook NAME, --logits or --loss"],
    );
    scratch.fails(
        2,
        &format!("{keep} --loss --stop-at-layer 1"),
        &["leave out --stop-at-layer"],
    );
    scratch.fails(
        2,
        &format!("{EVAL} --exclude-tokens 0,2048"),
        &["--exclude-tokens: 2048 is outside the vocabulary (2048)"],
    );
    let cases: [(&str, &[&str]); 10] = [
        (
            "--hook hook_embd",
            &["there is no hook \"hook_embd\"; did you mean hook_embed"],
        ),
        (
            "--hook blocks.7.hook_resid_pre",
            &[
                "blocks.7.hook_resid_pre does not exist: the model has 4 blocks, blocks.0 to blocks.3",
            ],
        ),
        (
            "--hook blocks.3.hook_resid_pre --stop-at-layer 1",
            &["--stop-at-layer 1: blocks.3.hook_resid_pre would not fire; give a higher layer"],
        ),
        (
            "--hook ln_final.hook_scale --stop-at-layer 4",
            &["--stop-at-layer 4: ln_final.hook_scale would not fire"],
        ),
        (
            "--hook hook_embed --stop-at-layer -31",
            &["--stop-at-layer -31: the model has 4 blocks; expected -4 to 4"],
        ),
        (
            "--hook hook_embed --stop-at-layer 9",
            &["--stop-at-layer 9: the model has 4 blocks"],
        ),
        (
            "--hook hook_embed --positions 3:1",
            &["--positions \"3:1\" selects nothing of rows of 16 tokens"],
        ),
        (
            "--hook hook_embed --positions 40",
            &["--positions \"40\" selects nothing"],
        ),
        (
            "--hook hook_embed --positions 40:",
            &["--positions \"40:\" selects nothing"],
        ),
        (
            "--hook hook_embed --logits --loss --positions 99",
            &["selects nothing of rows of 16 tokens"],
        ),
    ];
    for (what, said) in cases {
        scratch.fails(1, &format!("{keep} {what}"), said);
    }
    scratch.ok("tokenize --tokenizer $MODEL --dataset $TEXT --context-size 1 --no-bos --sequences 2 --out one.st");
    scratch.fails(
        1,
        "activations --model $MODEL --tokens one.st --loss --out a.st",
        &["one.st: has rows of one token; a loss needs a next one"],
    );
}

#[test]
fn rows_are_not_written_under_the_ending_of_another_format() {
    let scratch = Scratch::new();
    let tokenize = "tokenize --tokenizer $MODEL --dataset $TEXT --context-size 16 --sequences 2";
    for name in ["t.npy", "t.PT", "t.jsonl"] {
        let said = format!("--out {name}: rows are written as safetensors or Parquet");
        scratch.fails(2, &format!("{tokenize} --out {name}"), &[&said]);
    }
    scratch.fails(
        2,
        "generate In --model $MODEL --system .",
        &["--system .: is not a file"],
    );
}

#[test]
fn sizes_that_leave_no_room() {
    let scratch = Scratch::new();
    let tokenize =
        |rest: &str| format!("tokenize --tokenizer $MODEL --dataset $TEXT --out t.st {rest}");
    scratch.fails(
        1,
        &tokenize("--context-size 1"),
        &["a context size of 1 has no room for text; it must be at least 2"],
    );
    scratch.fails(
        1,
        &tokenize("--context-size 16 --max-tokens 5"),
        &["a budget of 5 tokens is less than one row of 16"],
    );
    scratch.fails(
        1,
        &tokenize("--context-size 16777216"),
        &["not one row of 16777216 tokens"],
    );
    scratch.fails(
        1,
        &tokenize("--context-size 16777216 --packing saelens"),
        &["not one row of 16777216 tokens"],
    );
    scratch.fails(
        1,
        "eval --sae $RUN --model $MODEL --dataset $TEXT --max-tokens 5",
        &["less than one row of 128"],
    );
    scratch.fails(
        1,
        "analyze --context-size 1 --out o",
        &["must be at least 2"],
    );
}

#[test]
fn prompts_without_tokens() {
    let scratch = Scratch::new();
    scratch.fails(
        1,
        "prompt '' --answer the --no-bos --model $MODEL",
        &["the prompt has no tokens"],
    );
    scratch.fails(
        2,
        "prompt In --answer '' --model $MODEL",
        &["--answer '': there is nothing to ask for"],
    );
    scratch.fails(
        2,
        "analyze --prompt In --answer '' --out o",
        &["--answer '': there is nothing to ask for"],
    );
}

#[cfg(not(feature = "cuda"))]
#[test]
fn a_gpu_that_this_build_cannot_use() {
    let scratch = with_tokens();
    let said = [
        "this build has no CUDA support; build it with the feature `cuda`",
        "--features cuda",
        "use --device cpu",
    ];
    for line in [
        "prompt In --answer the --model $MODEL",
        "analyze --out o",
        "encode --sae $RUN --input t.st --out e.st",
        &format!("{ACTIVATIONS} --loss --out a.st"),
        EVAL,
    ] {
        scratch.fails(1, &format!("{line} --device cuda"), &said);
    }
    scratch.fails(1, &format!("{EVAL} --device cuda:3"), &said);
}

#[cfg(not(any(feature = "wgpu", target_os = "macos")))]
#[test]
fn graphics_that_this_build_cannot_use() {
    let scratch = with_tokens();
    let said = [
        "--device vulkan:1: this build has no Vulkan support; build it with the feature `wgpu`",
        "--features wgpu",
        "use --device cpu",
    ];
    scratch.fails(1, &format!("{EVAL} --device vulkan:1"), &said);
    let said =
        ["this build has no Metal support: Metal is there on macOS only; use another device"];
    scratch.fails(1, &format!("{EVAL} --device metal"), &said);
}

#[test]
fn places_that_cannot_be_written_to() {
    let scratch = with_tokens();
    scratch.write("folder/x", "");
    scratch.write("file", "");
    let writers = [
        (TOKENIZE.to_owned(), "--out"),
        (format!("{ACTIVATIONS} --loss"), "--out"),
        (
            "encode --sae $RUN --input t.st --key tokens".to_owned(),
            "--out",
        ),
        (EVAL.to_owned(), "--csv"),
    ];
    for (line, option) in &writers {
        let there = "there is no folder no; make it first, or choose another place with";
        scratch.fails(
            1,
            &format!("{line} {option} no/where.x"),
            &["no/where.x", there, option],
        );
        scratch.fails(
            1,
            &format!("{line} {option} file/x"),
            &["file/x: there is no folder file"],
        );
    }
    for (line, option) in &writers[1..] {
        scratch.fails(
            1,
            &format!("{line} {option} folder"),
            &["folder: is a folder", option],
        );
    }
    for (line, option) in &writers[..3] {
        scratch.fails(
            2,
            &format!("{line} {option} -"),
            &["--out -: ", "does not go to stdout"],
        );
    }
    // Found out before the work, not after: nothing else is wrong with these, and nothing else was said or written.
    scratch.fails(
        1,
        &format!("{EVAL} --csv e.csv --json=no/where.json"),
        &["no/where.json: there is no folder no", "--json"],
    );
    scratch.fails(
        1,
        "info $RUN --json=folder",
        &["folder: is a folder; --json takes the name of a file"],
    );
    scratch.fails(
        1,
        "analyze --out file",
        &["file: the folder cannot be made; is there a file of that name"],
    );
    scratch.fails(
        2,
        "analyze --out -",
        &["--out -: the report is a folder of files", "--json"],
    );
}

#[cfg(unix)]
#[test]
fn folders_that_one_may_not_write_to() {
    use std::os::unix::fs::PermissionsExt;
    let scratch = with_tokens();
    scratch.write("locked/x", "");
    let folder = scratch.path("locked");
    let allow =
        |mode| std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(mode)).unwrap();
    allow(0o555);
    // Whoever is root may write everywhere.
    if std::fs::write(folder.join("probe"), "").is_err() {
        let said = [
            "cannot be written; may you write to its folder",
            "ermission denied",
        ];
        scratch.fails(1, &format!("{TOKENIZE} --out locked/t.st"), &said);
        scratch.fails(1, "info $RUN --json=locked/i.json", &said);
        scratch.fails(
            1,
            "analyze --out locked/report",
            &["the folder cannot be made", "ermission denied"],
        );
    }
    allow(0o755);
}

#[test]
fn rows_and_text_are_told_apart() {
    let scratch = Scratch::new();
    scratch.fails(
        1,
        "eval --sae $RUN --model $MODEL --tokens $TEXT",
        &["--tokens", "text is given by --dataset"],
    );
    scratch.fails(
        2,
        "analyze $RUN --sae $RUN --out o",
        &["cannot be used with"],
    );
    scratch.fails(
        2,
        "serve --sae $RUN --dataset $TEXT --host nowhere",
        &["is not an address of this machine", "--host-name"],
    );
    scratch.fails(
        1,
        "eval --sae $RUN --model $MODEL --dataset $TEXT --resume no/such/state",
        &["no/such"],
    );
}

/// Ids pass through `tokenize` as they are, whatever tokenizer is named.
#[test]
fn ids_of_another_tokenizer_are_told() {
    let scratch = Scratch::new();
    scratch.copy_demo("model");
    let rest = "--context-size 32 --sequences 5 --out";
    scratch.ok(&format!(
        "tokenize --tokenizer $MODEL --dataset $TEXT {rest} a.safetensors"
    ));
    scratch.ok(&format!(
        "tokenize --tokenizer $MODEL --dataset a.safetensors {rest} b.st"
    ));
    let tokenizer = scratch.read("model/tokenizer.json");
    scratch.write("model/tokenizer.json", format!("{tokenizer}\n"));
    let other = scratch.sae(&format!(
        "tokenize --tokenizer model --dataset a.safetensors {rest} c.st"
    ));
    assert!(
        other.stderr.contains("may mean other words"),
        "{}",
        other.stderr
    );
}

#[test]
fn some_rows_of_many() {
    let scratch = Scratch::new();
    scratch.ok("tokenize --tokenizer $MODEL --dataset $TEXT --context-size 32 --sequences 9 --out a.safetensors");
    let said = scratch.json("activations --model $MODEL --tokens a.safetensors --hook hook_embed --sequences 4 --out o.safetensors");
    assert_eq!(said["rows"], 4);
    assert_eq!(said["tensors"]["hook_embed"][0], 4);
}
