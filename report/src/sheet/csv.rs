//! Tables as CSV.

/// A header and rows, as RFC 4180 has them but for the line ends, which are `\n`.
pub fn csv_table(header: &[&str], rows: &[Vec<String>]) -> String {
    let line = |fields: Vec<String>| fields.join(",") + "\n";
    let mut out = line(header.iter().map(|field| quoted(field)).collect());
    for row in rows {
        out += &line(row.iter().map(|field| quoted(field)).collect());
    }
    out
}

fn quoted(field: &str) -> String {
    if field.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field.to_owned()
    }
}
