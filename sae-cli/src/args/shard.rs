//! `--shard I/N`, and `--shard auto`: the part of the work that is this process's.

use dataset_stream::Shard;
use std::sync::OnceLock;
use work_shard::{Found, from_environment};

/// What the environment said, for the log, which begins after the arguments are read.
static FOUND: OnceLock<Found> = OnceLock::new();

/// Reads `I/N`, or, for `auto`, the variables of Slurm, MPI, Kubernetes or torchrun.
pub(crate) fn shard(text: &str) -> Result<Shard, String> {
    if text != "auto" {
        let given = text.parse::<Shard>();
        return given.map_err(|error| format!("{error}, or auto"));
    }
    let found = from_environment(&|name| std::env::var(name).ok());
    let found = found.map_err(|error| error.to_string())?.ok_or(
        "no variable of Slurm, OpenMPI, MPICH, torchrun or Kubernetes says which worker this is; start it with one of them, or give I/N",
    )?;
    let found = FOUND.get_or_init(|| found);
    let (index, count) = (found.shard.index, found.shard.count);
    Shard::new(index, count).map_err(|error| error.to_string())
}

/// Tells the log what `--shard auto` has found.
pub(crate) fn log_found() {
    let Some(found) = FOUND.get() else { return };
    let list = |of: &[work_shard::Launcher]| {
        let names: Vec<_> = of.iter().map(ToString::to_string).collect();
        names.join(" and ")
    };
    let (index, count) = (found.shard.index, found.shard.count);
    let taken = list(&found.launchers);
    if found.passed_over.is_empty() {
        tracing::info!("--shard auto: {index}/{count}, from {taken}");
    } else {
        let other = list(&found.passed_over);
        tracing::warn!(
            "--shard auto: {index}/{count}, from {taken}; the variables of {other} are set too and were passed over. Give --shard I/N if that is wrong"
        );
    }
}
