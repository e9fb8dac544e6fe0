//! Places from variables: laws over random ones, and cases that were seen on real clusters.

#![allow(clippy::unwrap_used)] // clippy sees only the #[test] functions as tests, not the functions they share

use proptest::prelude::*;
use std::collections::BTreeSet;
use work_shard::{EnvironmentError, Found, Launcher, from_environment};

fn found(set: &[(&str, u64)]) -> Result<Option<Found>, EnvironmentError> {
    from_environment(&|name: &str| {
        let found = set.iter().find(|(n, _)| *n == name);
        found.map(|(_, value)| value.to_string())
    })
}

fn place(set: &[(&str, u64)]) -> (u32, u32) {
    let shard = found(set).unwrap().unwrap().shard;
    (shard.index, shard.count)
}

fn message(set: &[(&str, u64)]) -> String {
    found(set).unwrap_err().to_string()
}

/// The variables of a task of `--array=min-max:step`.
fn array(id: u64, min: u64, max: u64, step: u64, count: u64) -> Vec<(&'static str, u64)> {
    vec![
        ("SLURM_ARRAY_TASK_ID", id),
        ("SLURM_ARRAY_TASK_MIN", min),
        ("SLURM_ARRAY_TASK_MAX", max),
        ("SLURM_ARRAY_TASK_STEP", step),
        ("SLURM_ARRAY_TASK_COUNT", count),
        // As in every batch script; a rank only in a step.
        ("SLURM_PROCID", 0),
        ("SLURM_NTASKS", 4),
    ]
}

proptest! {
    /// Every worker of an array of steps has a place of its own, and all places are taken.
    #[test]
    fn an_array_of_steps_has_every_place_once(min in 0_u64..1000, step in 1_u64..50, count in 1_u64..40, tasks in 1_u64..9, cut in 0_u64..50) {
        let mut places = BTreeSet::new();
        // Slurm may name a largest id that the step does not reach.
        let max = min + step * (count - 1) + cut % step;
        for task in 0..count {
            for rank in 0..tasks {
                let mut set = array(min + task * step, min, max, step, count);
                set.retain(|(name, _)| *name != "SLURM_PROCID");
                set.extend([("SLURM_STEP_ID", 0), ("SLURM_PROCID", rank), ("SLURM_STEP_NUM_TASKS", tasks)]);
                let (index, of) = place(&set);
                prop_assert_eq!(u64::from(of), count * tasks);
                places.insert(index);
            }
        }
        prop_assert_eq!(places.into_iter().map(u64::from).collect::<Vec<_>>(), (0..count * tasks).collect::<Vec<_>>());
    }

    /// A list of ids is refused unless it is a range: no two tasks get one place.
    #[test]
    fn a_list_gives_no_place_twice(ids in prop::collection::btree_set(0_u64..30, 1..8)) {
        let (min, max) = (*ids.first().unwrap(), *ids.last().unwrap());
        let count = ids.len() as u64;
        let places: Vec<_> = ids.iter().map(|id| found(&array(*id, min, max, 1, count))).collect();
        if max - min + 1 == count {
            let got: Vec<_> = places.into_iter().map(|p| u64::from(p.unwrap().unwrap().shard.index)).collect();
            prop_assert_eq!(got, (0..count).collect::<Vec<_>>());
        } else {
            for refused in places {
                let is_list = matches!(refused, Err(EnvironmentError::ArrayOfAList { .. }));
                prop_assert!(is_list);
            }
        }
    }

    /// Nothing in a variable panics.
    #[test]
    fn any_text_is_a_place_or_an_error(values in prop::collection::vec(".{0,12}|[0-9]{1,10}", 12)) {
        let names = ["SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_MIN", "SLURM_ARRAY_TASK_MAX", "SLURM_ARRAY_TASK_STEP",
            "SLURM_ARRAY_TASK_COUNT", "SLURM_STEP_ID", "SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "RANK", "WORLD_SIZE",
            "JOB_COMPLETION_INDEX", "JOB_COMPLETIONS"];
        let lookup = |name: &str| names.iter().position(|n| *n == name).map(|at| values[at].clone());
        if let Ok(Some(found)) = from_environment(&lookup) {
            prop_assert!(found.shard.index < found.shard.count);
        }
    }
}

