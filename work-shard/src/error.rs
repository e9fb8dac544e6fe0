//! Variables that say no place, or none that makes sense.

use thiserror::Error;

/// Why the variables of a launcher give no place.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum EnvironmentError {
    /// A variable is no number.
    #[error(
        "{name}={value:?} is not a number from 0 to {}; unset it, or give the shard as I/N",
        u32::MAX
    )]
    NotANumber {
        /// The variable.
        name: &'static str,
        /// Its value.
        value: String,
    },
    /// A variable that goes with another one is missing.
    #[error(
        "{present} is set and {missing} is not, so that nobody says how many workers there are: {advice}"
    )]
    Missing {
        /// The variable that is there.
        present: &'static str,
        /// The one that is not.
        missing: &'static str,
        /// What to do.
        advice: &'static str,
    },
    /// The index is not below the count.
    #[error(
        "{index_name} is {index} and {count_name} is {count}, but indices count from 0 and stay below the count; give the shard as I/N"
    )]
    OutOfRange {
        /// The variable of the index.
        index_name: &'static str,
        /// Its value.
        index: u32,
        /// The variable of the count.
        count_name: &'static str,
        /// Its value.
        count: u32,
    },
    /// The ids of a Slurm array are a list that no formula gives.
    #[error(
        "the {count} ids of this Slurm array, from {min} to {max}, are not all those at a distance of {step}, so that the place of id {id} among \
         them is unknown; submit with a range such as --array=0-{}, or give the shard as I/N", count.saturating_sub(1)
    )]
    ArrayOfAList {
        /// This task's id.
        id: u32,
        /// The smallest id.
        min: u32,
        /// The largest id.
        max: u32,
        /// The distance between two ids.
        step: u32,
        /// How many there are.
        count: u32,
    },
    /// Tasks of an array times workers in each are too many to count.
    #[error(
        "{array} tasks of the array with {within} workers each are more than {} workers; use fewer",
        u32::MAX
    )]
    TooMany {
        /// Tasks in the array.
        array: u32,
        /// Workers in each.
        within: u32,
    },
}
