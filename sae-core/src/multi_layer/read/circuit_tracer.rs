//! circuit-tracer's cross-layer transcoders: `config.yaml` with `model_kind: cross_layer_transcoder`, and for each layer `W_enc_{i}.safetensors` and
//! `W_dec_{i}.safetensors`.
//!
//! `W_enc_i [d_sae, d_model]`, `b_enc_i`, `b_dec_i` and perhaps `threshold_i` are in the former, `W_dec_i [d_sae, n_layers − i, d_model]` in the latter: into
//! layer `i` and those above. With `transcoders`, a list of files, the layers are Gemma Scope 2's.

use super::super::config::{LayerHooks, MultiLayerConfig, MultiLayerKind};
use super::super::cross_layer::{CrossLayerTranscoder, Decoder, Encoder, Layer};
use super::super::mapped::MappedFile;
use super::{MAX_LAYERS, archive, gemma_scope, unsupported};
use crate::formats::{Format, FormatError, Keys, layer_hook, yaml};
use crate::sae::SaeLoadOptions;
use crate::weights::SaeLoadError;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const WHAT: &str = "cross-layer transcoder";

/// The files of a layer: encoder and decoders.
#[derive(Debug)]
pub(super) struct Files(Vec<[Arc<MappedFile>; 2]>);

/// What is in the folder, if it is such a transcoder.
pub(super) fn find(
    folder: &Path,
) -> Result<Option<(MultiLayerConfig, super::Files)>, SaeLoadError> {
    let config = folder.join("config.yaml");
    if !config.is_file() {
        return Ok(None);
    }
    let keys = yaml(&config)?;
    if keys.optional_text("model_kind")? != Some("cross_layer_transcoder") {
        return Ok(None);
    }
    let (mut cfg, files) = if keys.has("transcoders") {
        let files = listed(folder, &keys)?;
        (
            gemma_scope::config(&files)?,
            super::Files::GemmaScope(files),
        )
    } else {
        let files = Files::open(folder)?;
        (files.config()?, super::Files::CircuitTracer(files))
    };
    let read = keys.optional_text("feature_input_hook")?;
    let written = keys.optional_text("feature_output_hook")?;
    if let (Some(read), Some(written)) = (read, written) {
        let hooks = (0..cfg.n_layers)
            .map(|layer| LayerHooks::new(layer_hook(layer, read), layer_hook(layer, written)));
        cfg.hooks = hooks.collect();
    }
    cfg.model_name = keys.optional_text("model_name")?.map(str::to_owned);
    Ok(Some((cfg, files)))
}

/// The files of a list, which must lie in the folder.
fn listed(folder: &Path, keys: &Keys) -> Result<Vec<Arc<MappedFile>>, SaeLoadError> {
    let names = keys.texts("transcoders")?;
    if names.is_empty() || names.len() > MAX_LAYERS {
        return Err(keys.wrong("transcoders", "one file for each layer").into());
    }
    let open = |name: &String| {
        if name.contains("://") {
            return Err(unsupported(
                keys.path(),
                format!(
                    "transcoders names {name}: download the files, and list their names in this folder"
                ),
            ));
        }
        let inside = Path::new(name)
            .components()
            .all(|part| matches!(part, std::path::Component::Normal(_)));
        if !inside {
            return Err(keys
                .wrong("transcoders", "names of files in this folder")
                .into());
        }
        MappedFile::open(&folder.join(name), WHAT)
    };
    names.iter().map(open).collect()
}

