//! From logits to the logits that a token is drawn by, as transformers processes them.

/// How the next token is chosen.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub enum Sampling {
    /// The likeliest one; of equal ones the first.
    #[default]
    Greedy,
    /// By chance.
    Draw(DrawOptions),
}

/// How likely each token is to be drawn. The steps come in the order of these fields.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct DrawOptions {
    /// What logits are divided by: below 1 likely tokens become likelier.
    pub temperature: f32,
    /// Only the likeliest k tokens, and those that are as likely as the last of them; 0 for all.
    pub top_k: usize,
    /// Only the likeliest tokens that together have this probability; 1 for all.
    pub top_p: f32,
    /// Only tokens that are at least this share as likely as the likeliest; 0 for all.
    pub min_p: f32,
}

impl Default for DrawOptions {
    /// As transformers: the likeliest 50 tokens, nothing else.
    fn default() -> Self {
        Self {
            temperature: 1.0,
            top_k: 50,
            top_p: 1.0,
            min_p: 0.0,
        }
    }
}

/// A setting outside of its range.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{name} is {found}: it must be {expected}")]
#[non_exhaustive]
pub struct InvalidSampling {
    /// The setting.
    pub name: &'static str,
    /// Its value.
    pub found: f32,
    /// What it may be.
    pub expected: &'static str,
}

pub(super) fn check(
    name: &'static str,
    found: f32,
    holds: bool,
    expected: &'static str,
) -> Result<(), InvalidSampling> {
    let fault = InvalidSampling {
        name,
        found,
        expected,
    };
    if holds { Ok(()) } else { Err(fault) }
}

impl DrawOptions {
    /// Whether each setting is within its range.
    ///
    /// # Errors
    /// Names the first that is not.
    pub fn check(&self) -> Result<(), InvalidSampling> {
        let t = self.temperature;
        check(
            "temperature",
            t,
            t > 0.0 && t.is_finite(),
            "above 0; without chance is greedy",
        )?;
        let p = self.top_p;
        check("top_p", p, p > 0.0 && p <= 1.0, "above 0 and at most 1")?;
        let p = self.min_p;
        check("min_p", p, (0.0..=1.0).contains(&p), "from 0 to 1")
    }

    /// The tokens that may be drawn, in the order of their ids, and their logits. At least the likeliest is among them.
    ///
    /// Each step of transformers in its order: temperature, `top_k`, `top_p`, `min_p`.
    pub fn candidates(&self, logits: &[f32]) -> Vec<(u32, f32)> {
        let scaled = |logit: f32| logit / self.temperature;
        let bar = self.top_k_bar(logits);
        let kept = logits
            .iter()
            .enumerate()
            .filter(|&(_, &logit)| bar.is_none_or(|bar| logit >= bar));
        let mut kept: Vec<(u32, f32)> = kept
            .map(|(id, &logit)| (id as u32, scaled(logit)))
            .collect();
        if self.top_p < 1.0 {
            self.keep_top_p(&mut kept);
        }
        if self.min_p > 0.0 {
            let most = largest(&kept);
            // p ≥ min_p · p_max: the sum that both are divided by falls out.
            kept.retain(|&(_, logit)| f64::from(logit - most).exp() >= f64::from(self.min_p));
        }
        kept
    }

    /// The logit of the k-th likeliest token.
    fn top_k_bar(&self, logits: &[f32]) -> Option<f32> {
        if self.top_k == 0 || self.top_k >= logits.len() {
            return None;
        }
        let mut all = logits.to_vec();
        let (_, bar, _) = all.select_nth_unstable_by(self.top_k - 1, |a, b| b.total_cmp(a));
        Some(*bar)
    }

