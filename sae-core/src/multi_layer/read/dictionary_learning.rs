//! Crosscoders of `dictionary_learning`'s forks: `config.json` and one file of weights.
//!
//! `encoder.weight [n_layers, d, d_sae]`, `encoder.bias [d_sae]`, `decoder.weight [n_layers, d_sae, d]`, `decoder.bias [n_layers, d]`; of a `BatchTopKCrossCoder` also `k` and
//! `threshold`, which is compared with the feature times its code normalisation (`code_normalization_id`): the sum over layers of the norms of its
//! decoder rows (1), the norm over all layers (2), 1 (4). The configuration is the trainer's, `trainer.dict_class`, or the flat one that the hub's mixin
//! writes.

use super::super::config::{LayerHooks, MultiLayerConfig, MultiLayerKind};
use super::super::crosscoder::Crosscoder;
use super::{MAX_LAYERS, archive, unsupported};
use crate::formats::{Format, FormatError, Keys, hook_of_submodule};
use crate::sae::SaeLoadOptions;
use crate::weights::{Numbers, Peeked, SaeLoadError, WeightFile, peek};
use std::path::{Path, PathBuf};

const WHAT: &str = "crosscoder";
const WEIGHTS: [&str; 4] = ["ae.pt", "model.safetensors", "model_final.pt", "model.pt"];
/// Statistics of inputs, which are NaN where inputs are not normalised.
const NORMALIZERS: [&str; 3] = ["activation_mean", "activation_std", "target_rms"];

#[derive(Debug)]
pub(super) struct Files {
    config: PathBuf,
    weights: PathBuf,
    /// Before the names of all tensors.
    prefix: &'static str,
    normalization: Normalization,
    names: Vec<(String, Vec<usize>)>,
}

/// What a feature is multiplied by before it is compared with the threshold.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Normalization {
    Crosscoder,
    Sae,
    None,
}

/// What is in the folder, if it is a crosscoder.
pub(super) fn find(
    folder: &Path,
) -> Result<Option<(MultiLayerConfig, super::Files)>, SaeLoadError> {
    let config = folder.join("config.json");
    let Ok(keys) = Keys::json(&config) else {
        return Ok(None);
    };
    let trainer = keys.object("trainer").ok();
    let is_one = match &trainer {
        Some(trainer) => {
            matches!(
                trainer.text("dict_class"),
                Ok("CrossCoder" | "BatchTopKCrossCoder")
            )
        }
        None => keys.has("activation_dim") && keys.has("dict_size") && keys.has("num_layers"),
    };
    if !is_one {
        return Ok(None);
    }
    let keys = trainer.unwrap_or(keys);
    let there = WEIGHTS.iter().map(|name| folder.join(name));
    let Some(weights) = there.clone().find(|file| file.is_file()) else {
        return Err(FormatError::NoWeights {
            path: folder.join(WEIGHTS[0]),
            format: Format::DictionaryLearning,
        }
        .into());
    };
    let peeked = peek(&weights)?;
    let prefix = if peeked.shape("_orig_mod.encoder.weight").is_some() {
        "_orig_mod."
    } else {
        ""
    };
    let shape = |name: &str| peeked.shape(&format!("{prefix}{name}"));
    let (Some(&[n_layers, d_in, d_sae]), Some(&[to, features, d_out])) =
        (shape("encoder.weight"), shape("decoder.weight"))
    else {
        return Err(archive(
            &weights,
            "has no encoder.weight [n_layers, d, d_sae] and decoder.weight [n_layers, d_sae, d], as a crosscoder has",
        ));
    };
    if to != n_layers || features != d_sae || d_out != d_in || n_layers > MAX_LAYERS {
        return Err(archive(
            &weights,
            format!(
                "decoder.weight is [{to}, {features}, {d_out}], expected [{n_layers}, {d_sae}, {d_in}] by encoder.weight"
            ),
        ));
    }
    let jump_relu = shape("threshold").is_some();
    let normalization = normalization(&peeked, prefix, &weights, jump_relu)?;
    let names = peeked.names().into_iter().map(|name| {
        let shape = peeked.shape(&name).unwrap_or_default().to_vec();
        (name, shape)
    });
    let mut folded = Vec::new();
    if jump_relu && normalization != Normalization::None {
        folded.push("the code normalisation: the threshold is divided by it".to_owned());
    }
    let cfg = MultiLayerConfig {
        kind: MultiLayerKind::Crosscoder,
        format: Format::DictionaryLearning,
        n_layers,
        d_in,
        d_sae,
        d_out,
        jump_relu,
        skip: false,
        hooks: hooks(&keys, n_layers),
        model_name: keys.text("lm_name").ok().map(str::to_owned),
        folded,
    };
    let files = Files {
        names: names.collect(),
        config,
        weights,
        prefix,
        normalization,
    };
    Ok(Some((cfg, super::Files::DictionaryLearning(files))))
}

