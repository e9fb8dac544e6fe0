//! What every evaluation's file has around its figures.

use serde::Serialize;
use serde_json::Value;
use std::time::{SystemTime, UNIX_EPOCH};

/// What SAEBench calls an SAE that is of no release.
const CUSTOM: &str = "custom_sae";

/// The two names that SAEBench knows an SAE by.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SaeBenchName {
    /// SAELens' release, or a name of the caller's.
    pub release: String,
    /// SAELens' id in the release, or `custom_sae`.
    pub id: String,
}

impl SaeBenchName {
    /// An SAE of a release of SAELens.
    pub fn published(release: &str, id: &str) -> Self {
        let (release, id) = (release.to_owned(), id.to_owned());
        Self { release, id }
    }

    /// An SAE of one's own.
    pub fn custom(name: &str) -> Self {
        Self::published(name, CUSTOM)
    }

    /// `{release}_{id}_eval_results.json`, with `_` for what separates folders.
    pub fn file_name(&self) -> String {
        let name = format!("{}_{}_eval_results.json", self.release, self.id);
        name.replace(['/', '\\', ':'], "_")
    }
}

/// A file of results.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct SaeBenchResult {
    /// The evaluation: `core`, `sparse_probing`, `tpp`, `scr`.
    pub eval_type_id: &'static str,
    /// Its settings.
    pub eval_config: Value,
    /// A name for this run, in a UUID's form.
    pub eval_id: String,
    /// When.
    pub datetime_epoch_millis: u64,
    /// Figures, in groups.
    pub eval_result_metrics: Value,
    /// Figures of parts: features, data sets.
    pub eval_result_details: Value,
    /// SAEBench's commit; here the program that wrote the file.
    pub sae_bench_commit_hash: String,
    /// SAELens' id.
    pub sae_lens_id: String,
    /// SAELens' release.
    pub sae_lens_release_id: String,
    /// SAELens' version; null, since it did not run.
    pub sae_lens_version: Option<String>,
    /// The SAE's configuration, as SAELens writes it.
    pub sae_cfg_dict: Value,
    /// Whatever else.
    pub eval_result_unstructured: Value,
}

impl SaeBenchResult {
    /// A result of now, with its config, groups and details.
    pub fn new(
        eval_type_id: &'static str,
        name: &SaeBenchName,
        (eval_config, metrics, details): (Value, Value, Value),
        sae_cfg: Value,
    ) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.unwrap_or_default();
        Self {
            eval_type_id,
            eval_config,
            eval_id: uuid(now.as_nanos(), &name.file_name()),
            datetime_epoch_millis: now.as_millis() as u64,
            eval_result_metrics: metrics,
            eval_result_details: details,
            sae_bench_commit_hash: format!("sae {}", env!("CARGO_PKG_VERSION")),
            sae_lens_id: name.id.clone(),
            sae_lens_release_id: name.release.clone(),
            sae_lens_version: None,
            sae_cfg_dict: sae_cfg,
            eval_result_unstructured: Value::Object(serde_json::Map::default()),
        }
    }

    /// The file's text.
    ///
    /// # Panics
    /// Never: it is plain data.
    pub fn to_json(&self) -> String {
        let text = serde_json::to_string_pretty(self).expect("plain data");
        text + "\n"
    }
}

/// 128 bits of the time, the process and the name, in the form of a random UUID.
fn uuid(nanos: u128, name: &str) -> String {
    // FNV-1a over 128 bits: two calls that differ anywhere have different ids.
    let mut hash: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    let bytes = nanos.to_le_bytes().into_iter();
    let bytes = bytes.chain(std::process::id().to_le_bytes());
    for byte in bytes.chain(name.bytes()) {
        hash ^= u128::from(byte);
        hash = hash.wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b);
    }
    // Version 4, variant 1.
    let hash = hash & !(0xf << 76) & !(0x3 << 62) | (0x4 << 76) | (0x2 << 62);
    let hex = format!("{hash:032x}");
    let [a, b, c, d, e] = [0..8, 8..12, 12..16, 16..20, 20..32].map(|range| &hex[range]);
    format!("{a}-{b}-{c}-{d}-{e}")
}

#[cfg(test)]
mod tests {
    use super::{SaeBenchName, uuid};

    #[test]
    fn names_never_leave_their_folder() {
        let name = SaeBenchName::custom("../runs/a:b");
        assert_eq!(name.file_name(), ".._runs_a_b_custom_sae_eval_results.json");
    }

    #[test]
    fn ids_look_like_random_uuids() {
        let id = uuid(1, "x");
        assert_eq!(id.len(), 36);
        assert_eq!(&id[14..15], "4");
        assert!("89ab".contains(&id[19..20]));
        assert_ne!(id, uuid(2, "x"));
    }
}