    /// Leaves out the unlikeliest tokens as long as their probabilities, summed from below, are at most 1 − `top_p`: it keeps every token
    /// that likelier ones do not make up `top_p` without.
    fn keep_top_p(&self, kept: &mut Vec<(u32, f32)>) {
        let most = largest(kept);
        let weight = |logit: f32| f64::from(logit - most).exp();
        let total: f64 = kept.iter().map(|&(_, logit)| weight(logit)).sum();
        let below = (1.0 - f64::from(self.top_p)) * total;
        // The whole vocabulary is rarely sorted: the likeliest few hold most.
        let descending = |a: &(u32, f32), b: &(u32, f32)| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0));
        let mut n = 64;
        loop {
            let n_sorted = n.min(kept.len());
            if n_sorted < kept.len() {
                kept.select_nth_unstable_by(n_sorted, descending);
            }
            kept[..n_sorted].sort_unstable_by(descending);
            let mut rest = total;
            let end = kept[..n_sorted].iter().position(|&(_, logit)| {
                let out = rest <= below;
                rest -= weight(logit);
                out
            });
            if let Some(end) = end.or((n_sorted == kept.len()).then_some(n_sorted)) {
                kept.truncate(end.max(1));
                break;
            }
            n *= 8;
        }
        kept.sort_unstable_by_key(|&(id, _)| id);
    }
}

fn largest(tokens: &[(u32, f32)]) -> f32 {
    tokens
        .iter()
        .fold(f32::NEG_INFINITY, |most, &(_, logit)| most.max(logit))
}

/// Divides positive logits of tokens that came before by the penalty, and multiplies negative ones with it, each once.
pub(super) fn penalise(logits: &mut [f32], seen: impl Iterator<Item = u32>, penalty: f32) {
    for id in seen {
        let logit = &mut logits[id as usize];
        *logit = if *logit < 0.0 {
            *logit * penalty
        } else {
            *logit / penalty
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ids(candidates: &[(u32, f32)]) -> Vec<u32> {
        candidates.iter().map(|&(id, _)| id).collect()
    }

    fn with(set: impl Fn(&mut DrawOptions)) -> DrawOptions {
        let mut options = DrawOptions {
            top_k: 0,
            ..DrawOptions::default()
        };
        set(&mut options);
        options
    }

    #[test]
    fn ties_at_the_kth_stay() {
        let options = with(|o| o.top_k = 2);
        assert_eq!(
            ids(&options.candidates(&[1.0, 3.0, 2.0, 2.0, 0.0])),
            [1, 2, 3]
        );
    }

    #[test]
    fn the_likeliest_always_stays() {
        for options in [
            with(|o| o.top_p = 1e-6),
            with(|o| o.min_p = 1.0),
            with(|o| o.top_k = 1),
        ] {
            assert_eq!(ids(&options.candidates(&[0.0, 0.1, -4.0])), [1]);
        }
    }

    #[test]
    fn settings_outside_of_their_range_are_refused() {
        let message = |options: DrawOptions| options.check().unwrap_err().to_string();
        assert_eq!(
            message(with(|o| o.temperature = 0.0)),
            "temperature is 0: it must be above 0; without chance is greedy"
        );
        assert_eq!(
            message(with(|o| o.top_p = 1.5)),
            "top_p is 1.5: it must be above 0 and at most 1"
        );
        assert_eq!(
            message(with(|o| o.min_p = f32::NAN)),
            "min_p is NaN: it must be from 0 to 1"
        );
    }

    proptest! {
        /// As the definition of transformers has it, on the whole vocabulary sorted.
        #[test]
        fn top_p_keeps_what_the_definition_keeps(logits in prop::collection::vec(-6.0_f32..6.0, 1..900), top_p in 0.01_f32..0.999) {
            let options = with(|o| o.top_p = top_p);
            let found = ids(&options.candidates(&logits));
            let most = logits.iter().copied().fold(f32::MIN, f32::max);
            let weights: Vec<f64> = logits.iter().map(|x| f64::from(x - most).exp()).collect();
            let total: f64 = weights.iter().sum();
            for id in 0..logits.len() {
                // All that come before it in ascending order, and itself.
                let upto: f64 = (0..logits.len()).filter(|&j| logits[j] <= logits[id]).map(|j| weights[j] / total).sum();
                let margin = upto - (1.0 - f64::from(top_p));
                if margin.abs() > 1e-9 && logits[id] < most {
                    prop_assert_eq!(found.contains(&(id as u32)), margin > 0.0, "{} of {}", id, logits.len());
                }
            }
        }
    }
}
