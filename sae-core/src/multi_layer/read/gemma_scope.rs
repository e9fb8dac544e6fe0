//! The layers of Gemma Scope 2's cross-layer transcoders: a file each, listed in circuit-tracer's `config.yaml`.
//!
//! `w_enc [d_model, d_sae]`, `w_dec [d_sae, n_layers, d_model]` of which the layers below are not used, `b_enc`, `b_dec`, `threshold [d_sae]`, and perhaps
//! `affine_skip_connection [d_model, d_model]`, which the input is multiplied by from the left.

use super::super::config::{MultiLayerConfig, MultiLayerKind};
use super::super::cross_layer::{CrossLayerTranscoder, Decoder, Encoder, Layer};
use super::super::mapped::MappedFile;
use super::archive;
use crate::formats::Format;
use crate::sae::SaeLoadOptions;
use crate::weights::SaeLoadError;
use std::sync::Arc;

const SKIP: &str = "affine_skip_connection";

pub(super) fn config(files: &[Arc<MappedFile>]) -> Result<MultiLayerConfig, SaeLoadError> {
    let first = &files[0];
    let (Some(&[d_in, d_sae]), Some(&[_, _, d_out])) = (first.shape("w_enc"), first.shape("w_dec"))
    else {
        return Err(archive(
            first.path(),
            "has no w_enc [d_model, d_sae] and w_dec [d_sae, n_layers, d_model], as a layer of Gemma Scope 2's transcoders has",
        ));
    };
    Ok(MultiLayerConfig {
        kind: MultiLayerKind::CrossLayerTranscoder,
        format: Format::GemmaScope,
        n_layers: files.len(),
        d_in,
        d_sae,
        d_out,
        jump_relu: true,
        skip: first.shape(SKIP).is_some(),
        hooks: Vec::new(),
        model_name: None,
        folded: Vec::new(),
    })
}

pub(super) fn load(
    files: &[Arc<MappedFile>],
    cfg: MultiLayerConfig,
    options: &SaeLoadOptions,
) -> Result<CrossLayerTranscoder, SaeLoadError> {
    let (n, d_in, d_sae, d_out) = (cfg.n_layers, cfg.d_in, cfg.d_sae, cfg.d_out);
    let one = |(layer, file): (usize, &Arc<MappedFile>)| -> Result<Layer, SaeLoadError> {
        let w_dec = file.tensor("w_dec", &[d_sae, n, d_out])?;
        let w_skip = cfg.skip.then(|| file.numbers(SKIP, &[d_in, d_out]));
        let decoders = (layer..n).map(|target| Decoder {
            rows: w_dec.part(target, n, d_sae),
            factor: 1.0,
        });
        Ok(Layer {
            encoder: Encoder::ByInput(file.tensor("w_enc", &[d_in, d_sae])?),
            b_enc: file.numbers("b_enc", &[d_sae])?,
            threshold: Some(file.numbers("threshold", &[d_sae])?),
            b_dec: file.numbers("b_dec", &[d_out])?,
            w_skip: w_skip.transpose()?,
            decoders: decoders.collect(),
        })
    };
    let layers = files.iter().enumerate().map(one);
    let layers = layers.collect::<Result<_, _>>()?;
    CrossLayerTranscoder::new(cfg, layers, options)
}
