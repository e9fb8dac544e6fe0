//! The values of a run by their names, each in the order of the steps.

use super::thin::{MOST, Thinned};
use super::{TrainingRecord, TrainingRun};

/// One name's values: what is drawn of them, and what can be said of all.
#[derive(Debug)]
pub(super) struct Series {
    pub(super) name: String,
    pub(super) drawn: Thinned,
    pub(super) facts: SeriesFacts,
}

/// Of all values, whatever is drawn.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct SeriesFacts {
    pub(super) n: usize,
    pub(super) last_step: u64,
    /// NaN or infinite, if it is.
    pub(super) last: f64,
    /// Least and greatest of the finite ones.
    pub(super) extremes: Option<(f64, f64)>,
    pub(super) n_not_finite: usize,
    pub(super) first_not_finite: Option<u64>,
    /// Those that have no logarithm.
    pub(super) n_not_positive: usize,
}

/// Every series of a run, in the order in which their names come up.
pub(super) fn series(run: &TrainingRun) -> Vec<Series> {
    let columns = columns(&run.records);
    let of_column = |(name, mut values): (&str, Vec<(u64, f64)>)| {
        in_order(&mut values);
        Series {
            name: name.to_owned(),
            drawn: Thinned::new(&values, MOST),
            facts: facts(&values),
        }
    };
    columns.into_iter().map(of_column).collect()
}

fn columns(records: &[TrainingRecord]) -> Vec<(&str, Vec<(u64, f64)>)> {
    let mut columns: Vec<(&str, Vec<(u64, f64)>)> = Vec::new();
    for record in records {
        // Records are alike: what follows a name in one follows it in the next.
        let mut expected = 0;
        for (name, value) in &record.values {
            let at = match columns.get(expected) {
                Some((column, _)) if column == name => expected,
                _ => {
                    let known = columns.iter().position(|(column, _)| column == name);
                    known.unwrap_or(columns.len())
                }
            };
            if at == columns.len() {
                columns.push((name, Vec::new()));
            }
            columns[at].1.push((record.step, *value));
            expected = at + 1;
        }
    }
    columns
}

/// By step. Where a step comes twice, as after training went on from a checkpoint, the later value stands.
fn in_order(values: &mut Vec<(u64, f64)>) {
    if values.is_sorted_by(|a, b| a.0 < b.0) {
        return;
    }
    values.sort_by_key(|value| value.0);
    values.dedup_by(|later, kept| {
        let same = later.0 == kept.0;
        if same {
            *kept = *later;
        }
        same
    });
}

fn facts(values: &[(u64, f64)]) -> SeriesFacts {
    let mut facts = SeriesFacts {
        n: values.len(),
        ..SeriesFacts::default()
    };
    for &(step, value) in values {
        (facts.last_step, facts.last) = (step, value);
        if !value.is_finite() {
            facts.n_not_finite += 1;
            facts.first_not_finite.get_or_insert(step);
            continue;
        }
        facts.n_not_positive += usize::from(value <= 0.0);
        let (least, greatest) = facts.extremes.unwrap_or((value, value));
        facts.extremes = Some((least.min(value), greatest.max(value)));
    }
    facts
}

#[cfg(test)]
mod tests {
    use super::series;
    use crate::training::{TrainingRecord, TrainingRun};

    fn record(step: u64, values: &[(&str, f64)]) -> TrainingRecord {
        let values = values
            .iter()
            .map(|(name, value)| ((*name).to_owned(), *value));
        TrainingRecord::new(step, step * 10, values.collect())
    }

    #[test]
    fn values_go_to_their_names_in_the_order_of_steps() {
        let mut run = TrainingRun::new("r", "standard");
        run.records = vec![
            record(1, &[("a", 1.0), ("b", 2.0)]),
            record(2, &[("b", f64::NAN), ("c", -4.0), ("a", 3.0)]),
            // Gone back to step 2.
            record(3, &[("a", 9.0)]),
            record(2, &[("a", 5.0)]),
        ];
        let found = series(&run);
        let names: Vec<&str> = found.iter().map(|s| s.name.as_str()).collect();
        assert_eq!(names, ["a", "b", "c"]);
        let points = found[0].drawn.points();
        let a: Vec<(u64, Option<f64>)> = points.iter().map(|p| (p.step, p.value)).collect();
        assert_eq!(a, [(1, Some(1.0)), (2, Some(5.0)), (3, Some(9.0))]);
        assert_eq!(found[0].facts.extremes, Some((1.0, 9.0)));
        let b = found[1].facts;
        assert_eq!((b.n_not_finite, b.first_not_finite), (1, Some(2)));
        assert!(b.last.is_nan() && b.extremes == Some((2.0, 2.0)));
        assert_eq!(found[2].facts.n_not_positive, 1);
        assert!(series(&TrainingRun::new("r", "topk")).is_empty());
    }
}
