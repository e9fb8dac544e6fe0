//! `llama-hooked` against transformers and TransformerLens, on small random Llamas (`goldens/llama.py`), and against the
//! mathematics where a peer is no authority.
//!
//! Activations, logits and losses agree to 1e-4 of the tensor's largest number.

#![allow(clippy::unwrap_used)] // clippy sees only the #[test] functions as tests, not the functions they share

use burn::tensor::{Device, FloatDType, Int, Tensor, TensorData};
use llama_hooked::{
    Activation, Capture, Edit, ForwardOptions, Hook, HookPoint, Input, Llama, LlamaLoadOptions,
    ModelSource, NoHooks, Output, OutputKind, PointFilter, Positions,
};
use safetensors::{Dtype, SafeTensors};
use std::collections::HashMap;
use std::path::PathBuf;

const CASES: [&str; 5] = [
    "mha_classic",
    "gqa_tied",
    "mqa_wide_heads",
    "llama3_classic",
    "llama3_parameters",
];

/// Of the largest number in the tensor.
const TOLERANCE: f32 = 1e-4;

fn data(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("goldens/data/llama")
        .join(name)
}

fn load(case: &str, dtype: FloatDType) -> Llama {
    let files = ModelSource::Dir(data(case)).resolve().unwrap();
    Llama::load(&files, &LlamaLoadOptions::new(&Device::flex(), dtype)).unwrap()
}

/// What the peers computed.
struct Golden {
    tokens: Tensor<2, Int>,
    tensors: HashMap<String, (Vec<usize>, Vec<f32>)>,
}

impl Golden {
    fn read(case: &str) -> Self {
        let bytes = std::fs::read(data(&format!("{case}.safetensors"))).unwrap();
        let mut tensors = HashMap::new();
        let mut tokens = None;
        for (name, view) in SafeTensors::deserialize(&bytes).unwrap().tensors() {
            let shape = view.shape().to_vec();
            let values = match view.dtype() {
                Dtype::I64 => {
                    let ids: Vec<i64> = view
                        .data()
                        .as_chunks()
                        .0
                        .iter()
                        .map(|b| i64::from_le_bytes(*b))
                        .collect();
                    tokens = Some(Tensor::from_data(
                        TensorData::new(ids, shape),
                        &Device::flex(),
                    ));
                    continue;
                }
                Dtype::BF16 => {
                    let words = view.data().as_chunks().0.iter();
                    words
                        .map(|b| f32::from_bits(u32::from(u16::from_le_bytes(*b)) << 16))
                        .collect()
                }
                _ => view
                    .data()
                    .as_chunks()
                    .0
                    .iter()
                    .map(|b| f32::from_le_bytes(*b))
                    .collect::<Vec<f32>>(),
            };
            tensors.insert(name, (shape, values));
        }
        Self {
            tokens: tokens.unwrap(),
            tensors,
        }
    }

    fn check(&self, name: &str, found: impl Into<Found>, case: &str) {
        self.check_within(name, found, case, TOLERANCE);
    }

    fn check_within(&self, name: &str, found: impl Into<Found>, case: &str, tolerance: f32) {
        let (shape, expected) = &self.tensors[name];
        let Found(found_shape, found) = found.into();
        assert_eq!(&found_shape, shape, "{case}: shape of {name}");
        let error = error_of_scale(&found, expected);
        assert!(
            error <= tolerance,
            "{case}: {name} is off by {error:e} of its scale"
        );
    }
}

/// A tensor of any rank, on the host.
struct Found(Vec<usize>, Vec<f32>);

impl<const D: usize> From<Tensor<D>> for Found {
    fn from(x: Tensor<D>) -> Self {
        let shape = x.dims().to_vec();
        Self(shape, x.cast(FloatDType::F32).try_into_vec_as().unwrap())
    }
}

impl From<Activation> for Found {
    fn from(x: Activation) -> Self {
        match x {
            Activation::R3(x) => x.into(),
            Activation::R4(x) => x.into(),
        }
    }
}

