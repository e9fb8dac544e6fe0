//! Which lines are drawn in which chart.

use super::clock::Clock;
use super::groups::{GROUPS, charted, group_of, part};
use super::series::{Series, series};
use super::{TrainingRun, TrainingState};
use crate::escape::{visible, visible_token};
use std::collections::HashMap;
use std::mem::take;

/// Points of all charts together, which keeps the page below a megabyte.
const BUDGET: usize = 24_000;
/// Charts beyond this are left to the table.
const CHARTS: usize = 24;

/// A run as it is shown.
#[derive(Debug)]
pub(super) struct Shown<'a> {
    pub(super) run: &'a TrainingRun,
    pub(super) series: Vec<Series>,
    pub(super) clock: Clock,
}

impl Shown<'_> {
    pub(super) fn find(&self, name: &str) -> Option<&Series> {
        self.series.iter().find(|series| series.name == name)
    }
}

/// What is to be drawn in one frame.
#[derive(Debug)]
pub(super) struct Chart<'a> {
    /// Of elements of the page.
    pub(super) slug: String,
    /// What stays the same when charts are added.
    pub(super) id: String,
    pub(super) title: String,
    /// What else there is to say of it: the one name whose values these are.
    pub(super) small: String,
    /// Whether it is logarithmic at first.
    pub(super) log: bool,
    /// Whether anything can be shown on a logarithmic scale.
    pub(super) has_log: bool,
    pub(super) floor: Option<f64>,
    pub(super) lines: Vec<Line<'a>>,
}

/// One series of one run.
#[derive(Debug)]
pub(super) struct Line<'a> {
    /// What hides it: its run, or of one run its name, without what an attribute would not keep.
    pub(super) key: String,
    pub(super) name: &'a str,
    pub(super) colour: usize,
    pub(super) run: usize,
    pub(super) series: &'a Series,
}

/// The runs' series, thinned so that the page stays small.
pub(super) fn shown(state: &TrainingState) -> Vec<Shown<'_>> {
    let show = |run| Shown {
        run,
        series: series(run),
        clock: Clock::new(&run.records),
    };
    let mut runs: Vec<Shown> = state.runs.iter().map(show).collect();
    let n_lines: usize = runs.iter().map(|run| run.series.len()).sum();
    let most = (BUDGET / n_lines.max(1)).max(20);
    for series in runs.iter_mut().flat_map(|run| &mut run.series) {
        series.drawn = take(&mut series.drawn).thinner(most);
    }
    runs
}

/// Names of all runs, those of groups first.
pub(super) fn names<'a>(runs: &'a [Shown]) -> Vec<&'a str> {
    let mut places: HashMap<&str, usize> = HashMap::new();
    for series in runs.iter().flat_map(|run| &run.series) {
        let next = places.len();
        places.entry(&series.name).or_insert(next);
    }
    let mut names: Vec<&'a str> = places.keys().copied().collect();
    names.sort_by_key(|name| (group_of(name).unwrap_or(GROUPS.len()), places[name]));
    names
}

/// The charts, and how many names have none for want of space. Of one run, a group is a chart; of several, each name is one.
pub(super) fn charts<'a>(runs: &'a [Shown]) -> (Vec<Chart<'a>>, usize) {
    let mut sets: Vec<(Option<usize>, Vec<&'a str>)> = Vec::new();
    let all = names(runs);
    for name in all.iter().copied().filter(|name| charted(name)) {
        let group = group_of(name);
        match sets.last_mut() {
            Some((last, names)) if runs.len() == 1 && group.is_some() && *last == group => {
                names.push(name);
            }
            _ => sets.push((group, vec![name])),
        }
    }
    let left_out = sets.split_off(sets.len().min(CHARTS));
    let charts = sets
        .iter()
        .enumerate()
        .map(|(at, (group, names))| chart(runs, at, *group, names, &all));
    (charts.collect(), left_out.len())
}

fn chart<'a>(
    runs: &'a [Shown],
    at: usize,
    group: Option<usize>,
    names: &[&'a str],
    all: &[&str],
) -> Chart<'a> {
    let lines = if runs.len() == 1 {
        lines_of_one(runs, names)
    } else {
        lines_of_several(runs, names)
    };
    let facts = || lines.iter().map(|line| &line.series.facts);
    let (n, n_not_positive, n_not_finite) = facts().fold((0, 0, 0), |sum, facts| {
        (
            sum.0 + facts.n,
            sum.1 + facts.n_not_positive,
            sum.2 + facts.n_not_finite,
        )
    });
    let no_negative = facts().all(|facts| facts.extremes.is_none_or(|(least, _)| least >= 0.0));
    let n_positive = n - n_not_positive - n_not_finite;
    let one = (names.len() == 1).then(|| names[0]);
    let is_short = |name: &str| all.iter().filter(|other| part(other) == part(name)).count() == 1;
    let group = group.map(|at| &GROUPS[at]);
    let small = match (group, one) {
        (Some(_), Some(name)) if is_short(name) => part(name),
        (Some(_), Some(name)) => name,
        (Some(_), None) => "",
        (None, _) => names[0]
            .strip_suffix(part(names[0]))
            .unwrap_or_default()
            .trim_end_matches('/'),
    };
    Chart {
        slug: match group {
            Some(group) if runs.len() == 1 => group.slug.to_owned(),
            _ => format!("chart-{at}"),
        },
        id: match group {
            Some(group) if runs.len() == 1 => group.slug.to_owned(),
            _ => visible(names[0]),
        },
        title: group.map_or_else(|| part(names[0]).to_owned(), |group| group.title.to_owned()),
        small: small.to_owned(),
        log: group.is_some_and(|group| group.log) && no_negative && n_positive > n_not_positive,
        has_log: n_positive > 0,
        floor: group.and_then(|group| group.floor),
        lines,
    }
}

fn lines_of_one<'a>(runs: &'a [Shown], names: &[&'a str]) -> Vec<Line<'a>> {
    let names = names.iter().enumerate();
    let line = |(colour, &name): (usize, &&'a str)| {
        let series = runs[0].find(name)?;
        let short = part(name);
        let is_short = names
            .clone()
            .filter(|(_, other)| part(other) == short)
            .count()
            == 1;
        Some(Line {
            key: visible_token(name),
            name: if is_short { short } else { name },
            colour,
            run: 0,
            series,
        })
    };
    names.clone().filter_map(line).collect()
}

fn lines_of_several<'a>(runs: &'a [Shown], names: &[&'a str]) -> Vec<Line<'a>> {
    let line = |(run, shown): (usize, &'a Shown)| {
        Some(Line {
            key: format!("run-{run}"),
            name: &shown.run.name,
            colour: run,
            run,
            series: shown.find(names.first()?)?,
        })
    };
    runs.iter().enumerate().filter_map(line).collect()
}
