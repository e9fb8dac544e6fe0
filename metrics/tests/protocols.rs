//! The protocols against every figure's definition, and what must not change a figure.

#![allow(clippy::unwrap_used)] // clippy sees only the #[test] functions as tests, not their helpers

mod support;

use sae_metrics::{
    Evaluation, EvaluationProgress, Masking, ProtocolError, ProtocolOptions, Report, Unobserved,
    evaluate, evaluate_more, explained_variance_legacy, reconstruction, sparsity,
};
use serde_json::Value;
use std::ops::ControlFlow;
use support::{D_SAE, ToyModel, ToySae, VOCAB, WIDTH, definition, ok, rows};

fn options(masking: Masking) -> ProtocolOptions {
    let mut options = ProtocolOptions::default();
    options.masking = masking;
    options
}

fn measure(rows: &[Vec<u32>], dense: bool, options: &ProtocolOptions) -> Evaluation {
    evaluate(
        &ToyModel::new(),
        &ToySae::new(dense),
        ok(rows),
        options,
        &mut Unobserved,
    )
    .unwrap()
}

fn report(evaluation: &Evaluation) -> Value {
    serde_json::to_value(Report::new(
        Some(&evaluation.sparsity),
        Some(&evaluation.reconstruction),
    ))
    .unwrap()
}

/// The figure of that name, in whatever group it is.
fn figure(report: &Value, name: &str) -> f64 {
    let groups = report["metrics"].as_object().unwrap();
    groups
        .values()
        .find_map(|group| group.get(name))
        .unwrap_or_else(|| panic!("no {name}"))
        .as_f64()
        .unwrap()
}

fn assert_close(name: &str, ours: f64, truth: f64, tolerance: f64) {
    assert!(
        (ours - truth).abs() <= tolerance * truth.abs().max(1e-2),
        "{name}: {ours}, by definition {truth}"
    );
}

/// All figures of a report, by path; arrays included.
fn flatten(value: &Value, path: &str, into: &mut Vec<(String, Option<f64>)>) {
    match value {
        Value::Object(fields) => fields
            .iter()
            .for_each(|(key, value)| flatten(value, &format!("{path}.{key}"), into)),
        Value::Array(items) => {
            items
                .iter()
                .enumerate()
                .for_each(|(i, value)| flatten(value, &format!("{path}[{i}]"), into));
        }
        _ => into.push((path.to_owned(), value.as_f64())),
    }
}

fn assert_same_report(left: &Evaluation, right: &Evaluation) {
    let (mut a, mut b) = (Vec::new(), Vec::new());
    flatten(&report(left), "", &mut a);
    flatten(&report(right), "", &mut b);
    assert_eq!(a.len(), b.len());
    for ((path, a), (other, b)) in a.iter().zip(&b) {
        assert_eq!(path, other);
        let same = match (a, b) {
            (Some(a), Some(b)) => (a - b).abs() <= 1e-12 * a.abs().max(1e-3),
            (a, b) => a == b,
        };
        assert!(same, "{path}: {a:?} and {b:?}");
    }
}

fn maskings() -> [Masking; 4] {
    [
        Masking::none(),
        Masking::exclude([0, 5, 9]),
        Masking::Notebook { prepend_bos: true },
        Masking::Notebook { prepend_bos: false },
    ]
}

#[test]
fn every_figure_is_what_its_definition_says() {
    let rows = rows(7, 9, 12);
    for (masking, dense) in maskings()
        .into_iter()
        .flat_map(|masking| [(masking.clone(), false), (masking, true)])
    {
        let truth = definition::figures(&ToyModel::new(), &ToySae::new(dense), &rows, &masking);
        let measured = measure(&rows, dense, &options(masking.clone()));
        let report = report(&measured);
        for &(name, truth) in &truth.named {
            assert_close(
                &format!("{name} ({masking})"),
                figure(&report, name),
                truth,
                2e-5,
            );
        }
        for (feature, truth) in truth.density.iter().enumerate() {
            let density = &report["feature_metrics"]["feature_density"][feature];
            assert_close("feature_density", density.as_f64().unwrap(), *truth, 1e-12);
        }
        for (feature, &truth) in truth.consistency.iter().enumerate() {
            let consistency =
                &report["feature_metrics"]["consistent_activation_heuristic"][feature];
            assert_eq!(consistency.is_null(), truth.is_nan(), "feature {feature}");
            assert_close(
                "consistent_activation_heuristic",
                consistency.as_f64().unwrap_or(0.0),
                if truth.is_nan() { 0.0 } else { truth },
                1e-12,
            );
        }
        assert_eq!(measured.sparsity.l0, truth.l0.iter().copied().collect());
        assert!(
            truth.density.contains(&0.0),
            "a dead feature, or the test shows little"
        );
    }
}

