//! `sae-core` against SAELens 6.54, on every architecture and option (`goldens/sae.py`).
//!
//! Features and reconstructions agree to 1e-5 of the largest number.

#![allow(clippy::unwrap_used)] // clippy sees only the #[test] functions as tests, not their helpers

use burn::tensor::{Device, Tensor, TensorData};
use sae_core::{
    Architecture, ReshapeActivations, Sae, SaeLoadOptions, flatten_heads, unflatten_heads,
};
use safetensors::SafeTensors;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

const TOLERANCE: f32 = 1e-5;
/// What `goldens/sae.py` folded by.
const FACTOR: f64 = 1.75;

struct Case {
    name: String,
    folder: PathBuf,
    sae: Sae,
    expected: BTreeMap<String, (Vec<usize>, Vec<f32>)>,
}

fn cases() -> Vec<Case> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("goldens/data/sae");
    let mut folders: Vec<PathBuf> = std::fs::read_dir(root)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    folders.sort();
    assert!(
        folders.len() >= 30,
        "only {} cases are there",
        folders.len()
    );
    folders.into_iter().map(Case::load).collect()
}

impl Case {
    fn load(folder: PathBuf) -> Self {
        let bytes = std::fs::read(folder.join("expected.safetensors")).unwrap();
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let numbers = |data: &[u8]| {
            let words = data.as_chunks::<4>().0.iter();
            words.map(|b| f32::from_le_bytes(*b)).collect()
        };
        let expected = file.tensors().into_iter();
        Self {
            name: folder.file_name().unwrap().to_string_lossy().into_owned(),
            sae: load(&folder),
            expected: expected
                .map(|(name, view)| (name, (view.shape().to_vec(), numbers(view.data()))))
                .collect(),
            folder,
        }
    }

    /// The input, with heads joined where there are any.
    fn x(&self) -> Tensor<3> {
        let (shape, numbers) = &self.expected["x"];
        let data = TensorData::new(numbers.clone(), shape.clone());
        match shape.len() {
            4 => flatten_heads(Tensor::<4>::from_data(data, &Device::flex())),
            _ => Tensor::<3>::from_data(data, &Device::flex()),
        }
    }

    fn check<const D: usize>(&self, key: &str, ours: Tensor<D>) {
        let (_, theirs) = &self.expected[key];
        let ours: Vec<f32> = ours.into_data().try_into_vec().unwrap();
        close(&format!("{}: {key}", self.name), &ours, theirs);
    }

    fn has(&self, key: &str) -> bool {
        self.expected.contains_key(key)
    }
}

fn load(folder: &Path) -> Sae {
    Sae::load(folder, &SaeLoadOptions::new(&Device::flex())).unwrap()
}

fn close(what: &str, ours: &[f32], theirs: &[f32]) {
    assert_eq!(ours.len(), theirs.len(), "{what}");
    let scale = theirs.iter().fold(0.0_f32, |m, x| m.max(x.abs()));
    assert!(scale > 0.0, "{what}: nothing but zeros proves nothing");
    let worst = ours
        .iter()
        .zip(theirs)
        .fold(0.0_f32, |m, (a, b)| m.max((a - b).abs()));
    assert!(
        worst <= TOLERANCE * scale,
        "{what}: differs by {worst} where the largest is {scale}"
    );
}

fn numbers<const D: usize>(x: Tensor<D>) -> Vec<f32> {
    x.into_data().try_into_vec().unwrap()
}

#[test]
fn features_and_reconstructions_are_saelens() {
    for case in cases() {
        // A bf16 SAE is loaded in f32 here: the weights are the same, SAELens' arithmetic is not.
        if case.sae.cfg().dtype == "bfloat16" {
            continue;
        }
        let encoded = case.sae.encode(case.x());
        case.check("features", encoded.features.clone());
        case.check("decoded", case.sae.decode(&encoded));
        case.check("forward", case.sae.forward(case.x()));
    }
}

#[test]
fn a_bf16_sae_is_saelens_to_the_precision_of_bf16() {
    let case = cases()
        .into_iter()
        .find(|case| case.sae.cfg().dtype == "bfloat16")
        .unwrap();
    let ours = numbers(case.sae.forward(case.x()));
    let (_, theirs) = &case.expected["forward"];
    let scale = theirs.iter().fold(0.0_f32, |m, x| m.max(x.abs()));
    for (a, b) in ours.iter().zip(theirs) {
        assert!((a - b).abs() <= 0.02 * scale, "{a} and {b}");
    }
}

#[test]
fn sparse_rows_hold_the_dense_features_and_decode_to_the_same() {
    for case in cases() {
        let x = case.x();
        let [b, p, _] = x.dims();
        let (dense, sparse) = (case.sae.encode(x.clone()), case.sae.encode_sparse(x));
        assert_eq!(sparse.features.n_rows(), b * p, "{}", case.name);
        assert_eq!(sparse.features, dense.to_sparse(), "{}", case.name);
        assert_eq!(
            sparse.features.to_dense(),
            numbers(dense.features.clone()),
            "{}",
            case.name
        );
        let (from_dense, from_sparse) =
            (case.sae.decode(&dense), case.sae.decode_sparse(&sparse, p));
        close(&case.name, &numbers(from_sparse), &numbers(from_dense));
    }
}

