//! Keys of SAELens 3 to 5, whose files are flat, in terms of today's.

use super::entries::{Entries, Entry};
use super::error::ConfigProblem;
use super::rules::unsupported;
use super::value::{shown, typed};
use serde_json::{Value, json};

/// Keys that have another name today.
const RENAMED: [(&str, &str); 5] = [
    ("hook_point", "hook_name"),
    ("hook_point_head_index", "hook_head_index"),
    ("activation_fn_str", "activation_fn"),
    ("normalize_sae_decoder", "unit_decoder"),
    ("b_dec_init_method", "b_dec_init"),
];

/// Keys that say something about more than one of today's.
pub(super) const COMBINED: [&str; 6] = [
    "expansion_factor",
    "decoder_heuristic_init",
    "decoder_heuristic_init_norm",
    "activation_fn",
    "activation_fn_kwargs",
    "scale_sparsity_penalty_by_decoder_norm",
];

/// Keys that only old files have.
const OLD: [&str; 10] = [
    "activation_fn",
    "activation_fn_kwargs",
    "normalize_sae_decoder",
    "b_dec_init_method",
    "decoder_heuristic_init",
    "decoder_orthogonal_init",
    "init_encoder_as_decoder_transpose",
    "mse_loss_normalization",
    "scale_sparsity_penalty_by_decoder_norm",
    "use_ghost_grads",
];

/// Keys whose default is another today, and what it was.
const CHANGED: [(&str, &str); 6] = [
    ("adam_beta1", "0"),
    ("l1_coefficient", "0.001"),
    ("normalize_sae_decoder", "true"),
    ("b_dec_init_method", "geometric_median"),
    ("jumprelu_init_threshold", "0.001"),
    ("jumprelu_bandwidth", "0.001"),
];

/// All keys that [`translate`] knows.
pub(super) fn keys() -> impl Iterator<Item = &'static str> {
    RENAMED.iter().map(|(from, _)| *from).chain(COMBINED)
}

/// Whether the file is of such a version.
pub(super) fn is_old(entries: &Entries) -> bool {
    OLD.iter().any(|key| entries.has(key))
}

/// What an old file leaves to defaults that have changed since.
pub(super) fn changed_defaults(entries: &Entries) -> Option<String> {
    let architecture = architecture(entries);
    let jumprelu = architecture == "jumprelu";
    let missing = CHANGED.iter().filter(|(key, _)| !entries.has(key));
    let missing: Vec<_> = missing
        .filter(|(key, _)| jumprelu || !key.starts_with("jumprelu"))
        .filter(|(key, _)| architecture != "topk" || *key != "l1_coefficient")
        .map(|(key, was)| format!("{key} (was {was})"))
        .collect();
    (is_old(entries) && !missing.is_empty()).then(|| {
        let missing = missing.join(", ");
        format!(
            "its keys are those of SAELens 5 or older; what it leaves out has another default today: {missing}"
        )
    })
}

/// Puts today's keys in the place of those of old.
pub(super) fn translate(entries: &mut Entries) -> Result<(), ConfigProblem> {
    let old = is_old(entries);
    for (from, to) in RENAMED {
        entries.rename(from, to)?;
    }
    d_sae(entries)?;
    decoder_norm(entries)?;
    activation(entries, old)?;
    if old {
        jumprelu(entries)?;
    }
    penalty(entries)?;
    // The first files had a bool, for the one scaling there was.
    if let Some(entry) = entries.0.get_mut("normalize_activations")
        && let Value::Bool(on) = entry.value
    {
        entry.value = json!(if on {
            "expected_average_only_in"
        } else {
            "none"
        });
    }
    Ok(())
}

fn architecture(entries: &Entries) -> &str {
    let given = entries.get("architecture").and_then(Value::as_str);
    given.unwrap_or("standard")
}

