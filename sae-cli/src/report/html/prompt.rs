//! The prompt check on the page.

use super::escape::escape_token;
use crate::prompt_check::{Answer, PromptCheck, show_rank};
use anyhow::Result;
use std::fmt::Write;

pub(super) fn section(page: &mut String, check: &PromptCheck) -> Result<()> {
    page.push_str("<section>\n<h2>Prompt check</h2>\n<p class=\"tokens\">");
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
    page.push_str("</p>\n<div class=\"columns\">\n");
    table(page, "As it is", &check.baseline, check)?;
    if let Some(with_sae) = &check.with_sae {
        table(page, "Through the SAE", with_sae, check)?;
    }
    page.push_str("</div>\n</section>\n");
    Ok(())
}

fn table(page: &mut String, name: &str, answer: &Answer, check: &PromptCheck) -> Result<()> {
    let first = &answer.first;
    let (which, whole) = match answer.tokens.len() {
        1 => (String::new(), String::new()),
        n => (
            format!("First of {n} answer tokens: "),
            format!(" · the whole answer {:.2} %", 100.0 * answer.whole),
        ),
    };
    writeln!(
        page,
        "<div><h3>{name}</h3>\n<p>{which}Rank {} · {:.2} % · logit {:.2}{whole}</p>\n<table><thead><tr><th></th><th>token</th><th>probability</th><th>logit</th></tr></thead><tbody>",
        show_rank(first.rank),
        100.0 * first.prob,
        first.logit
    )?;
    for (i, top) in first.top.iter().enumerate() {
        let class = if check.answer_tokens.first() == Some(&top.token) {
            " class=\"answer\""
        } else {
            ""
        };
        writeln!(
            page,
            "<tr{class}><td>{i}</td><td class=\"mono\">{}</td><td><div class=\"share\" style=\"--share:{:.2}%\">{:.2} %</div></td><td>{:.2}</td></tr>",
            escape_token(&top.token),
            100.0 * top.prob,
            100.0 * top.prob,
            top.logit
        )?;
    }
    page.push_str("</tbody></table></div>\n");
    Ok(())
}
