//! Many tests at once.

/// Benjamini and Hochberg's q of each p: `q_(i) = min over j ≥ i of p_(j)·M/j`, at most 1, in the order given. Calling everything with `q ≤ α` a
/// discovery keeps the expected share of false ones at α.
pub fn benjamini_hochberg(p: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|&x, &y| p[x].total_cmp(&p[y]));
    let mut q = vec![1.0; p.len()];
    let mut least = 1.0_f64;
    for (rank, &at) in order.iter().enumerate().rev() {
        least = least.min(p[at] * p.len() as f64 / (rank + 1) as f64);
        q[at] = least;
    }
    q
}

#[cfg(test)]
mod tests {
    use super::benjamini_hochberg;

    #[test]
    fn later_ps_lift_no_earlier_one() {
        // 0.04·3/2 is more than 0.045: the larger p decides.
        let q = benjamini_hochberg(&[0.04, 0.01, 0.045]);
        for (found, expected) in q.iter().zip([0.045, 0.03, 0.045]) {
            assert!((found - expected).abs() < 1e-15, "{q:?}");
        }
        assert!(benjamini_hochberg(&[]).is_empty());
        assert_eq!(benjamini_hochberg(&[1.0, 0.9]), [1.0, 1.0]);
    }
}
