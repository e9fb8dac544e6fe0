//! Cross-entropy over a vocabulary whose logits never exist at once.

#[cfg(any(feature = "cuda", feature = "wgpu"))]
use crate::cube::{self, Kernels as _};
#[cfg(any(feature = "cuda", feature = "wgpu"))]
use burn::backend::Dispatch;
use burn::tensor::{FloatDType, Int, Tensor};
use std::ops::Range;

/// −log softmax(x)\[t\] for every row of logits x with its target t, in nats, f32.
///
/// `logits(rows, entries)` makes the logits of a range of rows for a range of the vocabulary, `[rows, entries]` in any float
/// dtype; at most `max_bytes` of them exist at a time, counted in f32, but at least one row's. On the CPU pieces are narrow and as
/// tall as can be, so that the unembedding is read once; elsewhere they are whole rows.
///
/// # Shapes
/// `targets`: `[n]` → `[n]`.
///
/// # Panics
/// On the CPU, if a target is not below `vocab_size`.
pub fn cross_entropy(
    targets: Tensor<1, Int>,
    vocab_size: usize,
    max_bytes: usize,
    mut logits: impl FnMut(Range<usize>, Range<usize>) -> Tensor<2>,
) -> Tensor<1> {
    let [n] = targets.dims();
    let values = (max_bytes / size_of::<f32>()).max(1);
    #[cfg(feature = "cpu")]
    // Targets record nothing, so that the logits are asked as well: one of them is made for it.
    if n > 0
        && sae_backend::is_host(&targets.device())
        && sae_backend::is_host(&logits(0..1, 0..1).device())
    {
        return host::cross_entropy(targets, vocab_size, values, logits);
    }
    let rows = (values / vocab_size).max(1);
    let losses = (0..n).step_by(rows).map(|start| {
        let end = (start + rows).min(n);
        let targets = targets.clone().narrow(0, start, end - start);
        of_whole_rows(logits(start..end, 0..vocab_size), targets)
    });
    Tensor::cat(losses.collect(), 0)
}

/// ln Σ exp(xᵢ − m) + m − xₜ, where m is the largest logit.
///
/// The backend's softmax is not an option everywhere: on the CPU it adds up a row in order, which over a vocabulary leaves four
/// digits; the sum along an axis does not.
fn of_whole_rows(logits: Tensor<2>, targets: Tensor<1, Int>) -> Tensor<1> {
    #[cfg(any(feature = "cuda", feature = "wgpu"))]
    if cube::on_gpu(&logits) {
        let (logits, targets) = (logits.into_dispatch(), targets.into_dispatch());
        return Tensor::from_dispatch(Dispatch::kernel_divergences(logits, targets, None));
    }
    let logits = logits.cast(FloatDType::F32);
    let largest = logits.clone().max_dim(1);
    let target = logits.clone().gather(1, targets.unsqueeze_dim(1));
    let log_sum = (logits - largest.clone()).exp().sum_dim(1).log();
    (log_sum + (largest - target)).squeeze_dim(1)
}

#[cfg(feature = "cpu")]
mod host {
    use super::{FloatDType, Int, Range, Tensor};
    use crate::host::{Format, HostTensor, format, tensor};
    use crate::softmax::SoftmaxSums;
    use burn::tensor::bf16;
    use rayon::prelude::*;

    /// Vocabulary entries below which a product with the unembedding is inefficient.
    const MIN_ENTRIES: usize = 1024;

    pub(super) fn cross_entropy(
        targets: Tensor<1, Int>,
        vocab_size: usize,
        values: usize,
        mut logits: impl FnMut(Range<usize>, Range<usize>) -> Tensor<2>,
    ) -> Tensor<1> {
        let targets: Vec<i64> = targets.into_data().iter::<i64>().collect();
        let n = targets.len();
        let (rows, entries) = super::piece(n, vocab_size, values, MIN_ENTRIES);
        let mut losses = Vec::with_capacity(n);
        for start in (0..n).step_by(rows) {
            let end = (start + rows).min(n);
            let mut states = vec![(SoftmaxSums::<0>::default(), f32::NAN); end - start];
            for first in (0..vocab_size).step_by(entries) {
                let range = first..(first + entries).min(vocab_size);
                let width = range.len();
                let piece = logits(start..end, range.clone());
                let piece = match format(&piece) {
                    Some(Format::Bf16) => HostTensor::<2, bf16>::new(piece).widened(),
                    _ => HostTensor::new(piece.cast(FloatDType::F32)).into_contiguous(),
                };
                states
                    .par_iter_mut()
                    .zip(piece.as_slice().par_chunks_exact(width))
                    .zip(&targets[start..end])
                    .for_each(|(((sums, target_logit), row), &target)| {
                        sums.push(row, []);
                        if range.contains(&(target as usize)) {
                            *target_logit = row[target as usize - range.start];
                        }
                    });
            }
            for ((sums, logit), &target) in states.iter().zip(&targets[start..end]) {
                assert!(
                    usize::try_from(target).is_ok_and(|target| target < vocab_size),
                    "target {target} is not below {vocab_size}"
                );
                losses.push(sums.cross_entropy(*logit) as f32);
            }
        }
        tensor(losses, [n])
    }
}

