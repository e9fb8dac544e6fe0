//! What a training run left behind: `cargo run -p sae-core --example inspect -- RUN`

#![allow(clippy::print_stdout)] // printing is what it is for

use sae_core::RunDir;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).ok_or("usage: inspect RUN")?;
    let run = RunDir::open(path)?;
    let (cfg, metadata) = (&run.cfg, &run.cfg.metadata);
    println!(
        "{} SAE, d_in {}, d_sae {}",
        cfg.architecture.name(),
        cfg.d_in,
        cfg.d_sae
    );
    println!("at {:?} of {:?}", metadata.hook_name, metadata.model_name);
    println!(
        "mean log sparsity {:?}, dead {:?}",
        run.mean_log_sparsity(),
        run.dead_fraction()
    );
    Ok(())
}