/// `expansion_factor` times `d_in`.
fn d_sae(entries: &mut Entries) -> Result<(), ConfigProblem> {
    if entries.get("d_sae") == Some(&Value::Null) {
        entries.take("d_sae");
    }
    let Some(factor) = entries.take("expansion_factor") else {
        return Ok(());
    };
    let Some(times) = typed::<Option<f64>>(&factor.name, &factor.value)? else {
        return Ok(());
    };
    let wrong = |expected: String| ConfigProblem::Value {
        key: factor.name.clone(),
        found: shown(&factor.value),
        expected,
    };
    let Some(d_in) = entries.get("d_in").and_then(Value::as_u64) else {
        let expected = "d_in beside it, the width of the activations; or give d_sae";
        return Err(wrong(expected.to_owned()));
    };
    let product = times * d_in as f64;
    // Far beyond any dictionary.
    if product.fract() != 0.0 || !(1.0..=1e12).contains(&product) {
        let expected = format!("a number that makes d_in ({d_in}) a number of features");
        return Err(wrong(expected));
    }
    entries.insert("d_sae", &factor.name, json!(product as u64))
}

/// The norm of decoder rows at first.
fn decoder_norm(entries: &mut Entries) -> Result<(), ConfigProblem> {
    let norm = entries.take("decoder_heuristic_init_norm");
    let Some(heuristic) = entries.take("decoder_heuristic_init") else {
        return match norm {
            Some(norm) => entries.insert("decoder_init_norm", &norm.name, norm.value),
            None => Ok(()),
        };
    };
    let unit = entries.get("unit_decoder") == Some(&Value::Bool(true));
    let norm = match typed::<Option<bool>>(&heuristic.name, &heuristic.value)? {
        Some(true) => norm.map_or(json!(0.1), |norm| norm.value),
        _ if unit => json!(1),
        _ => Value::Null,
    };
    entries.or_insert("decoder_init_norm", &heuristic.name, norm);
    Ok(())
}

/// Coefficients that jumprelu shared with the others.
fn jumprelu(entries: &mut Entries) -> Result<(), ConfigProblem> {
    if architecture(entries) == "jumprelu" && !entries.has("l0_coefficient") {
        entries.rename("l1_coefficient", "l0_coefficient")?;
        entries.rename("l1_warm_up_steps", "l0_warm_up_steps")?;
    }
    Ok(())
}

/// The activation function, which was apart from the architecture.
fn activation(entries: &mut Entries, old: bool) -> Result<(), ConfigProblem> {
    let kwargs = entries.take("activation_fn_kwargs");
    let function = entries.take("activation_fn");
    let word = function.as_ref().and_then(|f| f.value.as_str());
    match (architecture(entries), word) {
        ("topk", None | Some("topk")) | ("standard", Some("topk")) if old => {}
        (_, None) | ("standard" | "gated" | "jumprelu", Some("relu")) => return Ok(()),
        (architecture, _) => {
            let instead = format!("relu is what there is for {architecture}; leave it out");
            return function.map_or(Ok(()), |f| Err(unsupported(&f, instead)));
        }
    }
    if let Some(k) = kwargs.as_ref().and_then(|kwargs| kwargs.value.get("k")) {
        entries.insert("k", "activation_fn_kwargs.k", k.clone())?;
    }
    let name = function.map_or_else(|| "architecture".to_owned(), |f| f.name);
    // Selected by the pre-activation alone.
    entries.or_insert("rescale_acts_by_decoder_norm", &name, false);
    if architecture(entries) == "standard" {
        let l1 = entries.get("l1_coefficient").and_then(Value::as_f64);
        if l1 != Some(0.0) {
            let entry = Entry {
                name,
                value: json!("topk"),
            };
            let instead = "standard with topk had an L1 penalty, which topk has not; set l1_coefficient to 0, or the architecture to topk";
            return Err(unsupported(&entry, instead));
        }
        entries.take("architecture");
        entries.or_insert("architecture", &name, "topk");
        // Nothing revived dead features.
        entries.or_insert("aux_loss_coefficient", &name, 0);
    }
    Ok(())
}

/// Whether the penalty counted the decoder's norms, as it always does today.
fn penalty(entries: &mut Entries) -> Result<(), ConfigProblem> {
    let Some(scaled) = entries.take("scale_sparsity_penalty_by_decoder_norm") else {
        return Ok(());
    };
    let off = typed::<Option<bool>>(&scaled.name, &scaled.value)? == Some(false);
    let unit = entries.get("unit_decoder") == Some(&Value::Bool(true));
    // That of gated SAEs always did.
    if off && !unit && architecture(entries) == "standard" {
        let instead = "set it to true, or keep decoder rows at norm 1 (unit_decoder, normalize_sae_decoder of old), where it makes no difference";
        return Err(unsupported(&scaled, instead));
    }
    Ok(())
}
