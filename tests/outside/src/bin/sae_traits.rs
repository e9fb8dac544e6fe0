//! An autoencoder of one's own.

use sae_traits::burn::tensor::{Device, Tensor};
use sae_traits::{Autoencoder, Features, Reconstruction, SparseRows};

struct Zero;

impl Autoencoder for Zero {
    fn d_in(&self) -> usize {
        4
    }

    fn d_sae(&self) -> usize {
        8
    }

    fn reconstruct(&self, x: Tensor<3>) -> Reconstruction {
        let [b, p, _] = x.dims();
        let none = SparseRows::from_dense(&vec![0.0; b * p * 8], 8);
        Reconstruction::new(Features::Sparse(none), x.zeros_like())
    }
}

fn main() {
    let x = Tensor::<3>::ones([1, 2, 4], &Device::flex());
    let reconstruction = Zero.reconstruct(x);
    let Features::Sparse(rows) = reconstruction.features else {
        panic!("these are sparse");
    };
    println!("{} rows, {} active", rows.n_rows(), rows.n_active());
    assert_eq!(rows.n_active(), 0);
}
