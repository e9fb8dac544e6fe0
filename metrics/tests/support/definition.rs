//! Every figure by its definition, in f64, over all tokens at once: nothing here is a streamed sum.

use super::{D_SAE, ToyModel, ToySae, VOCAB, WIDTH};
use sae_metrics::Masking;

type Row = Vec<f64>;

#[derive(Debug, Default)]
pub struct Figures {
    pub named: Vec<(&'static str, f64)>,
    pub density: Vec<f64>,
    pub consistency: Vec<f64>,
    pub l0: Vec<usize>,
}

/// The activations x and x̂, and the features, of one sequence.
struct Sequence {
    x: Vec<Row>,
    features: Vec<Row>,
    decoded: Vec<Row>,
}

pub fn figures(model: &ToyModel, sae: &ToySae, rows: &[Vec<u32>], masking: &Masking) -> Figures {
    let excluded =
        |token: u32| matches!(masking, Masking::ExcludeTokens(set) if set.contains(&token));
    let first_out = *masking == Masking::Notebook { prepend_bos: true };

    let (mut x, mut decoded, mut features) = (Vec::new(), Vec::new(), Vec::new());
    let mut fires = vec![0.0; D_SAE];
    let (mut ce, mut kl) = ([const { Vec::new() }; 3], [const { Vec::new() }; 2]);
    for row in rows {
        let sequence = run(model, sae, row);
        let kept: Vec<usize> = (0..row.len())
            .filter(|&t| !(excluded(row[t]) || first_out && t == 0))
            .collect();
        for (feature, fires) in fires.iter_mut().enumerate() {
            *fires += f64::from(kept.iter().any(|&t| sequence.features[t][feature] != 0.0));
        }
        for &t in &kept {
            x.push(sequence.x[t].clone());
            decoded.push(sequence.decoded[t].clone());
            features.push(sequence.features[t].clone());
        }
        let spliced: Vec<Row> = (0..row.len())
            .map(|t| {
                if excluded(row[t]) {
                    sequence.x[t].clone()
                } else {
                    sequence.decoded[t].clone()
                }
            })
            .collect();
        let zeros = vec![vec![0.0; WIDTH]; row.len()];
        let log_p = [&sequence.x, &spliced, &zeros].map(|edit| log_probabilities(model, edit));
        for t in (0..row.len()).filter(|&t| !excluded(row[t])) {
            for (kl, log_q) in kl.iter_mut().zip(&log_p[1..]) {
                kl.push(
                    (0..VOCAB)
                        .map(|v| log_p[0][t][v].exp() * (log_p[0][t][v] - log_q[t][v]))
                        .sum::<f64>(),
                );
            }
            if let Some(&next) = row.get(t + 1) {
                ce.iter_mut()
                    .zip(&log_p)
                    .for_each(|(ce, log_p)| ce.push(-log_p[t][next as usize]));
            }
        }
    }
    collect(&x, &decoded, &features, &fires, &ce, &kl)
}

fn collect(
    x: &[Row],
    decoded: &[Row],
    features: &[Row],
    fires: &[f64],
    ce: &[Vec<f64>; 3],
    kl: &[Vec<f64>; 2],
) -> Figures {
    let n = x.len();
    let tokens = || x.iter().zip(decoded);
    let center: Row = (0..WIDTH).map(|d| mean(x.iter().map(|x| x[d]))).collect();
    let errors = || tokens().map(|(x, y)| squared(&minus(x, y)));
    let spread = mean(x.iter().map(|x| squared(&minus(x, &center))));
    let mse = mean(errors());
    let [sae, without, ablation] = [&ce[1], &ce[0], &ce[2]].map(|ce| mean(ce.iter().copied()));
    let [kl_sae, kl_ablation] = kl.each_ref().map(|kl| mean(kl.iter().copied()));
    let l0: Vec<usize> = features
        .iter()
        .map(|f| f.iter().filter(|f| **f != 0.0).count())
        .collect();
    let l0_mean = mean(l0.iter().map(|&l0| l0 as f64));
    let active: Vec<f64> = (0..D_SAE)
        .map(|i| features.iter().filter(|f| f[i] != 0.0).count() as f64)
        .collect();
    let share = |over: f64| mean(active.iter().map(|a| f64::from(a / n as f64 > over)));
    let named = vec![
        ("kl_div_with_sae", kl_sae),
        ("kl_div_with_ablation", kl_ablation),
        ("kl_div_score", (kl_ablation - kl_sae) / kl_ablation),
        ("ce_loss_with_sae", sae),
        ("ce_loss_without_sae", without),
        ("ce_loss_with_ablation", ablation),
        ("ce_loss_score", (ablation - sae) / (ablation - without)),
        ("l2_norm_in", mean(x.iter().map(|x| squared(x).sqrt()))),
        (
            "l2_norm_out",
            mean(decoded.iter().map(|y| squared(y).sqrt())),
        ),
        (
            "l2_ratio",
            mean(tokens().map(|(x, y)| (squared(y) / squared(x)).sqrt())),
        ),
        (
            "relative_reconstruction_bias",
            mean(decoded.iter().map(|y| squared(y))) / mean(tokens().map(|(x, y)| dot(x, y))),
        ),
        ("explained_variance", 1.0 - mse / spread),
        (
            "explained_variance_legacy",
            mean(
                x.iter()
                    .zip(errors())
                    .map(|(x, error)| 1.0 - error / squared(&minus(x, &center))),
            ),
        ),
        (
            "explained_variance_uncentered",
            1.0 - mse / mean(x.iter().map(|x| squared(x))),
        ),
        ("fvu", mse / spread),
        ("mse", mse),
        (
            "cossim",
            // A token reconstructed as zero has no angle.
            mean(
                tokens()
                    .filter(|(_, y)| squared(y) > 0.0)
                    .map(|(x, y)| dot(x, y) / (squared(x) * squared(y)).sqrt()),
            ),
        ),
        ("l0", l0_mean),
        (
            "l0_std",
            (l0.iter()
                .map(|&l0| (l0 as f64 - l0_mean).powi(2))
                .sum::<f64>()
                / (n - 1) as f64)
                .sqrt(),
        ),
        (
            "l1",
            mean(features.iter().map(|f| f.iter().map(|f| f.abs()).sum())),
        ),
        ("frac_alive", share(0.0)),
        ("freq_over_1_percent", share(0.01)),
        ("freq_over_10_percent", share(0.1)),
    ];
    Figures {
        named,
        density: active.iter().map(|active| active / n as f64).collect(),
        consistency: active
            .iter()
            .zip(fires)
            .map(|(active, fires)| active / fires)
            .collect(),
        l0,
    }
}

fn run(model: &ToyModel, sae: &ToySae, row: &[u32]) -> Sequence {
    let wide = |values: &[f32]| values.iter().map(|&x| f64::from(x)).collect::<Row>();
    let x: Vec<Row> = row
        .iter()
        .map(|&t| wide(&model.embedding[t as usize * WIDTH..][..WIDTH]))
        .collect();
    let (encoder, bias, decoder) = (
        wide(&sae.encoder),
        wide(&sae.encoder_bias),
        wide(&sae.decoder),
    );
    let encode = |x: &Row| -> Row {
        (0..D_SAE)
            .map(|i| {
                ((0..WIDTH)
                    .map(|d| x[d] * encoder[d * D_SAE + i])
                    .sum::<f64>()
                    + bias[i])
                    .max(0.0)
            })
            .collect()
    };
    let features: Vec<Row> = x.iter().map(encode).collect();
    let decode = |f: &Row| {
        (0..WIDTH)
            .map(|d| (0..D_SAE).map(|i| f[i] * decoder[i * WIDTH + d]).sum())
            .collect()
    };
    let decoded = features.iter().map(decode).collect();
    Sequence {
        x,
        features,
        decoded,
    }
}

fn log_probabilities(model: &ToyModel, edit: &[Row]) -> Vec<Row> {
    let at = |t: usize| {
        let average = |d: usize| mean((0..=t).map(|s| edit[s][d]));
        let mixed: Row = (0..WIDTH)
            .map(|d| (edit[t][d] + average(d)).tanh())
            .collect();
        let scale = (squared(&mixed) / WIDTH as f64 + 1e-5).sqrt();
        let logit = |v: usize| {
            (0..WIDTH)
                .map(|d| mixed[d] / scale * f64::from(model.unembedding[d * VOCAB + v]))
                .sum()
        };
        let logits: Row = (0..VOCAB).map(logit).collect();
        let log_sum = logits.iter().map(|logit| logit.exp()).sum::<f64>().ln();
        logits.iter().map(|logit| logit - log_sum).collect()
    };
    (0..edit.len()).map(at).collect()
}

pub fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let values: Vec<f64> = values.collect();
    values.iter().sum::<f64>() / values.len() as f64
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn squared(x: &[f64]) -> f64 {
    dot(x, x)
}

fn minus(a: &[f64], b: &[f64]) -> Row {
    a.iter().zip(b).map(|(a, b)| a - b).collect()
}

/// H(p) of the unaltered model's prediction at each position.
pub fn entropies(model: &ToyModel, row: &[u32]) -> Vec<f64> {
    let x = run(model, &ToySae::new(false), row).x;
    let entropy = |log_p: &Row| -log_p.iter().map(|log_p| log_p.exp() * log_p).sum::<f64>();
    log_probabilities(model, &x).iter().map(entropy).collect()
}
