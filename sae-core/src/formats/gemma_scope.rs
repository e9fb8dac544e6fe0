//! Gemma Scope: `params.npz` with `W_enc [d_in, d_sae]`, `W_dec [d_sae, d_in]`, `b_enc`, `b_dec` and `threshold`. JumpReLU; `b_dec` is not
//! subtracted from the input. The layer is in the folder's path, as in `layer_20/width_16k/average_l0_71`; the sites besides the
//! residual stream are in the repository's name only, so that the hook is to be given for them.

use super::detect::Found;
use super::foreign::Foreign;
use super::place::Site;
use super::{Format, FormatError};
use crate::architecture::Architecture;
use crate::config::SaeConfig;
use crate::weights::peek;

pub(super) fn read(found: &Found) -> Result<SaeConfig, FormatError> {
    let weights = peek(&found.weights)?;
    let [d_in, d_sae] = weights.matrix("W_enc")?;
    let mut cfg = SaeConfig::new(Architecture::JumpRelu, d_in, d_sae);
    cfg.apply_b_dec_to_input = false;
    let full = found
        .folder
        .canonicalize()
        .unwrap_or_else(|_| found.folder.clone());
    let mut parts = full.iter().rev().map(|part| part.to_string_lossy());
    if let Some(layer) = parts.find_map(|part| part.strip_prefix("layer_")?.parse().ok()) {
        cfg.metadata.hook_name = Some(Site::Block(layer).output());
        tracing::warn!(
            "{}: the layer is taken from the folder's name, and the site for the residual stream; give --hook if it is another",
            found.weights.display()
        );
    }
    let foreign = Foreign::new(Format::GemmaScope, None).same(&[
        "W_enc",
        "b_enc",
        "W_dec",
        "b_dec",
        "threshold",
    ]);
    Ok(foreign.into(cfg))
}
