//! The bundled demo, read from the repository.

use burn::tensor::{Device, FloatDType};
use dataset_stream::{Budget, SourceOptions, StreamOptions, TextSource, TokenStream, Tokenizer};
use llama_hooked::{Llama, LlamaLoadOptions, ModelSource};
use sae_core::{RunDir, Sae};
use std::path::{Path, PathBuf};

/// The demo's model, its SAE, and the first rows of its text.
#[derive(Debug)]
pub struct Demo {
    /// The Llama, in f32 on the CPU.
    pub model: Llama,
    /// The SAE, in f32 on the CPU.
    pub sae: Sae,
    /// Rows of token ids, packed as the notebook packs.
    pub rows: Vec<Vec<u32>>,
}

impl Demo {
    /// Loads everything, and packs `sequences` rows.
    ///
    /// # Panics
    /// If the repository's `demo` is not as it was committed.
    pub fn load(sequences: u64) -> Self {
        let device = Device::flex();
        let model = ModelSource::Dir(path("model"))
            .resolve()
            .expect("demo/model is a model's directory");
        let options = LlamaLoadOptions::new(&device, FloatDType::F32);
        let model = Llama::load(&model, &options).expect("demo/model is a Llama");
        let run = RunDir::open(path("run")).expect("demo/run is a run");
        let context_size = run.cfg.metadata.context_size;
        let sae = Sae::load(path("run"), &sae_core::SaeLoadOptions::new(&device))
            .expect("demo/run holds an SAE");
        let mut options =
            StreamOptions::new(context_size.expect("the run says how long its rows were"));
        options.budget = Budget::Sequences(sequences);
        let rows = TokenStream::new(source(), &tokenizer(), &options)
            .expect("the demo's tokenizer has BOS and EOS")
            .collect::<Result<Vec<_>, _>>()
            .expect("the demo's text is text");
        assert_eq!(rows.len() as u64, sequences, "the demo's text is too short");
        Self { model, sae, rows }
    }
}

/// The demo's tokenizer.
///
/// # Panics
/// If the repository's `demo` is not as it was committed.
pub fn tokenizer() -> Tokenizer {
    Tokenizer::from_file(path("model/tokenizer.json")).expect("demo/model has a tokenizer")
}

/// The texts of the demo, 93 chapters of some 3.5 kB each.
///
/// # Panics
/// If the repository's `demo` is not as it was committed.
pub fn texts() -> Vec<String> {
    source()
        .map(|document| {
            let document = document.expect("demo/text can be read");
            let text = document.content.as_text();
            text.expect("demo/text is not tokenised").to_owned()
        })
        .collect()
}

fn source() -> TextSource {
    let text = path("text/kjv.jsonl");
    let text = text.to_str().expect("the repository's path is UTF-8");
    TextSource::open(text, &SourceOptions::default()).expect("demo/text is a data set")
}

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../demo")
        .join(name)
}
