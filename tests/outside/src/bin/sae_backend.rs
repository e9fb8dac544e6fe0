//! Which device, in which dtype, with how much memory.

use sae_backend::{ComputeDevice, devices, is_host};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let on = ComputeDevice::choose("cpu".parse()?, None)?;
    assert!(is_host(&on.device) && on.dtype_name() == "f32");
    println!(
        "{} of {} devices: {}",
        on.name(),
        devices().len(),
        on.memory()
    );
    Ok(())
}
