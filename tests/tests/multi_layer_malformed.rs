//! Cross-layer transcoders and crosscoders whose files are damaged, hostile or do not go together: each gets a message that says which file and what is
//! wrong, and nothing panics.

#![allow(clippy::unwrap_used)] // clippy sees only the #[test] functions as tests, not their helpers
#![allow(clippy::too_many_lines)] // tables of cases

use burn::tensor::Device;
use sae_core::{MultiLayerDir, SaeLoadOptions};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use std::fs;
use std::path::{Path, PathBuf};

fn golden(into: &Path, case: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let from = root.join("goldens/data/multi_layer").join(case);
    let to = into.join(case);
    fs::create_dir_all(&to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
    }
    to
}

/// The message of the first error, opening and loading.
fn message(path: &Path) -> Result<(), String> {
    let found = MultiLayerDir::find(path).map_err(|e| e.to_string())?;
    let found = found.ok_or("it is none".to_owned())?;
    let loaded = found.load(&SaeLoadOptions::new(&Device::flex()));
    loaded.map(|_| ()).map_err(|e| e.to_string())
}

/// Rewrites a tensor: its name, its shape and its numbers.
fn rewrite(file: &Path, name: &str, change: impl Fn(&mut String, &mut Vec<usize>, &mut Vec<u8>)) {
    let bytes = fs::read(file).unwrap();
    let read = SafeTensors::deserialize(&bytes).unwrap();
    let mut all: Vec<(String, Dtype, Vec<usize>, Vec<u8>)> = read
        .tensors()
        .into_iter()
        .map(|(name, view)| {
            (
                name,
                view.dtype(),
                view.shape().to_vec(),
                view.data().to_vec(),
            )
        })
        .collect();
    let of = all.iter_mut().find(|of| of.0 == name).unwrap();
    change(&mut of.0, &mut of.2, &mut of.3);
    let views = all.iter().map(|(name, dtype, shape, data)| {
        let view = TensorView::new(*dtype, shape.clone(), data).unwrap();
        (name.as_str(), view)
    });
    fs::write(file, safetensors::serialize(views, None).unwrap()).unwrap();
}

fn edit(file: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(file).unwrap();
    assert!(text.contains(from), "{text}");
    fs::write(file, text.replacen(from, to, 1)).unwrap();
}

type Change = Box<dyn Fn(&Path)>;

fn renamed(file: &'static str, name: &'static str) -> Change {
    Box::new(move |dir| rewrite(&dir.join(file), name, |name, _, _| name.push('x')))
}

fn nan(file: &'static str, name: &'static str) -> Change {
    Box::new(move |dir| {
        rewrite(&dir.join(file), name, |_, _, data| {
            data[..4].copy_from_slice(&f32::NAN.to_le_bytes());
        });
    })
}

/// Half as many of the first axis.
fn halved(file: &'static str, name: &'static str) -> Change {
    Box::new(move |dir| {
        rewrite(&dir.join(file), name, |_, shape, data| {
            shape[0] /= 2;
            data.truncate(data.len() / 2);
        });
    })
}

fn edited(file: &'static str, from: &'static str, to: &'static str) -> Change {
    Box::new(move |dir| edit(&dir.join(file), from, to))
}

fn removed(file: &'static str) -> Change {
    Box::new(move |dir| fs::remove_file(dir.join(file)).unwrap())
}