/// The largest difference over the largest number; −∞ must stand against −∞.
fn error_of_scale(found: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(found.len(), expected.len());
    let finite = expected.iter().filter(|x| x.is_finite());
    let scale = finite.fold(f32::MIN_POSITIVE, |scale, x| scale.max(x.abs()));
    let pairs = found.iter().zip(expected);
    let differences = pairs.map(|(a, b)| {
        if a.total_cmp(b).is_eq() {
            0.0
        } else {
            (a - b).abs()
        }
    });
    // NaN compares with nothing, so it must not be lost in a maximum.
    differences.fold(0.0, |worst, d| {
        if d.is_nan() {
            f32::INFINITY
        } else {
            d.max(worst)
        }
    }) / scale
}

fn assert_same(found: impl Into<Found>, expected: impl Into<Found>, what: &str) {
    let (Found(found_shape, found), Found(shape, expected)) = (found.into(), expected.into());
    assert_eq!(found_shape, shape, "{what}");
    let error = error_of_scale(&found, &expected);
    assert!(error <= 1e-5, "{what}: off by {error:e} of its scale");
}

fn asking(output: OutputKind) -> ForwardOptions {
    let mut options = ForwardOptions::default();
    options.output = output;
    options
}

fn logits<H: Hook>(model: &Llama, tokens: &Tensor<2, Int>, hooks: &mut H) -> Tensor<3> {
    let output = model
        .forward(tokens.clone(), &ForwardOptions::default(), hooks)
        .unwrap();
    output.logits().unwrap()
}

#[test]
fn logits_and_losses_are_those_of_transformers() {
    for case in CASES {
        let (model, golden) = (load(case, FloatDType::F32), Golden::read(case));
        golden.check("logits", logits(&model, &golden.tokens, &mut NoHooks), case);
        let output = model
            .forward(
                golden.tokens.clone(),
                &asking(OutputKind::Loss),
                &mut NoHooks,
            )
            .unwrap();
        golden.check("loss", output.loss().unwrap(), case);
    }
}

#[test]
fn activations_are_those_of_transformer_lens() {
    for case in CASES {
        let (model, golden) = (load(case, FloatDType::F32), Golden::read(case));
        let mut capture = Capture::new(PointFilter::matching(|_| true));
        let seen = logits(&model, &golden.tokens, &mut capture);
        golden.check("logits", seen, case);
        let cache = capture.into_cache();
        let recorded: Vec<_> = golden
            .tensors
            .keys()
            .filter_map(|name| name.parse::<HookPoint>().ok())
            .collect();
        assert!(
            recorded.len() >= 23,
            "{case}: only {} hook points recorded",
            recorded.len()
        );
        for point in recorded {
            golden.check(&point.to_string(), cache.get(point).unwrap().clone(), case);
        }
    }
}

#[test]
fn the_result_of_each_head_is_that_of_transformer_lens() {
    for case in CASES {
        let (model, golden) = (load(case, FloatDType::F32), Golden::read(case));
        let point = HookPoint::Result(model.config().n_layers - 1);
        let first_row = golden.tokens.clone().narrow(0, 0, 1);
        let options = asking(OutputKind::Nothing);
        let (_, cache) = model
            .run_with_cache(first_row, &options, point, Positions::ALL)
            .unwrap();
        golden.check(&format!("opt_in.{point}"), cache.r4(point), case);
    }
}

