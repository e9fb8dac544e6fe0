//! `contrast.csv`.

use super::columns::{COLUMNS, Value, rows};
use super::document::ContrastReport;

/// The table of all features as CSV (RFC 4180, lines end with a line feed). What is undefined is empty; numbers have all their digits.
pub fn contrast_csv(report: &ContrastReport) -> String {
    let names: Vec<&str> = COLUMNS.iter().map(|(name, _)| *name).collect();
    let mut csv = names.join(",") + "\n";
    for (sae, row) in rows(report) {
        for (at, (_, value)) in COLUMNS.iter().enumerate() {
            if at > 0 {
                csv.push(',');
            }
            match value(sae, row) {
                Value::Text(Some(text)) => csv.push_str(&quoted(&text)),
                Value::Int(Some(n)) => csv.push_str(&n.to_string()),
                Value::Float(Some(x)) => csv.push_str(&x.to_string()),
                Value::Text(None) | Value::Int(None) | Value::Float(None) => {}
            }
        }
        csv.push('\n');
    }
    csv
}

/// In quotes where it has to be: a token may be a comma, a quote or a line feed. Spaces too, so that readers that trim keep them.
fn quoted(text: &str) -> String {
    let plain = |c: char| !c.is_whitespace() && !c.is_control() && c != ',' && c != '"';
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("\"{}\"", text.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn tokens_stay_what_they_are() {
        let shown = ["a", " a", ",", "\"", "\n", "", "µ"].map(quoted);
        assert_eq!(
            shown,
            ["a", "\" a\"", "\",\"", "\"\"\"\"", "\"\n\"", "\"\"", "µ"]
        );
    }
}
