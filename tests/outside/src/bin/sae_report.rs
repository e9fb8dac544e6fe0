//! What a run says about its SAE.

use sae_report::SaeDescription;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let run = concat!(env!("CARGO_MANIFEST_DIR"), "/../../demo/run");
    let sae = SaeDescription::of(&sae_core::RunDir::open(run)?);
    print!("{}", sae.text());
    assert_eq!(sae.hook_name.as_deref(), Some("blocks.2.hook_resid_pre"));
    Ok(())
}