/// The code normalisation, which only a threshold needs.
fn normalization(
    peeked: &Peeked,
    prefix: &str,
    weights: &Path,
    has_threshold: bool,
) -> Result<Normalization, SaeLoadError> {
    let id = peeked.scalar(&format!("{prefix}code_normalization_id"));
    match id {
        _ if !has_threshold => Ok(Normalization::None),
        // As the forks take files that are older than the normalisation.
        Numbers::Missing => Ok(Normalization::Crosscoder),
        Numbers::One(id) if (id - 1.0).abs() < 0.5 => Ok(Normalization::Crosscoder),
        Numbers::One(id) if (id - 2.0).abs() < 0.5 => Ok(Normalization::Sae),
        Numbers::One(id) if (id - 4.0).abs() < 0.5 => Ok(Normalization::None),
        _ => Err(unsupported(
            weights,
            "code_normalization_id is neither 1 (CROSSCODER), 2 (SAE) nor 4 (NONE): mixed and decoupled codes are not read",
        )),
    }
}

/// The hooks of the trainer's layers, if it names one for each.
fn hooks(keys: &Keys, n_layers: usize) -> Vec<LayerHooks> {
    let layers = ["layers", "layer"]
        .iter()
        .find_map(|key| keys.indices(key).ok());
    let layers = layers.filter(|layers| layers.len() == n_layers);
    let name = keys.text("submodule_name").ok();
    let hooks = layers.unwrap_or_default().into_iter().map(|layer| {
        let hook = hook_of_submodule(name, layer)?;
        Some(LayerHooks::new(hook.clone(), hook))
    });
    hooks.collect::<Option<_>>().unwrap_or_default()
}

impl Files {
    pub(super) fn paths(&self) -> Vec<PathBuf> {
        vec![self.config.clone(), self.weights.clone()]
    }

    pub(super) fn load(
        self,
        cfg: MultiLayerConfig,
        options: &SaeLoadOptions,
    ) -> Result<Crosscoder, SaeLoadError> {
        let (n, d, m) = (cfg.n_layers, cfg.d_in, cfg.d_sae);
        let map = WeightFile::map(&self.weights)?;
        let mut file = WeightFile::parse(&self.weights, &map, WHAT)?;
        for (name, shape) in &self.names {
            let bare = name.strip_prefix(self.prefix).unwrap_or(name);
            if NORMALIZERS.contains(&bare) {
                let numbers = file.numbers(name, shape)?;
                if bare != "target_rms" && !numbers.iter().all(|x| x.is_nan()) {
                    return Err(unsupported(
                        &self.weights,
                        format!(
                            "tensor {name}: this crosscoder normalises its inputs, which is not read"
                        ),
                    ));
                }
                continue;
            }
            let known = [
                "encoder.weight",
                "encoder.bias",
                "decoder.weight",
                "decoder.bias",
                "threshold",
                "k",
                "code_normalization_id",
            ];
            if !known.contains(&bare) {
                return Err(unsupported(
                    &self.weights,
                    format!("tensor {name} of shape {shape:?} is none that a {WHAT} has"),
                ));
            }
        }
        let mut read =
            |name: &str, shape: &[usize]| file.finite(&format!("{}{name}", self.prefix), shape);
        let w_enc = read("encoder.weight", &[n, d, m])?;
        let b_enc = read("encoder.bias", &[m])?;
        let w_dec = read("decoder.weight", &[n, m, d])?;
        let b_dec = read("decoder.bias", &[n, d])?;
        let mut thresholds = Vec::new();
        if cfg.jump_relu {
            let theta = f64::from(read("threshold", &[])?[0]);
            let each = (0..m).map(|feature| (theta / self.norm(&w_dec, feature, [n, m, d])) as f32);
            let each: Vec<f32> = each.collect();
            thresholds = vec![each; n];
        }
        let rows = |values: &[f32], width: usize| -> Vec<Vec<f32>> {
            values.chunks_exact(width).map(<[f32]>::to_vec).collect()
        };
        let (decoders, b_dec) = (rows(&w_dec, m * d), rows(&b_dec, d));
        Crosscoder::new(cfg, w_enc, b_enc, thresholds, decoders, b_dec, options)
    }

    /// The code normalisation of a feature.
    fn norm(&self, w_dec: &[f32], feature: usize, [n, m, d]: [usize; 3]) -> f64 {
        let squares = (0..n).map(|layer| {
            let row = &w_dec[(layer * m + feature) * d..][..d];
            row.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>()
        });
        match self.normalization {
            Normalization::Crosscoder => squares.map(f64::sqrt).sum(),
            Normalization::Sae => squares.sum::<f64>().sqrt(),
            Normalization::None => 1.0,
        }
    }
}
