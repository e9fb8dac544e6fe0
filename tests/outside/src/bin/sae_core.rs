//! An SAE from a training run, encoding.

use sae_core::burn::tensor::{Device, Tensor};
use sae_core::{Sae, SaeLoadOptions};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let device = Device::flex();
    let run = concat!(env!("CARGO_MANIFEST_DIR"), "/../../demo/run");
    let sae = Sae::load(run, &SaeLoadOptions::new(&device))?;
    let x = Tensor::<3>::ones([1, 2, sae.cfg().d_in], &device);
    let features = sae.encode_sparse(x.clone()).features;
    println!(
        "{} of {} features fire",
        features.n_active(),
        2 * sae.cfg().d_sae
    );
    assert_eq!(sae.forward(x).dims(), [1, 2, sae.cfg().d_out]);
    Ok(())
}
