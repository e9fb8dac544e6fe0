//! Tables of tokens, tokenizers, and chat templates.

use crate::scratch::{self, files};
use chat_template::{ChatTemplate, Message, RenderOptions, SpecialTokens};
use dataset_stream::{SourceOptions, TextSource, TokenTable, Tokenizer};

/// Rows that are read of one table.
const ROWS: usize = 100;

fn read(table: &TokenTable) {
    let _ = table.verify();
    for row in table.rows().take(ROWS) {
        std::hint::black_box(&row);
    }
}

pub(crate) fn table(data: &[u8]) {
    let path = scratch::file("tokens.safetensors", data);
    if let Ok(table) = TokenTable::open(&path) {
        read(&table);
    }
}

/// The manifest, then the files that it lists.
pub(crate) fn folder(data: &[u8]) {
    const NAMES: &[&str] = &[
        "manifest.json",
        "shard-00000.safetensors",
        "shard-00001.safetensors",
    ];
    let folder = files("token_folder", NAMES, data);
    if let Ok(table) = TokenTable::open(&folder) {
        read(&table);
    }
    if let Ok(source) = TextSource::open(&folder.to_string_lossy(), &SourceOptions::default()) {
        for row in source.take(ROWS) {
            std::hint::black_box(&row);
        }
    }
}

/// `tokenizer.json`, then `tokenizer_config.json`.
pub(crate) fn tokenizer(data: &[u8]) {
    let folder = files(
        "tokenizer",
        &["tokenizer.json", "tokenizer_config.json"],
        data,
    );
    let Ok(tokenizer) = Tokenizer::from_file(folder.join("tokenizer.json")) else {
        return;
    };
    if let Ok(ids) = tokenizer.encode("Once upon a time,\u{a0}12 <s> zoë\u{1f600}\n") {
        let _ = tokenizer.decode(&ids);
    }
    for id in 0..32 {
        std::hint::black_box((tokenizer.token_bytes(id), tokenizer.token_text(id)));
    }
    let _ = (
        tokenizer.single_token(" a"),
        tokenizer.all_special(),
        tokenizer.vocab_size(),
    );
}

fn render(template: &ChatTemplate) {
    let messages = [
        Message::system("Be brief."),
        Message::user("Hi <s>\n"),
        Message::assistant("Hello"),
    ];
    let _ = template.render(&messages, &RenderOptions::new().add_generation_prompt(true));
    let _ = template.render(&messages[1..2], &RenderOptions::new());
}

pub(crate) fn chat_template(data: &[u8]) {
    if let Ok(source) = std::str::from_utf8(data) {
        render(&ChatTemplate::new(
            source,
            SpecialTokens::new("<s>", "</s>"),
        ));
    }
}

/// `tokenizer_config.json`, then `chat_template.jinja`.
pub(crate) fn chat_config(data: &[u8]) {
    let folder = files(
        "chat",
        &["tokenizer_config.json", "chat_template.jinja"],
        data,
    );
    if let Ok(template) = ChatTemplate::from_folder(&folder) {
        render(&template);
    }
}
