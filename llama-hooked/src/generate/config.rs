//! `generation_config.json`: how the model's makers let it generate.

use super::{DrawOptions, Sampling};
use crate::source::ModelFiles;
use serde::Deserialize;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// What a model's files say of generation. What they leave open has transformers' defaults.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct GenerationConfig {
    /// Whether tokens are drawn by chance.
    pub do_sample: Option<bool>,
    /// See [`DrawOptions::temperature`].
    pub temperature: Option<f32>,
    /// See [`DrawOptions::top_k`].
    pub top_k: Option<usize>,
    /// See [`DrawOptions::top_p`].
    pub top_p: Option<f32>,
    /// See [`DrawOptions::min_p`].
    pub min_p: Option<f32>,
    /// See [`GenerateOptions::repetition_penalty`](super::GenerateOptions::repetition_penalty).
    pub repetition_penalty: Option<f32>,
    /// The tokens that end a text: of `generation_config.json`, else of `config.json`. Empty where neither names any.
    pub stop_ids: Vec<u32>,
    /// What the file asks for and this crate does not do.
    pub unsupported: Vec<String>,
}

/// A file of a model that cannot be read as its configuration of generation.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GenerationConfigError {
    /// It cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// It does not say what it should.
    #[error("{}: {source}; without this file the defaults hold", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: serde_json::Error,
    },
}

/// The keys that are known.
#[derive(Debug, Default, Deserialize)]
struct File {
    do_sample: Option<bool>,
    temperature: Option<f32>,
    top_k: Option<usize>,
    top_p: Option<f32>,
    min_p: Option<f32>,
    repetition_penalty: Option<f32>,
    eos_token_id: Option<Ids>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Ids {
    One(u32),
    Many(Vec<u32>),
}

/// Keys that change what transformers generates, and the values with which they do not.
const UNSUPPORTED: [(&str, &[f64]); 14] = [
    ("num_beams", &[1.0]),
    ("typical_p", &[1.0]),
    ("epsilon_cutoff", &[0.0]),
    ("eta_cutoff", &[0.0]),
    ("top_h", &[]),
    ("no_repeat_ngram_size", &[0.0]),
    ("encoder_repetition_penalty", &[1.0]),
    ("bad_words_ids", &[]),
    ("suppress_tokens", &[]),
    ("begin_suppress_tokens", &[]),
    ("forced_bos_token_id", &[]),
    ("sequence_bias", &[]),
    ("min_new_tokens", &[0.0]),
    ("guidance_scale", &[1.0]),
];

impl GenerationConfig {
    /// From the files beside the weights. A model without `generation_config.json` has the defaults, and the stop tokens of `config.json`.
    ///
    /// # Errors
    /// If a file cannot be read, or a key has a value of another kind than it should.
    pub fn from_files(files: &ModelFiles) -> Result<Self, GenerationConfigError> {
        let path = files.config.with_file_name("generation_config.json");
        let mut config = if path.is_file() {
            Self::from_json(&read(&path)?).map_err(parse(&path))?
        } else {
            Self::default()
        };
        if config.stop_ids.is_empty() {
            let text = read(&files.config)?;
            let file: Value = serde_json::from_str(&text).map_err(parse(&files.config))?;
            let ids = serde_json::from_value(file["eos_token_id"].clone())
                .map_err(parse(&files.config))?;
            config.stop_ids = listed(ids);
        }
        Ok(config)
    }

    /// From the text of a `generation_config.json`.
    ///
    /// # Errors
    /// If it is not JSON, or a key has a value of another kind than it should.
    pub fn from_json(text: &str) -> Result<Self, serde_json::Error> {
        let file: File = serde_json::from_str(text)?;
        let all: Value = serde_json::from_str(text)?;
        let asks = |(key, neutral): &(&str, &[f64])| match &all[key] {
            Value::Null | Value::Bool(false) => false,
            Value::Array(values) => !values.is_empty(),
            value => value.as_f64().is_none_or(|value| !neutral.contains(&value)),
        };
        let unsupported = UNSUPPORTED
            .iter()
            .filter(|entry| asks(entry))
            .map(|(key, _)| format!("{key} {}", all[key]));
        Ok(Self {
            do_sample: file.do_sample,
            temperature: file.temperature,
            top_k: file.top_k,
            top_p: file.top_p,
            min_p: file.min_p,
            repetition_penalty: file.repetition_penalty,
            stop_ids: listed(file.eos_token_id),
            unsupported: unsupported.collect(),
        })
    }

