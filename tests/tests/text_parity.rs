//! Tokenising, packing and file formats, against what the Python peers answer (`goldens/text.py`).
#![allow(clippy::unwrap_used, reason = "these are tests")]

use std::path::PathBuf;

use dataset_stream::{
    Content, Packer, SaeLensIds, SourceOptions, SpecialText, StreamOptions, TextSource,
    TokenStream, TokenTable, Tokenizer,
};
use serde_json::Value;

const TOKENIZERS: [&str; 4] = ["gpt2", "llama3", "sentencepiece", "gaps"];

fn golden(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("goldens/data/text")
        .join(name)
}

fn json(name: &str) -> Value {
    serde_json::from_slice(&std::fs::read(golden(name)).unwrap()).unwrap()
}

fn ids(value: &Value) -> Vec<u32> {
    value
        .as_array()
        .unwrap()
        .iter()
        .map(|id| u32::try_from(id.as_u64().unwrap()).unwrap())
        .collect()
}

fn id(value: &Value) -> Option<u32> {
    value.as_u64().map(|id| u32::try_from(id).unwrap())
}

fn texts(value: &Value) -> Vec<String> {
    value
        .as_array()
        .unwrap()
        .iter()
        .map(|text| text.as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn ids_are_those_of_hugging_face() {
    let golden_ids = json("encodings.json");
    let texts = texts(&golden_ids["texts"]);
    for name in TOKENIZERS {
        let expected = &golden_ids["tokenizers"][name];
        let tokenizer = Tokenizer::from_file(golden(name)).unwrap();
        assert_eq!(
            tokenizer.vocab_size() as u64,
            expected["vocab_size"].as_u64().unwrap(),
            "{name}"
        );
        let literal = tokenizer.clone().with_special_text(SpecialText::Literal);
        let mut differ = 0;
        for (i, text) in texts.iter().enumerate() {
            let parsed = ids(&expected["parsed"][i]);
            assert_eq!(
                tokenizer.encode(text).unwrap(),
                parsed,
                "{name}, string {i}: {text:?}"
            );
            let as_text = match &expected["literal"][i.to_string()] {
                Value::Null => parsed,
                ids_as_text => ids(ids_as_text),
            };
            differ += usize::from(!expected["literal"][i.to_string()].is_null());
            assert_eq!(
                literal.encode(text).unwrap(),
                as_text,
                "{name}, literally, string {i}: {text:?}"
            );
        }
        assert!(
            differ > 20,
            "{name}: too few strings hold special tokens for the test to mean anything"
        );
    }
}

#[test]
fn ids_decode_to_the_text_of_hugging_face() {
    let golden_ids = json("encodings.json");
    let texts = texts(&golden_ids["texts"]);
    for name in TOKENIZERS {
        let expected = &golden_ids["tokenizers"][name];
        let tokenizer = Tokenizer::from_file(golden(name)).unwrap();
        for (i, text) in texts.iter().enumerate() {
            let decoded = tokenizer.decode(&ids(&expected["parsed"][i])).unwrap();
            let want = expected["decoded"][i.to_string()].as_str().unwrap_or(text);
            assert_eq!(decoded, want, "{name}, string {i}");
        }
    }
}

#[test]
fn token_bytes_join_to_the_text() {
    let golden_ids = json("encodings.json");
    for name in TOKENIZERS {
        let tokenizer = Tokenizer::from_file(golden(name)).unwrap();
        for text in texts(&golden_ids["texts"]) {
            let ids = tokenizer.encode(&text).unwrap();
            let bytes: Vec<u8> = ids
                .iter()
                .flat_map(|&id| tokenizer.token_bytes(id).unwrap())
                .collect();
            match name {
                // Its normalizer puts a space before each run of text and makes every ▁ one: what is left must be the same.
                "sentencepiece" => {
                    let bare = |text: &str| text.replace([' ', '▁'], "");
                    assert_eq!(bare(str::from_utf8(&bytes).unwrap()), bare(&text), "{name}");
                }
                // What it has no token for is gone.
                "gaps" => {
                    let mut rest = text.bytes();
                    assert!(
                        bytes.iter().all(|byte| rest.any(|b| b == *byte)),
                        "{name}: {text:?}"
                    );
                }
                _ => assert_eq!(str::from_utf8(&bytes).unwrap(), text, "{name}"),
            }
        }
    }
}

#[test]
fn special_tokens_come_from_whichever_file_names_them() {
    for (name, bos, eos) in [
        ("gpt2", 0, 1),
        ("llama3", 0, 1),
        ("gaps", 0, 1),
        ("sentencepiece", 1, 2),
    ] {
        let tokenizer = Tokenizer::from_file(golden(name)).unwrap();
        assert_eq!(
            (tokenizer.bos(), tokenizer.eos()),
            (Some(bos), Some(eos)),
            "{name}"
        );
    }
    let gpt2 = Tokenizer::from_file(golden("gpt2/tokenizer.json")).unwrap();
    assert_eq!(gpt2.special().structural(), [0, 1, 2]);
}

#[test]
fn packing_is_that_of_saelens() {
    let cases = json("packing.json");
    for (i, case) in cases.as_array().unwrap().iter().enumerate() {
        let settings = &case["settings"];
        let context_size = usize::try_from(settings["context_size"].as_u64().unwrap()).unwrap();
        let ids_of = SaeLensIds {
            begin_batch: id(&settings["begin_batch_token_id"]),
            begin_sequence: id(&settings["begin_sequence_token_id"]),
            separator: id(&settings["sequence_separator_token_id"]),
            disable_concat: settings["disable_concat_sequences"].as_bool().unwrap(),
        };
        let mut packer = Packer::saelens(context_size, ids_of);
        let mut rows = Vec::new();
        for document in case["documents"].as_array().unwrap() {
            packer.push(&ids(document), |row| rows.push(row));
        }
        let expected: Vec<_> = case["rows"].as_array().unwrap().iter().map(ids).collect();
        assert_eq!(rows, expected, "case {i}: {settings}");
    }
}

#[test]
fn the_notebooks_packing_is_that_of_transformer_lens() {
    let tokenizer = Tokenizer::from_file(golden("gpt2")).unwrap();
    let cases = json("notebook.json");
    let mut with_empty = 0;
    for case in cases.as_array().unwrap() {
        let texts = texts(&case["texts"]);
        with_empty += usize::from(texts.iter().any(String::is_empty));
        let context_size = usize::try_from(case["context_size"].as_u64().unwrap()).unwrap();
        let mut options = StreamOptions::new(context_size);
        options.prepend_bos = case["prepend_bos"].as_bool().unwrap();
        let source = TextSource::from_documents(texts.into_iter().map(Content::Text));
        let stream = TokenStream::new(source, &tokenizer, &options).unwrap();
        let rows = stream.collect::<Result<Vec<_>, _>>().unwrap();
        let expected: Vec<_> = case["rows"].as_array().unwrap().iter().map(ids).collect();
        assert_eq!(rows, expected, "{}, rows of {context_size}", case["name"]);
    }
    assert!(with_empty >= 15, "too few cases have an empty document");
}

#[test]
fn text_files_of_other_writers_read_back() {
    let expected = texts(&json("rows-expected.json")["texts"]);
    let cases = [
        ("rows.parquet", None),
        ("rows.json.gz", None),
        ("dictionary.parquet", None),
        ("dictionary.parquet", Some("content")),
    ];
    for (file, column) in cases {
        let mut options = SourceOptions::default();
        options.column = column.map(Into::into);
        let source = TextSource::open(golden(file).to_str().unwrap(), &options).unwrap();
        let read: Vec<_> = source.map(|document| document.unwrap().content).collect();
        let expected: Vec<_> = expected.iter().cloned().map(Content::Text).collect();
        assert_eq!(read, expected, "{file}");
    }
}

#[test]
fn token_files_of_other_writers_read_back() {
    let expected: Vec<_> = json("rows-expected.json")["ids"]
        .as_array()
        .unwrap()
        .iter()
        .map(ids)
        .collect();
    for file in ["ids.parquet", "ids.safetensors"] {
        let source =
            TextSource::open(golden(file).to_str().unwrap(), &SourceOptions::default()).unwrap();
        let read: Vec<_> = source.map(|document| document.unwrap().content).collect();
        assert_eq!(
            read,
            expected
                .iter()
                .cloned()
                .map(Content::Tokens)
                .collect::<Vec<_>>(),
            "{file}"
        );
    }
    let table = TokenTable::open(golden("ids.safetensors")).unwrap();
    assert_eq!((table.len(), table.context_size()), (9, 16));
    assert_eq!(
        table.rows().collect::<Result<Vec<_>, _>>().unwrap(),
        expected
    );
}
