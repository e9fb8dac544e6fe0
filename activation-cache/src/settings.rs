//! What a cache is of: the same in every shard.

use crate::{CacheDtype, CacheError};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The tensor of token ids.
pub(crate) const IDS: &str = "token_ids";
/// Follows a hook's name in that of its scales.
pub(crate) const SCALE: &str = ".scale";
/// More files are no good to anybody.
const MOST_SHARDS: usize = 100_000;
/// Fingerprints begin so: their digits say nothing to people.
const FINGERPRINT: &str = "sha256:";
/// Spelt differently they mean the same: what they name has a fingerprint.
const NAMES: [&str; 2] = ["model_name", "dataset_path"];

/// A hook whose activations are cached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct CachedHook {
    /// TransformerLens' name, which is also the tensor's.
    pub name: String,
    /// Numbers of a token.
    pub width: usize,
    /// How many heads they are of, side by side; none where there are no heads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heads: Option<usize>,
}

impl CachedHook {
    /// A hook without heads.
    pub fn new(name: &str, width: usize) -> Self {
        Self {
            name: name.to_owned(),
            width,
            heads: None,
        }
    }
}

/// What a cache is of and how it is laid out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct CacheSettings {
    /// The model, as it was named.
    pub model_name: String,
    /// A fingerprint of its weights; empty if nobody took one.
    pub model_weights: String,
    /// The number format that it ran in; empty if nobody said.
    pub model_dtype: String,
    /// A fingerprint of the file of tokens; empty if nobody took one.
    pub token_file: String,
    /// The hooks, in the order in which rows have them.
    pub hooks: Vec<CachedHook>,
    /// Tokens in a row.
    pub context_size: usize,
    /// Rows.
    pub rows: usize,
    /// Rows in every shard but the last.
    pub rows_per_shard: usize,
    /// How numbers are stored.
    pub dtype: CacheDtype,
    /// The data set that rows were made of, if that is known.
    pub dataset_path: Option<String>,
    /// Whether rows begin with BOS, if that is known.
    pub prepend_bos: Option<bool>,
    /// The tokenizer's special tokens, if there was one.
    pub special_tokens: Option<Vec<u32>>,
}

impl CacheSettings {
    /// Of these hooks of a model, in f32; rows and their size are still to be set.
    pub fn new(model_name: &str, hooks: Vec<CachedHook>) -> Self {
        Self {
            model_name: model_name.to_owned(),
            model_weights: String::new(),
            model_dtype: String::new(),
            token_file: String::new(),
            hooks,
            context_size: 0,
            rows: 0,
            rows_per_shard: 0,
            dtype: CacheDtype::F32,
            dataset_path: None,
            prepend_bos: None,
            special_tokens: None,
        }
    }

    /// Numbers of a token at all hooks together.
    pub fn width(&self) -> usize {
        self.hooks.iter().map(|hook| hook.width).sum()
    }

    /// Tokens of all rows.
    pub fn tokens(&self) -> u64 {
        self.rows as u64 * self.context_size as u64
    }

    /// Bytes that a token takes: its id, its numbers, their scales.
    pub fn bytes_per_token(&self) -> u64 {
        let scale = if self.dtype.has_scale() { 4 } else { 0 };
        let of = |hook: &CachedHook| (hook.width * self.dtype.size()) as u64 + scale;
        4 + self.hooks.iter().map(of).sum::<u64>()
    }

    /// Files.
    pub fn n_shards(&self) -> usize {
        self.rows.div_ceil(self.rows_per_shard.max(1))
    }

    /// Rows of a shard.
    pub(crate) fn rows_of(&self, shard: usize) -> usize {
        let before = shard * self.rows_per_shard;
        self.rows.saturating_sub(before).min(self.rows_per_shard)
    }

