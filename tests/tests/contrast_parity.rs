//! `sae-contrast` against scipy, statsmodels and scikit-learn on the same values (`goldens/contrast.py`).
//!
//! Statistics agree to 1e-9 relative, p-values in the far tail included; permutation p-values within their spread; logistic regressions to 1e-5.

#![allow(clippy::unwrap_used)] // clippy sees only the #[test] functions as tests, not their helpers

use sae_contrast::{
    Active, ContrastOptions, FeatureContrast, Groups, Observations, contrast, logistic_regression,
    two_sided_p,
};
use serde_json::Value;

const TOLERANCE: f64 = 1e-9;

fn golden() -> Value {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/goldens/data/contrast/golden.json"
    );
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn array(value: &Value) -> &[Value] {
    value.as_array().unwrap()
}

fn observed(prompts: &Value, d_sae: usize) -> Observations {
    let prompts: Vec<Vec<Active>> = array(prompts)
        .iter()
        .map(|prompt| {
            let entry = |entry: &Value| Active {
                feature: entry[0].as_u64().unwrap() as u32,
                value: entry[1].as_f64().unwrap() as f32,
                position: 0,
            };
            array(prompt).iter().map(entry).collect()
        })
        .collect();
    Observations::new(d_sae, &prompts).unwrap()
}

fn close(found: Option<f64>, expected: &Value, of: &str) {
    match (found, expected.as_f64()) {
        (Some(found), Some(expected)) => {
            let error = (found - expected).abs() / expected.abs().max(1e-300);
            let small = (found - expected).abs() < 1e-15;
            assert!(error < TOLERANCE || small, "{of}: {found} and {expected}");
        }
        (None, None) => {}
        (found, expected) => panic!("{of}: {found:?} and {expected:?}"),
    }
}

#[test]
fn statistics_are_those_of_scipy() {
    for case in array(&golden()["cases"]) {
        let count = |key: &str| case[key].as_u64().unwrap() as usize;
        let (n_a, n_b) = (count("n_a"), count("n_b"));
        let groups = if case["paired"].as_bool().unwrap() {
            Groups::pairs(n_a).unwrap()
        } else {
            Groups::independent(n_a, n_b).unwrap()
        };
        let mut options = ContrastOptions::default();
        options.min_fired = count("min_fired");
        let found = contrast(
            &observed(&case["prompts"], count("d_sae")),
            &groups,
            &options,
        );
        let found = found.unwrap();
        assert_eq!(found.n_tested, count("n_tested"), "{}", case["name"]);
        assert_eq!(found.features.len(), array(&case["features"]).len());
        for (found, expected) in found.features.iter().zip(array(&case["features"])) {
            assert_eq!(u64::from(found.feature), expected["feature"]);
            let FeatureContrast { p, q, t, df, .. } = found.clone();
            let figures = [
                ("mean_a", Some(found.mean_a)),
                ("mean_b", Some(found.mean_b)),
                ("sd_a", found.sd_a),
                ("sd_b", found.sd_b),
                ("freq_a", Some(found.freq_a)),
                ("freq_b", Some(found.freq_b)),
                ("cohens_d", found.cohens_d),
                ("hedges_g", found.hedges_g),
                ("d_z", found.d_z),
                ("auroc", Some(found.auroc)),
                ("t", t),
                ("df", df),
                ("p", p),
                ("q", q),
            ];
            for (name, figure) in figures {
                let of = format!("{}, feature {}, {name}", case["name"], found.feature);
                close(figure, &expected[name], &of);
            }
        }
    }
}

#[test]
fn tails_of_t_are_scipys() {
    let golden = golden();
    assert!(array(&golden["tails"]).len() > 50);
    for one in array(&golden["tails"]) {
        let (t, df) = (one[0].as_f64().unwrap(), one[1].as_f64().unwrap());
        close(
            Some(two_sided_p(t, df)),
            &one[2],
            &format!("t {t}, df {df}"),
        );
    }
}

#[test]
fn permutations_come_to_what_scipys_come_to() {
    let golden = golden();
    let case = &golden["permutation"];
    let groups = Groups::independent(14, 11).unwrap();
    let mut options = ContrastOptions::default();
    options.permutations = 100_000;
    let found = contrast(&observed(&case["prompts"], 12), &groups, &options).unwrap();
    for one in array(&case["p"]) {
        let expected = one[1].as_f64().unwrap();
        let mut features = found.features.iter();
        let of = features.find(|f| u64::from(f.feature) == one[0]).unwrap();
        let p = of.p_permutation.unwrap();
        // Five times the spread of the difference of two such shares.
        let spread = (2.0 * expected * (1.0 - expected) / 100_000.0).sqrt();
        assert!(
            (p - expected).abs() < 5.0 * spread + 1e-5,
            "{p} and {expected}"
        );
    }
}

#[test]
fn logistic_regressions_are_scikit_learns() {
    for fit in array(&golden()["fits"]) {
        let x: Vec<f64> = array(&fit["x"])
            .iter()
            .flat_map(|row| array(row).iter().map(|x| x.as_f64().unwrap()))
            .collect();
        let labels: Vec<bool> = array(&fit["y"]).iter().map(|y| *y == 1.0).collect();
        let k = fit["k"].as_u64().unwrap() as usize;
        let found = logistic_regression(&x, k, &labels, fit["c"].as_f64().unwrap());
        assert!(found.converged);
        let expected = array(&fit["weights"]).iter().chain([&fit["intercept"]]);
        for (found, expected) in found.weights.iter().chain([&found.intercept]).zip(expected) {
            let expected = expected.as_f64().unwrap();
            assert!((found - expected).abs() < 1e-5, "{found} and {expected}");
        }
        let right = x.chunks_exact(k).zip(&labels);
        let right = right.filter(|(x, label)| (found.decision(x) > 0.0) == **label);
        let accuracy = right.count() as f64 / labels.len() as f64;
        assert!((accuracy - fit["accuracy"].as_f64().unwrap()).abs() < 1e-12);
    }
}
