//! The launchers in their order, and the place that follows.

use crate::error::EnvironmentError;
use crate::launcher::Launcher;

/// One of several workers, or of several pieces of work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    /// Which one, counted from 0; below `count`.
    pub index: u32,
    /// How many there are.
    pub count: u32,
}

/// A place, and who said so.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Found {
    /// The place.
    pub shard: Shard,
    /// Whose variables were taken: one launcher, or a Slurm array and the launcher in its tasks.
    pub launchers: Vec<Launcher>,
    /// Whose variables were there too and did not count.
    pub passed_over: Vec<Launcher>,
}

/// Variables, by a function that looks one up.
pub(crate) struct Variables<'a>(&'a dyn Fn(&str) -> Option<String>);

/// The place of a process, from the variables that `lookup` finds; `None` where no launcher says anything. The table in the crate's
/// description has the variables, and the order that counts where several are set.
///
/// # Errors
/// If a launcher's variables are incomplete or contradict each other. A place that is passed over must make sense too.
pub fn from_environment(
    lookup: &dyn Fn(&str) -> Option<String>,
) -> Result<Option<Found>, EnvironmentError> {
    // Who started the process last comes first.
    const WITHIN: [Launcher; 4] = [
        Launcher::OpenMpi,
        Launcher::Pmi,
        Launcher::Torchrun,
        Launcher::SlurmStep,
    ];
    let all = Variables(lookup);
    let mut within = None;
    let mut passed_over = Vec::new();
    for launcher in WITHIN {
        match launcher.place(&all)? {
            Some(shard) if within.is_none() => within = Some((launcher, shard)),
            Some(_) => passed_over.push(launcher),
            None => {}
        }
    }
    let array = Launcher::SlurmArray.place(&all)?;
    let (shard, launchers) = match (array, within) {
        (Some(array), Some((launcher, shard))) => {
            let shard = array.times(shard)?;
            (shard, vec![Launcher::SlurmArray, launcher])
        }
        (Some(array), None) => (array, vec![Launcher::SlurmArray]),
        (None, Some((launcher, shard))) => (shard, vec![launcher]),
        (None, None) => {
            return match Launcher::Kubernetes.place(&all)? {
                Some(shard) => Ok(Some(Found {
                    shard,
                    launchers: vec![Launcher::Kubernetes],
                    passed_over,
                })),
                None if all.text("PMIX_RANK").is_some() => Err(EnvironmentError::Missing {
                    present: "PMIX_RANK",
                    missing: "PMI_SIZE",
                    advice: "PMIx tells no size in a variable; give the shard as I/N",
                }),
                None => Ok(None),
            };
        }
    };
    // Its size need not be told where it does not count.
    if all.text("JOB_COMPLETION_INDEX").is_some() {
        passed_over.push(Launcher::Kubernetes);
    }
    Ok(Some(Found {
        shard,
        launchers,
        passed_over,
    }))
}

impl Shard {
    /// The place of a worker `within` a task of an array.
    fn times(self, within: Self) -> Result<Self, EnvironmentError> {
        let too_many = EnvironmentError::TooMany {
            array: self.count,
            within: within.count,
        };
        let count = self.count.checked_mul(within.count).ok_or(too_many)?;
        // Below the count, which fits.
        let index = self.index * within.count + within.index;
        Ok(Self { index, count })
    }
}

impl Variables<'_> {
    /// A variable's value; one that is empty counts as none.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        let value = (self.0)(name)?;
        let value = value.trim();
        (!value.is_empty()).then(|| value.to_owned())
    }

    pub(crate) fn number(&self, name: &'static str) -> Result<Option<u32>, EnvironmentError> {
        let Some(value) = self.text(name) else {
            return Ok(None);
        };
        match value.parse() {
            Ok(number) => Ok(Some(number)),
            Err(_) => Err(EnvironmentError::NotANumber { name, value }),
        }
    }

    /// A place from two variables, if that of the index is there.
    pub(crate) fn pair(
        &self,
        index_name: &'static str,
        count_name: &'static str,
        advice: &'static str,
    ) -> Result<Option<Shard>, EnvironmentError> {
        let Some(index) = self.number(index_name)? else {
            return Ok(None);
        };
        let count = self.number(count_name)?;
        let count = count.ok_or(EnvironmentError::Missing {
            present: index_name,
            missing: count_name,
            advice,
        })?;
        if index < count {
            return Ok(Some(Shard { index, count }));
        }
        Err(EnvironmentError::OutOfRange {
            index_name,
            index,
            count_name,
            count,
        })
    }
}
