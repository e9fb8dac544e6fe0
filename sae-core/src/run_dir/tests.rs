use super::*;
use std::fs;
use tempfile::TempDir;

const CONFIG: &str = r#"{"architecture": "standard", "d_in": 2, "d_sae": 3, "metadata": {"hook_name": "blocks.0.hook_resid_pre"}}"#;

/// A run of the notebook's layout, without weights that could be loaded.
fn run() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let final_sae = dir.path().join("final_sae");
    fs::create_dir(&final_sae).unwrap();
    fs::write(final_sae.join("cfg.json"), CONFIG).unwrap();
    fs::write(final_sae.join("sae_weights.safetensors"), b"").unwrap();
    dir
}

fn sparsity(values: &[f32]) -> Vec<u8> {
    let bytes: Vec<u8> = values.iter().flat_map(|x| x.to_le_bytes()).collect();
    let view =
        safetensors::tensor::TensorView::new(safetensors::Dtype::F32, vec![values.len()], &bytes)
            .unwrap();
    safetensors::serialize([("sparsity", view)], None).unwrap()
}

fn message(path: &Path) -> String {
    RunDir::open(path).unwrap_err().to_string()
}

#[test]
fn both_layouts_and_both_folders_are_found() {
    let dir = run();
    fs::write(
        dir.path().join("sparsity.safetensors"),
        sparsity(&[-1.0, -10.0, -4.0]),
    )
    .unwrap();
    for path in [dir.path().to_owned(), dir.path().join("final_sae")] {
        let run = RunDir::open(path).unwrap();
        assert_eq!(run.cfg.d_sae, 3);
        assert_eq!(
            run.log_sparsity.as_ref().map(LogSparsity::values),
            Some([-1.0, -10.0, -4.0].as_slice())
        );
        assert_eq!(run.mean_log_sparsity(), Some(-5.0));
        assert_eq!(run.dead_fraction(), Some(1.0 / 3.0));
    }
    // Everything in one folder, which is not called final_sae.
    let flat = tempfile::tempdir().unwrap();
    for (name, from) in [
        ("cfg.json", "final_sae/cfg.json"),
        (
            "sae_weights.safetensors",
            "final_sae/sae_weights.safetensors",
        ),
        ("sparsity.safetensors", "sparsity.safetensors"),
    ] {
        fs::copy(dir.path().join(from), flat.path().join(name)).unwrap();
    }
    assert_eq!(
        RunDir::open(flat.path()).unwrap().mean_log_sparsity(),
        Some(-5.0)
    );
}

#[test]
fn a_run_need_not_have_recorded_its_sparsity() {
    let dir = run();
    let run = RunDir::open(dir.path()).unwrap();
    assert_eq!(
        (
            run.log_sparsity.clone(),
            run.mean_log_sparsity(),
            run.dead_fraction()
        ),
        (None, None, None)
    );
}

#[test]
fn a_sparsity_that_is_not_numbers_gives_no_figures() {
    let dir = run();
    for values in [[f32::NAN; 3], [-1.0, f32::NAN, -10.0]] {
        fs::write(dir.path().join("sparsity.safetensors"), sparsity(&values)).unwrap();
        let run = RunDir::open(dir.path()).unwrap();
        assert!(run.log_sparsity.is_some());
        assert_eq!((run.mean_log_sparsity(), run.dead_fraction()), (None, None));
    }
}

#[test]
fn what_is_not_a_run_is_named() {
    let dir = run();
    let path = dir.path().join("nowhere");
    let expected = "no such folder; expected a SAELens run, with cfg.json and sae_weights.safetensors in it or in its final_sae";
    assert_eq!(message(&path), format!("{}: {expected}", path.display()));

    let path = dir.path().join("final_sae/cfg.json");
    assert_eq!(
        message(&path),
        format!(
            "{}: is a file; expected the folder of a SAELens run, which holds cfg.json",
            path.display()
        )
    );

    let empty = tempfile::tempdir().unwrap();
    let expected =
        "holds neither cfg.json nor final_sae/cfg.json; is this the folder of a SAELens run?";
    assert_eq!(
        message(empty.path()),
        format!("{}: {expected}", empty.path().display())
    );

    let sweep = tempfile::tempdir().unwrap();
    let [a, b] = ["k=16", "k=8"].map(|name| sweep.path().join(name));
    for folder in [&a, &b] {
        fs::create_dir_all(folder.join("final_sae")).unwrap();
        fs::copy(
            dir.path().join("final_sae/cfg.json"),
            folder.join("final_sae/cfg.json"),
        )
        .unwrap();
    }
    let checkpoint = sweep.path().join("checkpoints/4096/sae");
    fs::create_dir_all(&checkpoint).unwrap();
    fs::copy(a.join("final_sae/cfg.json"), checkpoint.join("cfg.json")).unwrap();
    assert_eq!(
        message(sweep.path()),
        format!(
            "{}: is not a run, but holds runs; give one of them: {}, {}",
            sweep.path().display(),
            a.display(),
            b.display()
        )
    );
    for folder in [&a, &b] {
        fs::remove_dir_all(folder).unwrap();
    }
    assert!(
        message(sweep.path()).ends_with(&format!("give one of them: {}", checkpoint.display()))
    );

    let weights = dir.path().join("final_sae").join("sae_weights.safetensors");
    fs::remove_file(&weights).unwrap();
    assert_eq!(
        message(dir.path()),
        format!(
            "{}: is missing beside cfg.json; was the run copied whole?",
            weights.display()
        )
    );
}

#[test]
fn what_only_has_the_name_of_a_file_is_not_opened() {
    for name in ["cfg.json", "sae_weights.safetensors"] {
        let dir = run();
        let path = dir.path().join("final_sae").join(name);
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        let expected = format!(
            "{}: is not a file; expected one that a SAELens run left behind",
            path.display()
        );
        assert_eq!(message(dir.path()), expected);
    }
}

#[test]
fn a_sparsity_that_does_not_fit_says_so() {
    let dir = run();
    let path = dir.path().join("sparsity.safetensors");
    fs::write(&path, sparsity(&[-1.0; 7])).unwrap();
    let expected = format!(
        "the recorded sparsity is unusable (remove the file to go on without it): {}: tensor sparsity has shape [7], expected [3] by \
         cfg.json",
        path.display()
    );
    assert_eq!(message(dir.path()), expected);
    fs::write(&path, b"not safetensors").unwrap();
    assert!(
        message(dir.path()).contains("sparsity.safetensors: is not a safetensors file"),
        "{}",
        message(dir.path())
    );
}

#[test]
fn other_files_beside_a_run_do_not_make_it_another_format() {
    let dir = run();
    for (name, text) in [
        ("config.json", r#"{"hook_point_in": "x", "trainer": {}}"#),
        ("config.yaml", "model_kind: transcoder_set"),
        ("weights.pt", "PK"),
        ("params.npz", "PK"),
    ] {
        for folder in ["", "final_sae"] {
            fs::write(dir.path().join(folder).join(name), text).unwrap();
        }
    }
    for folder in ["", "final_sae"] {
        let run = RunDir::open(dir.path().join(folder)).unwrap();
        assert_eq!(run.format(), Format::SaeLens, "{folder:?}");
    }
}
