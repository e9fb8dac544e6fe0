//! What should not be overlooked in a contrast.

use super::document::ContrastReport;

/// Prompts of a set below which effects say little.
const FEW: usize = 20;

/// Warnings about a contrast that ran but may mislead.
pub fn contrast_warnings(report: &ContrastReport) -> Vec<String> {
    let mut warnings = Vec::new();
    let sets = [("a", &report.a), ("b", &report.b)];
    for (name, set) in sets {
        if set.n_prompts < FEW {
            warnings.push(format!(
                "set {name} has {} prompts: effects of so few are uncertain, and large ones are found by chance among many features",
                set.n_prompts
            ));
        }
        if set.n_cut > 0 {
            warnings.push(format!(
                "{} of the {} prompts of set {name} are longer than the context and were cut at its end",
                set.n_cut, set.n_prompts
            ));
        }
    }
    let per_prompt = |set: &super::PromptSet| set.n_tokens as f64 / set.n_prompts.max(1) as f64;
    let (long, short) = (per_prompt(&report.a), per_prompt(&report.b));
    if report.settings.reduce == "max" && (long / short).max(short / long) > 1.5 {
        warnings.push(format!(
            "prompts of a have {long:.0} tokens on average, those of b {short:.0}: the maximum over more tokens is larger by itself"
        ));
    }
    let tested: usize = report.saes.iter().map(|sae| sae.n_tested).sum();
    if tested == 0 {
        warnings.push(format!(
            "no feature was tested: none is active in {} prompts or more and varies",
            report.settings.min_fired
        ));
    } else if report.saes.iter().all(|sae| sae.n_significant == 0) {
        warnings.push(format!(
            "no feature differs significantly (q ≤ {}) among the {tested} tested: the order of the features may be chance",
            report.settings.alpha
        ));
    }
    warnings
}
