//! The hooks on both sides of the unembedding.

#![allow(clippy::unwrap_used)] // clippy sees only the #[test] functions as tests, not the functions they share

mod common;

use burn::tensor::{Device, FloatDType, Int, Tensor};
use common::config;
use llama_hooked::{
    Edit, ForwardOptions, HookPoint, Llama, LlamaConfig, NoHooks, OutputKind, Positions,
};

fn model() -> Llama {
    let config = LlamaConfig::from_json(&config().to_string()).unwrap();
    Llama::random(config, 3, &Device::flex(), FloatDType::F32)
}

fn tokens() -> Tensor<2, Int> {
    Tensor::from_ints([[1, 5, 9, 0], [2, 2, 7, 3]], &Device::flex())
}

fn asking(output: OutputKind) -> ForwardOptions {
    let mut options = ForwardOptions::default();
    options.output = output;
    options
}

fn assert_close<const D: usize>(found: Tensor<D>, expected: Tensor<D>) {
    let error: f32 = (found - expected).abs().max().into_scalar();
    assert!(error < 1e-5, "{error}");
}

#[test]
fn they_see_what_goes_in_and_what_comes_out() {
    let model = model();
    let points = [
        HookPoint::LnFinalNormalized,
        HookPoint::UnembedIn,
        HookPoint::UnembedOut,
    ];
    let plain = model
        .forward(tokens(), &ForwardOptions::default(), &mut NoHooks)
        .unwrap();
    let plain = plain.logits().unwrap();
    for output in [OutputKind::Logits, OutputKind::Loss, OutputKind::Nothing] {
        let (_, cache) = model
            .run_with_cache(tokens(), &asking(output), points, Positions::ALL)
            .unwrap();
        let weight = model.ln_final_weight().unsqueeze::<3>();
        assert_close(
            cache.r3(HookPoint::UnembedIn),
            cache.r3(HookPoint::LnFinalNormalized) * weight,
        );
        assert_close(cache.r3(HookPoint::UnembedOut), plain.clone());
    }
}

/// The unembedding is linear: half of what goes in is half of what comes out, in the logits and in the loss.
#[test]
fn edits_reach_the_logits_and_the_loss() {
    let model = model();
    let run = |point: Option<HookPoint>, output| {
        let halve = |_, x: llama_hooked::Activation| x.scale(0.5);
        match point {
            None => model.forward(tokens(), &asking(output), &mut NoHooks),
            Some(point) => model.forward(tokens(), &asking(output), &mut Edit::new(point, halve)),
        }
        .unwrap()
    };
    let plain = run(None, OutputKind::Logits).logits().unwrap();
    let plain_loss = run(None, OutputKind::Loss).loss().unwrap();
    let log_softmax = burn::tensor::activation::log_softmax(plain.clone() * 0.5, 2);
    let next = tokens().narrow(1, 1, 3).unsqueeze_dim::<3>(2);
    let expected = -log_softmax
        .narrow(1, 0, 3)
        .gather(2, next)
        .squeeze_dim::<2>(2);
    let moved: f32 = (expected.clone() - plain_loss).abs().max().into_scalar();
    assert!(moved > 1e-2, "the edit would not show: {moved}");
    for point in [HookPoint::UnembedIn, HookPoint::UnembedOut] {
        let logits = run(Some(point), OutputKind::Logits).logits().unwrap();
        assert_close(logits, plain.clone() * 0.5);
        let loss = run(Some(point), OutputKind::Loss).loss().unwrap();
        assert_close(loss, expected.clone());
    }
}

#[test]
fn a_run_that_stops_early_does_not_reach_them() {
    let mut options = ForwardOptions::default();
    options.stop_at_layer = Some(1);
    for point in [HookPoint::UnembedIn, HookPoint::UnembedOut] {
        let error = model()
            .run_with_cache(tokens(), &options, point, Positions::ALL)
            .unwrap_err();
        let message = error.to_string();
        assert!(
            message.starts_with(&format!("{point} would not fire: this run embeds tokens")),
            "{message}"
        );
    }
}
