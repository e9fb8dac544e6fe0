use crate::{
    Active, Architecture, NormalizeActivations, Sae, SaeConfig, SaeLoadError, SaeLoadOptions, TopK,
};
use burn::tensor::{Device, FloatDType, Tensor, TensorData};
use proptest::prelude::*;
use safetensors::tensor::{Dtype, TensorView};
use std::collections::BTreeMap;
use std::path::Path;
use tempfile::TempDir;

type Stored = (Dtype, Vec<usize>, Vec<u8>);

fn floats(shape: &[usize], value: f32) -> Stored {
    let n = shape.iter().product();
    (
        Dtype::F32,
        shape.to_vec(),
        vec![value.to_le_bytes(); n].concat(),
    )
}

/// The tensors of a standard SAE that reads 2 dimensions and has 3 features.
fn standard() -> BTreeMap<&'static str, Stored> {
    BTreeMap::from([
        ("W_enc", floats(&[2, 3], 0.5)),
        ("W_dec", floats(&[3, 2], 0.25)),
        ("b_enc", floats(&[3], 0.0)),
        ("b_dec", floats(&[2], 0.0)),
    ])
}

fn folder(architecture: &str, tensors: &BTreeMap<&str, Stored>) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let cfg =
        format!(r#"{{"architecture": "{architecture}", "d_in": 2, "d_sae": 3, "metadata": {{}}}}"#);
    std::fs::write(dir.path().join("cfg.json"), cfg).unwrap();
    let views = tensors.iter().map(|(name, (dtype, shape, bytes))| {
        (
            *name,
            TensorView::new(*dtype, shape.clone(), bytes).unwrap(),
        )
    });
    std::fs::write(
        dir.path().join("sae_weights.safetensors"),
        safetensors::serialize(views, None).unwrap(),
    )
    .unwrap();
    dir
}

fn load(dir: &Path) -> Result<Sae, SaeLoadError> {
    Sae::load(dir, &SaeLoadOptions::new(&Device::flex()))
}

/// The message, with the folder cut off.
fn message(architecture: &str, tensors: &BTreeMap<&str, Stored>) -> String {
    let dir = folder(architecture, tensors);
    let message = load(dir.path()).unwrap_err().to_string();
    message.replace(&format!("{}/", dir.path().display()), "")
}

#[test]
fn weights_that_do_not_fit_are_named() {
    let mut tensors = standard();
    tensors.remove("b_enc");
    assert_eq!(
        message("standard", &tensors),
        "sae_weights.safetensors: tensor b_enc of shape [3] is missing; standard SAEs have one, the file has W_dec, W_enc, b_dec"
    );
    assert_eq!(
        message("jumprelu", &standard()),
        "sae_weights.safetensors: tensor threshold of shape [3] is missing; jumprelu SAEs have one, the file has W_dec, W_enc, b_dec, \
         b_enc"
    );

    let mut tensors = standard();
    tensors.insert("threshold", floats(&[3], 1.0));
    assert_eq!(
        message("standard", &tensors),
        "sae_weights.safetensors: tensor threshold of shape [3] is not part of a standard SAE; is \"architecture\" in cfg.json right?"
    );

    let mut tensors = standard();
    tensors.insert("W_enc", floats(&[3, 2], 1.0));
    assert_eq!(
        message("standard", &tensors),
        "sae_weights.safetensors: tensor W_enc has shape [3, 2], expected [2, 3] by cfg.json"
    );

    let mut tensors = standard();
    tensors.insert("b_dec", (Dtype::I64, vec![2], vec![0; 16]));
    assert_eq!(
        message("standard", &tensors),
        "sae_weights.safetensors: tensor b_dec is stored as I64, expected F32, F16 or BF16"
    );

    let mut tensors = standard();
    tensors.insert("scaling_factor", floats(&[3], 2.0));
    assert!(
        message("standard", &tensors)
            .starts_with("sae_weights.safetensors: tensor scaling_factor is not all ones")
    );
    tensors.insert("scaling_factor", floats(&[3], 1.0));
    load(folder("standard", &tensors).path()).unwrap();
}

#[test]
fn damaged_files_are_refused_wherever_they_are_cut() {
    let dir = folder("standard", &standard());
    let path = dir.path().join("sae_weights.safetensors");
    let whole = std::fs::read(&path).unwrap();
    for length in 0..whole.len() {
        std::fs::write(&path, &whole[..length]).unwrap();
        let message = load(dir.path()).unwrap_err().to_string();
        let says =
            message.contains("is not a safetensors file") || message.contains("cannot be read");
        assert!(says, "cut at {length}: {message}");
    }
    // A header that promises more than any file holds must not be believed.
    let mut huge = whole;
    huge[..8].copy_from_slice(&u64::MAX.to_le_bytes());
    std::fs::write(&path, &huge).unwrap();
    assert!(
        load(dir.path())
            .unwrap_err()
            .to_string()
            .contains("is not a safetensors file")
    );
}

#[test]
fn an_sae_runs_in_a_float_dtype_of_16_bits_or_32() {
    let dir = folder("standard", &standard());
    let options = SaeLoadOptions {
        device: Device::flex(),
        dtype: FloatDType::F64,
    };
    let message = Sae::load(dir.path(), &options).unwrap_err().to_string();
    assert_eq!(
        message,
        "an SAE cannot be loaded as F64; choose F32, F16 or BF16"
    );
}

