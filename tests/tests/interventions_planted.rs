//! Interventions on models of which it is known what they must find.

#![allow(clippy::unwrap_used)] // clippy sees only the #[test] functions as tests, not the functions they share

mod interventions;

use burn::tensor::{Device, FloatDType, Int, Tensor, TensorData};
use interventions::{Golden, data, numbers, of_scale};
use llama_hooked::{ForwardOptions, Hook, Llama, LlamaLoadOptions, ModelSource};
use sae_core::{Sae, SaeLoadOptions};
use sae_interventions::{FeatureEdit, Metric, Site, SteeredSae, Steering, patch};
use sae_progress::Unobserved;
use safetensors::SafeTensors;

fn logits(model: &Llama, ids: &[u32], hook: &mut impl Hook) -> Tensor<3> {
    let numbers: Vec<i32> = ids.iter().map(|&id| id as i32).collect();
    let tokens = TensorData::new(numbers, [1, ids.len()]);
    let tokens = Tensor::<2, Int>::from_data(tokens, &model.device());
    let output = model.forward(tokens, &ForwardOptions::default(), hook);
    output.unwrap().logits().unwrap()
}

/// The golden model in which only the attention of this block writes.
fn only_attention_of(layer: usize) -> Llama {
    let folder = tempfile::tempdir().unwrap();
    let mut bytes = std::fs::read(data("model/model.safetensors")).unwrap();
    let (header, metadata) = SafeTensors::read_metadata(&bytes).unwrap();
    for other in (0..3).filter(|other| *other != layer) {
        let name = format!("model.layers.{other}.self_attn.o_proj.weight");
        let (start, end) = metadata.info(&name).unwrap().data_offsets;
        bytes[8 + header + start..8 + header + end].fill(0);
    }
    std::fs::write(folder.path().join("model.safetensors"), bytes).unwrap();
    std::fs::copy(data("model/config.json"), folder.path().join("config.json")).unwrap();
    let files = ModelSource::Dir(folder.path().to_owned())
        .resolve()
        .unwrap();
    let options = LlamaLoadOptions::new(&Device::flex(), FloatDType::F32);
    Llama::load(&files, &options).unwrap()
}

/// Where only one block's attention writes, a token's difference stays at its position up to that block, and is at the end above it.
#[test]
fn patching_finds_the_layer_in_which_attention_moves_a_token() {
    let clean = [1, 17, 42, 5, 63];
    let corrupted = [1, 17, 77, 5, 63];
    let (token, last) = (2, 4);
    let metric = Metric::LogitDiff {
        answer: 33,
        against: 58,
    };
    for moves in 0..3 {
        let model = only_attention_of(moves);
        let pair = (clean.as_slice(), corrupted.as_slice());
        let found = |site| patch(&model, pair, site, &metric, 64, &mut Unobserved).unwrap();
        let check = |site: Site, expected: &dyn Fn(usize, usize) -> f64| {
            for (layer, row) in found(site).restored.iter().enumerate() {
                for (position, share) in row.iter().enumerate() {
                    let error = (share.unwrap() - expected(layer, position)).abs();
                    assert!(
                        error < 1e-4,
                        "{site:?} {moves}: layer {layer}, position {position}"
                    );
                }
            }
        };
        let one = |is| if is { 1.0 } else { 0.0 };
        check(Site::Resid, &|layer, position| {
            one(position == if layer <= moves { token } else { last })
        });
        check(Site::Attn, &|layer, position| {
            one((layer, position) == (moves, last))
        });
        let heads = found(Site::Head).metric;
        for (layer, row) in heads
            .iter()
            .enumerate()
            .filter(|(layer, _)| *layer != moves)
        {
            assert!(
                row.iter().all(|m| (m - row[0]).abs() < 1e-5),
                "head of layer {layer}"
            );
        }
    }
}

/// The final norm leaves the direction of the stream: far along a decoder's row the logits are those of the row alone, and the answer is the one that
/// the row stands for.
#[test]
fn a_planted_direction_is_steered_along_and_found() {
    let golden = Golden::read();
    let model = Golden::model();
    let sae = Golden::sae("standard");
    let ids = golden.clean();
    let steered = |s: f32| {
        let mut cfg = sae.cfg().clone();
        cfg.metadata.hook_name = Some("blocks.2.hook_resid_post".to_owned());
        let folder = tempfile::tempdir().unwrap();
        sae.save(folder.path()).unwrap();
        let json = std::fs::read_to_string(folder.path().join("cfg.json")).unwrap();
        let json = json.replace("blocks.1.hook_resid_pre", "blocks.2.hook_resid_post");
        std::fs::write(folder.path().join("cfg.json"), json).unwrap();
        let sae = Sae::load(folder.path(), &SaeLoadOptions::new(&Device::flex())).unwrap();
        assert_eq!(sae.cfg().metadata.hook_name, cfg.metadata.hook_name);
        let edit = FeatureEdit::Add(s.into());
        let steered = SteeredSae::new(model.config(), &sae).unwrap();
        let mut steering = Steering::new(vec![steered.edit(3, edit).unwrap()]);
        let logits = numbers(logits(&model, &ids, &mut steering));
        logits[6 * 101..].to_vec()
    };
    let far = steered(1e5);
    let row = sae.directions(&[3]);
    let unit = row.clone() / row.square().sum().sqrt().unsqueeze();
    let [_, d] = unit.dims();
    // RMSNorm of a long vector along u: √d·u.
    let normed = unit.mul_scalar((d as f64).sqrt()) * model.ln_final_weight().unsqueeze();
    let expected = numbers(model.unembed(normed));
    assert!(of_scale(&far, &expected) < 1e-3);
    let best = |logits: &[f32]| {
        let best = logits.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
        best.unwrap().0
    };
    assert_eq!(best(&far), best(&expected));
    let opposite = steered(-1e5);
    let mirrored: Vec<f32> = expected.iter().map(|x| -x).collect();
    assert!(of_scale(&opposite, &mirrored) < 1e-3);
}
