//! A feature that is active in one set only.

use sae_contrast::{Active, ContrastOptions, Groups, Observations, contrast};

fn main() {
    let prompt = |value: f32| {
        vec![Active {
            feature: 2,
            value,
            position: 0,
        }]
    };
    let prompts = [1.0, 2.0, 3.0, 0.0, 0.0, 0.5].map(prompt);
    let observed = Observations::new(4, &prompts).expect("features below 4, once each");
    let groups = Groups::independent(3, 3).expect("prompts in both sets");
    let found = contrast(&observed, &groups, &ContrastOptions::default()).expect("six prompts");
    println!("d {:.2}", found.features[0].cohens_d.unwrap_or(f64::NAN));
    assert!((found.features[0].auroc - 1.0).abs() < 1e-12);
}