#[test]
fn zeroing_the_residual_stream_leaves_the_uniform_distribution() {
    let rows = rows(3, 4, 10);
    let measured = measure(&rows, false, &options(Masking::none())).reconstruction;
    let uniform = (VOCAB as f64).ln();
    assert_close("CE", measured.cross_entropy.ablated.mean(), uniform, 1e-12);
    assert_eq!(
        measured.cross_entropy.ablated.min(),
        measured.cross_entropy.ablated.max()
    );

    // KL(p ‖ uniform) = ln V − H(p); and E_p[−log p] over all next tokens is H(p).
    let model = ToyModel::new();
    let entropies = rows
        .iter()
        .flat_map(|row| definition::entropies(&model, row));
    let truth = definition::mean(entropies.map(|entropy| uniform - entropy));
    assert_close("KL", measured.kl_divergence.ablated.mean(), truth, 1e-5);
}

#[test]
fn neither_batches_nor_chunks_nor_order_nor_shards_nor_the_form_of_the_features_change_a_figure() {
    let rows = rows(11, 13, 9);
    for masking in maskings() {
        let whole = options(masking);
        let reference = measure(&rows, false, &whole);
        for batch_size in [0, 1, 2, 5, 100] {
            assert_same_report(
                &reference,
                &measure(&rows, false, &{
                    let mut options = whole.clone();
                    options.batch_size = batch_size;
                    options
                }),
            );
        }
        for logit_bytes in [0, 1000, 1 << 30] {
            assert_same_report(
                &reference,
                &measure(&rows, false, &{
                    let mut options = whole.clone();
                    options.logit_bytes = logit_bytes;
                    options
                }),
            );
        }
        let reversed: Vec<_> = rows.iter().rev().cloned().collect();
        assert_same_report(&reference, &measure(&reversed, false, &whole));

        let mut merged = measure(&rows[..4], false, &whole);
        let rest = measure(&rows[4..], false, &whole);
        merged.sparsity.merge(&rest.sparsity).unwrap();
        merged.reconstruction.merge(&rest.reconstruction);
        assert_same_report(&reference, &merged);

        let (dense, sparse) = (measure(&rows, true, &whole).sparsity, &reference.sparsity);
        assert_eq!((&dense.l0, &dense.density), (&sparse.l0, &sparse.density));
        assert_close("l1", dense.l1.mean(), sparse.l1.mean(), 1e-6);
    }
}

#[test]
fn one_prefix_and_three_suffixes_a_batch() {
    let (model, sae, rows) = (ToyModel::new(), ToySae::new(false), rows(5, 6, 8));
    let mut options = options(Masking::none());
    options.batch_size = 2;
    options.logit_bytes = 0;
    let both = evaluate(&model, &sae, ok(&rows), &options, &mut Unobserved).unwrap();
    assert_eq!((model.prefixes.take(), model.suffixes.take()), (3, 9));
    assert_eq!(
        model.most_logits.take(),
        VOCAB,
        "one token's logits at a time, each run's by itself"
    );
    assert_eq!(
        sparsity(&model, &sae, ok(&rows), &options, &mut Unobserved).unwrap(),
        both.sparsity
    );
    assert_eq!((model.prefixes.take(), model.suffixes.take()), (3, 0));
    assert_eq!(
        reconstruction(&model, &sae, ok(&rows), &options, &mut Unobserved).unwrap(),
        both.reconstruction
    );
}

