//! A cache of one row, written and read.

use activation_cache::{ActivationCache, CacheSettings, CacheWriter, CachedHook};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::temp_dir().join(format!("outside-cache-{}", std::process::id()));
    let mut settings = CacheSettings::new("model", vec![CachedHook::new("hook", 2)]);
    (
        settings.context_size,
        settings.rows,
        settings.rows_per_shard,
    ) = (1, 1, 1);
    let mut writer = CacheWriter::open(&path, &settings)?;
    writer.push(&[7], &[1.0, 2.0])?;
    writer.finish()?;
    let cache = ActivationCache::open(&path)?;
    let mut values = Vec::new();
    cache.read(0, 0, 0..2, &mut values);
    println!("{:?} {values:?}", cache.ids(0));
    Ok(std::fs::remove_dir_all(path)?)
}
