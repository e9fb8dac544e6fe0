//! The prompt check on the page.

use crate::escape::visible_token;
use crate::scale::percent;
use maud::{Markup, html};
use sae_metrics::{Answer, PromptCheck, show_rank};

pub(super) fn section(check: &PromptCheck) -> Markup {
    html! {
        section #prompt {
            h2 { "Prompt check" small { "what comes next, plain and through the SAE" } }
            p.tokens {
                @for token in &check.prompt_tokens { span { (visible_token(token)) } }
                @for token in &check.answer_tokens { span.answer { (visible_token(token)) } }
            }
            p { (summary(check)) }
            div.columns {
                (table("The model as it is", &check.baseline, check))
                @if let Some(with_sae) = &check.with_sae {
                    (table("Through the SAE", with_sae, check))
                }
            }
        }
    }
}

/// How the answer changes with the SAE, in a sentence.
fn summary(check: &PromptCheck) -> String {
    let through = |figures: &dyn Fn(&Answer) -> String| {
        let with_sae = check.with_sae.as_ref();
        let through = with_sae.map(|answer| format!("; through the SAE: {}", figures(answer)));
        figures(&check.baseline) + &through.unwrap_or_default()
    };
    let first = |answer: &Answer| {
        let TokenFigures { rank, prob } = TokenFigures::of(answer);
        format!("rank {rank}, {prob}")
    };
    match check.answer_tokens.len() {
        1 => format!("The answer: {}.", through(&first)),
        n => format!(
            "The first of {n} answer tokens: {}. The whole answer: {}.",
            through(&first),
            through(&|answer| percent(answer.whole, 4))
        ),
    }
}

/// How the first token of an answer fares.
struct TokenFigures {
    rank: String,
    prob: String,
}

impl TokenFigures {
    fn of(answer: &Answer) -> Self {
        Self {
            rank: show_rank(answer.first.rank),
            prob: percent(answer.first.prob, 4),
        }
    }
}

fn table(name: &str, answer: &Answer, check: &PromptCheck) -> Markup {
    let TokenFigures { rank, prob } = TokenFigures::of(answer);
    let logit = format!("{:.2}", answer.first.logit);
    let width = |prob: f64| {
        let share = if prob.is_finite() { 100.0 * prob } else { 0.0 };
        format!("width:{share:.2}%")
    };
    html! {
        div {
            h3 { (name) small { "rank " (rank) " · " (prob) " · logit " (logit) } }
            table.guesses {
                thead { tr { th {} th { "token" } th { "probability" } th {} th { "logit" } } }
                tbody {
                    @for (i, top) in answer.first.top.iter().enumerate() {
                        @let is_answer = check.answer_tokens.first() == Some(&top.token);
                        tr.answer[is_answer] {
                            td { (i) }
                            td."mono token" { (visible_token(&top.token)) }
                            td.share { span style=(width(top.prob)) {} }
                            td { (percent(top.prob, 3)) }
                            td { (format!("{:.2}", top.logit)) }
                        }
                    }
                }
            }
        }
    }
}
