//! A plot as SVG: part of the page, or a file of its own.

use crate::escape::escape;
use crate::palette;
use std::fmt::Write;

/// How the parts of a plot look, in the variables of the page.
pub(crate) const STYLE: &str = include_str!("plots.css");

/// A plot's size. On the page it is scaled to its column.
pub(super) const WIDTH: f64 = 560.0;

/// The names and values that a bar shows to a reader.
pub(super) type Pairs = Vec<(&'static str, String)>;

/// A plot: bars that can be asked for their values, between what lies behind and before them.
#[derive(Debug)]
pub struct Plot {
    /// Of the file, without an ending.
    pub name: &'static str,
    /// Its subject, in a few words.
    pub title: String,
    height: f64,
    behind: String,
    bars: Vec<(Pairs, String)>,
    before: String,
}

impl Plot {
    pub(super) fn new(name: &'static str, title: &str, height: f64) -> Self {
        Self {
            name,
            title: title.to_owned(),
            height,
            behind: String::new(),
            bars: Vec::new(),
            before: String::new(),
        }
    }

    /// A line behind the bars.
    pub(super) fn line(&mut self, class: &str, (x1, y1): (f64, f64), (x2, y2): (f64, f64)) {
        line(&mut self.behind, class, (x1, y1), (x2, y2));
    }

    /// A line before them.
    pub(super) fn line_before(&mut self, class: &str, from: (f64, f64), to: (f64, f64)) {
        line(&mut self.before, class, from, to);
    }

    /// A rectangle behind the bars.
    pub(super) fn area(&mut self, class: &str, corner: (f64, f64), size: (f64, f64)) {
        self.behind.push_str(&rect(class, corner, size));
    }

    /// A line through points, before the bars.
    pub(super) fn path(&mut self, class: &str, points: &[(f64, f64)]) {
        let points: Vec<String> = points
            .iter()
            .map(|(x, y)| format!("{x:.1},{y:.1}"))
            .collect();
        let _ = writeln!(
            self.before,
            "<polyline class=\"{class}\" points=\"{}\"/>",
            points.join(" ")
        );
    }

    /// Text; `anchor` is start, middle or end.
    pub(super) fn text(&mut self, class: &str, anchor: &str, (x, y): (f64, f64), text: &str) {
        let _ = writeln!(
            self.before,
            "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{}</text>",
            escape(text)
        );
    }

    /// A bar, and the space around it that can be pointed at: each by its corner and its size.
    pub(super) fn bar(
        &mut self,
        class: &str,
        said: Pairs,
        bar: [(f64, f64); 2],
        hit: [(f64, f64); 2],
    ) {
        let drawn = rect(class, bar[0], bar[1]) + &rect("hit", hit[0], hit[1]);
        self.bars.push((said, drawn));
    }

    /// For the page, whose script shows the values.
    pub fn inline(&self) -> String {
        self.render(
            &format!("<svg class=\"plot\" viewBox=\"0 0 {WIDTH} {}\" role=\"img\" tabindex=\"0\" aria-label=\"{}\">", self.height, escape(&self.title)),
            |said| {
                let lines: Vec<String> = said.iter().map(|(name, value)| format!("{name}|{value}")).collect();
                (format!(" data-tip=\"{}\"", escape(&lines.join("\n")).replace('\n', "&#10;")), String::new())
            },
        )
    }

    /// A file: in light colours, with generic fonts, on white.
    pub fn standalone(&self) -> String {
        let head = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"plot\" width=\"{WIDTH}\" height=\"{0}\" viewBox=\"0 0 {WIDTH} {0}\" font-family=\"sans-serif\">\n<title>{1}</title>\n<style>\n{2}</style>\n<rect width=\"{WIDTH}\" height=\"{0}\" fill=\"#ffffff\"/>",
            self.height,
            escape(&self.title),
            palette::light(STYLE)
        );
        self.render(&head, |said| {
            let said: Vec<String> = said
                .iter()
                .map(|(name, value)| format!("{name}: {value}"))
                .collect();
            (
                String::new(),
                format!("<title>{}</title>", escape(&said.join("; "))),
            )
        })
    }

    fn render(&self, head: &str, told: impl Fn(&Pairs) -> (String, String)) -> String {
        let mut svg = format!("{head}\n{}", self.behind);
        for (said, drawn) in &self.bars {
            let (attribute, child) = told(said);
            let _ = writeln!(svg, "<g class=\"bar\"{attribute}>{child}{drawn}</g>");
        }
        svg.push_str(&self.before);
        svg.push_str("</svg>\n");
        svg
    }
}

fn line(to: &mut String, class: &str, (x1, y1): (f64, f64), (x2, y2): (f64, f64)) {
    let _ = writeln!(
        to,
        "<line class=\"{class}\" x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\"/>"
    );
}

fn rect(class: &str, (x, y): (f64, f64), (width, height): (f64, f64)) -> String {
    format!(
        "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{:.1}\"/>",
        width.max(0.0),
        height.max(0.0)
    )
}

#[cfg(test)]
mod tests {
    use super::Plot;

    #[test]
    fn text_in_a_plot_stays_text() {
        let mut plot = Plot::new("p", "a < b & \"c\"", 100.0);
        plot.text("name", "start", (0.0, 0.0), "</svg><script>");
        plot.bar(
            "fill",
            vec![("range", "1 < 2".to_owned()), ("tokens", "3".to_owned())],
            [(0.0, 0.0), (1.0, -1.0)],
            [(0.0, 0.0), (1.0, 1.0)],
        );
        for svg in [plot.inline(), plot.standalone()] {
            assert!(!svg.contains("<script>") && svg.contains("&lt;/svg&gt;"));
            assert!(svg.contains("height=\"0.0\""), "no negative height");
        }
        assert!(
            plot.inline()
                .contains("data-tip=\"range|1 &lt; 2&#10;tokens|3\"")
        );
        let alone = plot.standalone();
        assert!(alone.contains("<title>range: 1 &lt; 2; tokens: 3</title>"));
        assert!(alone.contains("font-family=\"sans-serif\"") && !alone.contains("var("));
    }
}
