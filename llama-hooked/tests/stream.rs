//! A model whose weights stay in their files gives what a resident one gives, bit for bit.

#![allow(clippy::unwrap_used)] // clippy sees only the #[test] functions as tests, not the functions they share

mod common;

use burn::tensor::{Device, FloatDType, Int, Tensor, TensorData};
use common::{Stored, Tensors, config, tensors, write};
use llama_hooked::{
    Activation, Capture, Edit, ForwardOptions, HookPoint, Llama, LlamaLoadOptions, ModelSource,
    NoHooks, OutputKind, Pass, Placement, PointFilter, Positions,
};
use serde_json::{Value, json};

const LAYERS: usize = 4;

/// The test model with more blocks, each with other numbers.
fn deep(tied: bool) -> (Value, Tensors) {
    let (mut config, one) = (config(), tensors());
    config["num_hidden_layers"] = json!(LAYERS);
    config["tie_word_embeddings"] = json!(tied);
    let mut all = Tensors::new();
    for (name, tensor) in one {
        let Some(rest) = name.strip_prefix("model.layers.0.") else {
            if !(tied && name == "lm_head.weight") {
                all.insert(name, tensor);
            }
            continue;
        };
        for layer in 0..LAYERS {
            let numbers = tensor.bytes.as_chunks().0.iter();
            let values = numbers.map(|word| f32::from_le_bytes(*word) * (1.0 - 0.2 * layer as f32));
            let name = format!("model.layers.{layer}.{rest}");
            all.insert(name, Stored::f32(&tensor.shape, values));
        }
    }
    (config, all)
}

fn both(tied: bool) -> (tempfile::TempDir, [Llama; 2]) {
    let dir = tempfile::tempdir().unwrap();
    let (config, tensors) = deep(tied);
    write(dir.path(), &config, &tensors);
    let files = ModelSource::Dir(dir.path().into()).resolve().unwrap();
    let models = [Placement::Resident, Placement::Streamed].map(|placement| {
        let mut options = LlamaLoadOptions::new(&Device::flex(), FloatDType::F32);
        options.placement = placement;
        Llama::load(&files, &options).unwrap()
    });
    (dir, models)
}

fn tokens() -> Tensor<2, Int> {
    Tensor::from_ints([[1, 5, 9, 0], [2, 2, 7, 3]], &Device::flex())
}

fn data<const D: usize>(x: Tensor<D>) -> TensorData {
    x.into_data()
}

#[test]
fn logits_losses_and_every_activation_are_the_same() {
    for tied in [false, true] {
        let (_dir, models) = both(tied);
        let outcomes = models.map(|model| {
            let everything = PointFilter::matching(|_| true);
            let (output, cache) = model
                .run_with_cache(
                    tokens(),
                    &ForwardOptions::default(),
                    everything,
                    Positions::ALL,
                )
                .unwrap();
            let mut all = vec![data(output.logits().unwrap())];
            for (_, x) in cache {
                all.push(match x {
                    llama_hooked::Activation::R3(x) => data(x),
                    llama_hooked::Activation::R4(x) => data(x),
                });
            }
            let mut options = ForwardOptions::default();
            options.output = OutputKind::Loss;
            options.stop_at_layer = None;
            let loss = model.forward(tokens(), &options, &mut NoHooks).unwrap();
            all.push(data(loss.loss().unwrap()));
            all
        });
        let [resident, streamed] = outcomes;
        assert_eq!(resident, streamed, "tied: {tied}");
    }
}

#[test]
fn passes_are_what_each_would_be_alone() {
    let (_dir, models) = both(false);
    for model in models {
        let resid = model.embed(tokens(), &mut NoHooks);
        let halve = || Edit::new(HookPoint::MlpOut(2), |_, x| x.scale(0.5));
        let one = resid.clone().narrow(0, 1, 1);
        let (mut none, mut nothing) = (NoHooks, NoHooks);
        let (mut edit, mut capture) = (halve(), Capture::new(HookPoint::ResidMid(3)));
        let passes = vec![
            Pass {
                resid: resid.clone(),
                layers: 0..2,
                hooks: &mut none,
            },
            Pass {
                resid: resid.clone(),
                layers: 1..4,
                hooks: &mut edit,
            },
            Pass {
                resid: one.clone(),
                layers: 3..4,
                hooks: &mut capture,
            },
            Pass {
                resid: resid.clone(),
                layers: 2..2,
                hooks: &mut nothing,
            },
        ];
        let together: Vec<TensorData> = model.passes(passes).into_iter().map(data).collect();
        let alone = [
            model.blocks(resid.clone(), 0..2, &mut NoHooks),
            model.blocks(resid.clone(), 1..4, &mut halve()),
            model.blocks(one, 3..4, &mut NoHooks),
            resid,
        ];
        assert_eq!(together, alone.map(data));
        assert_eq!(
            capture.into_cache().r3(HookPoint::ResidMid(3)).dims(),
            [1, 4, 8]
        );
    }
}

#[test]
#[should_panic(expected = "a hook that fails")]
fn a_hook_that_panics_does_not_hang_the_reader() {
    let (_dir, [_, streamed]) = both(false);
    let mut fail = Edit::new(HookPoint::ResidPost(0), |_, _| panic!("a hook that fails"));
    let resid = streamed.embed(tokens(), &mut NoHooks);
    streamed.blocks(resid, 0..LAYERS, &mut fail);
}

/// A direction is what the residual stream gains when a value at the point grows by it.
#[test]
fn directions_are_what_edits_add_to_the_stream() {
    let (_dir, models) = both(false);
    for model in models {
        let rising = |width: usize| -> Tensor<1> {
            let values: Vec<f32> = (0..width).map(|i| 0.1 * i as f32 - 0.3).collect();
            Tensor::from_floats(values.as_slice(), &Device::flex())
        };
        for (point, after, width) in [
            (HookPoint::Z(1), HookPoint::ResidMid(1), 8),
            (HookPoint::MlpPost(2), HookPoint::ResidPost(2), 12),
            (HookPoint::MlpOut(2), HookPoint::ResidPost(2), 8),
            (HookPoint::ResidPre(2), HookPoint::ResidPre(2), 8),
        ] {
            let by = rising(width);
            let directions = model.directions(point, by.clone().unsqueeze()).unwrap();
            let residual = |edited: bool| {
                let mut capture = Capture::new(vec![after]);
                let by = by.clone().mul_scalar(f32::from(edited));
                let mut edit = Edit::new(point, move |_, x: Activation| match x {
                    Activation::R3(x) => (x + by.clone().unsqueeze()).into(),
                    Activation::R4(x) => {
                        let [_, _, heads, d] = x.dims();
                        (x + by.clone().reshape([1, 1, heads, d])).into()
                    }
                });
                let mut hooks = (&mut edit, &mut capture);
                model.blocks(model.embed(tokens(), &mut NoHooks), 0..LAYERS, &mut hooks);
                capture.into_cache().r3(after).clone()
            };
            let gained = residual(true) - residual(false);
            let expected = directions.unsqueeze::<3>().expand([2, 4, 8]);
            let error = (gained - expected).abs().max().into_scalar::<f32>();
            assert!(error < 1e-5, "{point}: {error}");
        }
        let values = Tensor::zeros([1, 8], &Device::flex());
        assert!(model.directions(HookPoint::Q(0), values).is_none());
        assert_eq!(model.ln_final_weight().dims(), [8]);
    }
}
