//! The training step as tensors against the one on slices: the same losses, counts, weights and moments, for every architecture.

#![allow(clippy::unwrap_used)] // clippy sees only the #[test] functions as tests, not their helpers

use burn::tensor::{Device, FloatDType};
use sae_train::{
    DeviceOptions, Shape, TrainArchitecture, TrainDeviceError, TrainOptions, Trainer, Weights,
};
use serde_json::{Value, json};

const STEPS: usize = 6;

/// Numbers from −1 to 1 that are the same everywhere.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 40) as f32 / (1 << 23) as f32 - 1.0
    }

    fn some(&mut self, n: usize) -> Vec<f32> {
        (0..n).map(|_| self.next()).collect()
    }
}

/// Every architecture, with every setting that changes its step.
fn variants() -> Vec<Value> {
    let mut all = vec![
        json!({"architecture": "standard"}),
        json!({"architecture": "standard", "lp_norm": 2.0, "ema_decay": 0.9, "b_dec_init": "geometric_median"}),
        json!({"architecture": "standard", "lp_norm": 0.5, "l1_coefficient": 0.02, "unit_decoder": true, "apply_b_dec_to_input": false}),
        json!({"architecture": "gated", "l1_coefficient": 0.3, "l1_warm_up_steps": 3}),
        json!({"architecture": "gated", "l1_coefficient": 0.3, "unit_decoder": true}),
        json!({"architecture": "topk", "k": 5}),
        json!({"architecture": "topk", "k": 3, "rescale_acts_by_decoder_norm": false, "aux_loss_form": "openai", "unit_decoder": true}),
        json!({"architecture": "abstopk", "k": 4}),
        json!({"architecture": "abstopk", "k": 2, "aux_loss_form": "openai"}),
        json!({"architecture": "batchtopk", "k": 2.5, "aux_loss_coefficient": 0.3}),
        json!({"architecture": "batchtopk", "k": 1.5, "rescale_acts_by_decoder_norm": false, "aux_loss_form": "openai"}),
        json!({"architecture": "matryoshka_batchtopk", "k": 4, "matryoshka_widths": [7, 20]}),
        json!({"architecture": "matryoshka_batchtopk", "k": 2, "matryoshka_widths": [9, 22, 31], "use_matryoshka_aux_loss": true}),
        json!({"architecture": "matryoshka_batchtopk", "k": 2, "matryoshka_widths": [12], "use_matryoshka_aux_loss": true, "aux_loss_form": "openai"}),
    ];
    for mode in ["step", "tanh", "quadratic"] {
        for to_input in [false, true] {
            all.push(json!({
                "architecture": "jumprelu", "jumprelu_sparsity_loss_mode": mode, "jumprelu_ste_to_input": to_input, "target_l0": 4.0,
                "l0_coefficient": 0.1, "pre_act_loss_coefficient": 0.2, "jumprelu_bandwidth": 0.2, "jumprelu_init_threshold": 0.05,
            }));
        }
    }
    for name in [
        "transcoder",
        "skip_transcoder",
        "jumprelu_transcoder",
        "jumprelu_skip_transcoder",
    ] {
        // At the mean, where b_dec begins by default, its gradient is nothing but rounding.
        all.push(json!({
            "architecture": name, "l0_coefficient": 0.1, "jumprelu_bandwidth": 0.2, "b_dec_init": "geometric_median",
        }));
    }
    all
}

fn options(variant: &Value, d_sae: usize) -> TrainOptions {
    let mut all = variant.clone();
    let own = [
        ("d_sae", d_sae.into()),
        ("training_tokens", 1_000_000.into()),
        ("train_batch_size_tokens", 64.into()),
        ("lr", 1e-3.into()),
        ("dead_feature_window", 0.into()),
        ("decoder_init_norm", 0.7.into()),
    ];
    let all_of = all.as_object_mut().unwrap();
    all_of.extend(own.map(|(key, value): (&str, Value)| (key.to_owned(), value)));
    serde_json::from_value(all).unwrap()
}

/// The largest difference of each kind of weight, of its largest number.
fn off(a: &Weights, b: &Weights) -> f32 {
    let mut worst = 0.0_f32;
    for (a, b) in a.parts().iter().zip(b.parts()) {
        assert_eq!(a.len(), b.len());
        let largest = b.iter().fold(1e-9_f32, |most, x| most.max(x.abs()));
        let apart = a.iter().zip(b).map(|(a, b)| (a - b).abs());
        worst = apart.fold(worst, |most, x| most.max(x / largest));
    }
    worst
}

