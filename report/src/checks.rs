//! Checks of the conventions that the run was trained with against those used here.

use crate::scale::{count, number};
use sae_core::{Architecture, NormalizeActivations, SaeConfig, Transcoder};
use sae_metrics::Evaluation;
use serde::Serialize;

/// One convention.
#[derive(Debug, Clone, Serialize)]
pub struct Check {
    /// Its name.
    pub name: &'static str,
    /// What the run says.
    pub expected: String,
    /// What was found here.
    pub found: String,
    /// How the two go together.
    pub verdict: Verdict,
    /// What it means; where something is wrong, the probable cause and what to try.
    pub note: String,
}

/// How the two go together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// They agree.
    Ok,
    /// They do not.
    Look,
    /// The run does not say.
    Unknown,
}

/// The facts that the checks compare.
#[derive(Debug)]
pub struct Facts<'a> {
    /// As it was used.
    pub cfg: &'a SaeConfig,
    /// The hook that `cfg.json` names.
    pub hook_recorded: Option<&'a str>,
    /// Rows measured.
    pub rows: u64,
    /// Rows that begin with BOS.
    pub rows_with_bos: u64,
    /// Tokens in a row.
    pub context_size: usize,
    /// Positions that the model was trained on.
    pub model_positions: usize,
    /// Blocks of the model.
    pub n_layers: usize,
    /// Mean L0.
    pub l0: f64,
    /// The most features active on a token.
    pub l0_max: usize,
    /// E‖x‖.
    pub norm: f64,
    /// E[‖x̂‖ / ‖x‖].
    pub norm_ratio: f64,
}

impl<'a> Facts<'a> {
    /// The facts that an evaluation knows; rows with BOS, sizes of the model and the recorded hook are to be filled in.
    pub fn measured(cfg: &'a SaeConfig, evaluation: &Evaluation) -> Self {
        let sparsity = &evaluation.sparsity;
        Self {
            cfg,
            hook_recorded: None,
            rows: sparsity.tokens.sequences,
            rows_with_bos: 0,
            context_size: 0,
            model_positions: 0,
            n_layers: 0,
            l0: sparsity.l0.mean(),
            l0_max: sparsity.l0.max().unwrap_or(0),
            norm: sparsity.shrinkage.l2_norm_in.mean(),
            norm_ratio: sparsity.shrinkage.l2_ratio.mean(),
        }
    }

    /// All of them.
    pub fn checks(&self) -> Vec<Check> {
        vec![
            self.bos(),
            self.norm_factor(),
            self.activation(),
            self.hook(),
            self.context(),
        ]
    }

    fn bos(&self) -> Check {
        let (with, rows) = (self.rows_with_bos, self.rows);
        let said = self.cfg.metadata.prepend_bos;
        let agrees = match said {
            Some(true) => with == rows,
            Some(false) => with == 0,
            None => true,
        };
        let verdict = verdict(said.is_some(), agrees);
        let note = match (said, agrees) {
            (_, false) => format!(
                "{} of {} rows begin with BOS, though cfg.json says prepend_bos: {}. The first position has a norm like no other, and the SAE \
                 has learnt what stands there: make rows as in training (sae tokenize does as it is told by --no-bos).",
                count(with),
                count(rows),
                said.unwrap_or(true)
            ),
            (Some(true), _) => "Position 0 is BOS on every row; L0, densities and variances leave it out, losses keep it.".to_owned(),
            (Some(false), _) => "No row begins with BOS; every position counts.".to_owned(),
            (None, _) => "cfg.json does not say whether rows began with BOS; rows made here do.".to_owned(),
        };
        Check {
            name: "BOS at the head of rows",
            expected: said.map_or_else(not_recorded, |bos| format!("prepend_bos: {bos}")),
            found: format!("{} of {} rows", count(with), count(rows)),
            verdict,
            note,
        }
    }