#[test]
fn losses_of_the_first_rows_and_sparsity_of_all() {
    let rows = rows(11, 9, 12);
    let mut options = options(Masking::exclude([0, 5]));
    options.batch_size = 4;
    let all = measure(&rows, false, &options);
    for with_losses in [1, 3, 4, 6, 8, 11, 100] {
        options.reconstruction_rows = Some(with_losses as u64);
        let found = measure(&rows, false, &options);
        let first = &rows[..with_losses.min(rows.len())];
        let expected = Evaluation {
            sparsity: all.sparsity.clone(),
            reconstruction: measure(first, false, &options).reconstruction,
            stopped: false,
        };
        assert_same_report(&found, &expected);
        // Batches after the cut are those without it: a state saved after whole batches resumes to the bit.
        let (model, sae) = (ToyModel::new(), ToySae::new(false));
        let mut resumed = Evaluation::new(D_SAE, options.legacy_bytes);
        for part in [&rows[..8], &rows[8..]] {
            evaluate_more(
                &model,
                &sae,
                ok(part),
                &options,
                &mut resumed,
                &mut Unobserved,
            )
            .unwrap();
        }
        assert_eq!(resumed, found, "{with_losses} rows with losses");
    }
}

#[test]
fn a_transcoder_is_compared_with_the_write_point_and_spliced_in_there() {
    let rows = rows(8, 5, 9);
    let options = options(Masking::exclude([0, 3]));
    let plain = measure(&rows, false, &options);
    let mut transcoder = ToySae::new(false);
    transcoder
        .decoder
        .iter_mut()
        .for_each(|weight| *weight *= 2.0);
    let model = support::ToyTranscoded(ToyModel::new());
    let transcoded = evaluate(&model, &transcoder, ok(&rows), &options, &mut Unobserved).unwrap();
    // Twice everything is exact, so what does not depend on the scale is the same to the last bit.
    assert_eq!(transcoded.reconstruction, plain.reconstruction);
    let (ours, truth) = (&transcoded.sparsity, &plain.sparsity);
    assert_eq!((&ours.l0, &ours.density), (&truth.l0, &truth.density));
    assert_close("mse", ours.quality.mse(), 4.0 * truth.quality.mse(), 1e-12);
    assert_close(
        "l2_norm_in",
        ours.shrinkage.l2_norm_in.mean(),
        2.0 * truth.shrinkage.l2_norm_in.mean(),
        1e-12,
    );
    assert_close("fvu", ours.quality.fvu(), truth.quality.fvu(), 1e-12);
}

#[test]
fn the_second_pass_finds_what_was_too_much_to_keep() {
    let rows = rows(2, 7, 10);
    let (model, sae, masking) = (ToyModel::new(), ToySae::new(false), Masking::exclude([0]));
    let kept = measure(&rows, false, &options(masking.clone())).sparsity;
    let mut tight = options(masking);
    tight.legacy_bytes = 100;
    tight.batch_size = 3;
    let let_go = measure(&rows, false, &tight).sparsity;
    assert_eq!(let_go.explained_variance_legacy(), None);
    assert!(report(&measure(&rows, false, &tight))["metrics"]["reconstruction_quality"]["explained_variance_legacy"].is_null());

    let mean = let_go.quality.mean_activation();
    let terms =
        explained_variance_legacy(&model, &sae, ok(&rows), &mean, &tight, &mut Unobserved).unwrap();
    assert_eq!(terms.n(), let_go.tokens.kept);
    assert_close(
        "explained_variance_legacy",
        terms.mean(),
        kept.explained_variance_legacy().unwrap(),
        1e-5,
    );
}

#[test]
fn rows_of_different_lengths_are_measured_each_at_its_own() {
    let mut mixed = rows(1, 2, 6);
    mixed.extend(rows(2, 3, 11));
    mixed.extend(rows(3, 1, 1));
    let measured = measure(&mixed, false, &options(Masking::none()));
    assert_eq!(measured.sparsity.tokens.seen, 2 * 6 + 3 * 11 + 1);
    assert_eq!(
        measured.reconstruction.cross_entropy.original.n(),
        2 * 5 + 3 * 10
    );
    assert_eq!(
        measured.reconstruction.kl_divergence.ablated.n(),
        2 * 6 + 3 * 11 + 1
    );
    let mut one_by_one = options(Masking::none());
    one_by_one.batch_size = 1;
    assert_same_report(&measured, &measure(&mixed, false, &one_by_one));
}

