//! Steering against TransformerLens with SAELens' encoders and decoders (`goldens/interventions.py`, in f64), and against its own laws.
//!
//! Steered logits agree to 1e-5 of the largest.

#![allow(clippy::unwrap_used)] // clippy sees only the #[test] functions as tests, not the functions they share

mod interventions;

use burn::tensor::{Device, FloatDType, Int, Tensor, TensorData};
use interventions::{Golden, numbers, of_scale};
use llama_hooked::{Capture, ForwardOptions, Hook, HookPoint, Input, Llama, NoHooks};
use sae_core::{Architecture, Sae, SaeConfig, SaeLoadOptions};
use sae_interventions::{FeatureEdit, Part, SteeredSae, Steering, SteeringError, Window};
use std::path::Path;

fn logits(model: &Llama, ids: &[u32], hook: &mut impl Hook) -> Tensor<3> {
    let numbers: Vec<i32> = ids.iter().map(|&id| id as i32).collect();
    let tokens = TensorData::new(numbers, [1, ids.len()]);
    let tokens = Tensor::<2, Int>::from_data(tokens, &model.device());
    let output = model.forward(tokens, &ForwardOptions::default(), hook);
    output.unwrap().logits().unwrap()
}

#[test]
fn steered_logits_are_the_peers() {
    let golden = Golden::read();
    let model = Golden::model();
    let cases = golden.settings["steered"].as_object().unwrap();
    assert_eq!(cases.len(), 29);
    let plain = numbers(logits(&model, &golden.clean(), &mut NoHooks));
    for (name, case) in cases {
        let keep = case["error_term"].as_bool().unwrap();
        let saes = case["saes"].as_array().unwrap().iter().map(|entry| {
            let sae = Golden::sae(entry["sae"].as_str().unwrap());
            let steered = SteeredSae::new(model.config(), &sae).unwrap();
            let edits = entry["edits"].as_array().unwrap().iter();
            edits.fold(steered.error_term(keep), |steered, edit| {
                let feature = edit[0].as_u64().unwrap() as u32;
                let edit: FeatureEdit = edit[1].as_str().unwrap().parse().unwrap();
                steered.edit(feature, edit).unwrap()
            })
        });
        let steering = Steering::new(saes.collect());
        let ids = golden.clean();
        // Positions 2, 3 and 5: a window, and a token that is left alone.
        let mut steering = if case["positions"].is_null() {
            steering
        } else {
            let mut window = Window::default();
            window.positions = "2:6".parse().unwrap();
            steering.special_tokens([ids[4]]).window(window).unwrap()
        };
        let found = numbers(logits(&model, &ids, &mut steering));
        let error = of_scale(&found, golden.tensor(&format!("steer.{name}")));
        assert!(error < 1e-5, "{name} is off by {error:e}");
        assert!(
            of_scale(&found, &plain) > 1e-3,
            "{name} does not steer at all"
        );
    }
}

