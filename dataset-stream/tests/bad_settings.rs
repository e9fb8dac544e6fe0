//! Specs, tokenizers and options that cannot be, and what is said about them.
#![allow(clippy::unwrap_used, reason = "these are tests")]

mod support;

use std::path::PathBuf;

use dataset_stream::{
    Budget, Content, Packing, SaeLensPacking, StreamOptions, TextSource, TokenRef, TokenStream,
    Tokenizer,
};
use serde_json::{Value, json};
use support::{Folder, bytes_tokenizer, bytes_tokenizer_json, said_of};

#[test]
fn specs_that_name_nothing() {
    let folder = Folder::new();
    let missing = folder.path("missing.jsonl").to_str().unwrap().to_owned();
    let message = said_of(&folder, &missing);
    assert!(
        message.starts_with("no file, directory or pattern missing.jsonl; a relative path is"),
        "{message}"
    );
    let pattern = folder.path("*.jsonl").to_str().unwrap().to_owned();
    assert_eq!(
        said_of(&folder, &pattern),
        "the pattern *.jsonl matches no file"
    );
    let message = said_of(&folder, folder.path("a[").to_str().unwrap());
    assert!(
        message.starts_with("a[ is not a valid pattern: "),
        "{message}"
    );
    // Nothing is asked over the network before these are found out.
    for (remote, told) in [
        (
            "s3://bucket/a.jsonl",
            "s3://bucket/a.jsonl is not an address that can be read; known are https://, http://, hf://datasets/ and file://",
        ),
        (
            "https://example.org/a.safetensors",
            "https://example.org/a.safetensors cannot be streamed: .safetensors files are mapped into memory; download them and \
             give their path",
        ),
        (
            "https://example.org/{7..3}.jsonl",
            "https://example.org/{7..3}.jsonl is not a valid pattern: 7..3 is no range of at most 100000 numbers",
        ),
    ] {
        assert_eq!(said_of(&folder, remote), told);
    }
    assert_eq!(
        said_of(&folder, &folder.write("notes.md", "x")),
        "notes.md: its name does not say which format it has; known are .jsonl, .ndjson, .json, .txt (each plain, .gz or .zst), \
         .parquet, .arrow and .safetensors"
    );
}

#[test]
fn directories_without_one_kind_of_data() {
    let folder = Folder::new();
    let directory = folder
        .path("")
        .to_str()
        .unwrap()
        .trim_end_matches('/')
        .to_owned();
    let known =
        ".jsonl, .ndjson, .json, .txt (each plain, .gz or .zst), .parquet, .arrow and .safetensors";
    assert_eq!(
        said_of(&folder, &directory),
        format!("DIR holds no data file; known are {known}; it is empty")
    );
    folder.write("weights.bin", "");
    folder.write("README.md", "");
    assert_eq!(
        said_of(&folder, &directory),
        format!("DIR holds no data file; known are {known}; it holds README.md, weights.bin")
    );
    folder.write("a.jsonl", "{}");
    folder.write("sub/b.jsonl.gz", "{}");
    folder.write("b.parquet", "");
    assert_eq!(
        said_of(&folder, &directory),
        "DIR holds files of several formats (2 .jsonl, 1 .parquet); name one of them by a pattern, such as \"**/*.jsonl*\""
    );
}

#[test]
fn broken_tokenizers() {
    let folder = Folder::new();
    let said = |json: &str| {
        folder.short(Tokenizer::from_file(folder.write("t/tokenizer.json", json)).unwrap_err())
    };
    let but = |change: &dyn Fn(&mut Value)| {
        let mut json = bytes_tokenizer_json();
        change(&mut json);
        said(&json.to_string())
    };
    let not_ours = "t/tokenizer.json is not a tokenizer this version can use: ";
    assert!(
        said("{\"version\": ").starts_with("t/tokenizer.json is not valid JSON: EOF while parsing"),
        "cut"
    );
    assert_eq!(
        said("[]"),
        format!("{not_ours}a tokenizer.json must be a JSON object, found an array")
    );
    assert_eq!(said("{}"), format!("{not_ours}the config has no `model`"));
    let message = but(&|json| json["model"]["type"] = "Quantum".into());
    assert!(
        message.starts_with(not_ours) && message.contains("model"),
        "{message}"
    );
    assert_eq!(
        but(&|json| json["model"]["vocab"] = json!({})),
        format!("{not_ours}its vocabulary is empty")
    );
    assert_eq!(
        but(&|json| json["model"]["vocab"]["x"] = json!(4_000_000_000u32)),
        format!("{not_ours}token \"x\" has the id 4000000000, expected a number up to 16777216")
    );
    assert_eq!(
        but(&|json| json["model"]["vocab"]["x"] = json!("7")),
        format!("{not_ours}token \"x\" has the id \"7\", expected a number up to 16777216")
    );
    let message = but(&|json| json["model"]["merges"] = json!([["a", "bc"]]));
    assert!(
        message.starts_with(not_ours) && message.contains("bc"),
        "{message}"
    );
    assert_eq!(
        but(&|json| json["added_tokens"][1]["id"] = json!(300)),
        format!(
            "{not_ours}added token \"</s>\" is listed with id 300, but the tokens before it leave it 257"
        )
    );
    assert_eq!(
        but(&|json| json["pre_tokenizer"]["add_prefix_space"] = true.into()),
        format!(
            "{not_ours}a `ByteLevel` pre-tokenizer with `add_prefix_space: true` is not supported"
        )
    );
    let missing = Tokenizer::from_file(folder.path("none/tokenizer.json")).unwrap_err();
    assert!(
        folder
            .short(missing)
            .starts_with("cannot read none/tokenizer.json: No such file"),
        "missing"
    );
}

