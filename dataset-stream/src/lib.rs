//! Text data sets as a deterministic stream of packed token rows.

mod document;
mod packing;
mod source;
mod stream;
mod table;
mod tokenizer;

pub use document::{Content, Document, Location, Place};
pub use packing::{Packer, Packing, SaeLensIds, SaeLensPacking, TokenRef};
pub use source::{ReadError, SourceError, SourceOptions, TextSource};
pub use stream::{
    Budget, Observer, Pretokenized, Progress, StreamError, StreamOptions, TokenStream,
};
pub use table::{TableError, TableMetadata, TokenTable, TokenTableWriter};
pub use tokenizer::{
    DecodeError, EncodeError, SingleTokenError, SpecialText, SpecialTokens, Tokenizer,
    TokenizerError,
};
