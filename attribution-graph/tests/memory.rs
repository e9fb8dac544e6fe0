//! The plan is what is used: alone in its process, since what another test leaves with the allocator would be taken for room, on a model of Llama 3 8B's proportions.

#![allow(clippy::unwrap_used)]
// clippy sees only the #[test] functions as tests, not their helpers
// Reads the kernel's own count of this process's memory.
#![cfg(target_os = "linux")]

mod support;

use burn::tensor::{Device, FloatDType};
use llama_hooked::Llama;
use sae_attribution_graph::{AttributeOptions, Transcoders, Work, attribute};
use sae_core::Sae;
use sae_progress::Unobserved;
use std::fs;
use support::{configs, llama};

/// The highest number of bytes in memory since the last [`forget_peak`].
fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let mut lines = status.lines();
    let line = lines.find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let kib: u64 = line.trim().trim_end_matches(" kB").parse().unwrap();
    kib << 10
}

fn forget_peak() {
    fs::write("/proc/self/clear_refs", "5").unwrap();
}

/// 1/16 as wide, an eighth of the blocks, with as many features on a token as fire by chance.
#[test]
fn the_plan_is_kept_to() {
    let (n_layers, d, d_sae, tokens) = (4, 256, 1024, 64);
    let device = Device::flex();
    let model = Llama::random(
        llama(512, d, 896, n_layers, 8, 2),
        0,
        &device,
        FloatDType::F32,
    );
    let saes = configs(n_layers, d, d_sae);
    let saes = saes.map(|cfg| Sae::random(cfg, 3, &device, FloatDType::F32).unwrap());
    let transcoders = Transcoders::loaded(saes.collect(), model.config()).unwrap();
    let ids: Vec<u32> = (0..tokens).collect();
    let mut options = AttributeOptions::new();
    options.max_feature_nodes = Some(1500);
    // Everything that is made once, and buffers that the allocator keeps.
    let short = attribute(&model, &transcoders, &ids[..4], &options, &mut Unobserved).unwrap();
    assert!(short.n_active > 100);
    forget_peak();
    let before = peak();
    let graph = attribute(&model, &transcoders, &ids, &options, &mut Unobserved).unwrap();
    let used = peak() - before;
    let per_token = graph.n_active as f64 / f64::from(tokens) / n_layers as f64;
    let work = Work::of(model.config(), &transcoders, ids.len(), &options).expect_active(per_token);
    let demand = work.demand(0, None);
    let planned = demand.bytes();
    println!("{used} bytes used, {planned} planned: {demand:?}");
    // Never more than a tenth above the plan. Pages of edges that are all zero are never touched, and the allocator had some memory in hand:
    // between two thirds and nine tenths of the plan were used in several runs.
    assert!(
        used * 10 <= planned * 11 && used * 10 >= planned * 6,
        "{used} bytes were used and {planned} planned: {demand:?}"
    );
}
