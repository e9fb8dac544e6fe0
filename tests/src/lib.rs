//! Parity with the Python peers, and tests that cross crates.