/// The edits of the golden script: the same names, the same changes.
fn edit(point: HookPoint, x: Activation) -> Activation {
    use HookPoint as P;
    match x {
        Activation::R3(x) => Activation::R3(match point {
            P::Embed | P::ResidPost(_) | P::MlpIn(_) => x.flip([1]),
            P::ResidPre(_) | P::Ln2Normalized(_) => x * 0.5,
            P::Ln1Scale(_) | P::LnFinalScale => x * 2.0,
            P::Ln1Normalized(_) | P::LnFinalNormalized => x.clamp(-1.0, 1.0),
            P::AttnOut(_) => x * 0.0,
            P::ResidMid(_) | P::Ln2Scale(_) | P::MlpPreLinear(_) => x + 1.0,
            P::MlpPre(_) | P::MlpOut(_) => -x,
            P::MlpPost(_) => x.clamp_min(0.0),
            other => panic!("no edit for {other}"),
        }),
        Activation::R4(x) => Activation::R4(match point {
            P::Q(_) | P::Z(_) => x.flip([2]),
            P::K(_) => x.flip([1]),
            P::V(_) => one_head(x, 0, |head| head * 0.0),
            P::RotQ(_) => -x,
            P::RotK(_) | P::AttnScores(_) => x * 2.0,
            P::Pattern(_) => x * 0.5,
            P::QInput(_) | P::KInput(_) => one_head(x, 1, |head| head.flip([1])),
            P::VInput(_) => one_head(x, 1, |head| head.flip([1]) * -0.5),
            P::Result(_) => one_head(x, 1, |head| head.flip([1]) * 2.0),
            P::AttnIn(_) => one_head(x, 2, |head| head.flip([1])),
            other => panic!("no edit for {other}"),
        }),
    }
}

fn one_head(x: Tensor<4>, head: usize, change: impl Fn(Tensor<4>) -> Tensor<4>) -> Tensor<4> {
    let mut heads = x.split(1, 2);
    heads[head] = change(heads[head].clone());
    Tensor::cat(heads, 2)
}

#[test]
fn edits_have_the_effect_they_have_in_transformer_lens() {
    let mut edited = 0;
    for case in CASES {
        let (model, golden) = (load(case, FloatDType::F32), Golden::read(case));
        for name in golden.tensors.keys() {
            let Some(point) = name.strip_prefix("edit.") else {
                continue;
            };
            let mut hook = Edit::new(point.parse::<HookPoint>().unwrap(), edit);
            let last =
                logits(&model, &golden.tokens, &mut hook).narrow(1, golden.tokens.dims()[1] - 1, 1);
            golden.check(name, last, case);
            edited += 1;
        }
    }
    // Every point there is: 26 in a block, 3 outside.
    assert_eq!(edited, 29);
}

#[test]
fn bf16_stays_near_transformers_in_bf16() {
    for case in CASES {
        let (model, golden) = (load(case, FloatDType::BF16), Golden::read(case));
        let found = logits(&model, &golden.tokens, &mut NoHooks);
        assert_eq!(FloatDType::from(found.dtype()), FloatDType::BF16);
        // bf16 has 8 bits; the peers' own f32 and bf16 differ by as much.
        golden.check_within("bf16.logits", found, case, 3e-2);
        let output = model
            .forward(
                golden.tokens.clone(),
                &asking(OutputKind::Loss),
                &mut NoHooks,
            )
            .unwrap();
        let loss = output.loss().unwrap();
        assert_eq!(FloatDType::from(loss.dtype()), FloatDType::F32);
        golden.check_within("loss", loss, case, 5e-2);
    }
}

/// The newest TransformerLens continues from the unedited residual when `hook_resid_mid` is edited.
#[test]
fn editing_resid_mid_changes_resid_post_by_the_edit() {
    let (model, golden) = (
        load("mha_classic", FloatDType::F32),
        Golden::read("mha_classic"),
    );
    let points = [
        HookPoint::ResidMid(0),
        HookPoint::MlpOut(0),
        HookPoint::ResidPost(0),
    ];
    let run = |factor: f32| {
        let mut hooks = (
            Edit::r3(HookPoint::ResidMid(0), move |x| x * factor),
            Capture::new(points),
        );
        logits(&model, &golden.tokens, &mut hooks);
        let cache = hooks.1.into_cache();
        points.map(|point| cache.r3(point))
    };
    let [mid, mlp, post] = run(1.0);
    let [edited_mid, edited_mlp, edited_post] = run(3.0);
    assert_same(edited_mid.clone(), mid.clone() * 3.0, "the edit itself");
    assert_same(
        edited_post.clone() - post,
        (edited_mid - mid) + (edited_mlp - mlp),
        "the edit in resid_post",
    );
}

