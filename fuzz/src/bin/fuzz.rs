//! One target under libFuzzer: `TARGET=jsonl fuzz corpus/jsonl`. See `run.sh`.
#![no_main]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use sae_fuzz::{CountingAllocator, Target, memory_for};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

/// The target of this process, chosen once.
fn target() -> &'static Target {
    static TARGET: OnceLock<&'static Target> = OnceLock::new();
    TARGET.get_or_init(|| {
        // libFuzzer's own hook ends the process at every panic, also at those of libraries that our readers turn into errors.
        std::panic::set_hook(Box::new(sae_fuzz::note_panic));
        let name = std::env::var("TARGET").unwrap_or_default();
        sae_fuzz::target(&name).unwrap_or_else(|| {
            let names: Vec<_> = sae_fuzz::TARGETS.iter().map(|target| target.name).collect();
            sae_fuzz::fail(&format!(
                "TARGET is {name:?}, and must be one of {}",
                names.join(", ")
            ))
        })
    })
}

fuzz_target!(|data: &[u8]| {
    let target = target();
    CountingAllocator::start();
    if catch_unwind(AssertUnwindSafe(|| (target.run)(data))).is_err() {
        sae_fuzz::fail(&sae_fuzz::noted_panic());
    }
    let (used, allowed) = (CountingAllocator::most(), memory_for(data.len()));
    if used > allowed {
        sae_fuzz::fail(&format!(
            "{used} bytes of memory for {} bytes of input; {allowed} are allowed",
            data.len()
        ));
    }
});
