//! One fused operation against its definition.

use fused_ops::burn::tensor::{Device, Tensor};
use fused_ops::sparse_matmul;

fn main() {
    let w = Tensor::<2>::from_floats([[1.0, 2.0], [3.0, 4.0]], &Device::flex());
    let out = sparse_matmul(&[0, 1, 2], &[1, 0], &[2.0, 10.0], w);
    let values: Vec<f32> = out.into_data().iter::<f32>().collect();
    println!("{values:?}");
    assert_eq!(values, [6.0, 8.0, 10.0, 20.0]);
}
