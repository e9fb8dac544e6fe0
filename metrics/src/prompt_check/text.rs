//! The outcome as the notebook prints it.

use super::{Answer, PromptCheck, TokenReport, TopToken};

/// A probability with digits to compare, however small.
fn show_prob(prob: f64) -> String {
    if prob < 1e-3 {
        format!("{prob:.2e}")
    } else {
        format!("{prob:.4}")
    }
}

/// A rank, or that there is none.
pub fn show_rank(rank: Option<usize>) -> String {
    rank.map_or_else(|| "undefined".to_owned(), |rank| rank.to_string())
}

impl PromptCheck {
    /// Warns about logits that are not numbers: NaN does not explain itself.
    pub fn warn_if_undefined(&self) {
        if self.baseline.first.rank.is_none() {
            tracing::warn!(
                "the model's logits are not numbers (NaN): its weights, or what they make of this prompt, hold NaN or infinities; was the model saved and copied whole?"
            );
        } else if self
            .with_sae
            .as_ref()
            .is_some_and(|with_sae| with_sae.first.rank.is_none())
        {
            tracing::warn!(
                "the logits with the SAE are not numbers (NaN), though the model's own are: the SAE makes NaN or infinities of these activations"
            );
        }
    }

    /// The report as the notebook prints it, plain and, where there is an SAE, through it.
    pub fn text(&self) -> String {
        let mut text = format!(
            "Tokenized prompt: {}\nTokenized answer: {}\n",
            python_list(&self.prompt_tokens),
            python_list(&self.answer_tokens)
        );
        match &self.with_sae {
            None => self.baseline.write(&mut text),
            Some(with_sae) => {
                text.push_str("Baseline:\n");
                self.baseline.write(&mut text);
                text.push_str("\nWith SAE reconstruction:\n");
                with_sae.write(&mut text);
                let prob = with_sae.first.prob;
                if with_sae.tokens.len() == 1 {
                    text.push_str(&format!("P(answer) with SAE: {prob:.4}\n"));
                } else {
                    text.push_str(&format!(
                        "P(first answer token) with SAE: {prob:.4}\nP(whole answer) with SAE: {}; as it is: {}\n",
                        show_prob(with_sae.whole),
                        show_prob(self.baseline.whole)
                    ));
                }
            }
        }
        text
    }
}

impl Answer {
    fn write(&self, text: &mut String) {
        for report in &self.tokens {
            let TokenReport {
                token,
                rank,
                logit,
                prob,
                top,
            } = report;
            text.push_str("Performance on answer token:\n");
            text.push_str(&format!(
                "Rank: {:<8} Logit: {logit:5.2} Prob: {:6.2}% Token: |{token}|\n",
                show_rank(*rank),
                100.0 * prob
            ));
            for (i, TopToken { token, logit, prob }) in top.iter().enumerate() {
                text.push_str(&format!(
                    "Top {i}th token. Logit: {logit:5.2} Prob: {:6.2}% Token: |{token}|\n",
                    100.0 * prob
                ));
            }
        }
        let ranks: Vec<String> = self
            .tokens
            .iter()
            .map(|t| format!("({}, {})", python_string(&t.token), show_rank(t.rank)))
            .collect();
        text.push_str(&format!(
            "Ranks of the answer tokens: [{}]\n",
            ranks.join(", ")
        ));
    }
}

/// A list of strings as Python prints it.
fn python_list(strings: &[String]) -> String {
    let quoted: Vec<String> = strings.iter().map(|s| python_string(s)).collect();
    format!("[{}]", quoted.join(", "))
}

/// A string as Python's `repr` prints it.
fn python_string(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') {
        '"'
    } else {
        '\''
    };
    let mut out = String::from(quote);
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\\' => out.push_str("\\\\"),
            c if c == quote => out.extend(['\\', c]),
            c if c.is_control() => out.push_str(&format!("\\x{:02x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push(quote);
    out
}

#[cfg(test)]
mod tests {
    use super::{python_list, python_string};

    #[test]
    fn strings_print_as_in_python() {
        assert_eq!(python_string(" Mary"), "' Mary'");
        assert_eq!(python_string("it's"), "\"it's\"");
        assert_eq!(python_string("'\"\n\u{1}\\"), "'\\'\"\\n\\x01\\\\'");
        assert_eq!(python_list(&["a".into(), " b".into()]), "['a', ' b']");
    }
}
