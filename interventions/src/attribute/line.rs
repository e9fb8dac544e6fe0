//! The straight line between two activations.

use crate::trunk::cat;
use llama_hooked::Activation;

/// `start + α(end − start)` for each α.
pub(super) fn line(start: &Activation, end: &Activation, alphas: &[f32]) -> Activation {
    let at = |alpha: f32| {
        let from = start.clone().scale(1.0 - alpha);
        add(from, end.clone().scale(alpha))
    };
    cat(alphas.iter().map(|&alpha| at(alpha)).collect())
}

/// `a + b`.
pub(super) fn add(a: Activation, b: Activation) -> Activation {
    match (a, b) {
        (Activation::R3(a), Activation::R3(b)) => (a + b).into(),
        (Activation::R4(a), Activation::R4(b)) => (a + b).into(),
        _ => unreachable!("both are of one point"),
    }
}

/// The sum over the batch.
pub(super) fn sum_of_rows(x: Activation) -> Activation {
    match x {
        Activation::R3(x) => x.sum_dim(0).into(),
        Activation::R4(x) => x.sum_dim(0).into(),
    }
}
