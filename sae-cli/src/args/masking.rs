//! The options that say which positions count.

/// Positions that are left out, by their tokens.
#[derive(Debug, Clone, clap::Args)]
#[allow(clippy::struct_field_names)] // they are the options' names
pub(crate) struct MaskingArgs {
    /// Leave out the positions of these tokens
    #[arg(long, value_name = "ID,..", value_delimiter = ',', conflicts_with_all = ["exclude_special_tokens", "keep_all_tokens"])]
    pub(crate) exclude_tokens: Vec<u32>,
    /// Leave out the positions of the tokenizer's BOS, EOS, PAD and SEP (the default)
    #[arg(long, conflicts_with = "keep_all_tokens")]
    pub(crate) exclude_special_tokens: bool,
    /// Leave out no position
    #[arg(long)]
    pub(crate) keep_all_tokens: bool,
}
