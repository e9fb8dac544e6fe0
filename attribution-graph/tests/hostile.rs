//! Transcoders that do not fit, prompts that cannot be run, and limits.

#![allow(clippy::unwrap_used)] // clippy sees only the #[test] functions as tests, not their helpers

mod support;

use sae_attribution_graph::{
    AttributeError, AttributeOptions, AttributeProgress, Transcoders, attribute,
};
use sae_core::{Architecture, NormalizeActivations, Sae, SaeConfig, Transcoder};
use sae_progress::Unobserved;
use std::ops::ControlFlow;
use support::{D, Random, cfg, config, model, saes, transcoder, transcoders};

const PLAIN: Transcoder = Transcoder {
    skip: false,
    jump_relu: false,
};

fn refused(saes: Vec<Sae>, said: &[&str]) {
    let error = Transcoders::loaded(saes, &config(3))
        .unwrap_err()
        .to_string();
    for word in said {
        assert!(error.contains(word), "{word:?} is not in {error:?}");
    }
}

fn other(cfg: SaeConfig) -> Sae {
    let device = burn::tensor::Device::flex();
    Sae::random(cfg, 0, &device, burn::tensor::FloatDType::F32).unwrap()
}

#[test]
fn every_block_needs_one_transcoder_of_this_model() {
    refused(
        Vec::new(),
        &[
            "no transcoder for blocks 0, 1, 2",
            "each of the model's 3 blocks",
        ],
    );
    refused(saes(0)[..2].to_vec(), &["no transcoder for block 2;"]);
    let mut twice = saes(0);
    twice.push(twice[1].clone());
    refused(
        twice,
        &["transcoder 1 and transcoder 3 both belong to block 1"],
    );
    let mut wide = saes(0);
    wide[1] = other(cfg(1, "mlp.hook_in", PLAIN, 2 * D));
    refused(
        wide,
        &["transcoder 1: reads 48 and writes 48", "the model has 24"],
    );
    let mut beyond = saes(0);
    beyond[2] = transcoder(7, "mlp.hook_in", PLAIN, &mut Random(0));
    refused(
        beyond,
        &["transcoder 2: belongs to block 7, the model has blocks 0 to 2"],
    );
    let mut no_transcoder = saes(0);
    no_transcoder[0] = other(SaeConfig::new(Architecture::Standard, D, 8));
    refused(
        no_transcoder,
        &["is a standard SAE", "a graph needs transcoders"],
    );
    let mut scaled = saes(0);
    let mut settings = cfg(0, "mlp.hook_in", PLAIN, D);
    settings.normalize_activations = NormalizeActivations::LayerNorm;
    scaled[0] = other(settings);
    refused(scaled, &["normalize_activations layer_norm", "not linear"]);
    let mut elsewhere = saes(0);
    elsewhere[0] = transcoder(0, "hook_resid_pre", PLAIN, &mut Random(0));
    refused(
        elsewhere,
        &["transcoder 0: it reads at \"blocks.0.hook_resid_pre\""],
    );
}

fn fails(tokens: &[u32], options: &AttributeOptions) -> AttributeError {
    let model = model(3, 0);
    let transcoders = transcoders(0, &model);
    attribute(&model, &transcoders, tokens, options, &mut Unobserved).unwrap_err()
}

#[test]
fn prompts_and_targets_are_looked_at() {
    let mut options = AttributeOptions::new();
    let said = |error: AttributeError, word: &str| {
        let error = error.to_string();
        assert!(error.contains(word), "{error}");
    };
    said(fails(&[], &options), "the prompt has no tokens");
    said(
        fails(&[1], &options),
        "has 1 tokens and the features of the first 1 are left out",
    );
    said(
        fails(&[1, 60], &options),
        "token 60 is not in the model's vocabulary of 60",
    );
    said(fails(&[1, u32::MAX], &options), "token 4294967295");
    options.targets = Some(vec![3, 99]);
    said(
        fails(&[1, 2], &options),
        "the target token 99 is not in the model's vocabulary of 60",
    );
    let model = model(2, 0);
    let three = transcoders(0, &support::model(3, 0));
    let error = attribute(
        &model,
        &three,
        &[1, 2],
        &AttributeOptions::new(),
        &mut Unobserved,
    );
    said(
        error.unwrap_err(),
        "the transcoders are for 3 blocks, the model has 2",
    );
}

#[test]
fn what_does_not_fit_is_refused_while_it_is_found() {
    let mut options = AttributeOptions::new();
    options.limit_bytes = Some(200_000);
    let error = fails(&[1, 2, 3, 4, 5, 6, 7, 8], &options);
    assert!(matches!(error, AttributeError::TooLarge(_)), "{error}");
    let text = error.to_string();
    assert!(text.contains("features are active in the first"), "{text}");
    // With all blocks encoded, what would fit is said, and does.
    options.limit_bytes = Some(3_000_000);
    let model = model(3, 0);
    let transcoders = transcoders(0, &model);
    let tokens: Vec<u32> = (0..40).collect();
    options.batch_size = Some(1);
    let run = |options: &AttributeOptions| {
        attribute(&model, &transcoders, &tokens, options, &mut Unobserved)
    };
    let mut limit = 3_000_000;
    let fitting = loop {
        options.limit_bytes = Some(limit);
        match run(&options) {
            Err(AttributeError::TooLarge(too_large)) if too_large.fitting_nodes.is_some() => {
                break too_large.fitting_nodes.unwrap();
            }
            Err(AttributeError::TooLarge(_)) => limit += limit / 20,
            other => panic!("no limit is so that all is found and too much: {other:?}"),
        }
    };
    options.max_feature_nodes = Some(fitting);
    assert_eq!(run(&options).unwrap().features.len(), fitting);
}

#[test]
fn an_observer_stops_the_work() {
    let model = model(3, 0);
    let transcoders = transcoders(0, &model);
    for most in 0..4 {
        let mut seen = Vec::new();
        let mut watch = |progress: &AttributeProgress| {
            seen.push(*progress);
            if seen.len() > most {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        };
        let options = AttributeOptions::new();
        let error = attribute(&model, &transcoders, &[1, 2, 3], &options, &mut watch);
        assert!(matches!(error, Err(AttributeError::Stopped)));
        assert_eq!(seen.len(), most + 1);
    }
}

#[test]
fn targets_that_are_asked_for_are_explained() {
    let model = model(3, 0);
    let mut options = AttributeOptions::new();
    options.targets = Some(vec![17, 4, 17]);
    let graph = attribute(
        &model,
        &transcoders(0, &model),
        &[1, 2, 3],
        &options,
        &mut Unobserved,
    );
    let logits = graph.unwrap().logits;
    assert_eq!(
        logits.iter().map(|logit| logit.token).collect::<Vec<_>>(),
        [17, 4]
    );
}