    /// The settings of a draw, whether or not [`do_sample`](Self::do_sample) asks for one.
    pub fn draw(&self) -> DrawOptions {
        let default = DrawOptions::default();
        DrawOptions {
            temperature: self.temperature.unwrap_or(default.temperature),
            top_k: self.top_k.unwrap_or(default.top_k),
            top_p: self.top_p.unwrap_or(default.top_p),
            min_p: self.min_p.unwrap_or(default.min_p),
        }
    }

    /// How the next token is chosen: the likeliest one, unless [`do_sample`](Self::do_sample) is set.
    pub fn sampling(&self) -> Sampling {
        if self.do_sample == Some(true) {
            Sampling::Draw(self.draw())
        } else {
            Sampling::Greedy
        }
    }
}

fn listed(ids: Option<Ids>) -> Vec<u32> {
    match ids {
        None => Vec::new(),
        Some(Ids::One(id)) => vec![id],
        Some(Ids::Many(ids)) => ids,
    }
}

fn read(path: &Path) -> Result<String, GenerationConfigError> {
    std::fs::read_to_string(path).map_err(|source| GenerationConfigError::Read {
        path: path.to_owned(),
        source,
    })
}

fn parse(path: &Path) -> impl FnOnce(serde_json::Error) -> GenerationConfigError {
    let path = path.to_owned();
    |source| GenerationConfigError::Parse { path, source }
}

#[cfg(test)]
mod tests {
    use super::GenerationConfig;
    use crate::generate::Sampling;

    #[test]
    fn what_is_said_holds_and_the_rest_is_as_transformers_has_it() {
        let text = r#"{"do_sample": true, "temperature": 0.6, "top_p": 0.9, "eos_token_id": [128001, 128008, 128009], "num_beams": 1}"#;
        let config = GenerationConfig::from_json(text).unwrap();
        assert_eq!(config.stop_ids, [128_001, 128_008, 128_009]);
        let Sampling::Draw(draw) = config.sampling() else {
            panic!("it draws")
        };
        assert_eq!((draw.temperature, draw.top_k, draw.top_p), (0.6, 50, 0.9));
        assert!(config.unsupported.is_empty());
        assert_eq!(
            GenerationConfig::from_json("{}").unwrap().sampling(),
            Sampling::Greedy
        );
    }

    #[test]
    fn what_is_not_done_is_listed() {
        let text = r#"{"num_beams": 4, "no_repeat_ngram_size": 0, "bad_words_ids": [[3]], "suppress_tokens": [], "typical_p": 0.5}"#;
        let config = GenerationConfig::from_json(text).unwrap();
        assert_eq!(
            config.unsupported,
            ["num_beams 4", "typical_p 0.5", "bad_words_ids [[3]]"]
        );
        assert!(GenerationConfig::from_json(r#"{"temperature": "hot"}"#).is_err());
    }

    #[test]
    fn stop_tokens_may_be_in_either_file() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
        let files = crate::ModelFiles {
            config: dir.path().join("config.json"),
            weights: Vec::new(),
            tokenizer: None,
        };
        write("config.json", r#"{"eos_token_id": 7}"#);
        assert_eq!(GenerationConfig::from_files(&files).unwrap().stop_ids, [7]);
        write("generation_config.json", r#"{"eos_token_id": [8, 9]}"#);
        assert_eq!(
            GenerationConfig::from_files(&files).unwrap().stop_ids,
            [8, 9]
        );
        write("generation_config.json", "{");
        let message = GenerationConfig::from_files(&files)
            .unwrap_err()
            .to_string();
        assert!(
            message.contains("generation_config.json: EOF while parsing"),
            "{message}"
        );
    }
}
