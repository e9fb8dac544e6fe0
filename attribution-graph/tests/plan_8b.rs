//! What an attribution graph on Llama 3 8B would take, from its dimensions.

#![allow(clippy::unwrap_used)]
// clippy sees only the #[test] functions as tests, not their helpers

mod support;

use burn::tensor::{Device, FloatDType};
use sae_attribution_graph::{AttributeOptions, Transcoders, Work};
use sae_core::Sae;
use support::{configs, llama};

/// The arithmetic of the README: Llama 3 8B in bf16, streamed, 32 transcoders of 32,768 features, 64 tokens, 60 features on a token.
#[test]
fn llama_3_8b_can_be_planned() {
    let config = llama(128_256, 4096, 14_336, 32, 32, 8);
    let saes: Vec<Sae> = configs(32, 4096, 32)
        .map(|cfg| Sae::random(cfg, 0, &Device::flex(), FloatDType::F32).unwrap())
        .collect();
    let transcoders = Transcoders::loaded(saes, &config).unwrap();
    let options = AttributeOptions::new();
    // As if each had 32,768 features: nothing of that size is made here.
    let mut work = Work::of(&config, &transcoders, 64, &options).expect_active(60.0);
    (work.n_active, work.n_different) = (32 * 64 * 60, 32 * 64 * 60);
    let demand = work.demand(2 * 4096 * 32_768 + 32_768 + 4096, Some(2));
    let mib = |bytes: u64| bytes >> 20;
    let parts: Vec<(&str, u64)> = demand.parts.iter().map(|&(n, b)| (n, mib(b))).collect();
    println!(
        "{parts:?}, {} MiB, {:.2e} operations",
        mib(demand.bytes()),
        demand.flops as f64
    );
    assert_eq!(
        parts[0],
        ("frozen model", mib(4 * 32 * (32 * 64 * 64 + 2 * 64 * 4096)))
    );
    assert_eq!(
        parts[1],
        ("attention weights", mib(32 * 4096 * (4096 + 1024) * 2))
    );
    assert_eq!(
        parts[2],
        ("active features", mib(122_880 * (8 * 4096 + 48)))
    );
    assert_eq!(parts[3].0, "edges");
    assert!(demand.bytes() < 12 << 30, "{parts:?}");
}
