//! The options that say how text becomes rows.

use clap::ValueEnum;
use clap::builder::RangedU64ValueParser;
use dataset_stream::{Packing, SaeLensPacking};

/// `--packing`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum PackingChoice {
    /// One continuous stream: EOS between documents, BOS at the head of each row
    Notebook,
    /// SAELens' `concat_and_batch_sequences`: BOS between documents
    Saelens,
}

impl PackingChoice {
    pub(crate) fn packing(self) -> Packing {
        match self {
            Self::Notebook => Packing::Notebook,
            Self::Saelens => Packing::SaeLens(SaeLensPacking::default()),
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Notebook => "notebook",
            Self::Saelens => "saelens",
        }
    }
}

/// The values of `--context-size`: the lengths that rows of text can have.
pub(crate) fn context_sizes() -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(1..=1 << 24)
}