/// Rows and vocabulary entries of a piece of at most `values` logits: all rows if at least `min_entries` entries fit beside them.
#[cfg(any(feature = "cpu", test))]
pub(crate) fn piece(
    n: usize,
    vocab_size: usize,
    values: usize,
    min_entries: usize,
) -> (usize, usize) {
    let entries = (values / n.max(1))
        .clamp(min_entries.min(vocab_size), vocab_size.max(1))
        .max(1);
    ((values / entries).clamp(1, n.max(1)), entries)
}

#[cfg(all(test, feature = "cpu"))]
mod tests {
    use super::{cross_entropy, of_whole_rows, piece};
    use burn::tensor::{Device, Distribution, Int, Tensor, TensorData};

    fn losses(logits: &Tensor<2>, targets: Tensor<1, Int>, max_bytes: usize) -> Vec<f32> {
        let [_, vocab] = logits.dims();
        cross_entropy(targets, vocab, max_bytes, |rows, entries| {
            logits
                .clone()
                .narrow(0, rows.start, rows.len())
                .narrow(1, entries.start, entries.len())
        })
        .into_data()
        .try_into_vec()
        .expect("losses are f32")
    }

    #[test]
    fn is_the_same_in_pieces_of_any_size() {
        let device = Device::flex();
        let logits = Tensor::<2>::random([13, 5000], Distribution::Normal(0.0, 4.0), &device);
        let targets = Tensor::<1, Int>::arange(0..13, &device) * 384;
        let whole: Vec<f32> = of_whole_rows(logits.clone(), targets.clone())
            .into_data()
            .try_into_vec()
            .unwrap();
        for max_bytes in [0, 20_000, 60_000, 1 << 30] {
            for (found, whole) in losses(&logits, targets.clone(), max_bytes)
                .iter()
                .zip(&whole)
            {
                assert!(
                    (found - whole).abs() < 2e-6 * whole.abs().max(1.0),
                    "{found} {whole}"
                );
            }
        }
    }

    /// One token a little likelier than 49,151 equal ones: the sum is made of many small terms, which f32 loses if added in order.
    #[test]
    fn many_small_probabilities_add_up() {
        let (vocab, largest, rest) = (49_152, 8.0_f32, -3.0_f32);
        let mut logits = vec![rest; vocab];
        logits[7] = largest;
        let device = Device::flex();
        let logits = Tensor::<2>::from_data(TensorData::new(logits, [1, vocab]), &device);
        let targets = Tensor::<1, Int>::from_ints([7], &device);
        let exact = (1.0 + (vocab - 1) as f64 * f64::from(rest - largest).exp()).ln();
        for loss in [
            losses(&logits, targets.clone(), 1 << 20)[0],
            of_whole_rows(logits, targets).into_scalar::<f32>(),
        ] {
            assert!(
                (f64::from(loss) - exact).abs() < 5e-6 * exact,
                "{loss} against {exact}"
            );
        }
    }

    #[test]
    #[should_panic(expected = "target 5 is not below 5")]
    fn a_target_beyond_the_vocabulary_is_told() {
        let device = Device::flex();
        losses(
            &Tensor::zeros([1, 5], &device),
            Tensor::from_ints([5], &device),
            100,
        );
    }

    #[test]
    fn pieces_hold_what_they_may() {
        assert_eq!(piece(2049, 49_152, 6 << 20, 1024), (2049, 3070));
        assert_eq!(piece(100_000, 128_256, 6 << 20, 1024), (6144, 1024));
        assert_eq!(piece(3, 100, 6 << 20, 1024), (3, 100));
        assert_eq!(piece(7, 10, 0, 1024), (1, 10));
    }
}
