//! Whether rows of ids and a model mean the same tokens.

use anyhow::{Context, Result};
use dataset_stream::{TokenTable, Tokenizer};
use llama_hooked::Llama;
use sae_llama::resolve::FoundModel;
use std::path::Path;

/// Rows of ids; where text was given, it says what text is given by.
pub(crate) fn open_table(path: &Path) -> Result<TokenTable> {
    let opened = TokenTable::open(path);
    let ending = path.extension().and_then(|ending| ending.to_str());
    let is_table = ending.is_none_or(|ending| ["safetensors", "parquet"].contains(&ending));
    if is_table || !path.is_file() {
        return Ok(opened?);
    }
    opened.with_context(|| {
        format!(
            "--tokens {}: takes what `sae tokenize` writes, .safetensors, .parquet or a folder; text is given by --dataset, or to `sae tokenize` first",
            path.display()
        )
    })
}

/// Warns about rows of ids among the data that say they were made with another tokenizer than the one that is named for them now.
pub(crate) fn warn_of_ids_of_another_tokenizer(dataset: &str, tokenizer: &Path) {
    let path = Path::new(dataset);
    let table = (path.is_file() || path.is_dir()).then(|| TokenTable::open(path).ok());
    let Some(table) = table.flatten() else { return };
    let Some(made) = table.metadata() else { return };
    if made.is_of_tokenizer(tokenizer) == Some(false) {
        tracing::warn!(
            "{dataset}: holds ids already, made with the tokenizer {}, which is another than {}: they are taken as they are, and may mean other words",
            made.tokenizer_name.as_deref().unwrap_or("not recorded"),
            tokenizer.display()
        );
    }
}

/// Warns about a file or folder of tokens that says it was made with another tokenizer than the model's: its ids may all be in the vocabulary
/// and still mean other words. A file that says nothing, or is none of tokens, passes.
pub(crate) fn warn_of_another_tokenizer(path: Option<&Path>, found: &FoundModel, model: &Llama) {
    let Some(path) = path.filter(|path| path.is_file() || path.is_dir()) else {
        return;
    };
    let Ok(table) = TokenTable::open(path) else {
        return;
    };
    let Some(made) = table.metadata() else { return };
    let own = found.files.tokenizer.as_deref();
    let name = made.tokenizer_name.as_deref().unwrap_or("not recorded");
    // Models often have room for more tokens than their tokenizers make, so that the tokenizer has the last word.
    if let Some(recorded) = made.vocab_size
        && recorded != model.config().vocab_size
    {
        let tokenizer = own.and_then(|path| Tokenizer::from_file(path).ok());
        let expected = tokenizer.map_or(model.config().vocab_size, |own| own.vocab_size());
        if recorded != expected {
            tracing::warn!(
                "{}: was made with a tokenizer of {recorded} tokens ({name}), the model's has {expected}: the ids may mean other words",
                path.display()
            );
            return;
        }
    }
    let Some(own) = own else { return };
    let differs = match made.is_of_tokenizer(own) {
        Some(same) => !same,
        None => are_different(Path::new(name), own),
    };
    if differs {
        tracing::warn!(
            "{}: was made with the tokenizer {name}, which is another than the model's, {}: the ids may mean other words",
            path.display(),
            own.display()
        );
    }
}

/// Whether the first rows of a file or folder of tokens begin with BOS, as the others will; none where that cannot be known.
pub(crate) fn rows_begin_with_bos(path: &Path, found: &FoundModel) -> Option<bool> {
    const LOOKED_AT: usize = 64;
    let bos = Tokenizer::from_file(found.files.tokenizer.as_deref()?)
        .ok()?
        .bos()?;
    let table = TokenTable::open(path).ok()?;
    let mut rows = (0..table.len().min(LOOKED_AT)).map(|row| table.row(row));
    Some(rows.all(|row| row.is_ok_and(|ids| ids.first() == Some(&bos))))
}

/// Whether both files are here and hold something different.
fn are_different(a: &Path, b: &Path) -> bool {
    let same_file = a.canonicalize().ok() == b.canonicalize().ok();
    if same_file || !a.is_file() {
        return false;
    }
    match (std::fs::read(a), std::fs::read(b)) {
        (Ok(a), Ok(b)) => a != b,
        _ => false,
    }
}
