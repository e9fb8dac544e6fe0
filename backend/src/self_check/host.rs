//! The operations on the host, in f64.

pub(super) fn product(a: &[f32], b: &[f32], [rows, columns, length]: [usize; 3]) -> Vec<f64> {
    let entry = |i: usize, j: usize| {
        let terms =
            (0..length).map(|k| f64::from(a[i * length + k]) * f64::from(b[k * columns + j]));
        terms.sum::<f64>()
    };
    let all = (0..rows).flat_map(|i| (0..columns).map(move |j| (i, j)));
    all.map(|(i, j)| entry(i, j)).collect()
}

pub(super) fn transpose(values: &[f32], columns: usize) -> Vec<f32> {
    let column = |j: usize| values.iter().skip(j).step_by(columns).copied();
    (0..columns).flat_map(column).collect()
}

pub(super) fn each_row(x: &[f32], columns: usize, f: impl Fn(&[f64]) -> Vec<f64>) -> Vec<f64> {
    let rows = x.chunks(columns);
    let wide = rows.map(|row| row.iter().map(|&x| f64::from(x)).collect::<Vec<_>>());
    wide.flat_map(|row| f(&row)).collect()
}

pub(super) fn softmax(row: &[f64]) -> Vec<f64> {
    let most = row.iter().copied().fold(f64::MIN, f64::max);
    let total: f64 = row.iter().map(|x| (x - most).exp()).sum();
    row.iter().map(|x| (x - most).exp() / total).collect()
}

/// softmax(q·kᵀ/√dh)·v of each head, of the positions that are not after the query's. `[heads, positions, dh]` each.
pub(super) fn attention([q, k, v]: [&[f32]; 3], [heads, positions, dh]: [usize; 3]) -> Vec<f64> {
    let row = |x: &[f32], head: usize, at: usize| -> Vec<f64> {
        let start = (head * positions + at) * dh;
        x[start..start + dh].iter().map(|&x| f64::from(x)).collect()
    };
    let of = |head: usize, at: usize| {
        let query = row(q, head, at);
        let scores = (0..=at).map(|past| {
            let key = row(k, head, past);
            let terms = query.iter().zip(&key).map(|(q, k)| q * k);
            terms.sum::<f64>() / (dh as f64).sqrt()
        });
        let pattern = softmax(&scores.collect::<Vec<_>>());
        let mut out = vec![0.0; dh];
        for (past, weight) in pattern.iter().enumerate() {
            for (out, value) in out.iter_mut().zip(row(v, head, past)) {
                *out += weight * value;
            }
        }
        out
    };
    let all = (0..heads).flat_map(|head| (0..positions).map(move |at| (head, at)));
    all.flat_map(|(head, at)| of(head, at)).collect()
}
