//! The arguments of `sae merge`.

use std::path::PathBuf;

/// Put together what several workers measured, to the figures of one that measured everything
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  sae eval --sae RUN --tokens tokens/ --shard auto --parts parts/
  sae merge parts/ --out metrics.json
  sae merge parts/ --allow-missing --csv metrics.csv
  sae merge site-a/ site-b/part-00007-of-00008.cbor --out both.cbor

Parts go together in any order, and a merged part (--out FILE.cbor) is a part again. Parts of another model, SAE, text, device or number format \
are refused, and the first difference is named. No model is loaded.")]
pub(crate) struct Args {
    /// Parts that sae eval --parts has written, or folders of them
    #[arg(value_name = "PART|DIR", required = true)]
    pub(crate) parts: Vec<PathBuf>,
    /// Write the figures as JSON, as sae eval does; or, as FILE.cbor, the parts as one
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Go on without the parts that are missing; warnings and JSON say which
    #[arg(long)]
    pub(crate) allow_missing: bool,
    /// Also write the metrics as CSV (group, metric, value)
    #[arg(long, value_name = "FILE")]
    pub(crate) csv: Option<PathBuf>,
}
