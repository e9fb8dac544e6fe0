//! Softmax over long rows that arrive in pieces, without ever holding a row.
//!
//! ln Σ eˣ and what follows from it (cross-entropy, divergence) need one pass, in which the largest value so far is taken out of
//! the exponent and put right when a larger one comes. Sums within a piece are made in f32 lanes that are flushed into f64 every
//! thousand elements, so that their relative error stays near 1e-7 whatever the length.

mod cross_entropy;
mod divergences;
mod exp;
mod sums;

pub use cross_entropy::cross_entropy;
pub use divergences::divergences;
pub use exp::exp;
pub use sums::SoftmaxSums;
