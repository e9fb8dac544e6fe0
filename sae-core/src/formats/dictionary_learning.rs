//! `dictionary_learning`: `trainer_N/config.json` and `trainer_N/ae.pt`, in which every trainer has a class of its own.

use super::detect::Found;
use super::foreign::{Foreign, Theirs};
use super::keys::Keys;
use super::place::Site;
use super::{Format, FormatError};
use crate::architecture::{Architecture, TopK};
use crate::config::SaeConfig;
use crate::weights::{Numbers, peek};

const CLASSES: &str = "AutoEncoder, AutoEncoderNew, GatedAutoEncoder, JumpReluAutoEncoder, AutoEncoderTopK, BatchTopKSAE or \
                       MatryoshkaBatchTopKSAE";

pub(super) fn read(found: &Found) -> Result<SaeConfig, FormatError> {
    let path = found
        .config
        .clone()
        .unwrap_or_else(|| found.folder.join("config.json"));
    let keys = Keys::json(&path)?;
    let trainer = keys.object("trainer")?;
    let (d_in, d_sae) = (trainer.size("activation_dim")?, trainer.size("dict_size")?);
    let foreign = Foreign::new(Format::DictionaryLearning, Some(&path));
    let as_is = |name: &str| Theirs::AsIs(name.to_owned());
    let threshold = || Theirs::Scalar("threshold".to_owned());
    let four = ["W_enc", "b_enc", "W_dec", "b_dec"];
    let class = trainer.text("dict_class")?;
    let (architecture, foreign) = match class {
        "AutoEncoder" => (
            Architecture::Standard,
            foreign
                .linear_pair("encoder", "decoder")
                .part("b_dec", as_is("bias")),
        ),
        "AutoEncoderNew" => (
            Architecture::Standard,
            foreign
                .linear_pair("encoder", "decoder")
                .part("b_dec", as_is("decoder.bias")),
        ),
        "GatedAutoEncoder" => {
            let foreign = foreign
                .part("W_enc", Theirs::Transposed("encoder.weight".to_owned()))
                .part("W_dec", Theirs::Transposed("decoder.weight".to_owned()))
                .part("b_gate", as_is("gate_bias"))
                .part("b_mag", as_is("mag_bias"))
                .part("b_dec", as_is("decoder_bias"))
                .same(&["r_mag"]);
            (Architecture::Gated, foreign)
        }
        "JumpReluAutoEncoder" => (
            Architecture::JumpRelu,
            foreign.same(&four).same(&["threshold"]),
        ),
        "AutoEncoderTopK" => {
            let k = trainer.size("k")?;
            if k > d_sae {
                return Err(trainer.wrong("k", format!("at most dict_size ({d_sae})")));
            }
            agrees(found, &trainer, k)?;
            let topk = TopK {
                k,
                rescale_acts_by_decoder_norm: false,
            };
            // It has a threshold as well, which its own encode does not use.
            let foreign = foreign
                .linear_pair("encoder", "decoder")
                .same(&["b_dec"])
                .ignore(&["k", "threshold"]);
            (Architecture::TopK(topk), foreign)
        }
        "BatchTopKSAE" => {
            let foreign = foreign
                .linear_pair("encoder", "decoder")
                .same(&["b_dec"])
                .part("threshold", threshold());
            (Architecture::JumpRelu, foreign.ignore(&["k"]))
        }
        "MatryoshkaBatchTopKSAE" => {
            let foreign = foreign.same(&four).part("threshold", threshold());
            (
                Architecture::JumpRelu,
                foreign.ignore(&["k", "group_sizes"]),
            )
        }
        _ => return Err(trainer.wrong("dict_class", CLASSES)),
    };
    let mut cfg = SaeConfig::new(architecture, d_in, d_sae);
    cfg.apply_b_dec_to_input = !matches!(class, "AutoEncoderNew" | "JumpReluAutoEncoder");
    if trainer.has("layer") {
        let layer = trainer.index("layer")?;
        let site = Site::of_submodule(trainer.optional_text("submodule_name")?, layer);
        cfg.metadata.hook_name = site.map(Site::output);
    }
    cfg.metadata.model_name = trainer.optional_text("lm_name")?.map(str::to_owned);
    if let Ok(buffer) = keys.object("buffer") {
        cfg.metadata.context_size = buffer.size("ctx_len").ok();
    }
    cfg.metadata
        .extra
        .insert("training_architecture".to_owned(), class.into());
    Ok(foreign.into(cfg))
}

/// The number of features that stay is in the weights, too; the library refuses files where the two differ.
fn agrees(found: &Found, trainer: &Keys, k: usize) -> Result<(), FormatError> {
    if !found.weights.is_file() {
        return Ok(());
    }
    match peek(&found.weights)?.scalar("k") {
        Numbers::One(stored) if stored.to_bits() != (k as f64).to_bits() => {
            Err(trainer.wrong("k", format!("{stored}, as the file of weights says")))
        }
        _ => Ok(()),
    }
}
