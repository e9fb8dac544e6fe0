//! What the backend answers about effects and differences.

use super::tokens;
use sae_serve::{
    AttributeRequest, AttributeResponse, AttributedFeature, AttributedTotal, ContrastRequest,
    ContrastResponse, ContrastedFeature, PromptToken,
};
use std::collections::BTreeMap;

/// The feature of the first word, its length, has an effect of as much, that of the second the same below zero, and so on; a third of it is the
/// error's, and a tenth the bias's. A word `nan` has no number, and the token 13 no effects.
pub(crate) fn attribute(request: &AttributeRequest) -> AttributeResponse {
    let words: Vec<&str> = request.text.split_inclusive(' ').collect();
    let effect = |(place, word): (usize, &&str)| match word.trim_end() {
        "nan" => f64::NAN,
        word => word.len() as f64 * [1.0, -1.0][place % 2],
    };
    let by_position: Vec<f64> = words.iter().enumerate().map(effect).collect();
    let feature = |(position, word): (usize, &&str)| AttributedFeature {
        feature: word.trim_end().len() as u32,
        position,
        activation: 2.5,
        effect: by_position[position],
    };
    let mut features: Vec<_> = words.iter().enumerate().map(feature).collect();
    features.sort_by(|a, b| b.effect.abs().total_cmp(&a.effect.abs()));
    features.truncate(request.top);
    let total = |f: &AttributedFeature| AttributedTotal {
        feature: f.feature,
        effect: f.effect,
        n_positions: 1,
    };
    let share = |of: f64| by_position.iter().map(|x| x * of).collect::<Vec<f64>>();
    let token = |id: u32| PromptToken::new(id, format!(" <i>{id}</i>").as_bytes());
    let sum: f64 = by_position.iter().sum();
    AttributeResponse {
        tokens: tokens(&words),
        answer: Some(token(request.answer)),
        against: request.against.map(token),
        metric: request.against.map_or("log_prob", |_| "logit_diff").into(),
        value: -0.5,
        hook_name: "blocks.2.hook_resid_pre".into(),
        write_hook: "blocks.2.hook_resid_pre".into(),
        n_active: words.len(),
        totals: features.iter().map(total).collect(),
        features,
        error: share(1.0 / 3.0),
        bias: share(if request.answer == 13 {
            f64::INFINITY
        } else {
            0.1
        }),
        sum: sum * (1.0 + 1.0 / 3.0 + 0.1),
        measured: 4.25,
        by_position,
    }
}

/// A feature fires on the words that are as long as its number, half as strongly as that, as in [`Backend::activations`](sae_serve::Backend).
pub(crate) fn contrast(request: &ContrastRequest) -> ContrastResponse {
    let texts = [&request.text, &request.other];
    let words = texts.map(|text| text.split_inclusive(' ').collect::<Vec<&str>>());
    let mut found: BTreeMap<u32, [Option<usize>; 2]> = BTreeMap::new();
    for (which, words) in words.iter().enumerate() {
        for (place, word) in words.iter().enumerate() {
            let length = word.trim_end().len() as u32;
            found.entry(length).or_default()[which].get_or_insert(place);
        }
    }
    let nan = request.text == "nan";
    let feature = |(&index, token): (&u32, &[Option<usize>; 2])| {
        let max = token.map(|place| place.map_or(0.0, |_| index as f32 / 2.0));
        ContrastedFeature {
            index,
            max,
            token: *token,
            difference: if nan { f32::NAN } else { max[0] - max[1] },
        }
    };
    let mut features: Vec<_> = found.iter().map(feature).collect();
    features.retain(|f| f.difference != 0.0);
    features.sort_by(|a, b| b.difference.abs().total_cmp(&a.difference.abs()));
    let n_different = features.len();
    features.truncate(request.top);
    ContrastResponse {
        texts: words.map(|words| tokens(&words)),
        n_different,
        features,
    }
}
