//! The shape of a Llama: the numbers of `config.json`, checked.

mod error;
mod hf;
mod memory;
mod rope;

pub use error::LlamaConfigError;
pub use memory::ModelMemory;
pub use rope::{Rope, RopeScaling};

use error::{Problem, invalid};
use std::path::Path;

/// A `config.json` is a few kilobytes; anything beyond this is something else.
const MAX_CONFIG_BYTES: u64 = 4 << 20;

/// The dimensions and constants of a Llama-architecture model.
///
/// Fields are public and may be set by hand; [`validate`](Self::validate) is what [`Llama`](crate::Llama) expects to hold.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct LlamaConfig {
    /// The number of token ids (`vocab_size`).
    pub vocab_size: usize,
    /// Width of the residual stream (`hidden_size`).
    pub d_model: usize,
    /// The number of blocks (`num_hidden_layers`).
    pub n_layers: usize,
    /// The number of query heads (`num_attention_heads`).
    pub n_heads: usize,
    /// The number of key and value heads (`num_key_value_heads`): `n_heads` for multi-head, 1 for multi-query attention,
    /// a divisor of `n_heads` in between for grouped-query attention.
    pub n_kv_heads: usize,
    /// Width of one head (`head_dim`), even. Need not be `d_model / n_heads`.
    pub d_head: usize,
    /// Width of the MLP's hidden layer (`intermediate_size`).
    pub d_mlp: usize,
    /// The ε inside every root mean square.
    pub rms_norm_eps: f64,
    /// Rotary position embedding.
    pub rope: Rope,
    /// Whether the unembedding is the embedding; there is no `lm_head.weight` then.
    pub tie_word_embeddings: bool,
    /// The id that starts a text, if the configuration names one.
    pub bos_token_id: Option<u32>,
    /// The ids that end a text; Llama 3 has several.
    pub eos_token_ids: Vec<u32>,
    /// The id that fills up short rows, if the configuration names one.
    pub pad_token_id: Option<u32>,
    /// The context length the model was trained for, in tokens. Nothing is allocated from it and longer inputs run.
    pub max_position_embeddings: usize,
}

impl LlamaConfig {
    /// These sizes, and transformers' defaults for the rest: as many key and value heads as query heads, `d_head` of
    /// `d_model / n_heads`, an untied unembedding, RoPE with θ = 10,000, ε = 1e-6, contexts of 2,048 tokens, BOS 1 and EOS 2.
    pub fn new(
        n_layers: usize,
        d_model: usize,
        n_heads: usize,
        d_mlp: usize,
        vocab_size: usize,
    ) -> Self {
        Self {
            vocab_size,
            d_model,
            n_layers,
            n_heads,
            n_kv_heads: n_heads,
            d_head: d_model / n_heads.max(1),
            d_mlp,
            rms_norm_eps: 1e-6,
            rope: Rope {
                theta: 10_000.0,
                scaling: RopeScaling::Default,
            },
            tie_word_embeddings: false,
            bos_token_id: Some(1),
            eos_token_ids: vec![2],
            pad_token_id: None,
            max_position_embeddings: 2_048,
        }
    }

    /// Reads Hugging Face's `config.json`, in the classic layout (`rope_theta`, `rope_scaling`) or that of transformers 5
    /// (`rope_parameters`).
    ///
    /// # Errors
    /// If the file cannot be read, is not such a configuration, holds sizes that contradict each other, or asks for something
    /// that is not a plain Llama: another activation, biases, an active sliding window, quantised weights, another kind of RoPE
    /// scaling. The message names the file and the key.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, LlamaConfigError> {
        let path = path.as_ref();
        let fail = |problem| LlamaConfigError::new(path, problem);
        let found = std::fs::metadata(path).map_err(|e| fail(Problem::Read(e)))?;
        // Opening a pipe would wait for somebody who writes into it.
        if !found.is_file() {
            let reason = std::io::Error::other("it is a folder, a pipe or a device");
            return Err(fail(Problem::Read(reason)));
        }
        let bytes = found.len();
        if bytes > MAX_CONFIG_BYTES {
            return Err(fail(Problem::TooLarge {
                bytes,
                limit: MAX_CONFIG_BYTES,
            }));
        }
        let text = std::fs::read_to_string(path).map_err(|e| fail(Problem::Read(e)))?;
        Self::parse(&text).map_err(fail)
    }

    /// As [`from_file`](Self::from_file), from text already at hand.
    ///
    /// # Errors
    /// As [`from_file`](Self::from_file).
    pub fn from_json(text: &str) -> Result<Self, LlamaConfigError> {
        Self::parse(text).map_err(|problem| LlamaConfigError::new("config.json", problem))
    }

    fn parse(text: &str) -> Result<Self, Problem> {
        let mut json = serde_json::Deserializer::from_str(text);
        let raw: hf::HfConfig = serde_path_to_error::deserialize(&mut json)
            .map_err(|e| Problem::json(&e.path().to_string(), e.inner()))?;
        json.end().map_err(|e| Problem::json(".", &e))?;
        let config = Self::try_from(raw)?;
        config.check()?;
        Ok(config)
    }

    /// Checks that the sizes are usable and fit together.
    ///
    /// # Errors
    /// Names the first key, in Hugging Face's spelling, that is zero, absurdly large or contradicts another.
    pub fn validate(&self) -> Result<(), LlamaConfigError> {
        self.check()
            .map_err(|problem| LlamaConfigError::new("configuration", problem))
    }

    fn check(&self) -> Result<(), Problem> {
        // Upper bounds are an order of magnitude above anything published; they exist so that products of sizes cannot
        // overflow and a hostile file cannot ask for a petabyte.
        within("vocab_size", self.vocab_size, 1 << 24)?;
        within("hidden_size", self.d_model, 1 << 17)?;
        within("num_hidden_layers", self.n_layers, 1 << 12)?;
        within("num_attention_heads", self.n_heads, 1 << 12)?;
        within("num_key_value_heads", self.n_kv_heads, 1 << 12)?;
        within("head_dim", self.d_head, 1 << 12)?;
        within("intermediate_size", self.d_mlp, 1 << 20)?;
        within(
            "max_position_embeddings",
            self.max_position_embeddings,
            1 << 32,
        )?;
        if !self.n_heads.is_multiple_of(self.n_kv_heads) {
            let expected = format!(
                "a divisor of num_attention_heads, which is {}",
                self.n_heads
            );
            return Err(invalid("num_key_value_heads", self.n_kv_heads, expected));
        }
        if !self.d_head.is_multiple_of(2) {
            return Err(invalid(
                "head_dim",
                self.d_head,
                "an even number: RoPE turns pairs",
            ));
        }
        if !(self.rms_norm_eps > 0.0 && self.rms_norm_eps < 1.0) {
            return Err(invalid(
                "rms_norm_eps",
                self.rms_norm_eps,
                "a small positive number such as 1e-5",
            ));
        }
        self.rope.check()
    }
}

fn within(key: &'static str, found: usize, limit: usize) -> Result<(), Problem> {
    if (1..=limit).contains(&found) {
        return Ok(());
    }
    Err(invalid(key, found, format!("a number from 1 to {limit}")))
}