fn compare(variant: &Value, [d_in, d_out, d_sae, rows]: [usize; 4], on: &DeviceOptions) {
    let options = options(variant, d_sae);
    let transcoder = options.architecture.is_transcoder();
    let shape = Shape::new(&options, d_in, if transcoder { d_out } else { d_in });
    let mut host = Trainer::new(&options, shape.d_in, shape.d_out).unwrap();
    let mut device = Trainer::on_device(&options, shape.d_in, shape.d_out, on).unwrap();
    assert_eq!(host.weights(), device.weights());
    let mut numbers = Numbers(3);
    for step in 0..STEPS {
        let what = format!("{variant} {d_in} {d_out} {d_sae} {rows}, step {step}");
        let x = numbers.some(rows * d_in);
        let y = transcoder.then(|| numbers.some(rows * d_out));
        let expected = host.step(&x, y.as_deref()).unwrap();
        let found = device.step(&x, y.as_deref()).unwrap();
        let close = |name: &str, a: f64, b: f64| {
            let apart = (a - b).abs() / b.abs().max(1e-3);
            assert!(apart <= 1e-4, "{what}: {name} is {a}, on the host {b}");
        };
        assert_eq!(found.losses.len(), expected.losses.len(), "{what}");
        for ((name, a), (same, b)) in found.losses.iter().zip(&expected.losses) {
            assert_eq!(name, same, "{what}");
            close(name, *a, *b);
        }
        close("norm", found.gradient_norm, expected.gradient_norm);
        assert_eq!(found.dead_features, expected.dead_features, "{what}");
        assert_eq!(device.counts().fired, host.counts().fired, "{what}");
        assert_eq!(
            device.counts().since_fired,
            host.counts().since_fired,
            "{what}"
        );
        close(
            "τ",
            device.counts().topk_threshold,
            host.counts().topk_threshold,
        );
        let apart = off(&device.weights(), &host.weights());
        assert!(apart <= 1e-4, "{what}: weights are {apart:.1e} off");
        let ((m, v), (host_m, host_v)) = (device.moments(), host.moments());
        let apart = off(&m, &host_m).max(off(&v, &host_v));
        assert!(apart <= 1e-4, "{what}: moments are {apart:.1e} off");
    }
}

#[test]
fn every_architecture_steps_as_on_the_host() {
    let whole = DeviceOptions::new(&Device::flex());
    let mut pieces = whole.clone();
    for variant in variants() {
        compare(&variant, [13, 10, 37, 29], &whole);
        // At most seven tokens at a time, the last piece shorter.
        pieces.piece_bytes = 7 * 4 * 37;
        compare(&variant, [13, 10, 37, 29], &pieces);
        compare(&variant, [6, 17, 33, 65], &pieces);
    }
}

#[test]
fn dead_features_are_revived_in_these_tests() {
    let on = DeviceOptions::new(&Device::flex());
    let mut some_left_out = false;
    for variant in variants() {
        let options = options(&variant, 37);
        if !options.architecture.is_topk() {
            continue;
        }
        let mut trainer = Trainer::on_device(&options, 13, 13, &on).unwrap();
        let mut numbers = Numbers(3);
        let steps = (0..STEPS).map(|_| trainer.step(&numbers.some(29 * 13), None).unwrap());
        let reports: Vec<_> = steps.collect();
        let name = "auxiliary_reconstruction_loss";
        let loss = |(key, loss): &(String, f64)| key == name && *loss > 0.0;
        let revived = reports.iter().any(|report| report.losses.iter().any(loss));
        assert!(revived, "{variant}");
        some_left_out |= reports.iter().any(|report| report.dead_features > 13 / 2);
    }
    assert!(some_left_out);
}

#[test]
fn equal_tokens_make_ties_and_no_more_than_k_are_active() {
    fn is_send<T: Send>(_: &T) {}
    let mut on = DeviceOptions::new(&Device::flex());
    on.piece_bytes = 5 * 4 * 40;
    for name in ["topk", "batchtopk"] {
        for k in [1, 7, 40] {
            let options = options(&json!({"architecture": name, "k": k}), 40);
            let mut trainer = Trainer::on_device(&options, 8, 8, &on).unwrap();
            is_send(&trainer);
            let token = Numbers(9).some(8);
            for _ in 0..3 {
                let report = trainer.step(&token.repeat(16), None).unwrap();
                assert!(
                    report.l0 > 0.0 && report.l0 <= f64::from(k),
                    "{}",
                    report.l0
                );
            }
            assert!(trainer.counts().topk_threshold > 0.0 || name == "topk");
            let nothing = trainer.step(&[0.0; 8 * 16], None).unwrap();
            assert!(nothing.overall_loss.is_finite());
        }
    }
}