/// TransformerLens slices `rot_q` and `rot_k` along heads.
#[test]
fn a_slice_of_positions_is_one_of_positions_at_every_point() {
    let (model, golden) = (load("gqa_tied", FloatDType::F32), Golden::read("gqa_tied"));
    let n = golden.tokens.dims()[1];
    let all = || PointFilter::matching(|_| true);
    let options = asking(OutputKind::Nothing);
    let (_, whole) = model
        .run_with_cache(golden.tokens.clone(), &options, all(), Positions::ALL)
        .unwrap();
    assert_eq!(whole.len(), HookPoint::all(model.config().n_layers).count());
    for text in ["1:3", "-1", ":-2", "0"] {
        let positions: Positions = text.parse().unwrap();
        let kept = positions.resolve(n);
        let (_, cache) = model
            .run_with_cache(golden.tokens.clone(), &options, all(), positions)
            .unwrap();
        for (point, x) in cache {
            let axis = if matches!(point, HookPoint::AttnScores(_) | HookPoint::Pattern(_)) {
                2
            } else {
                1
            };
            let expected: Found = match whole.get(point).unwrap().clone() {
                Activation::R3(x) => x.narrow(axis, kept.start, kept.len()).into(),
                Activation::R4(x) => x.narrow(axis, kept.start, kept.len()).into(),
            };
            assert_same(x, expected, &format!("{point} at {text}"));
        }
    }
}

#[test]
fn a_run_in_two_parts_is_the_whole_run() {
    for case in CASES {
        let (model, golden) = (load(case, FloatDType::F32), Golden::read(case));
        let n_layers = model.config().n_layers as isize;
        for (stop, start) in [
            (1, 1),
            (-1, n_layers - 1),
            (n_layers - 1, -1),
            (0, 0),
            (n_layers, n_layers),
        ] {
            let mut options = ForwardOptions::default();
            options.stop_at_layer = Some(stop);
            let output = model
                .forward(golden.tokens.clone(), &options, &mut NoHooks)
                .unwrap();
            let resid = output.residual().unwrap();
            let input = Input::Resid {
                resid,
                start_at_layer: start,
            };
            let output = model
                .forward(input, &ForwardOptions::default(), &mut NoHooks)
                .unwrap();
            golden.check("logits", output.logits().unwrap(), case);
        }
    }
}

/// Layers that are not asked for do not run, and nothing fires there.
#[test]
fn only_the_layers_asked_for_fire() {
    let (model, golden) = (
        load("mqa_wide_heads", FloatDType::F32),
        Golden::read("mqa_wide_heads"),
    );
    let resid = model.embed(golden.tokens.clone(), &mut NoHooks);
    let mut options = ForwardOptions::default();
    options.stop_at_layer = Some(2);
    let input = Input::Resid {
        resid,
        start_at_layer: 1,
    };
    let (output, cache) = model
        .run_with_cache(input, &options, PointFilter::all(), Positions::ALL)
        .unwrap();
    assert!(matches!(output, Output::Residual(_)));
    let expected: Vec<_> = HookPoint::all(3)
        .filter(|point| point.layer() == Some(1) && !point.is_opt_in())
        .collect();
    assert_eq!(
        cache.iter().map(|(point, _)| point).collect::<Vec<_>>(),
        expected
    );
}

/// A hook that only looks must not change the result, whatever way through the network it switches on.
#[test]
fn looking_changes_nothing() {
    let (model, golden) = (
        load("llama3_classic", FloatDType::F32),
        Golden::read("llama3_classic"),
    );
    for point in HookPoint::all(model.config().n_layers) {
        let mut capture = Capture::new(point);
        golden.check(
            "logits",
            logits(&model, &golden.tokens, &mut capture),
            &point.to_string(),
        );
        assert_eq!(capture.into_cache().len(), 1, "{point} did not fire");
    }
}

