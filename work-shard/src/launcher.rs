//! Each launcher: its name, and its variables.

use crate::environment::{Shard, Variables};
use crate::error::EnvironmentError;
use std::fmt;

/// What started the process, or the job that it is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Launcher {
    /// `sbatch --array`.
    SlurmArray,
    /// `srun`.
    SlurmStep,
    /// OpenMPI's `mpirun`.
    OpenMpi,
    /// `mpirun` of MPICH and Intel MPI.
    Pmi,
    /// `torchrun`.
    Torchrun,
    /// An indexed Job of Kubernetes.
    Kubernetes,
}

impl fmt::Display for Launcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SlurmArray => "a Slurm array (SLURM_ARRAY_TASK_ID)",
            Self::SlurmStep => "srun (SLURM_PROCID)",
            Self::OpenMpi => "OpenMPI (OMPI_COMM_WORLD_RANK)",
            Self::Pmi => "MPI (PMI_RANK)",
            Self::Torchrun => "torchrun (RANK)",
            Self::Kubernetes => "a Kubernetes Job (JOB_COMPLETION_INDEX)",
        })
    }
}

const STARTED_BY_HAND: &str = "start it with the launcher that sets both, or give the shard as I/N";

impl Launcher {
    /// The place that its variables say, if they are there.
    pub(crate) fn place(self, all: &Variables<'_>) -> Result<Option<Shard>, EnvironmentError> {
        match self {
            Self::SlurmArray => array(all),
            // sbatch sets SLURM_PROCID=0 and SLURM_NTASKS for its script, which is one process: a rank only in a step.
            Self::SlurmStep if all.text("SLURM_STEP_ID").is_none() => Ok(None),
            Self::SlurmStep => {
                all.pair("SLURM_PROCID", "SLURM_STEP_NUM_TASKS", STARTED_BY_HAND)
            }
            Self::OpenMpi => all.pair(
                "OMPI_COMM_WORLD_RANK",
                "OMPI_COMM_WORLD_SIZE",
                STARTED_BY_HAND,
            ),
            Self::Pmi => all.pair("PMI_RANK", "PMI_SIZE", STARTED_BY_HAND),
            // Plain words, which others set too: only both together are torchrun's.
            Self::Torchrun if all.text("WORLD_SIZE").is_none() => Ok(None),
            Self::Torchrun => all.pair("RANK", "WORLD_SIZE", STARTED_BY_HAND),
            Self::Kubernetes => all.pair(
                "JOB_COMPLETION_INDEX",
                "JOB_COMPLETIONS",
                "Kubernetes does not tell a Job's size: in its env, set JOB_COMPLETIONS to the value of spec.completions, or give the shard as I/N",
            ),
        }
    }
}

fn array(all: &Variables<'_>) -> Result<Option<Shard>, EnvironmentError> {
    const ID: &str = "SLURM_ARRAY_TASK_ID";
    let Some(id) = all.number(ID)? else {
        return Ok(None);
    };
    let needed = |name| {
        all.number(name)?.ok_or(EnvironmentError::Missing {
            present: ID,
            missing: name,
            advice: "submit with sbatch --array, or give the shard as I/N",
        })
    };
    let min = needed("SLURM_ARRAY_TASK_MIN")?;
    let max = needed("SLURM_ARRAY_TASK_MAX")?;
    let count = needed("SLURM_ARRAY_TASK_COUNT")?;
    let step = all.number("SLURM_ARRAY_TASK_STEP")?.unwrap_or(1);
    let is_range = step > 0
        && (min..=max).contains(&id)
        && (id - min).is_multiple_of(step)
        && u64::from((max - min) / step) + 1 == u64::from(count);
    if !is_range {
        return Err(EnvironmentError::ArrayOfAList {
            id,
            min,
            max,
            step,
            count,
        });
    }
    Ok(Some(Shard {
        index: (id - min) / step,
        count,
    }))
}
