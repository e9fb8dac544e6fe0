use super::{CacheDtype, Sums};
use proptest::prelude::*;

fn there_and_back(dtype: CacheDtype, x: &[f32]) -> (Vec<f32>, Sums) {
    let (mut values, mut scales, mut out) = (Vec::new(), Vec::new(), Vec::new());
    let sums = dtype.encode(x, &mut values, &mut scales).unwrap();
    assert_eq!(values.len(), x.len() * dtype.size());
    let scale = scales
        .as_chunks()
        .0
        .first()
        .map_or(0.0, |b| f32::from_le_bytes(*b));
    dtype.decode(&values, scale, &mut out);
    (out, sums)
}

proptest! {
    #[test]
    fn errors_stay_within_half_a_step(x in prop::collection::vec(-1e6_f32..1e6, 1..40)) {
        let most = x.iter().fold(0.0_f32, |most, x| most.max(x.abs()));
        for dtype in CacheDtype::ALL {
            let (back, sums) = there_and_back(dtype, &x);
            let mut squared_error = 0.0;
            for (x, back) in x.iter().zip(&back) {
                let step = match dtype {
                    CacheDtype::F32 => 0.0,
                    CacheDtype::Bf16 => x.abs() / 128.0,
                    CacheDtype::Int8 => most / 127.0,
                };
                prop_assert!((x - back).abs() <= step * 0.5001, "{dtype}: {x} became {back}");
                squared_error += (f64::from(*x) - f64::from(*back)).powi(2);
            }
            prop_assert!((sums.squared_error - squared_error).abs() <= 1e-9 * squared_error.max(1e-30));
        }
    }
}

#[test]
fn bf16_rounds_to_nearest_and_ties_to_even() {
    // 1 + 2^-8 lies between 1 and 1 + 2^-7; 1 + 3 * 2^-8 between 1 + 2^-7 and 1 + 2^-6.
    let x = [1.0 + 1.0 / 256.0, 1.0 + 3.0 / 256.0, 1.004, -1.004, 0.0];
    let (back, _) = there_and_back(CacheDtype::Bf16, &x);
    assert_eq!(back, [1.0, 1.015_625, 1.007_812_5, -1.007_812_5, 0.0]);
}

#[test]
fn whole_numbers_are_the_librarys() {
    for i in -2540..=2540_i16 {
        let x = f32::from(i) / 20.0;
        assert_eq!(super::round(x) as i32, x.round_ties_even() as i32, "{x}");
    }
}

#[test]
fn zeros_and_tiny_numbers_are_no_trouble_for_8_bits() {
    let (back, sums) = there_and_back(CacheDtype::Int8, &[0.0, 0.0]);
    assert_eq!((back, sums), (vec![0.0, 0.0], Sums::default()));
    let (back, _) = there_and_back(CacheDtype::Int8, &[1e-45, 0.0]);
    assert!(back.iter().all(|x| x.is_finite()));
}

#[test]
fn what_is_not_finite_is_refused() {
    for dtype in CacheDtype::ALL {
        for x in [f32::NAN, f32::INFINITY] {
            assert!(
                dtype
                    .encode(&[1.0, x], &mut Vec::new(), &mut Vec::new())
                    .is_err()
            );
        }
    }
    let too_large = CacheDtype::Bf16.encode(&[f32::MAX], &mut Vec::new(), &mut Vec::new());
    assert_eq!(too_large, Err(f32::MAX));
}

#[test]
fn sums_not_yet_known_take_the_most_room() {
    let len = |sums: Sums| serde_json::to_string(&sums).unwrap().len();
    let of = |x: f64| Sums {
        squared_error: x,
        squares: x,
    };
    for x in [
        0.0,
        f64::MAX,
        f64::MIN_POSITIVE,
        1.0 / 3.0,
        1.234_567_890_123_456_7e-300,
    ] {
        assert!(len(of(x)) <= len(Sums::NOT_YET), "{x}");
    }
    assert!(!Sums::NOT_YET.is_possible());
}