#[test]
fn the_observer_sees_progress_and_can_stop() {
    let rows = rows(4, 6, 5);
    let mut seen = Vec::new();
    let mut observer = |progress: &EvaluationProgress| {
        seen.push((progress.sequences, progress.tokens));
        if seen.len() == 2 {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    };
    let mut options = options(Masking::none());
    options.batch_size = 2;
    let stopped = evaluate(
        &ToyModel::new(),
        &ToySae::new(false),
        ok(&rows),
        &options,
        &mut observer,
    )
    .unwrap();
    assert!(stopped.stopped);
    assert_eq!(seen, [(2, 10), (4, 20)]);
    assert_same_report(&stopped, &measure(&rows[..4], false, &options));
}

#[test]
fn nothing_measured_is_null_not_zero() {
    let nothing = measure(&[], false, &ProtocolOptions::default());
    let everything_masked = measure(
        &rows(1, 2, 4),
        false,
        &options(Masking::exclude(0..VOCAB as u32)),
    );
    for report in [report(&nothing), report(&everything_masked)] {
        for name in [
            "l0",
            "mse",
            "explained_variance",
            "explained_variance_legacy",
            "cossim",
            "ce_loss_score",
            "kl_div_with_sae",
        ] {
            let groups = report["metrics"].as_object().unwrap();
            assert!(
                groups
                    .values()
                    .any(|group| group.get(name) == Some(&Value::Null)),
                "{name} of {report}"
            );
        }
    }
}

#[test]
fn bad_rows_and_misfits_are_told_with_their_place() {
    let (model, sae, options) = (
        ToyModel::new(),
        ToySae::new(false),
        ProtocolOptions::default(),
    );
    let message = |rows: &[Vec<u32>]| {
        evaluate(&model, &sae, ok(rows), &options, &mut Unobserved)
            .unwrap_err()
            .to_string()
    };
    let unknown = message(&[vec![1, 2, 3], vec![1, 23, 3]]);
    assert!(
        unknown
            .starts_with("token 23 at position 1 of row 1 is outside the model's vocabulary of 23"),
        "{unknown}"
    );
    assert_eq!(
        message(&[vec![1, 2], vec![]]),
        "row 1 of the tokens is empty"
    );

    let broken = [
        Ok(vec![1, 2]),
        Err(std::io::Error::other("the disk is gone")),
    ];
    let error = sparsity(&model, &sae, broken, &options, &mut Unobserved).unwrap_err();
    assert_eq!(error.to_string(), "cannot read row 1 of the tokens");
    assert!(
        matches!(error, ProtocolError::Rows { source, .. } if source.to_string() == "the disk is gone")
    );

    let error = explained_variance_legacy(
        &model,
        &sae,
        ok(&[vec![1]]),
        &[0.0; 3],
        &options,
        &mut Unobserved,
    );
    let error = error.unwrap_err().to_string();
    assert!(
        error.starts_with(&format!(
            "the mean activation: expected width 3, found {WIDTH}"
        )),
        "{error}"
    );
    let narrow = support::Narrow(ToySae::new(false));
    let error = evaluate(&model, &narrow, ok(&[vec![1]]), &options, &mut Unobserved)
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with("the activation at the hook: expected width 5, found 6"),
        "{error}"
    );
}

#[test]
fn a_report_has_the_groups_of_saelens_and_only_what_was_measured() {
    let measured = measure(&rows(1, 3, 6), false, &ProtocolOptions::default());
    let report = Report::new(Some(&measured.sparsity), None);
    let value = serde_json::to_value(&report).unwrap();
    let groups: Vec<_> = value["metrics"]
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    let mut sorted = groups.clone();
    sorted.sort_unstable();
    assert_eq!(
        sorted,
        [
            "reconstruction_quality",
            "shrinkage",
            "sparsity",
            "token_stats"
        ]
    );
    assert_eq!(
        value["feature_metrics"]["feature_density"]
            .as_array()
            .unwrap()
            .len(),
        D_SAE
    );
    assert!(value["feature_metrics"].get("encoder_norm").is_none());
    assert_eq!(
        value["metrics"]["token_stats"]["total_tokens_eval_sparsity_variance"],
        18
    );
    let back: Report = serde_json::from_value(value.clone()).unwrap();
    assert_eq!(serde_json::to_value(&back).unwrap(), value);
}
