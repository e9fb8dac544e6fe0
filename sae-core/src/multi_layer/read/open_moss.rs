//! Language-Model-SAEs 2: `config.json` with `sae_type` `clt` or `crosscoder`, and `sae_weights.safetensors`.
//!
//! A cross-layer transcoder has `W_E [n_layers, d_model, d_sae]`, `b_E [n_layers, d_sae]`, `W_D.l [l + 1, d_sae, d_model]` from layers 0 to `l` into `l`, and
//! `b_D.l`. A crosscoder has `W_E`, `b_E` and `b_D` with an axis of layers and `W_D [n_layers, d_sae, d_model]`; its biases `b_E` are summed. Thresholds are
//! `activation_function.log_jumprelu_threshold [n_layers, d_sae]`, of scaled activations times norms of decoder rows: over all targets in a
//! cross-layer transcoder, of the layer in a crosscoder. Here they are divided by both, so that features are of activations as they are.

use super::super::config::{LayerHooks, MultiLayerConfig, MultiLayerKind};
use super::super::cross_layer::{CrossLayerTranscoder, Decoder, Encoder, Layer};
use super::super::crosscoder::Crosscoder;
use super::super::dir::MultiLayer;
use super::super::mapped::{MappedFile, Matrix};
use super::{MAX_LAYERS, unsupported};
use crate::formats::{Format, FormatError, Keys};
use crate::sae::SaeLoadOptions;
use crate::weights::SaeLoadError;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const THRESHOLD: &str = "activation_function.log_jumprelu_threshold";
const NORM: &str = "dataset_average_activation_norm";

/// The file, and what its numbers have to be changed by.
#[derive(Debug)]
pub(super) struct Files {
    config: PathBuf,
    file: Arc<MappedFile>,
    /// √d over the mean norm, of each layer's input and output; ones where activations were not scaled.
    scales: Vec<[f64; 2]>,
    /// Whether a threshold is compared with the pre-activation times the norm of decoder rows.
    norms: bool,
    bias: bool,
}

/// What is in the folder, if it is one of the two.
pub(super) fn find(
    folder: &Path,
) -> Result<Option<(MultiLayerConfig, super::Files)>, SaeLoadError> {
    let config = folder.join("config.json");
    let Ok(keys) = Keys::json(&config) else {
        return Ok(None);
    };
    let kind = match keys.optional_text("sae_type").ok().flatten() {
        Some("clt") => MultiLayerKind::CrossLayerTranscoder,
        Some("crosscoder") => MultiLayerKind::Crosscoder,
        _ => return Ok(None),
    };
    let hooks = hooks(&keys, kind)?;
    let d_model = keys.size("d_model")?;
    let d_sae = if keys.has("d_sae") {
        keys.size("d_sae")?
    } else {
        let product = d_model.checked_mul(keys.size("expansion_factor")?);
        product
            .filter(|&n| n < 1 << 28)
            .ok_or_else(|| keys.wrong("expansion_factor", "a smaller number"))?
    };
    let act = keys
        .optional_text("act_fn")?
        .unwrap_or("relu")
        .to_lowercase();
    if act != "relu" && act != "jumprelu" {
        return Err(keys
            .wrong("act_fn", "relu or jumprelu: of the others, which features stay depends on other layers or tokens")
            .into());
    }
    let weights = folder.join("sae_weights.safetensors");
    if !weights.is_file() {
        return Err(FormatError::NoWeights {
            path: weights,
            format: Format::OpenMoss,
        }
        .into());
    }
    let file = MappedFile::open(&weights, kind.name())?;
    let jump_relu = act == "jumprelu";
    let norms = keys.flag("sparsity_include_decoder_norm", true)? && jump_relu;
    let scales = scales(&keys, &file, &hooks, d_model)?;
    let mut folded = Vec::new();
    if scales.iter().flatten().any(|s| (s - 1.0).abs() > 0.0) {
        folded.push(
            "scales of activations: b_enc, b_dec, W_dec and thresholds are for activations as the model has them"
                .to_owned(),
        );
    }
    if norms {
        folded.push("norms of decoder rows: thresholds are divided by them".to_owned());
    }
    let cfg = MultiLayerConfig {
        kind,
        format: Format::OpenMoss,
        n_layers: hooks.len(),
        d_in: d_model,
        d_sae,
        d_out: d_model,
        jump_relu,
        skip: false,
        hooks,
        model_name: Keys::json(&folder.join("lm_config.json"))
            .ok()
            .and_then(|keys| keys.text("model_name").ok().map(str::to_owned)),
        folded,
    };
    let files = Files {
        bias: keys.flag("use_decoder_bias", true)?,
        config,
        file,
        scales,
        norms,
    };
    Ok(Some((cfg, super::Files::OpenMoss(files))))
}

