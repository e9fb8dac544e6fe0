//! Cross-entropies of a run and of others, and how far those are from it.

#[cfg(any(feature = "cuda", feature = "wgpu"))]
use crate::cube::{self, Kernels as _};
#[cfg(any(feature = "cuda", feature = "wgpu"))]
use burn::backend::Dispatch;
use burn::tensor::activation::log_softmax;
use burn::tensor::{FloatDType, Int, Tensor};

/// The cross-entropy of every token in a run of the model, then cross-entropy and divergence KL(p‖q) for each altered run, where p is the
/// softmax of the run and q that of the altered one; in nats.
///
/// Meant for devices other than the host: it is made of tensor operations, on a GPU of one kernel for each altered run.
///
/// # Shapes
/// `logits`: `[Σ rows, vocab]`, the runs one below the other, the original's `n` rows first; `altered`: how many rows each altered run has,
/// `n` or one that stands for all; `targets`: `[n]`, each below `vocab` → `[n, 1 + 2·altered]`, f32.
///
/// # Panics
/// If the rows are not as many as said.
pub fn divergences(logits: &Tensor<2>, targets: &Tensor<1, Int>, altered: &[usize]) -> Tensor<2> {
    let [n] = targets.dims();
    let [rows, vocab_size] = logits.dims();
    assert!(
        rows == n + altered.iter().sum::<usize>()
            && altered.iter().all(|&rows| [1, n].contains(&rows)),
        "{rows} rows of logits for {n} tokens and altered runs of {altered:?}"
    );
    #[cfg(any(feature = "cuda", feature = "wgpu"))]
    if cube::on_gpu(logits) {
        return by_kernel(logits, targets, altered);
    }
    let targets = targets.clone().unsqueeze_dim::<2>(1);
    let run = |start: usize, rows: usize| {
        let logits = logits.clone().narrow(0, start, rows).cast(FloatDType::F32);
        log_softmax(logits, 1).expand([n, vocab_size])
    };
    let cross_entropy = |log_p: &Tensor<2>| log_p.clone().gather(1, targets.clone()).neg();
    let original = run(0, n);
    let p = original.clone().exp();
    let mut columns = vec![cross_entropy(&original)];
    let mut start = n;
    for &rows in altered {
        let log_q = run(start, rows);
        start += rows;
        columns.push(cross_entropy(&log_q));
        columns.push((p.clone() * (original.clone() - log_q)).sum_dim(1));
    }
    Tensor::cat(columns, 1)
}

#[cfg(any(feature = "cuda", feature = "wgpu"))]
fn by_kernel(logits: &Tensor<2>, targets: &Tensor<1, Int>, altered: &[usize]) -> Tensor<2> {
    let [n] = targets.dims();
    let run = |other| {
        let (logits, targets) = (
            logits.clone().into_dispatch(),
            targets.clone().into_dispatch(),
        );
        Dispatch::kernel_divergences(logits, targets, other)
    };
    if altered.is_empty() {
        return Tensor::<1>::from_dispatch(run(None)).unsqueeze_dim(1);
    }
    let mut start = n;
    let mut columns = Vec::with_capacity(altered.len());
    for &rows in altered {
        let found = Tensor::<2>::from_dispatch(run(Some((start, usize::from(rows > 1)))));
        start += rows;
        // Every run's kernel finds the original's own figure as well; one is enough.
        let own = usize::from(!columns.is_empty());
        columns.push(found.narrow(1, own, 3 - own));
    }
    Tensor::cat(columns, 1)
}

#[cfg(all(test, feature = "cpu"))]
mod tests {
    use super::divergences;
    use burn::tensor::{Device, Distribution, Int, Tensor};

    /// Against the definitions in f64, a run of one row among them.
    #[test]
    fn are_the_definitions() {
        let (n, vocab, device) = (5, 301, Device::flex());
        let logits =
            Tensor::<2>::random([2 * n + 1, vocab], Distribution::Normal(0.0, 3.0), &device);
        let targets = Tensor::<1, Int>::arange(0..n as i64, &device) * 60;
        let found: Vec<f32> = divergences(&logits, &targets, &[n, 1])
            .into_data()
            .try_into_vec()
            .unwrap();
        let logits: Vec<f32> = logits.into_data().try_into_vec().unwrap();
        let log_p = |row: usize| -> Vec<f64> {
            let row = logits[row * vocab..][..vocab].iter().map(|&x| f64::from(x));
            let sum: f64 = row.clone().map(f64::exp).sum();
            row.map(|x| x - sum.ln()).collect()
        };
        for token in 0..n {
            let p = log_p(token);
            let mut expected = vec![-p[token * 60]];
            for q in [log_p(n + token), log_p(2 * n)] {
                expected.push(-q[token * 60]);
                expected.push(p.iter().zip(&q).map(|(p, q)| p.exp() * (p - q)).sum());
            }
            for (found, expected) in found[5 * token..][..5].iter().zip(expected) {
                assert!(
                    (f64::from(*found) - expected).abs() < 1e-5,
                    "{found} {expected}"
                );
            }
        }
    }

    #[test]
    #[should_panic(expected = "7 rows of logits for 3 tokens")]
    fn rows_must_be_all_there() {
        let device = Device::flex();
        divergences(
            &Tensor::zeros([7, 4], &device),
            &Tensor::zeros([3], &device),
            &[3],
        );
    }
}
