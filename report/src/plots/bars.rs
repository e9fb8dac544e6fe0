//! A few figures side by side, as horizontal bars.

use super::svg::{Plot, WIDTH};
use crate::report::Loss;
use crate::scale::{Scale, number, percent, tick_label, ticks};
use sae_metrics::ReconstructionQualityFigures;

const LEFT: f64 = 112.0;
const RIGHT: f64 = WIDTH - 70.0;
const ROW: f64 = 40.0;
const BAR: f64 = 20.0;

/// One bar: its name, its value, the value in words, and its colour.
struct Row<'a> {
    name: &'a str,
    value: f64,
    said: String,
    class: &'static str,
}

/// Bars from zero. Below them lies the axis.
fn rows(plot: &mut Plot, rows: &[Row], x: Scale, range: (f64, f64)) -> f64 {
    let bottom = ROW * rows.len() as f64;
    for tick in ticks(range.0, range.1, 7) {
        plot.line("grid", (x.at(tick), 4.0), (x.at(tick), bottom));
        plot.text(
            "tick",
            "middle",
            (x.at(tick), bottom + 15.0),
            &tick_label(tick),
        );
    }
    for (i, row) in rows.iter().enumerate() {
        let top = ROW * i as f64 + (ROW - BAR) / 2.0;
        let value = if row.value.is_finite() {
            row.value
        } else {
            0.0
        };
        let (zero, end) = (x.at(0.0), x.at(value));
        let said = vec![("figure", row.name.to_owned()), ("value", row.said.clone())];
        let bar = [(zero.min(end), top), ((end - zero).abs(), BAR)];
        plot.bar(
            row.class,
            said,
            bar,
            [(LEFT, top - 6.0), (RIGHT - LEFT, BAR + 12.0)],
        );
        plot.text("name", "end", (LEFT - 10.0, top + 14.5), row.name);
        plot.text(
            "value",
            "start",
            (zero.max(end) + 7.0, top + 14.5),
            &row.said,
        );
    }
    plot.line_before("base", (x.at(0.0), 4.0), (x.at(0.0), bottom));
    bottom
}

/// The three losses, and how much of the way back from zero ablation the reconstruction goes.
pub(super) fn losses(loss: &Loss) -> Plot {
    let mut plot = Plot::new(
        "losses",
        "Next-token loss: original, with the reconstruction, with zero ablation",
        184.0,
    );
    let values = [loss.original, loss.reconstruction, loss.zero_ablation];
    let finite = values.into_iter().filter(|loss| loss.is_finite());
    let range = (0.0, finite.fold(f64::MIN_POSITIVE, f64::max));
    let x = Scale::new(range, (LEFT, RIGHT));
    let names = [
        ("original", "fill"),
        ("reconstruction", "fill second"),
        ("zero ablation", "fill third"),
    ];
    let drawn: Vec<Row> = names
        .into_iter()
        .zip(values)
        .map(|((name, class), value)| Row {
            name,
            value,
            said: number(value, 5),
            class,
        })
        .collect();
    let bottom = rows(&mut plot, &drawn, x, range);
    if loss.recovered.is_finite() && loss.zero_ablation > loss.original {
        let [original, reached, ablated] = values.map(|value| x.at(value));
        let y = bottom + 36.0;
        for at in [original, ablated] {
            plot.line_before("step dashed", (at, 6.0), (at, y));
        }
        // From the one end to the other is what zero ablation costs; the thick part is what the SAE gives back.
        plot.line_before("step", (original, y), (ablated, y));
        plot.line_before("mark thick", (reached, y), (ablated, y));
        let said = format!("{} of the loss recovered", percent(loss.recovered, 4));
        let (middle, anchor) = if ablated - original > 150.0 {
            (f64::midpoint(original, ablated), "middle")
        } else {
            (ablated, "end")
        };
        plot.text("mark-label", anchor, (middle, y - 6.0), &said);
    }
    plot.text(
        "tick",
        "middle",
        (f64::midpoint(LEFT, RIGHT), 178.0),
        "nats per token",
    );
    plot
}

/// The explained variances that are in use.
pub(super) fn variances(quality: Option<&ReconstructionQualityFigures>) -> Plot {
    let mut plot = Plot::new(
        "explained_variance",
        "Explained variance, by three definitions",
        160.0,
    );
    let Some(q) = quality else {
        plot.text("tick", "middle", (WIDTH / 2.0, 80.0), "not measured");
        return plot;
    };
    let named = [
        ("centred", q.explained_variance, "fill"),
        ("legacy", q.explained_variance_legacy, "fill"),
        ("uncentred", q.explained_variance_uncentered, "fill"),
    ];
    let lowest = named
        .iter()
        .map(|row| row.1)
        .filter(|v| v.is_finite())
        .fold(0.0, f64::min);
    // Far below zero, how far no longer matters: the number says it.
    let range = (lowest.max(-1.0), 1.0);
    let x = Scale::new(range, (LEFT, RIGHT));
    let drawn = named.map(|(name, value, class)| Row {
        name,
        value,
        said: if value.is_nan() {
            "not computed".to_owned()
        } else {
            number(value, 4)
        },
        class,
    });
    let bottom = rows(&mut plot, &drawn, x, range);
    plot.text(
        "tick",
        "middle",
        (f64::midpoint(LEFT, RIGHT), bottom + 34.0),
        "share of variance",
    );
    plot
}

#[cfg(test)]
mod tests {
    use super::{losses, variances};
    use crate::report::Loss;
    use sae_metrics::ReconstructionQualityFigures;

    fn loss(original: f64, reconstruction: f64, zero_ablation: f64) -> Loss {
        Loss {
            original,
            reconstruction,
            zero_ablation,
            recovered: (zero_ablation - reconstruction) / (zero_ablation - original),
            tokens: 1,
        }
    }

    #[test]
    fn losses_are_in_proportion() {
        let svg = losses(&loss(2.0, 4.0, 8.0)).inline();
        let width = |class: &str| {
            let (_, rest) = svg.split_once(&format!("class=\"{class}\" x=")).unwrap();
            let rest = rest.split_once("width=\"").unwrap().1;
            rest.split('"').next().unwrap().parse::<f64>().unwrap()
        };
        let widths = ["fill", "fill second", "fill third"].map(width);
        assert!(
            (widths[2] / widths[0] - 4.0).abs() < 0.01
                && (widths[1] / widths[0] - 2.0).abs() < 0.01
        );
        assert!(svg.contains(">66.67 % of the loss recovered<"));
    }

    #[test]
    fn what_is_no_number_is_said_not_drawn() {
        for plot in [
            losses(&loss(f64::NAN, f64::INFINITY, 3.0)),
            losses(&loss(3.0, 3.0, 3.0)),
        ] {
            let svg = plot.inline();
            assert!(
                !svg.contains("NaN") && !svg.contains("inf\"") && !svg.contains("recovered"),
                "{svg}"
            );
        }
        let q = ReconstructionQualityFigures {
            explained_variance: -7.5,
            explained_variance_legacy: f64::NAN,
            explained_variance_uncentered: 0.5,
            fvu: 8.5,
            mse: 1.0,
            cossim: 0.1,
        };
        let svg = variances(Some(&q)).inline();
        assert!(svg.contains(">−7.500<") && svg.contains(">not computed<") && !svg.contains("NaN"));
        assert!(variances(None).inline().contains("not measured"));
    }
}
