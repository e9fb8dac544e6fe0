//! Text and tensors that cannot be read.

mod support;

use safetensors::Dtype;
use support::Scratch;
use support::tensors::{Numbers, write};

/// Bytes that are of no format, the same every time.
fn garbage() -> Vec<u8> {
    (0_u32..5000)
        .map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8 | 0x80)
        .collect()
}

/// Tokenising and evaluating fail alike.
fn unreadable(scratch: &Scratch, dataset: &str, said: &[&str]) {
    scratch.fails(
        1,
        &format!(
            "tokenize --tokenizer $MODEL --dataset {dataset} --context-size 16 --out t.safetensors"
        ),
        said,
    );
    scratch.fails(
        1,
        &format!(
            "eval --sae $RUN --model $MODEL --dataset {dataset} --context-size 16 --json e.json"
        ),
        said,
    );
    scratch.fails(
        1,
        &format!("analyze $RUN --model $MODEL --dataset {dataset} --context-size 16 --out o"),
        said,
    );
}

#[test]
fn records_that_are_not() {
    let good = "{\"text\": \"In the beginning\"}\n";
    let cases: [(&str, &str, &[&str]); 6] = [
        (
            "a.jsonl",
            "{\"text\": \"c",
            &["a.jsonl, line 3", "not valid JSON"],
        ),
        (
            "a.jsonl",
            "{\"text\": 3}",
            &[
                "a.jsonl, line 3",
                "column \"text\" is the number 3, expected text",
            ],
        ),
        (
            "a.jsonl",
            "{\"txt\": \"c\"}",
            &["a.jsonl, line 3", "\"text\"", "txt (text)"],
        ),
        ("a.jsonl", "{\"text\": null}", &["a.jsonl, line 3", "null"]),
        ("a.ndjson", "17", &["a.ndjson, line 3"]),
        ("a.jsonl", "{\"text\": \"\\ud800\"}", &["a.jsonl, line 3"]),
    ];
    for (name, third, said) in cases {
        let scratch = Scratch::new();
        scratch.write(name, format!("{good}{good}{third}\n{good}"));
        unreadable(&scratch, name, said);
    }
}

#[test]
fn no_text_to_be_found() {
    let scratch = Scratch::new();
    scratch.write("a.jsonl", "{\"body\": \"a\", \"id\": 1}\n");
    unreadable(
        &scratch,
        "a.jsonl",
        &[
            "a.jsonl, line 1: none of the columns",
            "text, content",
            "the row has body (text), id (number); choose one by its name: --column COLUMN",
        ],
    );
    unreadable(
        &scratch,
        "a.jsonl --column nope",
        &["no column \"nope\"; the row has body (text), id (number)"],
    );
    unreadable(
        &scratch,
        "a.jsonl --column id",
        &["column \"id\" is the number 1, expected text"],
    );
}

#[test]
fn lists_that_are_not_of_ids() {
    let scratch = Scratch::new();
    for (list, said) in [
        ("[0, 5, -6]", "element 2 is the number -6"),
        ("[6.5, 1]", "element 0 is the number 6.5"),
        ("[4294967296]", "element 0 is the number 4294967296"),
    ] {
        scratch.write("a.jsonl", format!("{{\"tokens\": {list}}}\n"));
        unreadable(
            &scratch,
            "a.jsonl",
            &["a.jsonl, line 1", said, "no token id"],
        );
        unreadable(
            &scratch,
            "a.jsonl --column tokens",
            &["a.jsonl, line 1", said],
        );
    }
}

