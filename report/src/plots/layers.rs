//! A figure of several SAEs over the layers of the model.

use super::svg::{Plot, WIDTH};
use crate::escape::visible;
use crate::scale::{Scale, number, tick_label, ticks};

const HEIGHT: f64 = 220.0;
/// Room on the left, on the right, above and below.
const LEFT: f64 = 56.0;
const RIGHT: f64 = 16.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 36.0;
/// Half the side of a point.
const POINT: f64 = 3.5;

/// Points of layer, value and name. The axis reaches down to 0, unless there are values below.
pub(crate) fn over_layers(title: &'static str, points: &[(f64, f64, String)]) -> Plot {
    let mut plot = Plot::new("layers", title, HEIGHT);
    let fold = |value: fn(&(f64, f64, String)) -> f64, begin: (f64, f64)| {
        let values = points.iter().map(value);
        values.fold(begin, |(low, high), x| (low.min(x), high.max(x)))
    };
    let none = (f64::INFINITY, f64::NEG_INFINITY);
    let (layers, values) = (fold(|p| p.0, none), fold(|p| p.1, (0.0, 0.0)));
    let across = Scale::new((layers.0 - 0.5, layers.1 + 0.5), (LEFT, WIDTH - RIGHT));
    let up = Scale::new(values, (HEIGHT - BOTTOM, TOP));
    for tick in ticks(values.0, values.1, 5) {
        let y = up.at(tick);
        plot.line("grid", (LEFT, y), (WIDTH - RIGHT, y));
        plot.text("tick", "end", (LEFT - 6.0, y + 4.0), &tick_label(tick));
    }
    for tick in ticks(layers.0, layers.1, 12) {
        if tick.fract() == 0.0 {
            let at = (across.at(tick), HEIGHT - BOTTOM + 16.0);
            plot.text("tick", "middle", at, &tick_label(tick));
        }
    }
    let middle = (LEFT + WIDTH - RIGHT) / 2.0;
    plot.text("tick", "middle", (middle, HEIGHT - 4.0), "layer");
    for (layer, value, name) in points {
        let (x, y) = (across.at(*layer), up.at(*value));
        let said = vec![("SAE", visible(name)), (title, number(*value, 4))];
        let corner = |half: f64| [(x - half, y - half), (2.0 * half, 2.0 * half)];
        plot.bar("fill", said, corner(POINT), corner(3.0 * POINT));
    }
    plot
}

#[cfg(test)]
mod tests {
    use super::over_layers;

    #[test]
    fn every_point_is_there_and_names_stay_text() {
        let points = [
            (1.0, 0.9, "<b>".to_owned()),
            (3.0, 0.5, "c".to_owned()),
            (3.0, -0.5, "d".to_owned()),
        ];
        let svg = over_layers("L0", &points).inline();
        assert_eq!(svg.matches("class=\"bar\"").count(), 3);
        assert!(svg.contains("&lt;b&gt;") && !svg.contains("<b>"));
        assert!(!svg.contains("NaN") && !over_layers("L0", &[]).inline().contains("NaN"));
        let one = over_layers("L0", &[(2.0, 7.0, String::new())]).inline();
        assert!(!one.contains("NaN") && one.contains(">2<"), "{one}");
    }
}
