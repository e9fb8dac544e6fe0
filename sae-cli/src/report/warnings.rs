//! Signs that an SAE was put in the wrong place, or in the wrong way.

use super::Report;

/// What looks wrong, in plain words.
pub(super) fn find(report: &Report) -> Vec<String> {
    let mut found = Vec::new();
    let loss = &report.loss;
    if loss.reconstruction > loss.zero_ablation {
        found.push(
            "The loss with the reconstruction is worse than with the activation zeroed. The SAE is likely at the wrong hook or of \
             another model, or its inputs were scaled in training and that factor is not in the file (normalize_activations)."
                .to_owned(),
        );
    }
    if let Some(quality) = &report.reconstruction_quality
        && quality.fvu > 1.0
    {
        found.push(format!(
            "The reconstruction is further from the activation than a constant would be (FVU {:.2} > 1). Check the hook, the model, \
             normalize_activations, apply_b_dec_to_input and the activation function in cfg.json.",
            quality.fvu
        ));
    }
    let d_sae = report.sae["d_sae"].as_f64().unwrap_or(f64::INFINITY);
    if report.l0.mean > 0.25 * d_sae {
        found.push(format!(
            "{:.0} of {d_sae} features are active on an average token. A sparse SAE has far fewer: is the activation function in \
             cfg.json the one it was trained with?",
            report.l0.mean
        ));
    }
    if report.l0.mean == 0.0 {
        found.push("No feature is active on any token. Check the hook, the model and the scaling of the inputs.".to_owned());
    }
    if report.data["prepend_bos"] == false {
        found.push(
            "Rows have no BOS, as cfg.json says. Most Llamas predict worse without one.".to_owned(),
        );
    }
    found
}