fn hooks(keys: &Keys, kind: MultiLayerKind) -> Result<Vec<LayerHooks>, SaeLoadError> {
    let (read, written) = match kind {
        MultiLayerKind::CrossLayerTranscoder => ("hook_points_in", "hook_points_out"),
        MultiLayerKind::Crosscoder => ("hook_points", "hook_points"),
    };
    let (reads, writes) = (keys.texts(read)?, keys.texts(written)?);
    if reads.is_empty() || reads.len() > MAX_LAYERS {
        return Err(keys.wrong(read, "one hook for each layer").into());
    }
    if reads.len() != writes.len() {
        return Err(keys
            .wrong(written, format!("as many hooks as {read}, {}", reads.len()))
            .into());
    }
    let pairs = reads.into_iter().zip(writes);
    Ok(pairs.map(|(r, w)| LayerHooks::new(r, w)).collect())
}

/// √d over the mean norms that activations were scaled by in training.
fn scales(
    keys: &Keys,
    file: &Arc<MappedFile>,
    hooks: &[LayerHooks],
    d_model: usize,
) -> Result<Vec<[f64; 2]>, SaeLoadError> {
    match keys
        .optional_text("norm_activation")?
        .unwrap_or("dataset-wise")
    {
        "inference" => return Ok(vec![[1.0; 2]; hooks.len()]),
        "dataset-wise" => {}
        _ => {
            return Err(keys
                .wrong("norm_activation", "dataset-wise or inference")
                .into());
        }
    }
    let root = (d_model as f64).sqrt();
    let norm = |hook: &str| -> Result<f64, SaeLoadError> {
        if keys.has(NORM) {
            return Ok(root / keys.object(NORM)?.positive(hook)?);
        }
        let name = format!("{NORM}.{hook}");
        let shape = file.shape(&name).map(<[usize]>::to_vec);
        let Some(shape) = shape.filter(|shape| shape.iter().product::<usize>() == 1) else {
            return Err(keys
                .wrong(
                    NORM,
                    format!("the mean norms of the hooks, here or as tensor {name}"),
                )
                .into());
        };
        let norm = f64::from(file.numbers(&name, &shape)?[0]);
        if norm > 0.0 {
            return Ok(root / norm);
        }
        Err(super::archive(
            file.path(),
            format!("tensor {name} is {norm}, expected a mean norm above 0"),
        ))
    };
    let pair = |hooks: &LayerHooks| Ok([norm(&hooks.read)?, norm(&hooks.write)?]);
    hooks.iter().map(pair).collect()
}

impl Files {
    pub(super) fn paths(&self) -> Vec<PathBuf> {
        vec![self.config.clone(), self.file.path().to_owned()]
    }

    pub(super) fn load(
        self,
        cfg: MultiLayerConfig,
        options: &SaeLoadOptions,
    ) -> Result<MultiLayer, SaeLoadError> {
        let fixed = ["W_E", "b_E", "W_D", "b_D", THRESHOLD];
        for name in self.file.names() {
            let listed = ["W_D.", "b_D.", NORM];
            if !fixed.contains(&name) && !listed.iter().any(|start| name.starts_with(start)) {
                return Err(unsupported(
                    self.file.path(),
                    format!("tensor {name} is none that a {} has", cfg.kind.name()),
                ));
            }
        }
        match cfg.kind {
            MultiLayerKind::CrossLayerTranscoder => {
                self.cross_layer(cfg, options).map(MultiLayer::CrossLayer)
            }
            MultiLayerKind::Crosscoder => self.crosscoder(cfg, options).map(MultiLayer::Crosscoder),
        }
    }

    /// The numbers of a layer of a tensor, scaled.
    fn of_layer(
        matrix: &Matrix,
        layer: usize,
        factor: f64,
        name: &str,
    ) -> Result<Vec<f32>, SaeLoadError> {
        let mut numbers = matrix.part(layer, 1, 1).finite(name)?;
        for x in &mut numbers {
            *x = (f64::from(*x) * factor) as f32;
        }
        Ok(numbers)
    }

    fn b_dec(&self, cfg: &MultiLayerConfig) -> Result<Vec<Vec<f32>>, SaeLoadError> {
        let one = |layer: usize| {
            let scale = 1.0 / self.scales[layer][1];
            if !self.bias {
                return Ok(vec![0.0; cfg.d_out]);
            }
            let name = format!("b_D.{layer}");
            if self.file.shape(&name).is_some() {
                let matrix = self.file.tensor(&name, &[cfg.d_out])?;
                return Self::of_layer(&matrix, 0, scale, &name);
            }
            let matrix = self.file.tensor("b_D", &[cfg.n_layers, cfg.d_out])?;
            Self::of_layer(&matrix, layer, scale, "b_D")
        };
        (0..cfg.n_layers).map(one).collect()
    }