#[test]
fn a_batch_script_is_one_process() {
    assert_eq!(found(&[("SLURM_PROCID", 0), ("SLURM_NTASKS", 4)]), Ok(None));
    assert_eq!(place(&array(9, 1, 9, 4, 3)), (2, 3));
    let step = [
        ("SLURM_STEP_ID", 0),
        ("SLURM_PROCID", 3),
        ("SLURM_STEP_NUM_TASKS", 4),
    ];
    assert_eq!(place(&step), (3, 4));
}

#[test]
fn each_launcher_has_its_variables() {
    for (index, count, launcher) in [
        (
            "OMPI_COMM_WORLD_RANK",
            "OMPI_COMM_WORLD_SIZE",
            Launcher::OpenMpi,
        ),
        ("PMI_RANK", "PMI_SIZE", Launcher::Pmi),
        ("RANK", "WORLD_SIZE", Launcher::Torchrun),
        (
            "JOB_COMPLETION_INDEX",
            "JOB_COMPLETIONS",
            Launcher::Kubernetes,
        ),
    ] {
        let set = [(index, 2), (count, 5)];
        assert_eq!(place(&set), (2, 5));
        assert_eq!(found(&set).unwrap().unwrap().launchers, [launcher]);
        let error = message(&[(index, 5), (count, 5)]);
        assert!(
            error.contains(index) && error.contains("count from 0"),
            "{error}"
        );
    }
    assert_eq!(found(&[]), Ok(None));
    assert_eq!(found(&[("RANK", 1)]), Ok(None), "anybody's word");
}

#[test]
fn who_started_the_process_last_counts() {
    // mpirun on a further node of a job is started there by srun, as one task a node.
    let mut set = array(1, 0, 3, 1, 4);
    set.retain(|(name, _)| *name != "SLURM_PROCID");
    set.extend([
        ("SLURM_STEP_ID", 0),
        ("SLURM_PROCID", 0),
        ("SLURM_STEP_NUM_TASKS", 1),
        ("OMPI_COMM_WORLD_RANK", 1),
        ("OMPI_COMM_WORLD_SIZE", 2),
        ("JOB_COMPLETION_INDEX", 7),
    ]);
    let found = found(&set).unwrap().unwrap();
    assert_eq!((found.shard.index, found.shard.count), (3, 8));
    assert_eq!(found.launchers, [Launcher::SlurmArray, Launcher::OpenMpi]);
    assert_eq!(
        found.passed_over,
        [Launcher::SlurmStep, Launcher::Kubernetes]
    );
}

#[test]
fn errors_say_what_to_do() {
    assert!(message(&array(5, 1, 18, 1, 4)).contains("--array=0-3"));
    assert!(message(&[("JOB_COMPLETION_INDEX", 0)]).contains("spec.completions"));
    assert!(message(&[("PMIX_RANK", 0)]).contains("I/N"));
    assert!(message(&[("PMI_RANK", 0)]).contains("PMI_SIZE is not"));
    assert!(message(&[("SLURM_ARRAY_TASK_ID", 0)]).contains("SLURM_ARRAY_TASK_MIN is not"));
    let large = [("PMI_RANK", 1 << 40), ("PMI_SIZE", 2)];
    assert!(message(&large).contains("PMI_RANK=\"1099511627776\" is not a number"));
    let mut set = array(0, 0, 99_999, 1, 100_000);
    set.extend([("PMI_RANK", 0), ("PMI_SIZE", 100_000)]);
    assert!(message(&set).contains("100000 tasks of the array with 100000 workers each"));
}
