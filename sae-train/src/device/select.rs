//! The k-th largest numbers, found by halving an interval: nothing comes back to the host.

use super::sums::ones;
use burn::tensor::Tensor;

/// Halvings. After these an interval has no float left between its ends, where they are above 1/256 of the largest.
const HALVINGS: usize = 32;

/// For each row of `from` and `to` a number that at most `k` are above, and as many where there are no ties: `above` counts them.
///
/// `from` and `to` are `[n, 1]`; nothing is above `to`, and what is at `from` or below is never wanted.
pub(super) fn bar(
    from: Tensor<2>,
    to: Tensor<2>,
    k: usize,
    above: impl Fn(&Tensor<2>) -> Tensor<2>,
) -> Tensor<2> {
    // Where all fit nothing need be found.
    let all_fit = above(&from).lower_equal_scalar(k as f64);
    let (mut low, mut high) = (from.clone(), to);
    for _ in 0..HALVINGS {
        // Halved before they are added: the sum may be too large for a float.
        let middle = low.clone().mul_scalar(0.5) + high.clone().mul_scalar(0.5);
        let too_many = above(&middle).greater_scalar(k as f64);
        low = low.mask_where(too_many.clone(), middle.clone());
        high = middle.mask_where(too_many, high);
    }
    high.mask_where(all_fit, from)
}

/// For each row of `keys`, `[n, m]`, a number that its `k` largest are above. Where `positive`, what is not above 0 is never wanted.
pub(super) fn row_bars(keys: &Tensor<2>, k: usize, positive: bool) -> Tensor<2> {
    let to = keys.clone().max_dim(1);
    let from = if positive {
        to.zeros_like()
    } else {
        keys.clone().min_dim(1)
    };
    bar(from, to, k, |middle| {
        ones(keys.clone().greater(middle.clone())).sum_dim(1)
    })
}
