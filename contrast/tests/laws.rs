//! Laws of contrasts: what changes when sets are swapped, prompts reordered or zeros added, and what does not.

#![allow(clippy::unwrap_used)] // clippy sees only the #[test] functions as tests, not their helpers

use proptest::prelude::*;
use sae_contrast::{
    Active, Contrast, ContrastOptions, Groups, Observations, ProbeOptions, RankBy, contrast,
    probes, ranked,
};

const D_SAE: usize = 5;

type Prompt = Vec<f32>;

fn prompt() -> impl Strategy<Value = Prompt> {
    let value = prop_oneof![2 => Just(0.0), 2 => 0.1_f32..9.0, 1 => (1_u8..4).prop_map(f32::from)];
    prop::collection::vec(value, D_SAE)
}

fn sets() -> impl Strategy<Value = (Vec<Prompt>, Vec<Prompt>)> {
    let set = || prop::collection::vec(prompt(), 2..12);
    (set(), set())
}

fn observed(a: &[Prompt], b: &[Prompt]) -> Observations {
    let active = |prompt: &Prompt| {
        let entries = prompt.iter().enumerate();
        let entries = entries.map(|(feature, &value)| Active {
            feature: feature as u32,
            value,
            position: 1,
        });
        entries.collect()
    };
    let prompts: Vec<Vec<Active>> = a.iter().chain(b).map(active).collect();
    Observations::new(D_SAE, &prompts).unwrap()
}

fn of(a: &[Prompt], b: &[Prompt]) -> Contrast {
    let groups = Groups::independent(a.len(), b.len()).unwrap();
    let mut options = ContrastOptions::default();
    (options.permutations, options.min_fired) = (200, 2);
    contrast(&observed(a, b), &groups, &options).unwrap()
}

fn alike(x: Option<f64>, y: Option<f64>) -> bool {
    match (x, y) {
        (Some(x), Some(y)) => (x - y).abs() <= 1e-9 * x.abs().max(1.0),
        (x, y) => x == y,
    }
}

proptest! {
    #[test]
    fn swapped_sets_turn_the_sign((a, b) in sets()) {
        let (there, back) = (of(&a, &b), of(&b, &a));
        prop_assert_eq!(there.n_tested, back.n_tested);
        for (x, y) in there.features.iter().zip(&back.features) {
            prop_assert_eq!(x.feature, y.feature);
            prop_assert_eq!((x.mean_a, x.n_fired_a, x.sd_b), (y.mean_b, y.n_fired_b, y.sd_a));
            prop_assert!(alike(x.cohens_d, y.cohens_d.map(|d| -d)) && alike(x.t, y.t.map(|t| -t)));
            prop_assert!(alike(x.hedges_g, y.hedges_g.map(|g| -g)) && alike(x.df, y.df));
            prop_assert!((x.auroc + y.auroc - 1.0).abs() < 1e-12);
            prop_assert!(alike(x.p, y.p) && alike(x.q, y.q));
        }
    }

    #[test]
    fn the_order_of_prompts_does_not_matter((a, b) in sets()) {
        let (mut c, mut d) = (a.clone(), b.clone());
        c.reverse();
        d.rotate_left(1);
        for (x, y) in of(&a, &b).features.iter().zip(&of(&c, &d).features) {
            prop_assert!(alike(x.cohens_d, y.cohens_d) && alike(x.t, y.t) && alike(x.p, y.p) && alike(x.q, y.q));
            prop_assert!((x.auroc - y.auroc).abs() < 1e-12);
            let value = |top: &Option<sae_contrast::Top>| top.map(|top| top.value);
            prop_assert_eq!(value(&x.top_a), value(&y.top_a));
        }
    }

    #[test]
    fn a_factor_changes_no_effect((a, b) in sets(), factor in 0.25_f32..8.0) {
        // A power of two: no value is rounded.
        let factor = factor.log2().round().exp2();
        let scaled = |set: &[Prompt]| -> Vec<Prompt> {
            set.iter().map(|prompt| prompt.iter().map(|x| x * factor).collect()).collect()
        };
        for (x, y) in of(&a, &b).features.iter().zip(&of(&scaled(&a), &scaled(&b)).features) {
            prop_assert!(alike(x.cohens_d, y.cohens_d) && alike(x.p, y.p));
            prop_assert_eq!((x.auroc, x.p_permutation), (y.auroc, y.p_permutation));
        }
    }

    #[test]
    fn figures_are_within_their_bounds((a, b) in sets()) {
        for x in of(&a, &b).features {
            prop_assert!((0.0..=1.0).contains(&x.auroc) && (0.0..=1.0).contains(&x.freq_a));
            let p = x.p_permutation.unwrap();
            prop_assert!((1.0 / 201.0..=1.0).contains(&p));
            if let (Some(p), Some(q)) = (x.p, x.q) {
                // Up to rounding: p·M/M need not be p.
                prop_assert!((0.0..=1.0).contains(&p) && p <= q * (1.0 + 1e-12) && q <= 1.0);
            }
            let fired = |set: &[Prompt]| set.iter().filter(|prompt| prompt[x.feature as usize] != 0.0).count();
            prop_assert_eq!((x.n_fired_a, x.n_fired_b), (fired(&a), fired(&b)));
        }
    }

    #[test]
    fn pairs_of_equals_have_no_effect(set in prop::collection::vec(prompt(), 2..12)) {
        let groups = Groups::pairs(set.len()).unwrap();
        let found = contrast(&observed(&set, &set), &groups, &ContrastOptions::default()).unwrap();
        for x in found.features {
            prop_assert_eq!((x.t, x.d_z, x.p_permutation), (None, None, Some(1.0)));
            prop_assert!((x.auroc - 0.5).abs() < 1e-12);
        }
    }
}

