//! The note below each plot.

use crate::report::Report;
use crate::scale::{count, number, percent};
use maud::{Markup, PreEscaped, html};

pub(super) fn l0(report: &Report) -> Markup {
    let l0 = &report.l0;
    let extreme = |value: Option<usize>| value.map_or_else(|| "—".to_owned(), |v| count(v as u64));
    html! {
        p {
            (number(l0.mean, 4)) " ± " (number(l0.std, 3)) " (standard deviation), from " (extreme(l0.min))
            " to " (extreme(l0.max)) ", over " (count(l0.tokens)) " tokens."
        }
    }
}

pub(super) fn density(report: &Report) -> Markup {
    let features = &report.features;
    let median = |value: Option<f64>| value.map_or_else(|| "—".to_owned(), |d| percent(d, 3));
    html! {
        p {
            "Of the features that fire, half fire on less than " (median(features.median_density))
            " of the tokens. One rarer than 1 in " (count(features.tokens))
            " tokens cannot be told from a dead one here."
            @if let Some(recorded) = &features.recorded {
                " The run recorded, over its training data: median " (median(recorded.median_density)) ", "
                (count(recorded.n_dead)) " dead, densities that add up to an L0 of " (number(recorded.l0, 4))
                " (here " (number(report.l0.mean, 4)) ")."
            } @else {
                " The run recorded no sparsity of its own."
            }
        }
    }
}

pub(super) fn loss(report: &Report) -> Markup {
    let loss = &report.loss;
    html! {
        p {
            "Original: the model as it is. Reconstruction: the SAE's output in place of the activation, which costs "
            (number(loss.reconstruction - loss.original, 3)) " nats per token (a perplexity of "
            (number(loss.reconstruction.exp(), 4)) " instead of " (number(loss.original.exp(), 4))
            "). Zero ablation: the activation set to zero, the worst that an SAE should do. Averages over "
            (count(loss.tokens)) " predictions."
        }
        p {
            "Loss recovered = (zero ablation − reconstruction) / (zero ablation − original) = "
            (percent(loss.recovered, 4))
            "; SAELens calls it ce_loss_score. 100 % is the original model, 0 % the zeroed one."
        }
    }
}

pub(super) fn variance(report: &Report) -> Markup {
    let Some(quality) = &report.reconstruction_quality else {
        return html! {};
    };
    let rows = [
        (
            "explained_<wbr>variance",
            "1 − E‖x−x̂‖² / (E‖x‖² − ‖E x‖²): errors against the spread around the mean, over all tokens at once. SAELens since 6.",
        ),
        (
            "explained_<wbr>variance_<wbr>legacy",
            "E[1 − ‖x−x̂‖² / ‖x−E x‖²]: the same token by token, then averaged, so that short activations count as much as long ones. SAELens before.",
        ),
        (
            "explained_<wbr>variance_<wbr>uncentered",
            "1 − E‖x−x̂‖² / E‖x‖²: against zero instead of the mean, flattering where the mean is large. Llama Scope.",
        ),
    ];
    html! {
        dl.pairs {
            @for (name, meaning) in rows {
                dt.mono { (PreEscaped(name)) } dd { (meaning) }
            }
            dt.mono { "fvu" } dd { (number(quality.fvu, 4)) " = 1 − explained_variance" }
            dt.mono { "cossim" } dd { (number(quality.cossim, 4)) ", the mean cosine of x and x̂" }
        }
    }
}