#[test]
fn the_weights_say_what_they_are_per_feature() {
    let sae = load(folder("standard", &standard()).path()).unwrap();
    let weights = sae.feature_weights();
    assert_eq!(weights.encoder_bias, Some(vec![0.0; 3]));
    for (found, expected) in [
        (weights.encoder_norm[0], 0.5_f32.hypot(0.5)),
        (weights.decoder_norm[2], 0.25_f32.hypot(0.25)),
    ] {
        assert!((found - expected).abs() < 1e-6, "{found} and {expected}");
    }
    assert!((weights.encoder_decoder_cosine_sim.unwrap()[1] - 1.0).abs() < 1e-6);
}

#[test]
#[should_panic(expected = "the SAE reads activations of width 2, not 5")]
fn activations_of_another_width_are_a_mistake_of_the_caller() {
    let sae = load(folder("standard", &standard()).path()).unwrap();
    sae.encode(Tensor::<3>::zeros([1, 1, 5], &Device::flex()));
}

fn any_architecture() -> impl Strategy<Value = Architecture> {
    let topk = (1_usize..=24, any::<bool>()).prop_map(|(k, rescale_acts_by_decoder_norm)| TopK {
        k,
        rescale_acts_by_decoder_norm,
    });
    prop_oneof![
        Just(Architecture::Standard),
        Just(Architecture::JumpRelu),
        topk.clone().prop_map(Architecture::TopK),
        topk.prop_map(Architecture::AbsTopK),
    ]
}

proptest! {
    #[test]
    fn sparse_encoding_is_encoding(
        architecture in any_architecture(),
        seed in 0_u64..1000,
        b in 1_usize..4,
        p in 1_usize..4,
        numbers in prop::collection::vec(-4.0_f32..4.0, 9 * 6),
    ) {
        let device = Device::flex();
        let sae = Sae::random(SaeConfig::new(architecture, 6, 24), seed, &device, FloatDType::F32).unwrap();
        let x = Tensor::<3>::from_data(TensorData::new(numbers[..b * p * 6].to_vec(), [b, p, 6]), &device);
        let (dense, sparse) = (sae.encode(x.clone()), sae.encode_sparse(x));
        let dense: Vec<f32> = dense.features.into_data().try_into_vec().unwrap();
        prop_assert_eq!(sparse.features.to_dense(), dense);
        for row in 0..b * p {
            let (indices, values) = sparse.features.row(row);
            prop_assert!(indices.is_sorted_by(|a, b| a < b), "features ascend and none is there twice");
            prop_assert!(values.iter().all(|&v| v != 0.0));
        }
    }

    /// All that is active, and what is put out without features, make the output; whatever scales it.
    #[test]
    fn contributions_make_the_output(
        architecture in any_architecture(),
        normalize_activations in prop::sample::select(vec![
            NormalizeActivations::None,
            NormalizeActivations::ConstantNormRescale,
            NormalizeActivations::LayerNorm,
            NormalizeActivations::ConstantScalarRescale,
        ]),
        seed in 0_u64..1000,
        numbers in prop::collection::vec(-4.0_f32..4.0, 2 * 3 * 6),
    ) {
        let device = Device::flex();
        let cfg = SaeConfig { normalize_activations, ..SaeConfig::new(architecture, 6, 24) };
        let sae = Sae::random(cfg, seed, &device, FloatDType::F32).unwrap();
        let x = Tensor::<3>::from_data(TensorData::new(numbers, [2, 3, 6]), &device);
        let encoded = sae.encode_sparse(x);
        let mut sum = sae.decode_features(Tensor::zeros([2, 3, 24], &device), &encoded.state).reshape([6, 6]);
        for row in 0..6 {
            let (indices, values) = encoded.features.row(row);
            let active = indices.iter().zip(values).map(|(&feature, &value)| Active { row, feature, value });
            let written = sae.contributions(&active.collect::<Vec<_>>(), &encoded.state).sum_dim(0);
            let of_row = sum.clone().narrow(0, row, 1) + written;
            sum = sum.slice_assign([row..row + 1, 0..6], of_row);
        }
        let off = (sum - sae.decode_sparse(&encoded, 3).reshape([6, 6])).abs().max().into_scalar::<f32>();
        prop_assert!(off < 1e-4, "off by {off}");
    }
}

#[cfg(unix)]
#[test]
fn a_saved_sae_can_be_read_by_whom_the_umask_lets() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let cfg = SaeConfig::new(Architecture::Standard, 2, 3);
    let sae = Sae::random(cfg, 0, &Device::flex(), FloatDType::F32).unwrap();
    sae.save(dir.path()).unwrap();
    std::fs::write(dir.path().join("plain"), "").unwrap();
    let mode = |name: &str| {
        let found = std::fs::metadata(dir.path().join(name)).unwrap();
        found.permissions().mode()
    };
    for name in ["cfg.json", "sae_weights.safetensors"] {
        assert_eq!(mode(name), mode("plain"), "{name}");
    }
}
