//! A model of random weights: what is found does not depend on how prompts are batched, and agrees with a run of each prompt alone.

#![allow(clippy::unwrap_used)] // clippy sees only the #[test] functions as tests, not their helpers

use burn::tensor::{Device, FloatDType, Int, Tensor};
use llama_hooked::{Capture, HookPoint, Llama, LlamaConfig};
use sae_contrast::{ContrastOptions, Groups, Observations, RankBy, contrast, ranked};
use sae_core::{Sae, SaeConfig, SaeLoadOptions};
use sae_llama::contrast::{Contrasting, HookRead, PromptTokens, Reduce, TrainHooks, Wanted};
use sae_metrics::Unobserved;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, serialize_to_file};

fn model() -> Llama {
    let config = LlamaConfig::from_json(
        r#"{"vocab_size": 50, "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 3, "num_attention_heads": 4, "num_key_value_heads": 2}"#,
    );
    Llama::random(config.unwrap(), 3, &Device::flex(), FloatDType::F32)
}

/// A small ReLU SAE with weights from a formula.
fn sae(d_in: usize, d_sae: usize) -> Sae {
    sae_with(d_in, d_sae, None)
}

/// The same, with one feature that looks for a direction, above a threshold.
fn sae_with(d_in: usize, d_sae: usize, planted: Option<(usize, &[f32], f32)>) -> Sae {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("sae_weights.safetensors");
    let numbers = |n: usize, shift: f32| -> Vec<f32> {
        (0..n)
            .map(|i| (i as f32 * 0.73 + shift).sin() * 3.0)
            .collect()
    };
    let (mut w_enc, mut b_enc) = (numbers(d_in * d_sae, 0.0), numbers(d_sae, 2.0));
    if let Some((feature, direction, threshold)) = planted {
        for (row, value) in direction.iter().enumerate() {
            w_enc[row * d_sae + feature] = *value;
        }
        b_enc[feature] = -threshold;
    }
    let bytes =
        |numbers: Vec<f32>| -> Vec<u8> { numbers.iter().flat_map(|x| x.to_le_bytes()).collect() };
    let b_dec = if planted.is_some() {
        vec![0.0; d_in]
    } else {
        numbers(d_in, 3.0)
    };
    let parts = [
        ("W_enc", vec![d_in, d_sae], bytes(w_enc)),
        (
            "W_dec",
            vec![d_sae, d_in],
            bytes(numbers(d_in * d_sae, 1.0)),
        ),
        ("b_enc", vec![d_sae], bytes(b_enc)),
        ("b_dec", vec![d_in], bytes(b_dec)),
    ];
    let views: Vec<_> = parts
        .iter()
        .map(|(name, shape, bytes)| {
            (
                *name,
                TensorView::new(Dtype::F32, shape.clone(), bytes).unwrap(),
            )
        })
        .collect();
    serialize_to_file(views, None, &path).unwrap();
    let cfg = format!(
        r#"{{"architecture": "standard", "d_in": {d_in}, "d_sae": {d_sae}, "dtype": "float32", "apply_b_dec_to_input": true, "normalize_activations": "none", "metadata": {{"sae_lens_version": "6.0.0"}}}}"#
    );
    let cfg = SaeConfig::from_json(&cfg, &path).unwrap();
    Sae::load_weights(cfg, &path, &SaeLoadOptions::new(&Device::flex())).unwrap()
}

fn prompts() -> Vec<PromptTokens> {
    let lengths = [5_u32, 9, 3, 9, 1, 7];
    let ids = |n: &u32| (0..*n).map(|i| (i * 7 + n) % 50).collect();
    let mut prompts: Vec<_> = lengths.iter().map(|n| PromptTokens::new(ids(n))).collect();
    prompts[1].kept[0] = false;
    prompts[3].kept[8] = false;
    prompts
}