#[test]
fn columns_one_at_a_time_are_steered_as_a_whole() {
    let model = Golden::model();
    for name in ["standard", "temporal"] {
        let sae = Golden::sae(name);
        let device = Device::flex();
        let point = sae.cfg().metadata.hook_name.as_deref().unwrap();
        let point: HookPoint = point.parse().unwrap();
        let steered = SteeredSae::new(model.config(), &sae)
            .unwrap()
            .edit(3, "clamp:2".parse().unwrap())
            .unwrap()
            .edit(4, "add:1".parse().unwrap())
            .unwrap();
        let mut window = Window::default();
        window.positions = "1:5".parse().unwrap();
        window.part = Part::Generated;
        let steering = Steering::new(vec![steered]).special_tokens([9]);
        let mut steering = steering.window(window).unwrap();
        steering.prompt(&[2]);
        let ids = [1, 9, 7, 9, 8, 5];
        let x = (0..6 * 32).map(|i| ((i * 7919 % 101) as f32 / 50.0 - 1.0) * 1.5);
        let x = TensorData::new(x.collect::<Vec<f32>>(), [1, 6, 32]);
        let x = Tensor::<3>::from_data(x, &device);
        let mut pass = |first: usize, n: usize| {
            steering.at(first, &ids[first..first + n]).unwrap();
            let out = Hook::at(&mut steering, point, x.clone().narrow(1, first, n).into());
            out.into_r3().unwrap()
        };
        let whole = pass(0, 6);
        let pieces = vec![pass(0, 3), pass(3, 1), pass(4, 1), pass(5, 1)];
        let (whole, pieces) = (numbers(whole), numbers(Tensor::cat(pieces, 1)));
        assert!(of_scale(&pieces, &whole) < 1e-6, "{name}");
        let before = numbers(x.clone());
        let changed: Vec<usize> = (0..6)
            .filter(|p| {
                let row = p * 32..(p + 1) * 32;
                whole[row.clone()] != before[row]
            })
            .collect();
        assert_eq!(changed, [2, 4], "{name}");
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let model = Golden::model();
    let sae = Golden::sae("standard");
    let steered = || SteeredSae::new(model.config(), &sae).unwrap();
    let edit = |text: &str| text.parse::<FeatureEdit>().unwrap();
    let message = |error: SteeringError| error.to_string();
    assert_eq!(
        message(steered().edit(48, FeatureEdit::Ablate).unwrap_err()),
        "there is no feature 48: the dictionary has 48, counted from 0"
    );
    let twice = steered().edit(3, edit("clamp:1")).unwrap();
    assert_eq!(
        message(twice.edit(3, edit("ablate")).unwrap_err()),
        "feature 3 is set twice, by clamp:1 and by ablate; leave one of them out"
    );
    let wide = Sae::random(
        {
            let mut cfg = SaeConfig::new(Architecture::Standard, 16, 20);
            cfg.metadata.hook_name = Some("blocks.1.hook_resid_pre".to_owned());
            cfg
        },
        1,
        &Device::flex(),
        FloatDType::F32,
    );
    let wide = SteeredSae::new(model.config(), &wide.unwrap()).unwrap_err();
    assert!(message(wide).starts_with("the SAE goes from width 16 to 16, the model has 32 at"));
    let mut window = Window::default();
    window.positions = "-1".parse().unwrap();
    let steering = Steering::new(vec![steered()]);
    assert!(message(steering.clone().window(window).unwrap_err()).starts_with("positions -1:"));
    window.positions = "0:".parse().unwrap();
    window.part = Part::Generated;
    let mut generated = steering.window(window).unwrap();
    assert!(matches!(
        generated.at(0, &[1, 2]),
        Err(SteeringError::NoPrompt)
    ));

    // A whole text says nothing of where its prompt ends, and a residual nothing of its tokens.
    let clamped = steered().edit(3, edit("clamp:1")).unwrap();
    let steering = || Steering::new(vec![clamped.clone()]).special_tokens([1]);
    let tokens = Tensor::<2, Int>::from_ints([[1, 2]], &Device::flex());
    let error = |input: Input, mut steering: Steering| {
        let error = model.forward(input, &ForwardOptions::default(), &mut steering);
        error.unwrap_err().to_string()
    };
    let mut window = Window::default();
    window.part = Part::Generated;
    assert_eq!(
        error(tokens.into(), steering().window(window).unwrap()),
        "a part of the text is steered, and where its prompt ends is not known; call Steering::prompt first"
    );
    let resid = Tensor::<3>::zeros([1, 2, 32], &Device::flex());
    let input = || Input::Resid {
        resid: resid.clone(),
        start_at_layer: 0,
    };
    assert_eq!(
        error(input(), steering()),
        "steering some tokens only needs the tokens: call Steering::at before each pass"
    );
    let mut told = steering();
    told.at(0, &[1, 2]).unwrap();
    let whole = model.forward(input(), &ForwardOptions::default(), &mut told);
    assert!(whole.is_ok());
}

#[test]
fn an_edit_that_changes_no_activation_changes_no_bit() {
    let golden = Golden::read();
    let model = Golden::model();
    let ids = golden.clean();
    let plain = numbers(logits(&model, &ids, &mut NoHooks));
    let sae = Golden::sae("topk");
    let point: HookPoint = "blocks.2.hook_resid_pre".parse().unwrap();
    let mut capture = Capture::new(point);
    logits(&model, &ids, &mut capture);
    let active = sae.encode_sparse(capture.into_cache().r3(point)).features;
    let inactive = (0..48).find(|feature| !active.indices.contains(feature));
    let standard = Golden::sae("standard");
    for (sae, feature, edit) in [
        (&sae, inactive.unwrap(), "ablate"),
        (&sae, active.indices[0], "scale:1"),
        (&standard, 0, "min-clamp:0"),
    ] {
        let steered = SteeredSae::new(model.config(), sae).unwrap();
        let steered = steered.edit(feature, edit.parse().unwrap()).unwrap();
        let mut steering = Steering::new(vec![steered]);
        assert_eq!(
            numbers(logits(&model, &ids, &mut steering)),
            plain,
            "{edit}"
        );
    }
}

/// `encode_some` gives the columns of `encode` for every architecture of SAELens.
#[test]
fn some_features_are_columns_of_all() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("goldens/data/sae");
    let mut n = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let Ok(sae) = Sae::load(&path, &SaeLoadOptions::new(&Device::flex())) else {
            continue;
        };
        let cfg = sae.cfg();
        let features = [3, 0, cfg.d_sae as u32 - 1];
        let x = (0..10 * cfg.d_in).map(|i| (i * 7919 % 101) as f32 / 25.0 - 2.0);
        let x = TensorData::new(x.collect::<Vec<f32>>(), [2, 5, cfg.d_in]);
        let x = Tensor::<3>::from_data(x, &Device::flex());
        let all = numbers(sae.encode(x.clone()).features);
        let some = numbers(sae.encode_some(x, &features).values);
        let expected: Vec<f32> = (0..10)
            .flat_map(|row| features.map(|feature| all[row * cfg.d_sae + feature as usize]))
            .collect();
        let name = path.display();
        assert!(of_scale(&some, &expected) < 1e-5, "{name}");
        n += 1;
    }
    assert!(n > 30, "only {n} SAEs were tried");
}

/// As far as the push goes, and no further: a direction of length 1, so many times, at every token.
#[test]
fn the_relative_change_is_that_of_the_first_pass() {
    let golden = Golden::read();
    let model = Golden::model();
    let sae = Golden::sae("standard");
    let steered = SteeredSae::new(model.config(), &sae).unwrap();
    let steered = steered.edit(3, FeatureEdit::Add(5.0.into())).unwrap();
    let write = steered.write();
    let mut steering = Steering::new(vec![steered]);
    assert_eq!(steering.relative_changes(), [None]);
    let ids = golden.clean();
    let mut capture = Capture::new(write);
    logits(&model, &ids, &mut capture);
    logits(&model, &ids, &mut steering);
    let there = numbers(capture.into_cache().r3(write));
    let norm = there.iter().map(|x| x * x).sum::<f32>().sqrt();
    let expected = 5.0 * (ids.len() as f32).sqrt() / norm;
    let found = steering.relative_changes()[0].unwrap();
    assert!((found / expected - 1.0).abs() < 1e-4, "{found} {expected}");
    // A second pass does not count.
    logits(&model, &ids[..2], &mut steering);
    assert_eq!(steering.relative_changes(), [Some(found)]);
}