#[test]
fn few_tokens_and_few_features_will_do() {
    let on = DeviceOptions::new(&Device::flex());
    // A device that would record gradients does not.
    let recording = DeviceOptions::new(&Device::flex().autodiff());
    for (variant, k) in [
        (json!({"architecture": "standard"}), 1),
        (json!({"architecture": "topk"}), 1),
        (json!({"architecture": "topk"}), 3),
        (json!({"architecture": "batchtopk"}), 3),
        (
            json!({"architecture": "jumprelu", "l0_coefficient": 0.1}),
            1,
        ),
    ] {
        let mut variant = variant;
        variant["k"] = k.into();
        compare(&variant, [2, 2, 3, 1], &on);
        compare(&variant, [2, 2, 3, 1], &recording);
    }
}

/// Rounded products change which features are selected here and there, and Adam's first steps take only signs: compared are the losses and
/// the direction of the first gradient.
#[test]
fn products_in_bf16_are_about_the_same() {
    let wide = DeviceOptions::new(&Device::flex());
    let mut narrow = wide.clone();
    narrow.product_dtype = FloatDType::BF16;
    for variant in variants() {
        let options = options(&variant, 64);
        let [mut a, mut b] =
            [&narrow, &wide].map(|on| Trainer::on_device(&options, 16, 16, on).unwrap());
        let mut numbers = Numbers(4);
        for step in 0..3 {
            let x = numbers.some(64 * 16);
            let y = options.architecture.is_transcoder().then(|| x.clone());
            let [found, expected] =
                [&mut a, &mut b].map(|trainer| trainer.step(&x, y.as_deref()).unwrap());
            let apart = (found.overall_loss / expected.overall_loss - 1.0).abs();
            assert!(apart < 0.05, "{variant}, step {step}: {apart:.1e} off");
            if step == 0 {
                let cosine = cosine(&a.moments().0, &b.moments().0);
                assert!(cosine > 0.98, "{variant}: {cosine}");
            }
        }
    }
}

fn cosine(a: &Weights, b: &Weights) -> f32 {
    let dot = |a: &Weights, b: &Weights| -> f32 {
        let pairs = a
            .parts()
            .into_iter()
            .flatten()
            .zip(b.parts().into_iter().flatten());
        pairs.map(|(a, b)| a * b).sum()
    };
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

#[test]
fn what_a_device_cannot_train_is_refused() {
    let on = DeviceOptions::new(&Device::flex());
    let pursuit = options(&json!({"architecture": "matching_pursuit"}), 8);
    let error = Trainer::on_device(&pursuit, 4, 4, &on).unwrap_err();
    assert_eq!(
        error,
        TrainDeviceError::Architecture(TrainArchitecture::MatchingPursuit)
    );
    assert_eq!(
        error.to_string(),
        "matching_pursuit is trained on the CPU only"
    );
    let standard = options(&json!({"architecture": "standard"}), 8);
    for dtype in [FloatDType::F64, FloatDType::F16] {
        let mut other = on.clone();
        other.product_dtype = dtype;
        let error = Trainer::on_device(&standard, 4, 4, &other).unwrap_err();
        assert_eq!(error, TrainDeviceError::Dtype(dtype));
    }
    let nothing = options(&json!({"architecture": "standard"}), 0);
    let error = Trainer::on_device(&nothing, 4, 4, &on).unwrap_err();
    assert!(matches!(error, TrainDeviceError::Options(_)));
}

#[test]
fn what_is_not_finite_changes_nothing() {
    let on = DeviceOptions::new(&Device::flex());
    for variant in variants() {
        let options = options(&variant, 37);
        let mut trainer = Trainer::on_device(&options, 8, 8, &on).unwrap();
        let mut numbers = Numbers(5);
        let y = |x: &[f32]| options.architecture.is_transcoder().then(|| x.to_vec());
        let x = numbers.some(8 * 16);
        trainer.step(&x, y(&x).as_deref()).unwrap();
        let (weights, counts) = (trainer.weights().into_owned(), trainer.counts().clone());
        for wrong in [f32::NAN, f32::INFINITY] {
            let mut bad = numbers.some(8 * 16);
            bad[9] = wrong;
            let error = trainer.step(&bad, y(&bad).as_deref()).unwrap_err();
            assert_eq!(error.step, 1, "{variant}");
            assert!(!error.value.is_finite(), "{variant}");
        }
        assert_eq!(*trainer.weights(), weights, "{variant}");
        assert_eq!(*trainer.counts(), counts, "{variant}");
        assert!(trainer.step(&[], y(&[]).as_deref()).is_err());
        trainer.step(&x, y(&x).as_deref()).unwrap();
        // What compares as neither larger nor smaller must not just be left out.
        let mut weights = weights;
        weights.w_enc[3] = f32::NAN;
        let shape = Shape::new(&options, 8, 8);
        let mut trainer = Trainer::from_weights_on_device(&options, shape, &weights, &on).unwrap();
        assert!(trainer.step(&x, y(&x).as_deref()).is_err(), "{variant}");
    }
}
