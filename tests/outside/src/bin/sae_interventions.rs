//! How an SAE's features are edited, as text.

use sae_interventions::SteerSpec;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let spec: SteerSpec = "runs/a:123=clamp:2.5x".parse()?;
    println!("{spec}, in units of {}", spec.edit.unit());
    assert_eq!((spec.run.as_deref(), spec.feature), (Some("runs/a"), 123));
    Ok(())
}