#[test]
fn what_is_wrong_is_said() {
    let weights = "sae_weights.safetensors";
    let cases: Vec<(&str, Change, &str)> = vec![
        (
            "relu",
            removed("W_dec_2.safetensors"),
            "W_dec_2.safetensors: is missing",
        ),
        (
            "relu",
            removed("W_enc_0.safetensors"),
            "W_enc_0.safetensors: is missing",
        ),
        (
            "relu",
            Box::new(|dir| {
                removed("W_enc_1.safetensors")(dir);
                removed("W_dec_1.safetensors")(dir);
            }),
            "there are files of layer 3; was the folder copied whole?",
        ),
        (
            "relu",
            removed("W_dec_3.safetensors"),
            "W_dec_3.safetensors: is missing",
        ),
        (
            "relu",
            halved("W_enc_2.safetensors", "W_enc_2"),
            "has shape [12, 8], expected [24, 8]",
        ),
        (
            "relu",
            halved("W_dec_2.safetensors", "W_dec_2"),
            "has shape [12, 2, 8], expected [24, 2, 8]",
        ),
        (
            "relu",
            halved("W_dec_0.safetensors", "W_dec_0"),
            "W_dec_0 is [12, 4, 8], expected [24, 4, d_model]",
        ),
        (
            "relu",
            nan("W_enc_2.safetensors", "W_enc_2"),
            "W_enc of layer 2 holds NaN",
        ),
        (
            "relu",
            nan("W_enc_2.safetensors", "b_dec_2"),
            "b_dec_2 holds NaN",
        ),
        (
            "relu",
            renamed("W_enc_2.safetensors", "b_enc_2"),
            "tensor b_enc_2x is none that layer 2",
        ),
        (
            "relu",
            edited("config.yaml", "model_kind: c", "model_kind: [c"),
            "is not YAML",
        ),
        (
            "jumprelu",
            halved("W_enc_1.safetensors", "threshold_1"),
            "threshold_1 has shape [12], expected [24]",
        ),
        (
            "gemma",
            edited("config.yaml", "part_1", "../part_1"),
            "expected names of files in this folder",
        ),
        (
            "gemma",
            edited("config.yaml", "part_1", "hf://a/b/part_1"),
            "download the files",
        ),
        (
            "gemma",
            edited("config.yaml", "  - part_2.safetensors\n", ""),
            "w_dec has shape [24, 3, 8], expected [24, 2, 8]",
        ),
        (
            "gemma",
            renamed("part_0.safetensors", "w_enc"),
            "has no w_enc [d_model, d_sae]",
        ),
        (
            "moss_relu",
            edited("config.json", "\"relu\"", "\"batchtopk\""),
            "act_fn is \"batchtopk\"; expected relu or jumprelu",
        ),
        (
            "moss_relu",
            edited("config.json", "\"inference\"", "\"token-wise\""),
            "expected dataset-wise or inference",
        ),
        (
            "moss_relu",
            edited("config.json", "\"blocks.2.hook_mlp_out\"", "\"a\", \"b\""),
            "as many hooks as hook_points_in, 3",
        ),
        (
            "moss_relu",
            renamed(weights, "W_D.1"),
            "tensor W_D.1 of shape [2, 24, 8] is missing",
        ),
        (
            "moss_relu",
            removed(weights),
            "sae_weights.safetensors: is missing",
        ),
        (
            "moss_jumprelu",
            renamed(
                weights,
                "dataset_average_activation_norm.blocks.1.hook_mlp_out",
            ),
            "dataset_average_activation_norm",
        ),
        ("moss_jumprelu", nan(weights, "b_E"), "b_E holds NaN"),
        ("moss_crosscoder", nan(weights, "W_D"), "W_D holds NaN"),
        ("crosscoder", removed("ae.pt"), "ae.pt: is missing"),
        (
            "crosscoder",
            Box::new(|dir| fs::write(dir.join("ae.pt"), b"PK\x03\x04 nothing").unwrap()),
            "ae.pt",
        ),
    ];
    for (case, change, said) in cases {
        let dir = tempfile::tempdir().unwrap();
        let folder = golden(dir.path(), case);
        message(&folder).unwrap();
        change(&folder);
        let message = message(&folder).expect_err(said);
        assert!(
            message.contains(said),
            "{case}: {message:?} does not say {said:?}"
        );
        let place = folder.display().to_string();
        assert!(
            message.contains(&place),
            "{case}: {message:?} does not name a file"
        );
        assert!(message.chars().count() < 800, "{case}: {message:?} is long");
    }
}

/// Every prefix of a file, and every byte of a header: errors are fine, panics are not.
#[test]
fn no_change_of_a_byte_panics() {
    let dir = tempfile::tempdir().unwrap();
    let folder = golden(dir.path(), "relu");
    let file = folder.join("W_enc_0.safetensors");
    let good = fs::read(&file).unwrap();
    let mut refused = 0;
    for at in 0..400.min(good.len()) {
        let mut bytes = good.clone();
        bytes[at] ^= 0x15;
        fs::write(&file, &bytes).unwrap();
        refused += usize::from(message(&folder).is_err());
        fs::write(&file, &good[..at]).unwrap();
        message(&folder).expect_err("a prefix is not a whole file");
    }
    assert!(refused >= 150, "only {refused}");
}