/// Each point fires once per run, in the order of the table.
#[test]
fn points_fire_once_and_in_order() {
    struct Log(Vec<HookPoint>);
    impl Hook for Log {
        fn wants(&self, _: HookPoint) -> bool {
            true
        }
        fn at(&mut self, point: HookPoint, x: Activation) -> Activation {
            assert_eq!(x.dims().len(), point.rank(), "{point}");
            self.0.push(point);
            x
        }
    }
    let (model, golden) = (load("gqa_tied", FloatDType::F32), Golden::read("gqa_tied"));
    let mut log = Log(Vec::new());
    logits(&model, &golden.tokens, &mut log);
    assert_eq!(
        log.0,
        HookPoint::all(model.config().n_layers).collect::<Vec<_>>()
    );
}

/// The norm's hooks see one norm per token even while the heads' inputs are split, and what they change reaches every head.
#[test]
fn edits_of_the_norm_survive_split_inputs() {
    let (model, golden) = (load("gqa_tied", FloatDType::F32), Golden::read("gqa_tied"));
    for point in [HookPoint::Ln1Scale(1), HookPoint::Ln1Normalized(1)] {
        let expected = logits(&model, &golden.tokens, &mut Edit::new(point, edit));
        for split in [
            HookPoint::QInput(1),
            HookPoint::KInput(1),
            HookPoint::VInput(1),
            HookPoint::AttnIn(1),
        ] {
            let mut hooks = (Edit::new(point, edit), Capture::new(split));
            assert_same(
                logits(&model, &golden.tokens, &mut hooks),
                expected.clone(),
                &format!("{point} with {split}"),
            );
        }
    }
}

/// Rows of a batch do not see each other, and a token does not see the next.
#[test]
fn rows_and_prefixes_stand_alone() {
    let (model, golden) = (
        load("llama3_parameters", FloatDType::F32),
        Golden::read("llama3_parameters"),
    );
    let whole = logits(&model, &golden.tokens, &mut NoHooks);
    let [b, p] = golden.tokens.dims();
    for row in 0..b {
        let alone = logits(
            &model,
            &golden.tokens.clone().narrow(0, row, 1),
            &mut NoHooks,
        );
        assert_same(alone, whole.clone().narrow(0, row, 1), "a row alone");
    }
    let prefix = logits(
        &model,
        &golden.tokens.clone().narrow(1, 0, p - 2),
        &mut NoHooks,
    );
    assert_same(prefix, whole.narrow(1, 0, p - 2), "a prefix");
}

/// The norm's weight is between the two, the same at every position; and the MLP reads nothing else.
#[test]
fn the_input_of_the_mlp_is_the_norm_with_its_weight() {
    for case in CASES {
        let (model, golden) = (load(case, FloatDType::F32), Golden::read(case));
        let layer = model.config().n_layers - 1;
        let [normalized, input] = [HookPoint::Ln2Normalized(layer), HookPoint::MlpInput(layer)];
        let options = asking(OutputKind::Nothing);
        let both = PointFilter::from(vec![normalized, input]);
        let (_, cache) = model
            .run_with_cache(golden.tokens.clone(), &options, both, Positions::ALL)
            .unwrap();
        let weight = cache.r3(input) / cache.r3(normalized);
        let first = weight.clone().narrow(0, 0, 1).narrow(1, 0, 1);
        let most: f32 = first.clone().abs().max().into_scalar();
        let off: f32 = (weight - first).abs().max().into_scalar();
        assert!(off < 1e-4 * most, "{case}: {off} of {most}");
        let mut silent = (
            Edit::new(input, |_, x| x.scale(0.0)),
            Capture::new(HookPoint::MlpOut(layer)),
        );
        let tokens = golden.tokens.clone();
        model.forward(tokens, &options, &mut silent).unwrap();
        let out = silent.1.into_cache().r3(HookPoint::MlpOut(layer));
        let most: f32 = out.abs().max().into_scalar();
        assert!(most <= 0.0, "{case}: {most}");
    }
}