impl Files {
    fn open(folder: &Path) -> Result<Self, SaeLoadError> {
        let file = |part: &str, layer: usize| -> PathBuf {
            folder.join(format!("W_{part}_{layer}.safetensors"))
        };
        let mut layers = Vec::new();
        for layer in 0..MAX_LAYERS {
            let (encoder, decoder) = (file("enc", layer), file("dec", layer));
            if !encoder.is_file() && !decoder.is_file() {
                break;
            }
            for path in [&encoder, &decoder] {
                if !path.is_file() {
                    return Err(FormatError::NoWeights {
                        path: path.clone(),
                        format: Format::CircuitTracer,
                    }
                    .into());
                }
            }
            let encoder = MappedFile::open(&encoder, WHAT)?;
            layers.push([encoder, MappedFile::open(&decoder, WHAT)?]);
        }
        if layers.is_empty() {
            return Err(FormatError::NoWeights {
                path: file("enc", 0),
                format: Format::CircuitTracer,
            }
            .into());
        }
        let beyond = std::fs::read_dir(folder).into_iter().flatten().flatten();
        let beyond = beyond.filter_map(|entry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            let (_, rest) = name.strip_prefix("W_")?.split_once('_')?;
            rest.strip_suffix(".safetensors")?.parse::<usize>().ok()
        });
        if let Some(layer) = beyond.filter(|&layer| layer >= layers.len()).max() {
            let missing = file("enc", layers.len());
            return Err(archive(
                &missing,
                format!(
                    "is missing, and there are files of layer {layer}; was the folder copied whole?"
                ),
            ));
        }
        Ok(Self(layers))
    }

    pub(super) fn paths(&self) -> Vec<PathBuf> {
        let files = self.0.iter().flatten();
        files.map(|file| file.path().to_owned()).collect()
    }

    fn config(&self) -> Result<MultiLayerConfig, SaeLoadError> {
        let [encoder, decoder] = &self.0[0];
        let &[d_sae, d_in] = encoder.shape("W_enc_0").unwrap_or_default() else {
            return Err(archive(
                encoder.path(),
                "has no matrix W_enc_0 of features and inputs",
            ));
        };
        let n_layers = self.0.len();
        let d_out = match decoder.shape("W_dec_0") {
            Some(&[features, layers, d_out]) if features == d_sae && layers == n_layers => d_out,
            found => {
                let found = found.map_or("no such tensor".to_owned(), |s| format!("{s:?}"));
                return Err(archive(
                    decoder.path(),
                    format!(
                        "W_dec_0 is {found}, expected [{d_sae}, {n_layers}, d_model]: features, and layers from this one on"
                    ),
                ));
            }
        };
        for (layer, [encoder, _]) in self.0.iter().enumerate() {
            let known = ["W_enc", "b_enc", "b_dec", "threshold", "W_skip"];
            for name in encoder.names() {
                let part = name.strip_suffix(&format!("_{layer}"));
                if !part.is_some_and(|part| known.contains(&part)) {
                    return Err(archive(
                        encoder.path(),
                        format!("tensor {name} is none that layer {layer} of a {WHAT} has"),
                    ));
                }
            }
        }
        let has = |name: &str| encoder.shape(name).is_some();
        Ok(MultiLayerConfig {
            kind: MultiLayerKind::CrossLayerTranscoder,
            format: Format::CircuitTracer,
            n_layers,
            d_in,
            d_sae,
            d_out,
            jump_relu: has("threshold_0"),
            skip: has("W_skip_0"),
            hooks: Vec::new(),
            model_name: None,
            folded: Vec::new(),
        })
    }

    pub(super) fn load(
        self,
        cfg: MultiLayerConfig,
        options: &SaeLoadOptions,
    ) -> Result<CrossLayerTranscoder, SaeLoadError> {
        let layers = self.0.iter().enumerate();
        let layers = layers.map(|(layer, files)| one(layer, files, &cfg));
        let layers = layers.collect::<Result<_, _>>()?;
        CrossLayerTranscoder::new(cfg, layers, options)
    }
}

fn one(
    layer: usize,
    [encoder, decoder]: &[Arc<MappedFile>; 2],
    cfg: &MultiLayerConfig,
) -> Result<Layer, SaeLoadError> {
    let &MultiLayerConfig {
        n_layers,
        d_in,
        d_sae,
        d_out,
        ..
    } = cfg;
    let name = |part: &str| format!("{part}_{layer}");
    let to = n_layers - layer;
    let w_dec = decoder.tensor(&name("W_dec"), &[d_sae, to, d_out])?;
    let threshold = cfg
        .jump_relu
        .then(|| encoder.numbers(&name("threshold"), &[d_sae]));
    let w_skip = cfg
        .skip
        .then(|| encoder.numbers(&name("W_skip"), &[d_in, d_out]));
    let decoders = (0..to).map(|target| Decoder {
        rows: w_dec.part(target, to, d_sae),
        factor: 1.0,
    });
    Ok(Layer {
        encoder: Encoder::ByFeature(encoder.tensor(&name("W_enc"), &[d_sae, d_in])?),
        b_enc: encoder.numbers(&name("b_enc"), &[d_sae])?,
        threshold: threshold.transpose()?,
        b_dec: encoder.numbers(&name("b_dec"), &[d_out])?,
        w_skip: w_skip.transpose()?,
        decoders: decoders.collect(),
    })
}
