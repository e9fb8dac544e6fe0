//! `--device` and `--dtype`.

use crate::args::Global;
use anyhow::{Result, anyhow};
use sae_backend::{ComputeDevice, DeviceError, DeviceKind};

/// The device that was asked for.
pub(crate) fn choose(global: &Global) -> Result<ComputeDevice> {
    let chosen = ComputeDevice::choose(global.device, global.dtype.map(Into::into));
    chosen.map_err(|error| {
        let mut text = error.to_string();
        if let DeviceError::NotBuilt(kind) = error
            && kind != DeviceKind::Cpu
        {
            let how = format!(
                " (`cargo install --path sae-cli --features {}`), or use --device cpu",
                kind.feature()
            );
            text = text.replace(", or use another device", &how);
        }
        anyhow!("--device {}: {text}", global.device)
    })
}
