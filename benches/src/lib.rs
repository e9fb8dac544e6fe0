//! Criterion benchmarks of every crate.
