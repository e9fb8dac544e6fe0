//! The gradient of each architecture's whole loss, written by hand in `src/host`, is burn's of the same loss written plainly.
//!
//! With β₁ = 0 the optimizer's first moment is the clipped gradient, so that it can be read from outside at every step.

#[path = "autodiff/case.rs"]
mod case;
#[path = "autodiff/check.rs"]
mod check;
mod draws;
#[path = "autodiff/oracle.rs"]
mod oracle;

use case::Case;
use check::{gradients, in_both_forms, long, options, small, with_dead_features};
use proptest::prelude::*;
use sae_train::{AuxLoss, SparsityLoss, TrainArchitecture, TrainOptions};

#[test]
fn standard() {
    in_both_forms(TrainArchitecture::Standard, |_| {});
    in_both_forms(TrainArchitecture::Standard, |o| {
        o.apply_b_dec_to_input = false;
    });
}

#[test]
fn standard_with_another_norm() {
    in_both_forms(TrainArchitecture::Standard, |o| o.lp_norm = 1.5);
}

#[test]
fn gated() {
    in_both_forms(TrainArchitecture::Gated, |_| {});
}

#[test]
fn jumprelu() {
    in_both_forms(TrainArchitecture::JumpRelu, |_| {});
    in_both_forms(TrainArchitecture::JumpRelu, |o| {
        o.jumprelu_ste_to_input = true;
    });
}

#[test]
fn jumprelu_tanh() {
    for to_input in [false, true] {
        in_both_forms(TrainArchitecture::JumpRelu, |o| {
            o.jumprelu_sparsity_loss_mode = SparsityLoss::Tanh;
            o.jumprelu_ste_to_input = to_input;
        });
    }
}

#[test]
fn jumprelu_quadratic() {
    for to_input in [false, true] {
        in_both_forms(TrainArchitecture::JumpRelu, |o| {
            o.jumprelu_sparsity_loss_mode = SparsityLoss::Quadratic;
            o.target_l0 = Some(1.5);
            o.jumprelu_ste_to_input = to_input;
        });
    }
}

#[test]
fn jumprelu_with_dead_features() {
    for architecture in TrainArchitecture::ALL
        .into_iter()
        .filter(|a| a.has_threshold())
    {
        let settings = |case: &Case| {
            let mut options = options(architecture, case);
            options.pre_act_loss_coefficient = Some(0.3);
            options.jumprelu_bandwidth = 0.1;
            options
        };
        // Few features of many, few enough for the sparse form, are inactive on all of these tokens.
        let wide = small().prop_map(|case| Case {
            rows: 12 + case.rows,
            d_sae: 13 + case.d_sae % 19,
            ..case
        });
        let seen = gradients(60, wide, settings);
        assert!(
            seen.dense > 20 && seen.dead > 20 && seen.sparse_dead > 10,
            "{seen:?}"
        );
    }
}

#[test]
fn topk() {
    with_dead_features(TrainArchitecture::TopK, |_| {});
    with_dead_features(TrainArchitecture::TopK, |o| {
        o.rescale_acts_by_decoder_norm = false;
    });
}

#[test]
fn abstopk() {
    with_dead_features(TrainArchitecture::AbsTopK, |_| {});
    with_dead_features(TrainArchitecture::AbsTopK, |o| {
        o.rescale_acts_by_decoder_norm = false;
    });
}

#[test]
fn batchtopk() {
    with_dead_features(TrainArchitecture::BatchTopK, |_| {});
    with_dead_features(TrainArchitecture::BatchTopK, |o| {
        o.rescale_acts_by_decoder_norm = false;
    });
}

#[test]
fn matryoshka() {
    for own_aux in [false, true] {
        for rescale in [false, true] {
            with_dead_features(TrainArchitecture::MatryoshkaBatchTopK, |o| {
                o.use_matryoshka_aux_loss = own_aux;
                o.rescale_acts_by_decoder_norm = rescale;
            });
        }
    }
}

#[test]
fn openais_auxiliary_loss() {
    for architecture in TrainArchitecture::ALL.into_iter().filter(|a| a.is_topk()) {
        // The residual of one token has no variance.
        let several = small().prop_map(|case| Case {
            rows: case.rows + 1,
            ..case
        });
        let seen = gradients(40, several, |case| {
            let mut options = options(architecture, case);
            options.aux_loss_form = AuxLoss::OpenAi;
            options.aux_loss_coefficient = 0.2;
            options.use_matryoshka_aux_loss = case.sparse;
            options
        });
        assert!(seen.dead > 20, "{seen:?}");
    }
}

#[test]
fn matching_pursuit() {
    let variants: [fn(&mut TrainOptions); 4] = [
        |_| {},
        |o| o.apply_b_dec_to_input = false,
        |o| {
            o.stop_on_duplicate_support = false;
            o.max_iterations = Some(4);
        },
        |o| o.residual_threshold = 1.0,
    ];
    for change in variants {
        let settings = |case: &Case| {
            let mut options = options(TrainArchitecture::MatchingPursuit, case);
            change(&mut options);
            options
        };
        gradients(40, small(), settings);
        let two_pieces = long().prop_map(|case| Case {
            rows: case.rows / 2,
            ..case
        });
        gradients(1, two_pieces, settings);
    }
}

#[test]
fn transcoders() {
    in_both_forms(TrainArchitecture::Transcoder, |_| {});
    in_both_forms(TrainArchitecture::SkipTranscoder, |_| {});
}

#[test]
fn transcoders_with_thresholds() {
    in_both_forms(TrainArchitecture::JumpReluTranscoder, |_| {});
    in_both_forms(TrainArchitecture::JumpReluSkipTranscoder, |_| {});
}

#[test]
fn decoders_of_unit_rows() {
    for architecture in TrainArchitecture::ALL {
        if architecture != TrainArchitecture::MatchingPursuit {
            gradients(15, small(), |case| {
                let mut options = options(architecture, case);
                options.unit_decoder = true;
                options
            });
        }
    }
}
