//! How somebody's tensors become ours.

use super::Format;
use super::fold::Fold;
use crate::config::SaeConfig;
use std::path::{Path, PathBuf};

/// What loading has to do to files of another format: which tensor is which, and what is folded into them.
#[derive(Debug, Clone, PartialEq)]
pub struct Foreign {
    /// Whose files they are.
    pub format: Format,
    /// The configuration, where there is one.
    pub config: Option<PathBuf>,
    /// What is folded into the weights, in sentences for people; none if they are read as they are.
    pub folded: Vec<String>,
    parts: Vec<Part>,
    /// Tensors of the file that are known and not needed.
    ignored: Vec<String>,
    pub(crate) fold: Fold,
}

/// One of our tensors, and where it comes from.
#[derive(Debug, Clone, PartialEq)]
struct Part {
    ours: &'static str,
    theirs: Theirs,
}

/// Where a tensor comes from.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Theirs {
    /// A tensor of the file, as it is.
    AsIs(String),
    /// A matrix of the file, transposed.
    Transposed(String),
    /// The exponential of a tensor.
    Exp(String),
    /// One number for all places.
    Scalar(String),
    /// A number that the configuration gives, or a bias that there is none of.
    Fill(f64),
}

impl Foreign {
    pub(super) fn new(format: Format, config: Option<&Path>) -> Self {
        Self {
            format,
            config: config.map(Path::to_owned),
            folded: Vec::new(),
            parts: Vec::new(),
            ignored: Vec::new(),
            fold: Fold::default(),
        }
    }

    pub(super) fn part(mut self, ours: &'static str, theirs: Theirs) -> Self {
        self.parts.push(Part { ours, theirs });
        self
    }

    /// Encoder and decoder as `torch.nn.Linear` keeps them, `[out, in]`.
    pub(super) fn linear_pair(self, encoder: &str, decoder: &str) -> Self {
        self.part("W_enc", Theirs::Transposed(format!("{encoder}.weight")))
            .part("b_enc", Theirs::AsIs(format!("{encoder}.bias")))
            .part("W_dec", Theirs::Transposed(format!("{decoder}.weight")))
    }

    /// Tensors that are called as ours are.
    pub(super) fn same(mut self, names: &[&'static str]) -> Self {
        for name in names {
            self = self.part(name, Theirs::AsIs((*name).to_owned()));
        }
        self
    }

    pub(super) fn ignore(mut self, names: &[&str]) -> Self {
        self.ignored
            .extend(names.iter().map(|name| (*name).to_owned()));
        self
    }

    pub(super) fn note(&mut self, folded: impl Into<String>) {
        self.folded.push(folded.into());
    }

    /// Where one of our tensors comes from.
    pub(crate) fn find(&self, ours: &str) -> Option<&Theirs> {
        let part = self.parts.iter().find(|part| part.ours == ours);
        part.map(|part| &part.theirs)
    }

    /// Whether a tensor of the file may be left over; an ending star stands for any ending.
    pub(crate) fn ignores(&self, theirs: &str) -> bool {
        self.ignored
            .iter()
            .any(|name| match name.strip_suffix('*') {
                Some(start) => theirs.starts_with(start),
                None => name == theirs,
            })
    }

    /// Puts itself into a configuration, which then says where the SAE came from.
    pub(super) fn into(self, mut cfg: SaeConfig) -> SaeConfig {
        let extra = &mut cfg.metadata.extra;
        extra.insert("source_format".to_owned(), self.format.name().into());
        if !self.folded.is_empty() {
            extra.insert("folded".to_owned(), self.folded.clone().into());
        }
        cfg.foreign = Some(Box::new(self));
        cfg
    }
}
