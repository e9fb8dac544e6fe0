//! `sae devices`

use crate::cli::Global;
use crate::device;
use anyhow::Result;

/// List where computations can run
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  sae devices\n  sae devices --json")]
pub(crate) struct Args {}

pub(crate) fn run(_: &Args, global: &Global) -> Result<()> {
    let devices = device::list();
    let mut text = String::new();
    for device in &devices {
        let memory = device.memory_bytes.map_or_else(String::new, |bytes| {
            format!("{:.1} GiB", bytes as f64 / f64::from(1 << 30))
        });
        let state = device.reason.unwrap_or("available");
        let name = if device.kind == "cpu" {
            "cpu".to_owned()
        } else {
            format!("{}:{}", device.kind, device.index)
        };
        text.push_str(&format!(
            "{name:8} {:44} {memory:>10}  {state}\n",
            device.name
        ));
    }
    global.output().emit(&text, &devices)
}
