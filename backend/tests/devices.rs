//! Every device of this machine computes what the host does, at sizes that different kernels are made for. Where one is refused, the test says so
//! on stderr and goes on.

use burn::tensor::FloatDType;
use sae_backend::{ComputeDevice, DeviceChoice, Dtype, deviations, devices};
use std::io::Write;

/// Rows, columns and length of products: one row as in a prompt's next token, sizes that fill no tile, and those that fill many.
const SIZES: [[usize; 3]; 6] = [
    [1, 64, 128],
    [7, 33, 5],
    [64, 64, 64],
    [48, 576, 192],
    [128, 200, 700],
    [256, 1536, 96],
];

/// Of the largest number. The longest sum has 1,536 terms; tensor cores round what they multiply in f32 to TF32.
fn tolerance(dtype: Dtype, cuda: bool) -> f64 {
    match dtype {
        Dtype::F32 if !cuda => 1e-4,
        Dtype::F32 => 5e-3,
        _ => 2e-2,
    }
}

#[test]
fn products_sums_softmax_and_selections_are_the_hosts() {
    let mut checked = 0;
    for device in devices().iter().filter(|device| device.available) {
        for dtype in Dtype::ALL {
            let choice = DeviceChoice::Device(device.kind, device.index);
            let on = match ComputeDevice::choose(choice, Some(dtype)) {
                Ok(on) => on,
                Err(error) => {
                    // The harness keeps what macros print.
                    let said = format!("not on {choice} in {}: {error}\n", dtype.name());
                    std::io::stderr().write_all(said.as_bytes()).unwrap();
                    continue;
                }
            };
            let cuda = device.kind == sae_backend::DeviceKind::Cuda;
            for size in SIZES {
                let found = deviations(&on.device, FloatDType::from(dtype), size).unwrap();
                for it in found {
                    assert!(
                        it.error < tolerance(dtype, cuda),
                        "{choice} ({}) in {}: {it:?}",
                        device.name,
                        dtype.name()
                    );
                }
                checked += 1;
            }
        }
    }
    // The CPU at least, if this build has it.
    assert!(checked > 0 || !cfg!(feature = "cpu"));
}