#[cfg(unix)]
#[test]
fn pipes_are_not_waited_for() {
    let scratch = Scratch::new();
    scratch.copy_demo("run");
    scratch.copy_demo("model");
    let pipe = |name: &str| {
        let path = scratch.path(name);
        let _ = std::fs::remove_file(&path);
        let made = std::process::Command::new("mkfifo").arg(path).status();
        assert!(made.is_ok_and(|status| status.success()));
    };
    pipe("pipe");
    let cases: [(&str, &[&str]); 3] = [
        (
            "encode --sae $RUN --input pipe --out e.st",
            &["pipe: is not a file"],
        ),
        (
            "activations --model $MODEL --tokens pipe --loss --out a.st",
            &["pipe", "it is a folder, a pipe or a device"],
        ),
        (
            "tokenize --tokenizer pipe --dataset $TEXT --context-size 16 --out t.st",
            &["pipe", "it is a folder, a pipe or a device"],
        ),
    ];
    for (line, said) in cases {
        scratch.fails(1, line, said);
    }
    pipe("model/chat_template.jinja");
    scratch.fails(
        1,
        "generate hi --chat-template --model model",
        &["model/chat_template.jinja", "it is not a file"],
    );
    pipe("model/config.json");
    scratch.fails(
        1,
        "prompt In --answer the --model model",
        &[
            "--model model",
            "there is no config.json",
            "what has that name is not a file",
        ],
    );
    pipe("run/final_sae/sae_weights.safetensors");
    scratch.fails(
        1,
        "info run",
        &["run/final_sae/sae_weights.safetensors: is not a file"],
    );
    pipe("run/final_sae/cfg.json");
    scratch.fails(1, "info run", &["run/final_sae/cfg.json: is not a file"]);
}

#[test]
fn too_little_text() {
    let scratch = Scratch::new();
    scratch.write("empty.jsonl", "");
    scratch.write("empty.txt", "");
    scratch.write("short.txt", "In the beginning");
    for name in ["empty.jsonl", "empty.txt", "short.txt"] {
        unreadable(
            &scratch,
            name,
            &[name, "not one row of 16 tokens", "a smaller --context-size"],
        );
    }
}

#[test]
fn files_that_are_not_what_their_names_say() {
    let scratch = Scratch::new();
    for name in [
        "a.parquet",
        "a.txt",
        "a.txt.gz",
        "a.jsonl.zst",
        "a.json",
        "a.safetensors",
    ] {
        scratch.write(name, garbage());
        unreadable(&scratch, name, &[name]);
    }
    unreadable(&scratch, "a.parquet", &["is not a readable Parquet file"]);
    unreadable(&scratch, "a.txt", &["not valid UTF-8 at byte"]);
    unreadable(
        &scratch,
        "a.txt.gz",
        &["its name says gzip, its first bytes do not"],
    );
    scratch.write("cut.json", "[{\"text\": \"a\"},");
    unreadable(
        &scratch,
        "cut.json",
        &["cut.json is truncated", "fetch or write it again"],
    );
    scratch.write("empty.parquet", "");
    unreadable(&scratch, "empty.parquet", &["empty.parquet"]);
    // The magic of a Parquet file around nothing, with a footer longer than the file.
    scratch.write(
        "hollow.parquet",
        [b"PAR1".as_slice(), &[0xff, 0xff, 0xff, 0x7f], b"PAR1"].concat(),
    );
    unreadable(
        &scratch,
        "hollow.parquet",
        &["hollow.parquet is not a readable Parquet file"],
    );
}

#[test]
fn no_such_data() {
    let scratch = Scratch::new();
    scratch.write("a.foo", "");
    scratch.write("folder/README.md", "");
    unreadable(
        &scratch,
        "nowhere.jsonl",
        &[
            "no file, directory or pattern nowhere.jsonl",
            "current directory",
        ],
    );
    unreadable(
        &scratch,
        "no*.jsonl",
        &["the pattern no*.jsonl matches no file"],
    );
    unreadable(
        &scratch,
        "a.foo",
        &["a.foo: its name does not say which format it has", ".jsonl"],
    );
    unreadable(
        &scratch,
        "folder",
        &["folder holds no data file", "README.md"],
    );
    scratch.write("mixed/a.jsonl", "");
    scratch.write("mixed/b.txt", "");
    unreadable(&scratch, "mixed", &["mixed", "1 .jsonl", "1 .txt"]);
}