    fn norm_factor(&self) -> Check {
        let kind = self.cfg.normalize_activations;
        let root = (self.cfg.d_in as f64).sqrt();
        let factor = root / self.norm;
        // A transcoder's target is not its input: its norm says nothing about the factor.
        let reads_it = !self.cfg.architecture.is_transcoder();
        let unfolded = reads_it
            && kind == NormalizeActivations::ExpectedAverageOnlyIn
            && outside(factor, 1.25);
        let misscaled = reads_it && self.l0 > 0.0 && outside(self.norm_ratio, 2.0);
        let note = if unfolded {
            format!(
                "cfg.json says expected_average_only_in: training scaled its inputs to an average norm of √d_in, here by {}. That factor is not in \
                 the file, and none is applied. Fold it into the weights (SAELens: sae.fold_activation_norm_scaling_factor) and save the run again.",
                number(factor, 4)
            )
        } else if misscaled {
            format!(
                "The SAE's output is {} times as long as the activation. A factor is likely missing or applied twice: compare \
                 normalize_activations with the training's, and see whether its factor was folded into the weights.",
                number(self.norm_ratio, 3)
            )
        } else {
            match kind {
                NormalizeActivations::None => "Inputs go in as they are; a factor of training, if there was one, is folded into the weights.",
                NormalizeActivations::ExpectedAverageOnlyIn => "Inputs go in as they are: on this text the factor would be near 1.",
                NormalizeActivations::CovarianceWhitening => "Inputs go in as they are; whitening is folded into the weights.",
                _ => "Inputs are scaled, and outputs scaled back, token by token or by the constant of cfg.json.",
            }
            .to_owned()
        };
        Check {
            name: "activation norm",
            expected: format!("normalize_activations: {}", kind.name()),
            found: format!(
                "E‖x‖ {}, √d_in {}, output / input {}",
                number(self.norm, 4),
                number(root, 4),
                number(self.norm_ratio, 3)
            ),
            verdict: verdict(true, !(unfolded || misscaled)),
            note,
        }
    }

    fn activation(&self) -> Check {
        let d_sae = self.cfg.d_sae as f64;
        let dense = self.l0 > 0.25 * d_sae;
        let note = if dense {
            "Far more features are active than a sparse SAE has: is this the activation function it was trained with?"
        } else if self.l0 == 0.0 {
            "No feature is active: nothing shows whether the function is right."
        } else {
            "The number of active features is that of a sparse SAE."
        };
        Check {
            name: "activation function",
            expected: format!(
                "{}: {}",
                self.cfg.architecture.name(),
                function(&self.cfg.architecture)
            ),
            found: format!(
                "{} of {} features on a token, at most {}",
                number(self.l0, 4),
                count(self.cfg.d_sae as u64),
                count(self.l0_max as u64)
            ),
            verdict: verdict(true, !dense && self.l0 > 0.0),
            note: note.to_owned(),
        }
    }

    fn hook(&self) -> Check {
        let metadata = &self.cfg.metadata;
        let used = metadata.hook_name.as_deref().unwrap_or_default();
        let other = self.hook_recorded.filter(|recorded| *recorded != used);
        let layer = metadata
            .extra
            .get("hook_layer")
            .and_then(serde_json::Value::as_u64);
        let block = block(used);
        let shifted = layer.zip(block).filter(|(layer, block)| layer != block);
        let note = if let Some(recorded) = other {
            format!(
                "Measured at {used}, but cfg.json says {recorded}: the SAE knows that place only. Leave --hook out, unless cfg.json is wrong."
            )
        } else if let Some((layer, block)) = shifted {
            format!(
                "The hook is in block {block}, but cfg.json says hook_layer {layer}. Blocks are counted from 0, and transformers' hidden_states[i] is \
                 blocks.i.hook_resid_pre: was the layer counted from 1? Try the neighbouring block with --hook."
            )
        } else {
            place(used, self.n_layers)
        };
        let written = metadata.write_hook().filter(|write| *write != used);
        Check {
            name: "hook and layer",
            expected: self.hook_recorded.map_or_else(not_recorded, str::to_owned),
            found: written.map_or_else(
                || used.to_owned(),
                |write| format!("{used}, written to {write}"),
            ),
            verdict: verdict(
                self.hook_recorded.is_some(),
                other.is_none() && shifted.is_none(),
            ),
            note,
        }
    }