    /// Thresholds of one layer, of pre-activations as they are: divided by the scale of inputs and by norms of decoder rows as they lie in the file.
    fn thresholds(
        &self,
        cfg: &MultiLayerConfig,
        layer: usize,
        decoders: &[Matrix],
        input: f64,
    ) -> Result<Vec<f32>, SaeLoadError> {
        let logs = self.file.tensor(THRESHOLD, &[cfg.n_layers, cfg.d_sae])?;
        let mut thresholds = logs.part(layer, 1, 1).finite(THRESHOLD)?;
        for (feature, x) in thresholds.iter_mut().enumerate() {
            let mut theta = f64::from(*x).exp() / input;
            if self.norms {
                let rows = decoders.iter().flat_map(|decoder| decoder.row(feature));
                let norm = rows.map(|w| f64::from(w).powi(2)).sum::<f64>().sqrt();
                theta /= norm;
            }
            *x = theta as f32;
        }
        Ok(thresholds)
    }

    fn cross_layer(
        self,
        cfg: MultiLayerConfig,
        options: &SaeLoadOptions,
    ) -> Result<CrossLayerTranscoder, SaeLoadError> {
        let (n, d_in, m, d_out) = (cfg.n_layers, cfg.d_in, cfg.d_sae, cfg.d_out);
        let w_enc = self.file.tensor("W_E", &[n, d_in, m])?;
        let b_enc = self.file.tensor("b_E", &[n, m])?;
        let targets = (0..n).map(|to| self.file.tensor(&format!("W_D.{to}"), &[to + 1, m, d_out]));
        let targets: Vec<Matrix> = targets.collect::<Result<_, _>>()?;
        let mut b_dec = self.b_dec(&cfg)?.into_iter();
        let mut layers = Vec::new();
        for layer in 0..n {
            let rows = (layer..n).map(|to| targets[to].part(layer * m, 1, m));
            let rows: Vec<Matrix> = rows.collect();
            let input = self.scales[layer][0];
            let threshold = cfg
                .jump_relu
                .then(|| self.thresholds(&cfg, layer, &rows, input));
            let decoders = rows.into_iter().zip(layer..n).map(|(rows, to)| Decoder {
                rows,
                factor: (input / self.scales[to][1]) as f32,
            });
            layers.push(Layer {
                encoder: Encoder::ByInput(w_enc.part(layer * d_in, 1, d_in)),
                b_enc: Self::of_layer(&b_enc, layer, 1.0 / input, "b_E")?,
                threshold: threshold.transpose()?,
                b_dec: b_dec.next().unwrap_or_default(),
                w_skip: None,
                decoders: decoders.collect(),
            });
        }
        CrossLayerTranscoder::new(cfg, layers, options)
    }

    fn crosscoder(
        self,
        cfg: MultiLayerConfig,
        options: &SaeLoadOptions,
    ) -> Result<Crosscoder, SaeLoadError> {
        let (n, d_in, m, d_out) = (cfg.n_layers, cfg.d_in, cfg.d_sae, cfg.d_out);
        let mut w_enc = self.file.tensor("W_E", &[n, d_in, m])?.finite("W_E")?;
        // The sum over layers of scaled inputs: the scale of each goes into its encoder.
        for (layer, values) in w_enc.chunks_exact_mut(d_in * m).enumerate() {
            let scale = self.scales[layer][0] as f32;
            for x in values.iter_mut() {
                *x *= scale;
            }
        }
        let biases = self.file.tensor("b_E", &[n, m])?.finite("b_E")?;
        let mut b_enc = vec![0.0; m];
        for values in biases.chunks_exact(m) {
            for (sum, x) in b_enc.iter_mut().zip(values) {
                *sum += x;
            }
        }
        let w_dec = self.file.tensor("W_D", &[n, m, d_out])?;
        let (mut decoders, mut thresholds) = (Vec::new(), Vec::new());
        for layer in 0..n {
            let rows = w_dec.part(layer * m, 1, m);
            if cfg.jump_relu {
                let decoder = std::slice::from_ref(&rows);
                thresholds.push(self.thresholds(&cfg, layer, decoder, 1.0)?);
            }
            let mut values = rows.finite("W_D")?;
            let scale = (1.0 / self.scales[layer][1]) as f32;
            for x in &mut values {
                *x *= scale;
            }
            decoders.push(values);
        }
        let b_dec = self.b_dec(&cfg)?;
        Crosscoder::new(cfg, w_enc, b_enc, thresholds, decoders, b_dec, options)
    }
}
