use super::{ComputeDevice, DRIVER, of_gpu};
use crate::adapter::{Adapter, Class};
use crate::{DeviceChoice, DeviceKind, Dtype};
use burn::tensor::FloatDType;

#[test]
#[cfg(feature = "cpu")]
fn the_cpu_is_always_there_and_computes_in_f32_unless_told() {
    let choice = DeviceChoice::Device(DeviceKind::Cpu, 0);
    let on = ComputeDevice::choose(choice, None).unwrap();
    assert!(on.is_cpu());
    assert_eq!(
        (on.name().as_str(), on.dtype, on.dtype_name()),
        ("cpu", FloatDType::F32, "f32")
    );
    assert_eq!((on.bytes_per_number(), on.largest_tensor), (4, None));
    for (dtype, name) in [(Dtype::Bf16, "bf16"), (Dtype::F16, "f16")] {
        let on = ComputeDevice::choose(choice, Some(dtype)).unwrap();
        assert_eq!((on.dtype_name(), on.bytes_per_number()), (name, 2));
        assert!(on.memory().bytes > 0);
    }
}

#[test]
fn a_build_without_a_kind_says_so() {
    for &kind in DeviceKind::ACCELERATORS {
        if kind.is_built() {
            continue;
        }
        let choice = DeviceChoice::Device(kind, 0);
        let error = ComputeDevice::choose(choice, None).unwrap_err().to_string();
        let start = format!("this build has no {} support", kind.title());
        assert!(error.starts_with(&start), "{error}");
    }
}

/// Looking for devices is part of every command: it must work where there are no drivers.
#[test]
fn a_device_that_is_not_there_is_an_error() {
    for &kind in DeviceKind::ACCELERATORS {
        let choice = DeviceChoice::Device(kind, 9999);
        assert!(ComputeDevice::choose(choice, None).is_err(), "{kind:?}");
    }
}

const GIB: u64 = 1 << 30;

#[test]
fn what_a_gpu_may_take_depends_on_whose_memory_it_is() {
    let of = |class, memory_bytes, free| {
        let adapter = Adapter {
            memory_bytes,
            class,
            ..Adapter::default()
        };
        of_gpu(&adapter, free).bytes
    };
    assert_eq!(of(Class::Discrete, Some(24 * GIB), None), 24 * GIB - DRIVER);
    assert_eq!(of(Class::Discrete, Some(GIB / 2), None), 0);
    assert_eq!(of(Class::Discrete, None, None), u64::MAX);
    let shared = |all, free| of(Class::Integrated, all, free);
    assert_eq!(shared(Some(16 * GIB), Some(9 * GIB)), 9 * GIB);
    assert_eq!(shared(Some(4 * GIB), Some(9 * GIB)), 4 * GIB);
    assert_eq!(shared(None, Some(9 * GIB)), 9 * GIB);
}
