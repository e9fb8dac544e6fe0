use super::{differences, p_values};
use crate::groups::Groups;
use crate::observations::{Active, Observations};

fn observed(values: &[f32]) -> Observations {
    let prompts: Vec<_> = values
        .iter()
        .map(|&value| {
            vec![Active {
                feature: 0,
                value,
                position: 0,
            }]
        })
        .collect();
    Observations::new(2, &prompts).unwrap()
}

/// The share of all ways to deal the labels that go as far.
fn exact(values: &[f64], n_a: usize) -> f64 {
    let n = values.len();
    let difference = |chosen: u32| {
        let (mut a, mut b) = (0.0, 0.0);
        for (at, value) in values.iter().enumerate() {
            *(if chosen >> at & 1 == 1 {
                &mut a
            } else {
                &mut b
            }) += value;
        }
        (a / n_a as f64 - b / (n - n_a) as f64).abs()
    };
    let ways: Vec<u32> = (0..1 << n)
        .filter(|chosen: &u32| chosen.count_ones() as usize == n_a)
        .collect();
    let reach = difference((1 << n_a) - 1) - 1e-12;
    let far = ways.iter().filter(|way| difference(**way) >= reach).count();
    far as f64 / ways.len() as f64
}

#[test]
fn many_permutations_come_to_the_exact_share() {
    let values = [3.0, 2.5, 0.0, 4.0, 1.0, 0.0, 0.5, 0.0, 0.2];
    let narrow: Vec<f32> = values.iter().map(|v| *v as f32).collect();
    let wide: Vec<f64> = narrow.iter().map(|v| f64::from(*v)).collect();
    let groups = Groups::independent(4, 5).unwrap();
    let p = p_values(&observed(&narrow), &groups, 40_000, 7);
    let (found, expected) = (p[0].unwrap(), exact(&wide, 4));
    assert!((found - expected).abs() < 0.006, "{found} {expected}");
    assert_eq!(p[1], None);
    // The seed decides, and nothing else.
    let again = p_values(&observed(&narrow), &groups, 40_000, 7);
    assert_eq!(again, p);
    assert_ne!(p_values(&observed(&narrow), &groups, 40_000, 8), p);
}

#[test]
fn ties_go_as_far() {
    // It fires once: every way of dealing puts it on one side, with a mean difference as large as there is.
    let groups = Groups::independent(3, 3).unwrap();
    let p = p_values(&observed(&[0.1, 0.0, 0.0, 0.0, 0.0, 0.0]), &groups, 999, 0);
    assert_eq!(p[0], Some(1.0));
}

#[test]
fn pairs_flip_signs() {
    // All six differences are alike: only no flip and all flips go as far, 2 of 64.
    let groups = Groups::pairs(6).unwrap();
    let values = [
        1.5, 2.5, 3.5, 1.0, 2.0, 3.0, 0.5, 1.5, 2.5, 0.0, 1.0, 2.0_f32,
    ];
    let p = p_values(&observed(&values), &groups, 50_000, 1);
    assert!((p[0].unwrap() - 2.0 / 64.0).abs() < 0.004, "{p:?}");
}

#[test]
fn differences_are_of_pairs_where_one_side_is_not_zero() {
    let observed = observed(&[0.0, 2.0, 0.0, 5.0, 1.0, 3.0, 0.0, 5.0]);
    let found: Vec<_> = differences(observed.feature(0), 4).collect();
    assert_eq!(found, [(0, -1.0), (1, -1.0), (3, 0.0)]);
}
