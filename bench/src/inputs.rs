//! What a probe reads of texts: the activation, all features, or some of either.

use crate::classes::Labelled;

/// What a probe reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Read {
    /// The mean activation.
    Activation,
    /// The mean of each feature.
    Features,
}

impl Labelled<'_> {
    pub(crate) fn len(&self) -> usize {
        self.labels.len()
    }

    pub(crate) fn width(&self, read: Read) -> usize {
        let (texts, _) = self.texts[0];
        match read {
            Read::Activation => texts.d_model(),
            Read::Features => texts.d_sae(),
        }
    }

    /// The values of a text that are not zero.
    pub(crate) fn each(&self, read: Read, text: usize, mut take: impl FnMut(usize, f32)) {
        let (texts, at) = self.texts[text];
        match read {
            Read::Activation => {
                let values = texts.activation(at).iter().enumerate();
                values.for_each(|(dimension, &value)| take(dimension, value));
            }
            Read::Features => {
                let values = texts.features(at).iter();
                values.for_each(|&(feature, value)| take(feature as usize, value));
            }
        }
    }

    pub(crate) fn dot(&self, read: Read, text: usize, weights: &[f32]) -> f32 {
        let mut sum = 0.0;
        self.each(read, text, |at, value| sum += value * weights[at]);
        sum
    }

    /// The mean over the texts of the class, and over the others.
    pub(crate) fn means(&self, read: Read) -> [Vec<f64>; 2] {
        let mut means = [(); 2].map(|()| vec![0.0; self.width(read)]);
        let mut counts = [0.0; 2];
        for (text, &label) in self.labels.iter().enumerate() {
            let side = usize::from(!label);
            counts[side] += 1.0;
            let sums = &mut means[side];
            self.each(read, text, |at, value| sums[at] += f64::from(value));
        }
        for (means, count) in means.iter_mut().zip(counts) {
            for mean in means {
                *mean /= count;
            }
        }
        means
    }

    /// Some columns, row after row, in f64.
    pub(crate) fn columns(&self, read: Read, columns: &[usize]) -> Vec<f64> {
        let mut place = vec![usize::MAX; self.width(read)];
        for (at, &column) in columns.iter().enumerate() {
            place[column] = at;
        }
        let mut x = vec![0.0; self.len() * columns.len()];
        for (text, row) in x.chunks_exact_mut(columns.len().max(1)).enumerate() {
            self.each(read, text, |at, value| {
                if place[at] != usize::MAX {
                    row[place[at]] = f64::from(value);
                }
            });
        }
        x
    }
}

/// The `n` largest, the largest first, of equals the first.
pub(crate) fn top(values: &[f64], n: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    let by = |&a: &usize, &b: &usize| values[b].total_cmp(&values[a]).then(a.cmp(&b));
    let n = n.min(order.len());
    if n < order.len() {
        order.select_nth_unstable_by(n, by);
        order.truncate(n);
    }
    order.sort_by(by);
    order
}
