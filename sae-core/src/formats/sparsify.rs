//! `EleutherAI`'s sparsify: `<hookpoint>/cfg.json` and `<hookpoint>/sae.safetensors`.
//!
//! `encoder.weight` is `[d_sae, d_in]`, `W_dec` is `[d_sae, d_in]` already. `f = topk(relu((x − b_dec)·encᵀ + b_enc))`, or of each of `k` groups the
//! largest; `y = f·W_dec + b_dec`, plus `x·W_skipᵀ`. A transcoder does not subtract `b_dec`. The folder's name is the module; an
//! SAE is of its output, and a transcoder goes from its input to its output.

use super::detect::Found;
use super::foreign::{Foreign, Theirs};
use super::keys::Keys;
use super::place::Site;
use super::{Format, FormatError};
use crate::architecture::{Architecture, GroupMax, TopK, TopKTranscoder};
use crate::config::SaeConfig;
use std::path::Path;

pub(super) fn read(found: &Found) -> Result<SaeConfig, FormatError> {
    let path = found
        .config
        .clone()
        .unwrap_or_else(|| found.folder.join("cfg.json"));
    let keys = Keys::json(&path)?;
    let d_in = keys.size("d_in")?;
    // 0, and nothing, stand for the factor.
    let latents = if keys.has("num_latents") {
        keys.index("num_latents").unwrap_or(1)
    } else {
        0
    };
    let d_sae = if latents > 0 {
        keys.size("num_latents")?
    } else {
        let product = d_in.checked_mul(keys.size("expansion_factor")?);
        product
            .filter(|&n| n < 1 << 28)
            .ok_or_else(|| keys.wrong("expansion_factor", "a smaller number"))?
    };
    let k = keys.size("k")?;
    let grouped = match keys.optional_text("activation")?.unwrap_or("topk") {
        "topk" => false,
        "groupmax" => true,
        _ => return Err(keys.wrong("activation", "topk or groupmax")),
    };
    if keys.flag("signed", false)? {
        return Err(FormatError::Unsupported {
            path,
            what: "signed is true: features of either sign, of an early sparsify, are not read"
                .to_owned(),
        });
    }
    if k > d_sae || grouped && !d_sae.is_multiple_of(k) {
        let expected = if grouped { "a divisor of" } else { "at most" };
        return Err(keys.wrong("k", format!("{expected} {d_sae}, the number of features")));
    }
    let transcodes = keys.flag("transcode", false)?;
    let skips = keys.flag("skip_connection", false)?;
    let architecture = if transcodes || skips {
        Architecture::TopKTranscoder(TopKTranscoder {
            k,
            skip: skips,
            grouped,
        })
    } else if grouped {
        Architecture::GroupMax(GroupMax { k })
    } else {
        Architecture::TopK(TopK {
            k,
            rescale_acts_by_decoder_norm: false,
        })
    };
    let mut cfg = SaeConfig::new(architecture, d_in, d_sae);
    let name = folder_name(&found.folder);
    let site = Site::of_module(&name);
    let output = site.map(Site::output);
    let input = if transcodes {
        site.and_then(Site::input)
    } else {
        output.clone()
    };
    cfg.metadata.hook_name = input;
    cfg.metadata.hook_name_out = output.filter(|_| transcodes || skips);
    let run = Keys::json(&found.folder.join("..").join("config.json"));
    if let Ok(run) = &run {
        cfg.metadata.model_name = run.text("model").ok().map(str::to_owned);
        cfg.metadata.dataset_path = run.text("dataset").ok().map(str::to_owned);
        cfg.metadata.context_size = run.size("ctx_len").ok();
    }
    let as_is = |name: &str| Theirs::AsIs(name.to_owned());
    let mut foreign = Foreign::new(Format::Sparsify, Some(&path))
        .part("W_enc", Theirs::Transposed("encoder.weight".to_owned()))
        .part("b_enc", as_is("encoder.bias"))
        .part("W_dec", as_is("W_dec"))
        .part("b_dec", as_is("b_dec"));
    if skips {
        foreign = foreign.part("W_skip", as_is("W_skip"));
        if !transcodes {
            foreign.fold.b_dec = true;
            foreign.note("b_dec, which is subtracted from the input: it goes into b_enc, as the skip connection reads the input itself");
        }
    }
    Ok(foreign.into(cfg))
}

/// The name of a folder, also where it is given as `.`.
fn folder_name(folder: &Path) -> String {
    let full = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    let name = if folder.file_name().is_some() {
        folder.file_name()
    } else {
        full.file_name()
    };
    name.unwrap_or_default().to_string_lossy().into_owned()
}
