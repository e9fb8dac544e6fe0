//! A figure that is a sum: shards merge to the whole.

use sae_metrics::Moments;

fn main() {
    let of = |values: &[f64]| {
        let mut moments = Moments::default();
        values.iter().for_each(|&x| moments.push(x));
        moments
    };
    let mut parts = of(&[1.0, 2.0]);
    parts.merge(&of(&[3.0, 6.0]));
    println!("mean {}", parts.mean());
    assert!((parts.mean() - 3.0).abs() < 1e-12);
}
