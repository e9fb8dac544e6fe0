//! What the tests of this crate share: a folder to fill, and a tokenizer whose every id is a byte.
#![allow(dead_code, reason = "each test file uses its own part of this")]

use std::io::Write;
use std::path::{Path, PathBuf};

use dataset_stream::{Content, SourceError, SourceOptions, TextSource, Tokenizer};
use serde_json::json;

pub(crate) const BOS: u32 = 256;
pub(crate) const EOS: u32 = 257;

/// A temporary folder with files in it.
pub(crate) struct Folder(tempfile::TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes a file; gives its path as the user would type it.
    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> String {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// Replaces the folder's path in a message, which no test can know.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "errors are made where they are shown"
    )]
    pub(crate) fn short(&self, message: impl ToString) -> String {
        let message = message.to_string();
        message
            .replace(&format!("{}/", self.0.path().display()), "")
            .replace(self.0.path().to_str().unwrap(), "DIR")
    }
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

pub(crate) fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).unwrap()
}

/// All documents' contents.
pub(crate) fn read(spec: &str, options: &SourceOptions) -> Result<Vec<Content>, SourceError> {
    TextSource::open(spec, options)?
        .map(|d| d.map(|d| d.content).map_err(SourceError::from))
        .collect()
}

pub(crate) fn texts(spec: &str) -> Vec<String> {
    let contents = read(spec, &SourceOptions::default()).unwrap();
    contents
        .iter()
        .map(|content| content.as_text().unwrap().to_owned())
        .collect()
}

/// `tokenizer.json` of a byte-level model without merges: byte `b` is token `b`, and there are `<s>` and `</s>`.
pub(crate) fn bytes_tokenizer_json() -> serde_json::Value {
    let alphabet = &*tokenizers::utils::byte_level::BYTES_CHAR_LOOKUP;
    let vocab: serde_json::Map<_, _> = alphabet
        .iter()
        .zip(0u32..)
        .map(|(c, id)| (c.to_string(), id.into()))
        .collect();
    let special = |id: u32, content: &str| {
        json!({"id": id, "content": content, "single_word": false, "lstrip": false, "rstrip": false,
            "normalized": false, "special": true})
    };
    json!({
        "version": "1.0",
        "added_tokens": [special(BOS, "<s>"), special(EOS, "</s>")],
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true},
        "decoder": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true},
        "model": {"type": "BPE", "vocab": vocab, "merges": []},
    })
}

/// The tokenizer of [`bytes_tokenizer_json`], with BOS and EOS named.
pub(crate) fn bytes_tokenizer(folder: &Folder) -> Tokenizer {
    let path = folder.write("bytes/tokenizer.json", bytes_tokenizer_json().to_string());
    folder.write(
        "bytes/tokenizer_config.json",
        r#"{"bos_token": "<s>", "eos_token": {"content": "</s>"}}"#,
    );
    Tokenizer::from_file(Path::new(&path)).unwrap()
}

/// One record a line.
pub(crate) fn lines(texts: &[impl AsRef<str>]) -> String {
    texts
        .iter()
        .map(|text| json!({"text": text.as_ref()}).to_string() + "\n")
        .collect()
}

/// What is said when a file with these bytes is read.
pub(crate) fn said(name: &str, bytes: impl AsRef<[u8]>) -> String {
    let folder = Folder::new();
    let file = folder.write(name, bytes);
    folder.short(read(&file, &SourceOptions::default()).unwrap_err())
}

/// What is said when `spec` is read.
pub(crate) fn said_of(folder: &Folder, spec: &str) -> String {
    folder.short(read(spec, &SourceOptions::default()).unwrap_err())
}