#[test]
fn a_table_of_tokens_that_is_none() {
    let scratch = Scratch::new();
    let table = |name: &str, key, numbers| write(&scratch.path(name), [(key, numbers)]);
    table("floats.st", "tokens", Numbers::zeros(&[2, 4]));
    table("flat.st", "tokens", Numbers::zeros(&[8]).of(Dtype::U32));
    table("none.st", "tokens", Numbers::zeros(&[0, 4]).of(Dtype::U32));
    let negative = Numbers::f32(&[2, 2], [1.0, 2.0, 3.0, -1.0]).of(Dtype::I64);
    table("negative.st", "tokens", negative);
    let two = [
        ("a", Numbers::zeros(&[1, 2])),
        ("b", Numbers::zeros(&[1, 2])),
    ];
    write(&scratch.path("two.st"), two);
    scratch.write("text.st", "{\"text\": \"no tensors here\"}\n".repeat(9));
    scratch.write("empty.st", "");
    let cases: [(&str, &[&str]); 8] = [
        (
            "floats.st",
            &["tensor \"tokens\" is F32, expected U16, U32, I32 or I64"],
        ),
        (
            "flat.st",
            &["tensor \"tokens\" has the shape [8], expected [rows, context size]"],
        ),
        ("none.st", &["row"]),
        (
            "negative.st",
            &["holds -1 at [1, 1], which is not a token id"],
        ),
        (
            "two.st",
            &["has no tensor \"tokens\" or \"input_ids\"; it has \"a\", \"b\""],
        ),
        ("text.st", &["is not a readable safetensors file"]),
        ("empty.st", &["it is empty"]),
        ("nowhere.st", &["nowhere.st", "No such file"]),
    ];
    for (name, said) in cases {
        let said = [&[name], said].concat();
        scratch.fails(
            1,
            &format!("activations --model $MODEL --tokens {name} --loss --out a.st"),
            &said,
        );
        scratch.fails(
            1,
            &format!("eval --sae $RUN --model $MODEL --tokens {name} --csv e.csv"),
            &said,
        );
    }
}

#[test]
fn activations_that_do_not_fit_the_sae() {
    let scratch = Scratch::new();
    let file = |numbers: Numbers| write(&scratch.path("x.st"), [("acts", numbers)]);
    let encode = "encode --sae $RUN --input x.st --out e.st";
    let cases: [(Numbers, &[&str]); 5] = [
        (
            Numbers::zeros(&[3, 64]),
            &[
                "tensor acts",
                "has shape [3, 64], the SAE reads activations of width 128",
            ],
        ),
        (
            Numbers::zeros(&[128]),
            &["[128]", "at least one axis of tokens"],
        ),
        (
            Numbers::zeros(&[0, 128]),
            &["[0, 128]", "there are no activations"],
        ),
        (Numbers::zeros(&[]), &["has no axes"]),
        (
            Numbers::zeros(&[2, 128]).of(Dtype::I64),
            &["stored as I64, expected F32, F16 or BF16"],
        ),
    ];
    for (numbers, said) in cases {
        file(numbers);
        scratch.fails(1, encode, &[&["x.st: tensor acts"], said].concat());
    }
    scratch.fails(
        1,
        &format!("{encode} --key other"),
        &["x.st: has no tensor \"other\"; it has acts: choose with --key"],
    );
    scratch.truncate("x.st", 30);
    scratch.fails(1, encode, &["x.st: is not a safetensors file"]);
    scratch.write("x.st", "");
    scratch.fails(1, encode, &["x.st: is not a safetensors file"]);
    scratch.write("folder/x", "");
    scratch.fails(
        1,
        "encode --sae $RUN --input folder --out e.st",
        &["folder: is not a file"],
    );
    scratch.fails(
        1,
        "encode --sae $RUN --input nowhere --out e.st",
        &["nowhere: cannot be read", "No such file"],
    );
}
