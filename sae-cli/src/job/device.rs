//! `--device` and `--dtype`.

use crate::args::Global;
use anyhow::{Result, anyhow};
use sae_backend::{ComputeDevice, DeviceError, DeviceKind};

/// The device that was asked for.
pub(crate) fn choose(global: &Global) -> Result<ComputeDevice> {
    let chosen = ComputeDevice::choose(global.device, global.dtype.map(Into::into));
    chosen.map_err(|error| {
        let advice = match error {
            DeviceError::NotBuilt(kind) if kind != DeviceKind::Cpu => format!(
                ": `cargo install --path sae-cli --features {}`, or use --device cpu",
                kind.name()
            ),
            _ => String::new(),
        };
        anyhow!("--device {}: {error}{advice}", global.device)
    })
}
