//! `sae devices`

use crate::args::Global;
use anyhow::Result;
use sae_backend::{DeviceChoice, DeviceKind, devices, format_bytes};

pub(crate) fn run(global: &Global) -> Result<()> {
    let devices = devices();
    let mut text = String::new();
    for device in &devices {
        let as_named = match device.kind {
            DeviceKind::Cpu => "cpu".to_owned(),
            kind => DeviceChoice::Device(kind, device.index).to_string(),
        };
        let memory = device.memory_bytes.map_or_else(String::new, format_bytes);
        let name = match &device.driver {
            Some(driver) => format!("{} ({driver})", device.name),
            None => device.name.clone(),
        };
        let state = match &device.reason {
            Some(reason) => reason,
            None if device.software => "a program on the processor; used only if it is named",
            None => "available",
        };
        text.push_str(&format!("{as_named:9} {name:44} {memory:>10}  {state}\n"));
    }
    global.output().emit_as_it_is(&text, &devices)
}
