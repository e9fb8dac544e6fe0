use super::{Facts, Verdict, place, warnings};
use sae_core::{NormalizeActivations, SaeConfig};

fn cfg() -> SaeConfig {
    SaeConfig::from_json(
        r#"{"architecture": "standard", "d_in": 16, "d_sae": 64, "metadata": {"sae_lens_version": "6.0.0",
            "hook_name": "blocks.2.hook_resid_pre", "context_size": 128, "prepend_bos": true}}"#,
        std::path::Path::new("cfg.json"),
    )
    .unwrap()
}

fn facts(cfg: &SaeConfig) -> Facts<'_> {
    Facts {
        cfg,
        hook_recorded: Some("blocks.2.hook_resid_pre"),
        rows: 8,
        rows_with_bos: 8,
        context_size: 128,
        model_positions: 256,
        n_layers: 4,
        l0: 5.0,
        l0_max: 9,
        norm: 16.0,
        norm_ratio: 0.9,
    }
}

/// The one warning of these facts.
#[track_caller]
fn only(facts: &Facts) -> String {
    let found: Vec<String> = warnings(&facts.checks()).collect();
    assert_eq!(found.len(), 1, "{found:?}");
    found[0].clone()
}

#[track_caller]
fn none(facts: &Facts) {
    let checks = facts.checks();
    assert_eq!(warnings(&checks).count(), 0, "{checks:?}");
}

#[test]
fn sound_facts_are_sound() {
    let cfg = cfg();
    let checks = facts(&cfg).checks();
    assert!(
        checks.iter().all(|check| check.verdict == Verdict::Ok),
        "{checks:?}"
    );
}

#[test]
fn bos() {
    let mut cfg = cfg();
    assert!(
        only(&Facts {
            rows_with_bos: 7,
            ..facts(&cfg)
        })
        .contains("7 of 8 rows begin with BOS")
    );
    cfg.metadata.prepend_bos = Some(false);
    assert!(only(&facts(&cfg)).contains("prepend_bos: false"));
    none(&Facts {
        rows_with_bos: 0,
        ..facts(&cfg)
    });
    cfg.metadata.prepend_bos = None;
    none(&Facts {
        rows_with_bos: 0,
        ..facts(&cfg)
    });
    assert_eq!(facts(&cfg).checks()[0].verdict, Verdict::Unknown);
}

#[test]
fn norm() {
    let mut cfg = cfg();
    assert!(
        only(&Facts {
            norm_ratio: 2.1,
            ..facts(&cfg)
        })
        .contains("2.10 times as long")
    );
    for sound in [1.9, 0.51, f64::NAN] {
        none(&Facts {
            norm_ratio: sound,
            ..facts(&cfg)
        });
    }
    // Where nothing fires, the output's length says nothing of a factor.
    none(&Facts {
        norm_ratio: 0.0,
        l0: 0.0,
        ..facts(&cfg)
    });
    cfg.normalize_activations = NormalizeActivations::ExpectedAverageOnlyIn;
    assert!(only(&facts(&cfg)).contains("here by 0.2500"), "√16 / 16");
    none(&Facts {
        norm: 4.2,
        ..facts(&cfg)
    });
}

#[test]
fn activation() {
    let cfg = cfg();
    let verdict = |l0| Facts { l0, ..facts(&cfg) }.checks()[2].verdict;
    assert_eq!(
        [verdict(16.0), verdict(17.0), verdict(0.0)],
        [Verdict::Ok, Verdict::Look, Verdict::Look]
    );
    // The figures speak for themselves, once.
    none(&Facts {
        l0: 17.0,
        ..facts(&cfg)
    });
}

#[test]
fn hook() {
    let mut cfg = cfg();
    let moved = Facts {
        hook_recorded: Some("blocks.3.hook_resid_pre"),
        ..facts(&cfg)
    };
    assert!(only(&moved).contains("but cfg.json says blocks.3.hook_resid_pre"));
    none(&Facts {
        hook_recorded: None,
        ..facts(&cfg)
    });
    cfg.metadata.extra.insert("hook_layer".to_owned(), 2.into());
    none(&facts(&cfg));
    cfg.metadata.extra.insert("hook_layer".to_owned(), 3.into());
    assert!(only(&facts(&cfg)).contains("in block 2, but cfg.json says hook_layer 3"));
}

#[test]
fn places_in_the_counting_of_others() {
    assert!(place("blocks.2.hook_resid_pre", 4).contains("hidden_states[2]"));
    assert!(place("blocks.2.hook_resid_post", 4).contains("hidden_states[3]"));
    assert!(place("blocks.3.hook_resid_post", 4).contains("before the final norm"));
    assert!(place("blocks.1.attn.hook_z", 4).contains("Inside block 1"));
    assert!(place("hook_embed", 4).contains("outside"));
}

#[test]
fn context() {
    let mut cfg = cfg();
    assert!(
        only(&Facts {
            context_size: 129,
            ..facts(&cfg)
        })
        .contains("--context-size 128")
    );
    assert!(
        only(&Facts {
            context_size: 257,
            ..facts(&cfg)
        })
        .contains("that the model was trained for")
    );
    none(&Facts {
        context_size: 16,
        ..facts(&cfg)
    });
    cfg.metadata.context_size = None;
    none(&Facts {
        context_size: 256,
        ..facts(&cfg)
    });
}
