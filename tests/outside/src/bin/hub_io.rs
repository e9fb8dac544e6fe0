//! Names on the Hub, and the cache that Python uses.

use hub_io::{Cache, is_repo_name};

fn main() {
    assert!(is_repo_name("meta-llama/Llama-3.2-1B") && !is_repo_name("../up"));
    let cache = Cache::new(std::env::temp_dir());
    println!("downloads go to {}", cache.root().display());
}