    /// Whether there can be such a cache: all products of its sizes can be counted, and no two tensors have one name.
    pub(crate) fn check(&self) -> Result<(), String> {
        if self.hooks.is_empty() {
            return Err("there is no hook".to_owned());
        }
        if self.context_size == 0 || self.rows == 0 || self.rows_per_shard == 0 {
            return Err("context_size, rows and rows_per_shard are at least 1".to_owned());
        }
        for (at, hook) in self.hooks.iter().enumerate() {
            let name = &hook.name;
            if name.is_empty() || name == IDS || name.ends_with(SCALE) || name == "__metadata__" {
                return Err(format!("{name:.80?} cannot be the name of a hook"));
            }
            if self.hooks[..at].iter().any(|other| other.name == *name) {
                return Err(format!("the hook {name} comes twice"));
            }
            if hook.width == 0 {
                return Err(format!("{name} has a width of 0"));
            }
            if let Some(heads) = hook.heads
                && (heads == 0 || !hook.width.is_multiple_of(heads))
            {
                return Err(format!(
                    "{name} has a width of {}, which is not of {heads} heads",
                    hook.width
                ));
            }
        }
        let widths = self.hooks.iter().map(|hook| hook.width);
        let bytes = widths
            .clone()
            .try_fold(0_usize, usize::checked_add)
            .and_then(|width| {
                width
                    .checked_mul(4)?
                    .checked_add(4 * (self.hooks.len() + 1))
            })
            .and_then(|bytes| bytes.checked_mul(self.context_size))
            .and_then(|bytes| bytes.checked_mul(self.rows.checked_add(self.rows_per_shard)?));
        if bytes.is_none() {
            return Err("they are more than can be counted".to_owned());
        }
        let shards = self.n_shards();
        if shards > MOST_SHARDS {
            return Err(format!(
                "{shards} shards are more than {MOST_SHARDS}; put more tokens into each"
            ));
        }
        Ok(())
    }

    pub(crate) fn checked(&self) -> Result<(), CacheError> {
        self.check().map_err(CacheError::Settings)
    }

    /// The first setting that differs from what is there, and how.
    pub(crate) fn difference(&self, there: &Self) -> Option<String> {
        let json = |settings: &Self| serde_json::to_value(settings).unwrap_or_default();
        let (there, now) = (json(there), json(self));
        let keys = now.as_object().into_iter().flat_map(|object| object.keys());
        let mut keys = keys.filter(|key| !NAMES.contains(&key.as_str()));
        let key = keys.find(|key| there[key.as_str()] != now[key.as_str()])?;
        let (there, now) = (&there[key.as_str()], &now[key.as_str()]);
        Some(match key.as_str() {
            "model_weights" => "they are of other weights of a model".to_owned(),
            "token_file" => "they are of other tokens".to_owned(),
            "hooks" => format!("they are of {}, and now of {}", hooks(there), hooks(now)),
            _ if now.as_str().is_some_and(|now| now.starts_with(FINGERPRINT)) => {
                format!("{key} differs")
            }
            _ => format!("{key} is {there} there and {now} now"),
        })
    }
}

fn hooks(value: &Value) -> String {
    let hooks = value.as_array().into_iter().flatten();
    let names = hooks.filter_map(|hook| Some(hook["name"].as_str()?.to_owned()));
    names.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::{CacheSettings, CachedHook};

    fn settings() -> CacheSettings {
        let mut settings = CacheSettings::new("m", vec![CachedHook::new("a", 4)]);
        (
            settings.context_size,
            settings.rows,
            settings.rows_per_shard,
        ) = (8, 10, 4);
        settings
    }

    #[test]
    fn sizes_add_up() {
        let settings = settings();
        settings.check().unwrap();
        assert_eq!(settings.n_shards(), 3);
        assert_eq!(
            [0, 1, 2, 3].map(|shard| settings.rows_of(shard)),
            [4, 4, 2, 0]
        );
        assert_eq!(settings.bytes_per_token(), 20);
    }

    #[test]
    fn impossible_settings_are_refused() {
        let refused = |change: &dyn Fn(&mut CacheSettings)| {
            let mut settings = settings();
            change(&mut settings);
            settings.check().unwrap_err()
        };
        assert!(refused(&|s| s.hooks.clear()).contains("no hook"));
        assert!(refused(&|s| s.rows = 0).contains("at least 1"));
        assert!(refused(&|s| s.hooks.push(s.hooks[0].clone())).contains("twice"));
        assert!(refused(&|s| s.hooks[0].name = "token_ids".into()).contains("cannot be the name"));
        assert!(refused(&|s| s.hooks[0].heads = Some(3)).contains("3 heads"));
        assert!(refused(&|s| s.rows = usize::MAX).contains("counted"));
        assert!(refused(&|s| s.hooks[0].width = usize::MAX / 2).contains("counted"));
        assert!(refused(&|s| (s.rows, s.rows_per_shard) = (1 << 20, 1)).contains("shards"));
    }

    #[test]
    fn a_difference_is_named_and_spelling_is_none() {
        let mut other = settings();
        other.model_name = "./m".to_owned();
        assert_eq!(settings().difference(&other), None);
        other.rows = 9;
        let said = settings().difference(&other);
        assert_eq!(said.as_deref(), Some("rows is 9 there and 10 now"));
        other.hooks[0].name = "b".to_owned();
        let said = settings().difference(&other);
        assert_eq!(said.as_deref(), Some("they are of b, and now of a"));
    }
}
