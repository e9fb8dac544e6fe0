//! `sae devices`

use crate::args::Global;
use anyhow::Result;
use sae_backend::{DeviceChoice, DeviceKind, devices, format_bytes};

pub(crate) fn run(global: &Global) -> Result<()> {
    let devices = devices();
    let mut text = String::new();
    for device in &devices {
        let name = match device.kind {
            DeviceKind::Cpu => "cpu".to_owned(),
            kind => DeviceChoice::Device(kind, device.index).to_string(),
        };
        let memory = device.memory_bytes.map_or_else(String::new, format_bytes);
        let state = device.reason.as_deref().unwrap_or("available");
        text.push_str(&format!(
            "{name:8} {:44} {memory:>10}  {state}\n",
            device.name
        ));
    }
    global.output().emit_as_it_is(&text, &devices)
}
