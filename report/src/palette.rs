//! The colours of the page and its plots, those of the feature pages.

use std::fmt::Write;

/// Names, and the colours in light and in dark.
const COLOURS: [(&str, &str, &str); 16] = [
    ("page", "#ffffff", "#131518"),
    ("side", "#f7f8f9", "#181b1f"),
    ("raised", "#ffffff", "#1f2327"),
    ("ink", "#16191d", "#e7e9ec"),
    ("soft", "#5b636d", "#a2aab4"),
    ("faint", "#69717b", "#8d96a1"),
    ("line", "#e3e6ea", "#2a2f35"),
    ("hover", "#eef1f4", "#23282e"),
    ("link", "#0b5cad", "#7db8f0"),
    ("up", "#b3282d", "#f08a84"),
    ("up-pale", "#fbeaea", "#3a2123"),
    ("ok", "#1b7a45", "#6cc791"),
    ("heat", "#d95d02", "#ff9d45"),
    ("heat-pale", "#fdeadb", "#3a2a1a"),
    ("point", "#3a6ea5", "#74a8dc"),
    ("point-pale", "#d5dbe2", "#434c56"),
];

/// Of lines in one chart, in light and in dark: far from each other in hue, and three times as light or dark as the page.
const SERIES: [(&str, &str); 8] = [
    ("#2a6fb0", "#74a8dc"),
    ("#d95d02", "#ff9d45"),
    ("#1b7a45", "#6cc791"),
    ("#c2316d", "#f083ae"),
    ("#7a4fb5", "#b79be8"),
    ("#0e8a96", "#4fc4cf"),
    ("#9a7200", "#d9b23c"),
    ("#5b636d", "#a2aab4"),
];

/// The page's definitions: one colour for each scheme.
pub(super) fn definitions() -> String {
    let mut css = String::new();
    for (name, light, dark) in COLOURS {
        let _ = write!(css, " --{name}: light-dark({light}, {dark});");
    }
    format!(":root {{{css} }}\n")
}

/// Definitions of the colours of lines, for a page that has [`definitions`] already.
pub(super) fn series() -> String {
    let mut css = String::new();
    for (n, (light, dark)) in SERIES.iter().enumerate() {
        let _ = writeln!(css, ".s{n} {{ --series: light-dark({light}, {dark}); }}");
    }
    css
}

/// A style sheet with every colour replaced by the light one, for files that are used alone.
pub(super) fn light(css: &str) -> String {
    let mut css = css.to_owned();
    for (name, light, _) in COLOURS {
        css = css.replace(&format!("var(--{name})"), light);
    }
    css
}

#[cfg(test)]
mod tests {
    use super::{definitions, light};

    #[test]
    fn what_stands_alone_needs_no_variables() {
        assert_eq!(
            light("a { fill: var(--point); stroke: var(--point-pale) }"),
            "a { fill: #3a6ea5; stroke: #d5dbe2 }"
        );
        assert!(!light(crate::plots::STYLE).contains("var("));
        assert!(definitions().contains("--ink: light-dark(#16191d, #e7e9ec);"));
    }
}
