use super::operations::error;
use super::{Deviation, Verdict, deviations, judge, verdict};
use burn::tensor::{Device, FloatDType, Tensor};

fn off_by(error: f64) -> [Deviation; 2] {
    let of = |what: &str, error| Deviation {
        what: what.to_owned(),
        error,
    };
    [of("a sum", 1e-7), of("a product", error)]
}

#[test]
#[cfg(feature = "cpu")]
fn the_cpu_computes_what_the_host_does() {
    let device = Device::flex();
    for shape in [[48, 80, 64], [1, 7, 3], [33, 1, 130]] {
        for found in deviations(&device, FloatDType::F32, shape).unwrap() {
            assert!(found.error < 1e-5, "{found:?}");
        }
    }
    for dtype in [FloatDType::F32, FloatDType::F16, FloatDType::BF16] {
        assert_eq!(verdict(&device, dtype), Verdict::Right, "{dtype:?}");
    }
}

#[test]
fn wrong_rounded_and_right_are_told_apart() {
    let f32 = |error| judge(&off_by(error), FloatDType::F32);
    assert_eq!(f32(1e-6), Verdict::Right);
    let said = "a product is off by 8.0e-4 of its largest number".to_owned();
    assert_eq!(f32(8e-4), Verdict::Rounded(said));
    for wrong in [0.3, f64::INFINITY, f64::NAN] {
        assert!(matches!(f32(wrong), Verdict::Wrong(_)), "{wrong}");
    }
    // In 16 bits numbers are rounded anyway.
    assert_eq!(judge(&off_by(8e-4), FloatDType::F16), Verdict::Right);
}

#[test]
#[cfg(feature = "cpu")]
fn one_wrong_number_is_found_and_so_is_one_that_is_none() {
    let off = |x: f32| {
        let found = Tensor::<1>::from_floats([1.0, x, -4.0, 0.5], &Device::flex());
        error(found, &[1.0, 2.0, -4.0, 0.5]).unwrap()
    };
    assert!(off(2.0) < 1e-9 && (off(3.0) - 0.25).abs() < 1e-9);
    assert!(off(f32::NAN).is_nan());
    assert!(off(f32::INFINITY).is_infinite());
}