#[test]
fn the_error_term_makes_the_sae_exact() {
    for case in cases()
        .into_iter()
        .filter(|case| !case.sae.cfg().architecture.is_transcoder())
    {
        let whole = case.sae.forward(case.x()) + case.sae.error_term(case.x());
        close(&case.name, &numbers(whole), &numbers(case.x()));
    }
}

#[test]
fn folding_is_saelens_and_changes_nothing_that_matters() {
    let mut folded = 0;
    for case in cases()
        .into_iter()
        .filter(|case| case.has("folded_features"))
    {
        let mut sae = case.sae.clone();
        sae.fold_w_dec_norm().unwrap();
        case.check("folded_W_dec", sae.w_dec());
        case.check("folded_W_enc", sae.w_enc());
        case.check("folded_features", sae.encode(case.x()).features);
        case.check("forward", sae.forward(case.x()));
        folded += 1;
    }
    assert!(folded >= 8, "{folded} cases were folded");
    for case in cases()
        .into_iter()
        .filter(|case| !case.has("folded_features"))
    {
        let refuses = matches!(
            case.sae.cfg().architecture,
            Architecture::MatchingPursuit(_) | Architecture::Temporal(_)
        );
        if refuses {
            let error = case.sae.clone().fold_w_dec_norm().unwrap_err().to_string();
            assert!(
                error.starts_with("fold_w_dec_norm is not defined for"),
                "{error}"
            );
        }
    }
}

#[test]
fn a_scaling_factor_is_folded_as_saelens_does() {
    let mut scaled = 0;
    for case in cases()
        .into_iter()
        .filter(|case| case.has("scaled_forward"))
    {
        let mut sae = case.sae.clone();
        sae.fold_activation_norm_scaling_factor(FACTOR).unwrap();
        case.check("scaled_forward", sae.forward(case.x()));
        // The new SAE of x is the old one of s·x, divided by s.
        let old = case.sae.forward(case.x() * FACTOR) / FACTOR;
        close(&case.name, &numbers(sae.forward(case.x())), &numbers(old));
        scaled += 1;
    }
    assert!(scaled >= 6, "{scaled} cases were scaled");
    // SAELens multiplies and divides one and the same matrix.
    let pursuits = cases().into_iter().filter(|case| {
        matches!(
            case.sae.cfg().architecture,
            Architecture::MatchingPursuit(_)
        )
    });
    for case in pursuits {
        let mut sae = case.sae.clone();
        sae.fold_activation_norm_scaling_factor(FACTOR).unwrap();
        assert_eq!(numbers(sae.w_dec()), numbers(case.sae.w_dec()));
        let old = case.sae.forward(case.x() * FACTOR) / FACTOR;
        close(&case.name, &numbers(sae.forward(case.x())), &numbers(old));
    }
}

#[test]
fn what_is_saved_loads_to_the_same_bits() {
    let dir = tempfile::tempdir().unwrap();
    for case in cases() {
        let folder = dir.path().join(&case.name);
        case.sae.save(&folder).unwrap();
        let again = load(&folder);
        assert_eq!(
            numbers(again.forward(case.x())),
            numbers(case.sae.forward(case.x())),
            "{}",
            case.name
        );
        assert_eq!(again.cfg().architecture, case.sae.cfg().architecture);
        assert_eq!(
            again.cfg().metadata.hook_name,
            case.sae.cfg().metadata.hook_name
        );
        let files: Vec<_> = std::fs::read_dir(&folder)
            .unwrap()
            .map(|f| f.unwrap().file_name())
            .collect();
        assert_eq!(files.len(), 2, "{files:?}");
    }
    // `goldens/sae.py --check` loads these with SAELens.
    if let Ok(keep) = std::env::var("SAE_SAVED") {
        for case in cases() {
            case.sae.save(Path::new(&keep).join(&case.name)).unwrap();
        }
    }
}

#[test]
fn the_old_configurations_mean_what_they_meant() {
    let of = |name: &str| cases().into_iter().find(|case| case.name == name).unwrap();
    let standard = of("legacy-standard");
    let cfg = standard.sae.cfg();
    assert_eq!(
        cfg.metadata.hook_name.as_deref(),
        Some("blocks.3.hook_resid_pre")
    );
    assert_eq!(
        (cfg.metadata.context_size, cfg.metadata.prepend_bos),
        (Some(64), Some(true))
    );
    assert_eq!(
        of("legacy-normalized")
            .sae
            .cfg()
            .normalize_activations
            .name(),
        "expected_average_only_in"
    );
    assert!(matches!(of("legacy-topk").sae.cfg().architecture, Architecture::TopK(t) if t.k == 6));
    let hook_z = of("legacy-hook-z");
    assert_eq!(
        hook_z.sae.cfg().reshape_activations,
        ReshapeActivations::HookZ
    );
    assert_eq!(hook_z.sae.cfg().metadata.prepend_bos, Some(false));
    let x = hook_z.x();
    assert_eq!(
        unflatten_heads(x, 4).dims().to_vec(),
        hook_z.expected["x"].0
    );
    assert!(hook_z.folder.ends_with("legacy-hook-z"));
}
