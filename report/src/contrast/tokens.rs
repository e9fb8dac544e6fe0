//! Tokens in colour.

use super::document::ShownPrompt;
use crate::escape::visible_token;
use crate::scale::number;
use maud::{Markup, html};

/// Tokens shown before the largest and after it.
const BEFORE: usize = 40;
const AFTER: usize = 20;

/// A prompt around its largest token; the colour is the share of `most`.
pub(super) fn tokens(prompt: &ShownPrompt, most: f32) -> Markup {
    let largest = (0..prompt.values.len()).reduce(|x, y| {
        if prompt.values[y] > prompt.values[x] {
            y
        } else {
            x
        }
    });
    let largest = largest.unwrap_or(0);
    let start = largest.saturating_sub(BEFORE);
    let end = (largest + AFTER + 1).min(prompt.tokens.len());
    html! {
        p.text {
            @if start > 0 { span.cut { "… " } }
            @for at in start..end {
                (token(&prompt.tokens[at], prompt.values[at], most, at == largest))
            }
            @if end < prompt.tokens.len() { span.cut { " …" } }
        }
    }
}

fn token(text: &str, value: f32, most: f32, largest: bool) -> Markup {
    let shown = visible_token(text);
    if value == 0.0 {
        return html! { span { (shown) } };
    }
    let share = (value.abs() / most.abs().max(f32::MIN_POSITIVE)).clamp(0.0, 1.0);
    let style = format!("--share: {:.0}%", 12.0 + 68.0 * share);
    let title = number(f64::from(value), 3);
    html! {
        @if largest {
            b.fires style=(style) title=(title) { (shown) }
        } @else {
            span.fires style=(style) title=(title) { (shown) }
        }
    }
}
