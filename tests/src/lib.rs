//! Parity with the Python peers, and tests that cross crates.

/// The Rust blocks of the repository's README are compiled as tests.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