/// A prompt with nothing active is a prompt like any other.
#[test]
fn empty_prompts_count_as_zeros() {
    let (a, b) = (
        [vec![2.0; D_SAE], vec![4.0; D_SAE], vec![0.0; D_SAE]],
        [vec![0.0; D_SAE], vec![1.0; D_SAE]],
    );
    let found = of(&a, &b);
    assert!((found.features[0].mean_a - 2.0).abs() < 1e-12);
    assert!((found.features[0].freq_a - 2.0 / 3.0).abs() < 1e-12);
}

#[test]
fn probes_are_tested_on_prompts_that_they_have_not_seen() {
    // Feature 4 tells the sets apart; feature 0 is as large and does not.
    let set = |extra: f32| -> Vec<Prompt> {
        (0..30)
            .map(|i| {
                vec![
                    (i % 7) as f32 * 3.0,
                    0.0,
                    0.0,
                    0.0,
                    extra * (1.0 + (i % 3) as f32),
                ]
            })
            .collect()
    };
    let groups = Groups::independent(30, 30).unwrap();
    let mut options = ProbeOptions::default();
    options.ks = vec![1, 2, 5];
    let found = probes(&observed(&set(2.0), &set(0.0)), &groups, &options).unwrap();
    assert_eq!(found[0].features, [4]);
    assert_eq!((found[0].n_train, found[0].n_test), (48, 12));
    assert!(found[0].test_accuracy > 0.99 && (found[0].majority_accuracy - 0.5).abs() < 1e-12);
    // The same split for every k, and no more features than tell the sets apart.
    assert!(found.iter().all(|probe| probe.converged && probe.k <= 2));
    // Sets that are alike are told apart by chance.
    let none = probes(&observed(&set(1.0), &set(1.0)), &groups, &options).unwrap();
    assert!((none[2].test_accuracy - 0.5).abs() <= 0.25, "{none:?}");
    options.train_fraction = 1.0;
    let error = probes(&observed(&set(1.0), &set(1.0)), &groups, &options).unwrap_err();
    assert_eq!(
        error.to_string(),
        "train_fraction is 1; expected a share between 0 and 1"
    );
}

#[test]
fn too_few_prompts_are_refused() {
    let error = Groups::independent(3, 0).unwrap_err().to_string();
    assert_eq!(
        error,
        "set b has no prompts; a contrast needs some in both sets"
    );
    let one = [vec![1.0; D_SAE]];
    let groups = Groups::independent(1, 1).unwrap();
    let error = probes(&observed(&one, &one), &groups, &ProbeOptions::default()).unwrap_err();
    assert!(
        error.to_string().starts_with("set a has 1 prompts"),
        "{error}"
    );
    let groups = Groups::independent(1, 2).unwrap();
    let error = contrast(&observed(&one, &one), &groups, &ContrastOptions::default()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "there are 2 prompts, and the two sets have 3 together"
    );
}

/// A feature that is largest on a token that all prompts of a set begin with differs by rounding alone: no effect is made of that.
#[test]
fn what_differs_by_rounding_is_constant() {
    let near = |value: f32, at: usize| value * (1.0 + at as f32 * f32::EPSILON);
    let set = |value: f32| -> Vec<Prompt> {
        (0..8)
            .map(|at| vec![near(value, at), near(3.0, at), (at % 3) as f32, 0.0, 0.0])
            .collect()
    };
    let found = of(&set(2.0), &set(1.0));
    let [constant, alike, varies] = &found.features[..] else {
        panic!("{found:?}");
    };
    assert!(constant.is_constant() && !alike.is_constant() && !varies.is_constant());
    assert_eq!(
        (constant.cohens_d, constant.t, constant.q),
        (None, None, None)
    );
    assert!((constant.auroc - 1.0).abs() < 1e-12 && constant.p_permutation.unwrap() < 0.02);
    let order = ranked(&found.features, RankBy::CohensD, 2);
    assert_eq!(found.features[order[0]].feature, 0);
}
