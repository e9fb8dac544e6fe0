//! The bundled demo: a small trained model, an SAE for it, and text, inside the binary.

use anyhow::{Context, Result};
use serde::Deserialize;
use std::path::PathBuf;
use tempfile::TempDir;

const FILES: [(&str, &[u8]); 7] = [
    (
        "model/config.json",
        include_bytes!("../../../demo/model/config.json"),
    ),
    (
        "model/model.safetensors",
        include_bytes!("../../../demo/model/model.safetensors"),
    ),
    (
        "model/tokenizer.json",
        include_bytes!("../../../demo/model/tokenizer.json"),
    ),
    (
        "model/tokenizer_config.json",
        include_bytes!("../../../demo/model/tokenizer_config.json"),
    ),
    (
        "run/final_sae/cfg.json",
        include_bytes!("../../../demo/run/final_sae/cfg.json"),
    ),
    (
        "run/final_sae/sae_weights.safetensors",
        include_bytes!("../../../demo/run/final_sae/sae_weights.safetensors"),
    ),
    (
        "run/sparsity.safetensors",
        include_bytes!("../../../demo/run/sparsity.safetensors"),
    ),
];
const TEXT: (&str, &[u8]) = (
    "text/kjv.jsonl",
    include_bytes!("../../../demo/text/kjv.jsonl"),
);

/// What to ask of the demo.
#[derive(Debug, Deserialize)]
pub(crate) struct Settings {
    pub(crate) prompt: String,
    pub(crate) answer: String,
}

/// The demo unpacked, until dropped.
pub(crate) struct Demo {
    folder: TempDir,
    pub(crate) settings: Settings,
}

impl Demo {
    pub(crate) fn unpack() -> Result<Self> {
        let settings =
            serde_json::from_str(include_str!("../../../demo/demo.json")).context("demo.json")?;
        let folder = tempfile::Builder::new()
            .prefix("sae-demo-")
            .tempdir()
            .context("the demo cannot be unpacked")?;
        for (name, bytes) in FILES.into_iter().chain([TEXT]) {
            let path = folder.path().join(name);
            let parent = path.parent().unwrap_or(folder.path());
            std::fs::create_dir_all(parent)
                .and_then(|()| std::fs::write(&path, bytes))
                .with_context(|| format!("{}: the demo cannot be unpacked", path.display()))?;
        }
        Ok(Self { folder, settings })
    }

    pub(crate) fn run(&self) -> PathBuf {
        self.folder.path().join("run")
    }

    pub(crate) fn model(&self) -> String {
        self.folder
            .path()
            .join("model")
            .to_string_lossy()
            .into_owned()
    }

    pub(crate) fn dataset(&self) -> String {
        self.folder
            .path()
            .join(TEXT.0)
            .to_string_lossy()
            .into_owned()
    }
}