    fn context(&self) -> Check {
        let (used, trained) = (self.context_size, self.cfg.metadata.context_size);
        let beyond_model = used > self.model_positions;
        let beyond_sae = trained.filter(|&trained| used > trained);
        let note = if beyond_model {
            format!(
                "Rows of {} tokens are longer than the {} that the model was trained for: what is measured beyond them is its confusion. Give a \
                 smaller --context-size.",
                count(used as u64),
                count(self.model_positions as u64)
            )
        } else if let Some(trained) = beyond_sae {
            format!(
                "Rows of {} tokens are longer than the {} that the SAE was trained on: later positions are new to it. Give --context-size {trained} to \
                 see what that costs.",
                count(used as u64),
                count(trained as u64)
            )
        } else {
            "Every position is one that the model, and the SAE if it says so, has seen in training."
                .to_owned()
        };
        Check {
            name: "context length",
            expected: format!(
                "SAE {}, model at most {}",
                trained.map_or_else(not_recorded, |n| count(n as u64)),
                count(self.model_positions as u64)
            ),
            found: format!("rows of {} tokens", count(used as u64)),
            verdict: verdict(trained.is_some(), !beyond_model && beyond_sae.is_none()),
            note,
        }
    }
}

/// The notes of the conventions that are not kept and that no figure speaks for.
pub fn warnings(checks: &[Check]) -> impl Iterator<Item = String> {
    let look = checks.iter().filter(|check| check.verdict == Verdict::Look);
    look.filter(|check| check.name != "activation function")
        .map(|check| check.note.clone())
}

fn verdict(known: bool, agrees: bool) -> Verdict {
    match (known, agrees) {
        (_, false) => Verdict::Look,
        (true, true) => Verdict::Ok,
        (false, true) => Verdict::Unknown,
    }
}

fn not_recorded() -> String {
    "not recorded".to_owned()
}

/// Whether a ratio is further from 1 than a factor, either way. One that is no number is not.
fn outside(ratio: f64, factor: f64) -> bool {
    ratio.is_finite() && !(1.0 / factor..=factor).contains(&ratio)
}

fn block(hook: &str) -> Option<u64> {
    hook.strip_prefix("blocks.")?
        .split('.')
        .next()?
        .parse()
        .ok()
}

/// The place of a hook, as other tools count layers.
fn place(hook: &str, n_layers: usize) -> String {
    let Some(block) = block(hook) else {
        return format!("{hook} is outside the model's blocks.");
    };
    let last = n_layers.saturating_sub(1);
    match hook.rsplit('.').next() {
        Some("hook_resid_pre") => format!(
            "What block {block} of 0 to {last} reads: hidden_states[{block}] of transformers."
        ),
        Some("hook_resid_post") if block < last as u64 => {
            format!(
                "What block {block} of 0 to {last} hands on: hidden_states[{}] of transformers.",
                block + 1
            )
        }
        Some("hook_resid_post") => {
            "What the last block hands on, before the final norm: not among transformers' hidden_states.".to_owned()
        }
        _ => format!("Inside block {block}, counted from 0 to {last}."),
    }
}

fn function(architecture: &Architecture) -> String {
    match architecture {
        Architecture::Standard => "ReLU".to_owned(),
        Architecture::TopK(top) => format!("the {} largest, then ReLU", top.k),
        Architecture::AbsTopK(top) => format!("the {} of largest magnitude", top.k),
        Architecture::JumpRelu => "JumpReLU, a threshold for each feature".to_owned(),
        Architecture::Gated => "ReLU where a gate is open".to_owned(),
        Architecture::MatchingPursuit(_) => "greedy matching pursuit".to_owned(),
        Architecture::Temporal(temporal) => temporal.k.map_or_else(
            || "ReLU of what attention does not predict".to_owned(),
            |k| format!("the {k} largest of what attention does not predict"),
        ),
        Architecture::Transcoder(Transcoder {
            jump_relu: true, ..
        }) => "JumpReLU, from one hook to another".to_owned(),
        Architecture::Transcoder(_) => "ReLU, from one hook to another".to_owned(),
        Architecture::GroupMax(group) => {
            format!("the largest of each of {} groups, then ReLU", group.k)
        }
        Architecture::TopKTranscoder(t) if t.grouped => {
            format!(
                "the largest of each of {} groups, then ReLU, from one hook to another",
                t.k
            )
        }
        Architecture::TopKTranscoder(t) => {
            format!("the {} largest, then ReLU, from one hook to another", t.k)
        }
    }
}

#[cfg(test)]
mod tests;
