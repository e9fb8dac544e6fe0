//! Why prompts cannot be contrasted.

use chat_template::ChatTemplateError;
use dataset_stream::EncodeError;
use llama_hooked::HookPoint;
use sae_progress::Stopped;
use std::path::PathBuf;

/// A prompt that does not become tokens.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PromptTokensError {
    /// The tokenizer fails.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// The chat template fails.
    #[error(transparent)]
    Chat(#[from] ChatTemplateError),
    /// A message that chat templates do not take.
    #[error("a message is not as chat templates take it: {0}")]
    Message(serde_json::Error),
    /// Messages without a chat template.
    #[error("has messages, and they need the model's chat template; ask for it (--chat)")]
    Messages,
    /// BOS was asked for and is not known.
    #[error("{}: names no BOS token; ask for prompts without one", .0.display())]
    NoBos(PathBuf),
    /// Every token is left out.
    #[error(
        "has no tokens that count: it is empty, or all of its tokens are special ones that are left out"
    )]
    NoTokens,
    /// A token beyond the vocabulary.
    #[error(
        "has token {id}, which is outside the model's vocabulary ({vocab_size}); is this the model's tokenizer?"
    )]
    UnknownToken {
        /// Its id.
        id: u32,
        /// The size of the vocabulary.
        vocab_size: usize,
    },
    /// A template without a place for the text.
    #[error("the template {0:?} has no {{text}}: say where each prompt's text goes")]
    Template(String),
}

/// Prompts that cannot be run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ContrastError {
    /// The SAE is of another width.
    #[error(
        "the SAE reads {d_in} numbers, and {point} has {width}; does it belong to this model and hook?"
    )]
    Width {
        /// The width that the SAE reads.
        d_in: usize,
        /// The hook.
        point: HookPoint,
        /// The hook's width.
        width: usize,
    },
    /// A hook with heads, and nothing that says what to do with them.
    #[error(
        "{0} has an axis of heads: the SAE needs reshape_activations \"hook_z\" or a hook_head_index in cfg.json"
    )]
    HeadAxis(HookPoint),
    /// Not one SAE for each hook.
    #[error("there are {saes} SAEs and {hooks} hooks; give one hook for each SAE")]
    Number {
        /// SAEs.
        saes: usize,
        /// Hooks.
        hooks: usize,
    },
    /// The observer stopped the work.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}