#[test]
fn tokenizer_folders_that_lack_something() {
    let folder = Folder::new();
    folder.write("empty/config.json", "{}");
    let said = |name: &str| folder.short(Tokenizer::from_file(folder.path(name)).unwrap_err());
    assert_eq!(said("empty"), "empty holds no tokenizer.json");
    folder.write("sp/tokenizer.model", "");
    assert!(
        said("sp").starts_with("sp holds no tokenizer.json; its tokenizer.model is the older"),
        "{}",
        said("sp")
    );
    folder.write("t/tokenizer.json", bytes_tokenizer_json().to_string());
    folder.write("t/tokenizer_config.json", r#"{"bos_token": "<bos>"}"#);
    assert_eq!(
        said("t"),
        "t/tokenizer_config.json names the bos_token \"<bos>\", which the vocabulary does not have"
    );
    folder.write("t/tokenizer_config.json", "{");
    assert!(
        said("t").starts_with("t/tokenizer_config.json is not valid JSON: "),
        "{}",
        said("t")
    );
}

#[test]
fn streams_that_cannot_be() {
    let folder = Folder::new();
    let tokenizer = bytes_tokenizer(&folder);
    let bare = {
        let path: PathBuf = folder
            .write("bare/tokenizer.json", bytes_tokenizer_json().to_string())
            .into();
        Tokenizer::from_file(path).unwrap()
    };
    let said = |tokenizer: &Tokenizer, options: StreamOptions, content: Content| {
        let stream = TokenStream::new(TextSource::from_documents([content]), tokenizer, &options);
        folder.short(match stream {
            Ok(mut stream) => stream.find_map(Result::err).unwrap(),
            Err(error) => error,
        })
    };
    let text = || Content::Text("text".into());
    let where_looked = "(tokenizer_config.json, special_tokens_map.json, config.json)";
    assert_eq!(
        said(&bare, StreamOptions::new(8), text()),
        format!(
            "the packing needs the tokenizer's BOS, and none is named beside \"bare/tokenizer.json\" {where_looked}; \
             or pack without BOS"
        )
    );
    let no_bos = |packing| {
        let mut options = StreamOptions::new(8);
        options.prepend_bos = false;
        options.packing = packing;
        options
    };
    assert_eq!(
        said(&bare, no_bos(Packing::Notebook), text()),
        format!(
            "the packing needs the tokenizer's EOS, and none is named beside \"bare/tokenizer.json\" {where_looked}; \
             or use SAELens' packing with another separator"
        )
    );
    let with_sep = SaeLensPacking {
        separator: Some(TokenRef::Sep),
        ..SaeLensPacking::default()
    };
    assert!(
        said(&tokenizer, no_bos(Packing::SaeLens(with_sep)), text())
            .contains("the tokenizer's SEP")
    );
    assert_eq!(
        said(&tokenizer, StreamOptions::new(1), text()),
        "a context size of 1 has no room for text; it must be at least 2"
    );
    for context_size in [(1 << 24) + 1, usize::MAX] {
        for packing in [
            Packing::Notebook,
            Packing::SaeLens(SaeLensPacking::default()),
        ] {
            let mut options = StreamOptions::new(context_size);
            options.packing = packing;
            assert_eq!(
                said(&tokenizer, options, text()),
                format!(
                    "a context size of {context_size} is more than rows may have, 16777216 tokens; is the number right?"
                )
            );
        }
    }
    let mut budget = StreamOptions::new(128);
    budget.budget = Budget::Tokens(127);
    assert_eq!(
        said(&tokenizer, budget, text()),
        "a budget of 127 tokens is less than one row of 128"
    );
    assert_eq!(
        said(
            &tokenizer,
            StreamOptions::new(4),
            Content::Tokens(vec![1, 2, 3])
        ),
        "(documents in memory), row 0: the row has 3 ids, fewer than the context size of 4; choose a context size of at most \
         3, or have the rows packed anew as documents"
    );
    assert_eq!(
        said(
            &tokenizer,
            StreamOptions::new(2),
            Content::Tokens(vec![1, 2, 258])
        ),
        "(documents in memory), row 0: token id 258 at position 2 is outside the vocabulary of 258; was the data set made \
         with another tokenizer?"
    );
}

#[test]
fn text_that_is_not_one_token() {
    let folder = Folder::new();
    let tokenizer = bytes_tokenizer(&folder);
    assert_eq!(tokenizer.single_token("x").unwrap(), 120);
    assert_eq!(
        tokenizer.single_token("ab c").unwrap_err().to_string(),
        r#""ab c" is 4 tokens, expected one: "a", "b", " ", "c""#
    );
    assert_eq!(
        tokenizer.single_token("").unwrap_err().to_string(),
        r#""" gives no token, expected one"#
    );
}
