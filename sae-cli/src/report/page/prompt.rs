//! The prompt check on the page.

use crate::prompt_check::{Answer, PromptCheck, show_rank};
use crate::report::escape::{escape, escape_token};
use crate::report::plots::percent;
use anyhow::Result;
use std::fmt::Write;

pub(super) fn section(page: &mut String, check: &PromptCheck) -> Result<()> {
    page.push_str("<section id=\"prompt\"><h2>Prompt check<small>what comes next, plain and through the SAE</small></h2>\n<p class=\"tokens\">");
    for token in &check.prompt_tokens {
        write!(page, "<span>{}</span>", escape_token(token))?;
    }
    for token in &check.answer_tokens {
        write!(
            page,
            "<span class=\"answer\">{}</span>",
            escape_token(token)
        )?;
    }
    page.push_str("</p>\n");
    writeln!(
        page,
        "<p>{}</p>\n<div class=\"columns\">",
        escape(&summary(check))
    )?;
    table(page, "The model as it is", &check.baseline, check)?;
    if let Some(with_sae) = &check.with_sae {
        table(page, "Through the SAE", with_sae, check)?;
    }
    page.push_str("</div>\n</section>\n");
    Ok(())
}

/// What the SAE makes of the answer, in a sentence.
fn summary(check: &PromptCheck) -> String {
    let figures = |answer: &Answer| {
        format!(
            "rank {}, {}",
            show_rank(answer.first.rank),
            percent(answer.first.prob, 4)
        )
    };
    let plain = figures(&check.baseline);
    let through = check
        .with_sae
        .as_ref()
        .map(|answer| format!("; through the SAE: {}", figures(answer)));
    let which = match check.answer_tokens.len() {
        1 => "The answer".to_owned(),
        n => format!("The first of {n} answer tokens"),
    };
    let mut text = format!("{which}: {plain}{}.", through.unwrap_or_default());
    if check.answer_tokens.len() > 1 {
        let whole = |answer: &Answer| percent(answer.whole, 4);
        let _ = write!(text, " The whole answer: {}", whole(&check.baseline));
        if let Some(with_sae) = &check.with_sae {
            let _ = write!(text, "; through the SAE: {}", whole(with_sae));
        }
        text.push('.');
    }
    text
}

fn table(page: &mut String, name: &str, answer: &Answer, check: &PromptCheck) -> Result<()> {
    let first = &answer.first;
    writeln!(
        page,
        "<div><h3>{name}<small>rank {} · {} · logit {:.2}</small></h3>\n<table class=\"guesses\"><thead><tr><th></th><th>token</th><th>probability</th>\
         <th></th><th>logit</th></tr></thead><tbody>",
        show_rank(first.rank),
        percent(first.prob, 4),
        first.logit
    )?;
    for (i, top) in first.top.iter().enumerate() {
        let class = if check.answer_tokens.first() == Some(&top.token) {
            " class=\"answer\""
        } else {
            ""
        };
        let share = if top.prob.is_finite() {
            100.0 * top.prob
        } else {
            0.0
        };
        writeln!(
            page,
            "<tr{class}><td>{i}</td><td class=\"mono token\">{}</td><td class=\"share\"><span style=\"width:{share:.2}%\"></span></td><td>{}</td><td>{:.2}</td></tr>",
            escape_token(&top.token),
            percent(top.prob, 3),
            top.logit
        )?;
    }
    page.push_str("</tbody></table></div>\n");
    Ok(())
}