#[test]
fn batches_do_not_matter_and_each_prompt_is_as_if_alone() {
    let model = model();
    let points = [
        HookPoint::ResidPre(1),
        HookPoint::ResidPost(1),
        HookPoint::AttnOut(0),
    ];
    let reads = points.map(HookRead::new);
    let hooks = TrainHooks::new(model.config(), &reads).unwrap();
    let saes = [sae(16, 20), sae(16, 30), sae(16, 24)];
    let prompts = prompts();
    let mut job = Contrasting::new(&model, &hooks, &saes).unwrap();
    let wanted: Vec<Wanted> = (0..saes.len())
        .flat_map(|sae| {
            (0..prompts.len()).map(move |prompt| Wanted {
                sae,
                prompt,
                feature: 7,
            })
        })
        .collect();
    let (mut found, mut examples) = (Vec::new(), Vec::new());
    for (tokens, groups) in [(1, 1), (20, 1), (20, 3), (4096, 1)] {
        (job.tokens_at_once, job.groups_at_once) = (tokens, groups);
        job.keep_rows = tokens == 20;
        let reduced = job.reduce(&prompts, Reduce::Max, &mut Unobserved).unwrap();
        examples.push(
            job.examples(&prompts, &reduced, &wanted, &mut Unobserved)
                .unwrap(),
        );
        found.push(reduced.values);
    }
    for (s, (sae, point)) in saes.iter().zip(points).enumerate() {
        for (at, prompt) in prompts.iter().enumerate() {
            let ids: Vec<i32> = prompt.ids.iter().map(|id| *id as i32).collect();
            let ids = Tensor::<1, Int>::from_ints(ids.as_slice(), &model.device()).unsqueeze();
            let mut capture = Capture::new(vec![point]);
            let resid = model.embed(ids, &mut capture);
            model.blocks(resid, 0..3, &mut capture);
            let dense: Vec<f32> = sae
                .encode(capture.into_cache().r3(point).clone())
                .features
                .into_data()
                .iter()
                .collect();
            let d_sae = sae.cfg().d_sae;
            let mut expected = Vec::new();
            for feature in 0..d_sae {
                let value = |t: usize| {
                    if prompt.kept[t] {
                        dense[t * d_sae + feature]
                    } else {
                        0.0
                    }
                };
                let largest = (0..prompt.ids.len()).map(value).fold(0.0_f32, f32::max);
                if largest > 0.0 {
                    expected.push((feature as u32, largest));
                }
                if feature == 7 {
                    let key = Wanted {
                        sae: s,
                        prompt: at,
                        feature: 7,
                    };
                    for (t, shown) in examples.iter().flat_map(|of| of[&key].iter().enumerate()) {
                        assert!((shown - value(t)).abs() < 1e-4);
                    }
                }
            }
            for found in &found {
                let active = &found[s][at];
                assert_eq!(active.len(), expected.len(), "{point}, prompt {at}");
                for (active, (feature, value)) in active.iter().zip(&expected) {
                    assert_eq!(active.feature, *feature);
                    assert!((active.value - value).abs() < 1e-4 * value.max(1.0));
                    let here = dense[active.position as usize * d_sae + *feature as usize];
                    assert!((here - value).abs() < 1e-4 * value.max(1.0));
                }
            }
        }
    }
}

#[test]
fn an_sae_of_another_width_is_refused() {
    let model = model();
    let hooks = TrainHooks::new(model.config(), &[HookRead::new(HookPoint::ResidPre(1))]).unwrap();
    let saes = [sae(12, 8)];
    let error = Contrasting::new(&model, &hooks, &saes).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the SAE reads 12 numbers, and blocks.1.hook_resid_pre has 16; does it belong to this model and hook?"
    );
}

/// A token that only the prompts of `a` have, and a feature that looks for its direction in the residual stream one block later.
#[test]
fn a_planted_direction_ranks_first() {
    let config = LlamaConfig::from_json(
        r#"{"vocab_size": 80, "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4}"#,
    );
    let model = Llama::random(config.unwrap(), 5, &Device::flex(), FloatDType::F32);
    let (token, feature) = (71, 13);
    let ids = Tensor::<1, Int>::from_ints([token], &model.device()).unsqueeze();
    let mut capture = Capture::new(vec![HookPoint::Embed]);
    model.embed(ids, &mut capture);
    let direction: Vec<f32> = capture
        .into_cache()
        .r3(HookPoint::Embed)
        .clone()
        .into_data()
        .iter()
        .collect();
    let length = direction.iter().map(|x| x * x).sum::<f32>();
    let hooks = TrainHooks::new(model.config(), &[HookRead::new(HookPoint::ResidPre(1))]).unwrap();
    let saes = [sae_with(64, 40, Some((feature, &direction, 0.6 * length)))];
    let prompts: Vec<PromptTokens> = (0..60_u32)
        .map(|prompt| {
            let mut ids: Vec<u32> = (0..6 + prompt % 5)
                .map(|at| (prompt * 13 + at * 29) % 70)
                .collect();
            if prompt < 30 {
                let at = (prompt % 6) as usize;
                ids[at] = token as u32;
            }
            PromptTokens::new(ids)
        })
        .collect();
    let job = Contrasting::new(&model, &hooks, &saes).unwrap();
    let reduced = job.reduce(&prompts, Reduce::Max, &mut Unobserved).unwrap();
    let observed = Observations::new(40, &reduced.values[0]).unwrap();
    let found = contrast(
        &observed,
        &Groups::independent(30, 30).unwrap(),
        &ContrastOptions::default(),
    )
    .unwrap();
    let first = &found.features[ranked(&found.features, RankBy::CohensD, 5)[0]];
    assert_eq!(first.feature as usize, feature, "{first:?}");
    assert!(first.auroc > 0.95 && first.q.unwrap() < 1e-6 && first.p_permutation.unwrap() < 0.002);
    let top = first.top_a.unwrap();
    assert_eq!(prompts[top.prompt].ids[top.position as usize], token as u32);
}
