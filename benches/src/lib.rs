//! What the benchmarks share: random models of a real model's shape, SAEs as sparse as trained ones, and the bundled demo.
//!
//! Everything here is fixed by seeds or comes from `demo/`, so that two runs measure the same work. See README.md for what each
//! benchmark measures.

mod demo;
pub mod memory;
pub mod processor;
mod product;
mod random;

pub use demo::{Demo, texts, tokenizer};
pub use product::{Product, product_gflops};
pub use random::{activations, smollm2_shaped, sparse_sae, tokens};
