//! Cross-entropy without the logits of a whole batch.

use burn::tensor::{FloatDType, Int, Tensor};

/// Bytes of f32 logits that exist at a time: enough rows for a fast product, and not so much that the allocator hands every
/// chunk back to the system.
const LOGITS_BYTES: usize = 24 << 20;

/// Rows whose logits fit the budget; at least one.
pub(crate) fn chunk_rows(vocab_size: usize) -> usize {
    (LOGITS_BYTES / (size_of::<f32>() * vocab_size)).max(1)
}

/// −log softmax(x)\[t\] per row of logits x with target t, in nats, f32: ln Σ exp(xᵢ − m) + m − xₜ, where m is the largest logit.
///
/// The place for a fused kernel. The backend's softmax is not an option: on the CPU it adds up a row in order, which over a
/// vocabulary leaves four digits; the sum along an axis does not.
///
/// # Shapes
/// `logits`: `[n, vocab]`, any float dtype; `targets`: `[n, 1]` → `[n, 1]`.
pub(crate) fn cross_entropy(logits: Tensor<2>, targets: Tensor<2, Int>) -> Tensor<2> {
    let logits = logits.cast(FloatDType::F32);
    let largest = logits.clone().max_dim(1);
    let target = logits.clone().gather(1, targets);
    let log_sum = (logits - largest.clone()).exp().sum_dim(1).log();
    log_sum + (largest - target)
}

#[cfg(test)]
mod tests {
    use super::{chunk_rows, cross_entropy};
    use burn::tensor::{Device, Int, Tensor, TensorData};

    #[test]
    fn chunks_have_rows_however_large_the_vocabulary() {
        assert_eq!(chunk_rows(49_152), 128);
        assert_eq!(chunk_rows(usize::MAX / 8), 1);
    }

    /// One token a little likelier than 49,151 equal ones: the sum is made of many small terms, which f32 loses if added in order.
    #[test]
    fn many_small_probabilities_add_up() {
        let (vocab, largest, rest) = (49_152, 8.0_f32, -3.0_f32);
        let mut logits = vec![rest; vocab];
        logits[7] = largest;
        let device = Device::flex();
        let logits = Tensor::from_data(TensorData::new(logits, [1, vocab]), &device);
        let targets = Tensor::<2, Int>::from_ints([[7]], &device);
        let loss: f32 = cross_entropy(logits, targets).into_scalar();
        let exact = (1.0 + (vocab - 1) as f64 * f64::from(rest - largest).exp()).ln();
        assert!(
            (f64::from(loss) - exact).abs() < 5e-6 * exact,
            "{loss} against {exact}"
        );
    }

    /// Without subtracting the largest logit, exp would overflow.
    #[test]
    fn large_logits_do_not_overflow() {
        let device = Device::flex();
        let logits = Tensor::<2>::from_floats([[1000.0, 1001.0]], &device);
        let loss: f32 =
            cross_entropy(logits, Tensor::<2, Int>::from_ints([[0]], &device)).into_scalar();
        assert!((loss - 1.313_261_7).abs() < 1e-6, "{loss}");
    }
}
