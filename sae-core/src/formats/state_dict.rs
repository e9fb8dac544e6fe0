//! A pickled state dictionary by itself, such as `sae_weights.pt`: it does not say which activation goes with it, nor which hook.
//!
//! Tensors are known by `SAELens`' names or by those of two linear layers. A threshold makes it JumpReLU, three biases make it gated; else the activation has to
//! be given. As SAELens does by default, `b_dec` is subtracted from the input, where the encoder is called `W_enc`.

use super::detect::Found;
use super::foreign::{Foreign, Theirs};
use super::options::GivenActivation;
use super::{Format, FormatError, RunOptions};
use crate::architecture::{Architecture, TopK};
use crate::config::SaeConfig;
use crate::weights::peek;

pub(super) fn read(found: &Found, options: &RunOptions) -> Result<SaeConfig, FormatError> {
    let path = &found.weights;
    let weights = peek(path)?;
    let names = weights.names();
    let has = |name: &str| names.iter().any(|known| known == name);
    let undecided = |missing: String| FormatError::Undecided {
        path: path.clone(),
        missing,
    };
    let (by_name, linear) = (
        has("W_enc") && has("W_dec"),
        has("encoder.weight") && has("decoder.weight"),
    );
    if !by_name && !linear {
        let shown: Vec<&str> = names.iter().take(12).map(String::as_str).collect();
        return Err(undecided(format!(
            "holds tensors that are none of an SAE's known to this program: {}; expected W_enc, W_dec, b_enc and b_dec, or encoder.weight, \
             encoder.bias, decoder.weight and a bias",
            if shown.is_empty() {
                "none".to_owned()
            } else {
                shown.join(", ")
            }
        )));
    }
    let [d_in, d_sae] = if by_name {
        weights.matrix("W_enc")?
    } else {
        let [d_sae, d_in] = weights.matrix("encoder.weight")?;
        [d_in, d_sae]
    };
    let is_gated = has("b_gate") && has("b_mag") && has("r_mag");
    let architecture = match options.activation {
        None if is_gated => Architecture::Gated,
        None if has("threshold") => Architecture::JumpRelu,
        None => {
            return Err(undecided(
                "there is no cfg.json beside it, and the tensors do not say which activation belongs to them: give --activation relu, jumprelu \
                 or topk:K (and --hook NAME, as no hook is named either)"
                    .to_owned(),
            ));
        }
        Some(GivenActivation::Relu) => Architecture::Standard,
        Some(GivenActivation::JumpRelu) => Architecture::JumpRelu,
        Some(GivenActivation::TopK(k)) if k <= d_sae => Architecture::TopK(TopK {
            k,
            rescale_acts_by_decoder_norm: false,
        }),
        Some(GivenActivation::TopK(k)) => {
            return Err(undecided(format!(
                "--activation topk:{k} asks for more features than the {d_sae} that it has"
            )));
        }
    };
    let b_enc = ["b_enc", "encoder.bias"].into_iter().find(|name| has(name));
    let b_dec = ["b_dec", "decoder.bias", "bias", "decoder_bias"]
        .into_iter()
        .find(|name| has(name));
    let bias =
        |name: Option<&str>| name.map_or(Theirs::Fill(0.0), |name| Theirs::AsIs(name.to_owned()));
    let mut foreign = Foreign::new(Format::StateDict, None).part("b_dec", bias(b_dec));
    foreign = if by_name {
        foreign.same(&["W_enc", "W_dec"])
    } else {
        foreign
            .part("W_enc", Theirs::Transposed("encoder.weight".to_owned()))
            .part("W_dec", Theirs::Transposed("decoder.weight".to_owned()))
    };
    foreign = match &architecture {
        Architecture::Gated => foreign.same(&["b_gate", "b_mag", "r_mag"]),
        _ => foreign.part("b_enc", bias(b_enc)),
    };
    if architecture == Architecture::JumpRelu {
        let one = weights
            .shape("threshold")
            .is_some_and(|shape| shape.iter().product::<usize>() == 1 && d_sae != 1);
        let name = "threshold".to_owned();
        foreign = foreign.part(
            "threshold",
            if one {
                Theirs::Scalar(name)
            } else {
                Theirs::AsIs(name)
            },
        );
    }
    let mut cfg = SaeConfig::new(architecture, d_in, d_sae);
    cfg.apply_b_dec_to_input = by_name || b_dec != Some("decoder.bias");
    tracing::warn!(
        "{}: has no configuration: taken for {}, with b_dec {} the input",
        path.display(),
        cfg.architecture.name(),
        if cfg.apply_b_dec_to_input {
            "subtracted from"
        } else {
            "left out of"
        }
    );
    Ok(foreign.into(cfg))
}
