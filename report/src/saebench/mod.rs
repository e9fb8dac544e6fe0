//! SAEBench's files of results: `{release}_{id}_eval_results.json`, one for each SAE and evaluation.
//!
//! The layout is `BaseEvalOutput` of [SAEBench](https://github.com/adamkarvonen/SAEBench) 0.6, the keys and formulas are those of its evaluations. A
//! file is for comparing with SAEBench's own, so it holds what SAEBench would have written; where that is not what the key's name says, the
//! figure by its definition is under `eval_result_unstructured`, and [`CoreMetrics::doubts`] says so.

mod core;
mod envelope;
mod probes;

pub use self::core::{CoreConfig, CoreMetrics, CoreWeights};
pub use envelope::{SaeBenchName, SaeBenchResult};
pub use probes::{BenchReport, BenchSettings, DataSetBench};

use serde::Serializer;

/// SAEBench's stand-in for a figure that is not defined.
const UNDEFINED: f64 = -1.0;

/// Writes what is not a number as −1, as SAEBench's `replace_nans_with_negative_one` does.
#[allow(clippy::trivially_copy_pass_by_ref)] // serde wants it so
fn number<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    let value = if value.is_nan() { UNDEFINED } else { *value };
    serializer.serialize_f64(value)
}
