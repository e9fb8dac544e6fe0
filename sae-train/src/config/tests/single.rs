//! Single settings, and files that are none.

#![allow(clippy::float_cmp, reason = "numbers are as they are read")]

use super::super::{ExcludeSpecialTokens, RunConfig, SeqposSlice, SequenceSeparator};
use super::error;
use crate::TrainArchitecture;

#[test]
fn single_settings_from_text() {
    let mut config = RunConfig::default();
    for (key, value) in [
        ("l1_coefficient", "2.5"),
        ("sae.d-sae", "4096"),
        ("training-tokens", "2e9"),
        ("architecture", "topk"),
        ("unit-decoder", "true"),
        ("decoder_init_norm", "none"),
        ("matryoshka_widths", "[8, 16]"),
        ("model_name", "2024"),
        ("logger.wandb_log_frequency", "5"),
        ("sequence_separator_token", "none"),
        ("normalize_activations", "none"),
        ("d_in", "8"),
    ] {
        config.set(key, value).unwrap();
    }
    let options = &config.options;
    assert_eq!((options.l1_coefficient, options.d_sae), (2.5, 4096));
    assert_eq!(options.training_tokens, 2_000_000_000);
    assert_eq!(options.architecture, TrainArchitecture::TopK);
    assert_eq!(
        (options.unit_decoder, options.decoder_init_norm),
        (true, None)
    );
    assert_eq!(options.matryoshka_widths, [8, 16]);
    assert_eq!(config.model_name.as_deref(), Some("2024"));
    assert_eq!(config.wandb_log_frequency, Some(5));
    assert_eq!(
        config.sequence_separator_token,
        Some(SequenceSeparator::None)
    );
    assert!(config.given.contains("training_tokens"));
    let alone = RunConfig::default().set("expansion-factor", "16");
    assert!(alone.unwrap_err().to_string().contains("or give d_sae"));
    config.set("expansion_factor", "16").unwrap();
    assert_eq!(config.options.d_sae, 128);

    let before = config.clone();
    for (key, value, message) in [
        ("k", "many", r#"k is "many": expected a number"#),
        ("lr", "none", r#"lr is "none": expected a number"#),
        (
            "l1-coeficient",
            "1",
            "there is no setting l1_coeficient; did you mean l1_coefficient?",
        ),
        (
            "wandb_project",
            "p",
            r#"wandb_project is "p", which has no effect here: nothing is sent to wandb"#,
        ),
        (
            "activation_fn",
            "relu",
            "activation_fn is read from files of SAELens 5 and older only",
        ),
        (
            "use_cached_activations",
            "true",
            "use_cached_activations is true, which is not supported: set it to false; activations are computed as they are needed",
        ),
    ] {
        let error = config.set(key, value).unwrap_err();
        assert_eq!(error.to_string(), message);
        assert_eq!(error.path, None);
        assert_eq!(config, before);
    }
}

#[test]
fn a_list_may_go_without_its_brackets() {
    let mut config = RunConfig::default();
    for (key, value) in [
        ("matryoshka_widths", "64, 128,256"),
        ("seqpos_slice", "5,-5"),
        ("exclude_special_tokens", "0,1"),
    ] {
        config.set(key, value).unwrap();
    }
    assert_eq!(config.options.matryoshka_widths, [64, 128, 256]);
    assert_eq!(config.seqpos_slice, SeqposSlice::new(&[Some(5), Some(-5)]));
    assert_eq!(
        config.exclude_special_tokens,
        Some(ExcludeSpecialTokens::Ids(vec![0, 1]))
    );
    config.set("matryoshka_widths", "32").unwrap();
    assert_eq!(config.options.matryoshka_widths, [32]);

    for (key, value, message) in [
        (
            "matryoshka_widths",
            "64,x",
            r#"matryoshka_widths is "64,x": expected a list"#,
        ),
        ("k", "16,32", r#"k is "16,32": expected a number"#),
        ("lr", "true", "lr is true: expected a number"),
    ] {
        let error = config.set(key, value).unwrap_err();
        assert_eq!(error.to_string(), message);
    }
}

#[test]
fn positions_are_those_of_python_slices() {
    // [list(range(6))[slice(*parts)] for parts in ...]
    for (parts, expected) in [
        (&[None][..], &[0, 1, 2, 3, 4, 5][..]),
        (&[Some(2)], &[0, 1]),
        (&[Some(1), Some(-1)], &[1, 2, 3, 4]),
        (&[Some(-2), None], &[4, 5]),
        (&[Some(-9), Some(9), Some(4)], &[0, 4]),
        (&[None, None, None], &[0, 1, 2, 3, 4, 5]),
        (&[Some(4), Some(2)], &[]),
        (&[Some(i64::MIN), Some(i64::MAX), Some(5)], &[0, 5]),
    ] {
        let slice = SeqposSlice::new(parts).unwrap();
        assert_eq!(
            slice.positions(6).collect::<Vec<_>>(),
            expected,
            "{parts:?}"
        );
    }
    assert_eq!(SeqposSlice::new(&[None, None, Some(-1)]), None);
}

#[test]
fn files_that_are_no_configurations() {
    let folder = tempfile::tempdir().unwrap();
    let missing = RunConfig::read(folder.path().join("none.json")).unwrap_err();
    assert!(missing.to_string().contains("none.json: cannot be read: "));
    assert_eq!(missing.path, Some(folder.path().join("none.json")));
    let is_folder = RunConfig::read(folder.path()).unwrap_err().to_string();
    assert!(is_folder.ends_with("cannot be read: it is a folder, a pipe or a device"));
    let large = folder.path().join("large.json");
    let file = std::fs::File::create(&large).unwrap();
    file.set_len((16 << 20) + 1).unwrap();
    let large = RunConfig::read(&large).unwrap_err().to_string();
    assert!(large.ends_with("large.json: has 16777217 bytes; a configuration has a few thousand, this is another kind of file"));

    assert_eq!(
        error("run.json", "[1]"),
        "run.json: is not a configuration in JSON: it holds [1], expected an object with the settings"
    );
    assert_eq!(
        error("run.json", "{\"lr\": 1,\n}"),
        "run.json: is not a configuration in JSON: trailing comma at line 2 column 1"
    );
    let toml = error("run.toml", "lr = 1\n\nk = \n");
    assert!(
        toml.starts_with("run.toml: is not a configuration in TOML: line 3: "),
        "{toml}"
    );
    assert_eq!(
        error("run.toml", "[sae]\nk = nan"),
        "run.toml: is not a configuration in TOML: sae: NaN is no setting; expected a number"
    );
    assert_eq!(
        error("run.toml", "k = 1979-05-27"),
        "run.toml: is not a configuration in TOML: k: 1979-05-27 is a date, which no setting is"
    );
    let deep = "[".repeat(100_000);
    assert!(error("run.json", &deep).contains("recursion limit"));
    error("run.toml", &format!("k = {deep}"));
}
