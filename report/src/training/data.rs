//! What the script knows: the points of the charts, as JSON.

use super::axis::Along;
use super::charts::{Chart, Shown};
use super::draw::{DOTS, FRAME, Frame, colour};
use super::thin::Point;
use crate::escape::{json_for_script, visible};
use serde::{Serialize, Serializer};

/// Time between two looks at the file.
const RELOAD_MS: u32 = 5000;

#[derive(Serialize)]
struct Data<'a> {
    running: bool,
    reload_ms: u32,
    along: &'static str,
    frame: Frame,
    dots: usize,
    /// Pairs of steps and tokens, of each run.
    clocks: Vec<&'a [(u64, u64)]>,
    charts: Vec<ChartData<'a>>,
}

#[derive(Serialize)]
struct ChartData<'a> {
    slug: &'a str,
    id: &'a str,
    log: bool,
    floor: Option<f64>,
    lines: Vec<LineData<'a>>,
}

#[derive(Serialize)]
struct LineData<'a> {
    key: &'a str,
    name: String,
    class: String,
    run: usize,
    points: Curve,
    /// What stretches are on average, where points were left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    means: Option<Curve>,
    /// How many of the points are of the same stretch as each of these.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    of: Vec<usize>,
}

#[derive(Serialize)]
struct Curve {
    /// The first, and how far each is after the one before.
    steps: Vec<u64>,
    values: Vec<Value>,
}

/// None if it is not finite; without a point if it is whole.
struct Value(Option<f64>);

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Some(value) if value.fract() == 0.0 && value.abs() < 1e15 => {
                serializer.serialize_i64(value as i64)
            }
            value => value.serialize(serializer),
        }
    }
}

/// For a script element.
pub(super) fn data(running: bool, charts: &[Chart], runs: &[Shown], along: Along) -> String {
    let data = Data {
        running,
        reload_ms: RELOAD_MS,
        along: along.name(),
        frame: FRAME,
        dots: DOTS,
        clocks: runs.iter().map(|run| run.clock.knots()).collect(),
        charts: charts.iter().map(chart_data).collect(),
    };
    // Plain data, which cannot fail; and a page without it is still one.
    json_for_script(&serde_json::to_string(&data).unwrap_or_else(|_| "null".to_owned()))
}

fn chart_data<'a>(chart: &'a Chart<'_>) -> ChartData<'a> {
    let lines = chart.lines.iter().map(|line| {
        let drawn = &line.series.drawn;
        let means = drawn.means();
        let points: Vec<Point> = means.iter().map(|mean| mean.point).collect();
        LineData {
            key: &line.key,
            name: visible(line.name),
            class: colour(line.colour),
            run: line.run,
            points: curve(&drawn.points()),
            means: (!points.is_empty()).then(|| curve(&points)),
            of: means.iter().map(|mean| mean.n_points).collect(),
        }
    });
    ChartData {
        slug: &chart.slug,
        id: &chart.id,
        log: chart.log,
        floor: chart.floor,
        lines: lines.collect(),
    }
}

fn curve(points: &[Point]) -> Curve {
    let mut before = 0;
    let difference = |point: &Point| {
        let difference = point.step - before;
        before = point.step;
        difference
    };
    Curve {
        steps: points.iter().map(difference).collect(),
        values: points.iter().map(|point| Value(point.value)).collect(),
    }
}
