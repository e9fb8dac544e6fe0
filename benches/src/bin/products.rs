//! Processor time of products x·Wᵀ in f32 and in bf16, for `peers/products.py`: `products ROWSxINxOUT…`, a line of JSON for each.

#![allow(clippy::print_stdout)] // the lines are what the program is for

use burn::tensor::{Device, Distribution, FloatDType, Tensor};
use fused_ops::linear;
use sae_benches::processor;
use std::error::Error;
use std::hint::black_box;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Seconds for each shape.
const SECONDS: f64 = 1.0;

fn main() -> Result<(), Box<dyn Error>> {
    for shape in std::env::args().skip(1) {
        let dims: Vec<usize> = shape.split('x').map(str::parse).collect::<Result<_, _>>()?;
        let [rows, n_in, n_out] = dims.try_into().map_err(|_| "a shape is ROWSxINxOUT")?;
        let random =
            |dims| Tensor::<2>::random(dims, Distribution::Normal(0.0, 1.0), &Device::flex());
        let (x, w) = (random([rows, n_in]), random([n_out, n_in]));
        let half = |x: &Tensor<2>| x.clone().cast(FloatDType::BF16);
        let (half_x, half_w) = (half(&x), half(&w));
        let [wide, half] = processor::least(
            SECONDS,
            [
                &mut || drop(black_box(linear(x.clone(), w.clone()))),
                &mut || drop(black_box(linear(half_x.clone(), half_w.clone()))),
            ],
        );
        println!(
            "{}",
            serde_json::json!({"shape": shape, "f32": wide, "bf16": half})
        );
    }
    Ok(())
}
