//! A sheet of results: facts, a prompt in colour, grids and ranked tables, as a page, as text on the terminal and as CSV.

mod csv;
mod page;
mod text;

pub use csv::csv_table;

use serde::Serialize;

/// What a command found about one prompt, laid out for people.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Sheet {
    /// What it is: `Logit lens`.
    pub title: String,
    /// Of what: the model, the hook.
    pub subtitle: String,
    /// Names and values.
    pub facts: Vec<(String, String)>,
    /// The prompt, token by token.
    pub strips: Vec<Strip>,
    /// Tables of coloured cells.
    pub grids: Vec<Grid>,
    /// Ranked lists.
    pub tables: Vec<Table>,
    /// How to read it.
    pub notes: Vec<String>,
    /// What looks wrong.
    pub warnings: Vec<String>,
}

/// A row of tokens, each with a colour.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Strip {
    /// What the colour means.
    pub title: String,
    /// The tokens.
    pub cells: Vec<Cell>,
}

/// A table of coloured cells.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Grid {
    /// What it shows.
    pub title: String,
    /// What the colour means.
    pub note: String,
    /// Names of the columns.
    pub columns: Vec<String>,
    /// Names of the rows, and their cells.
    pub rows: Vec<(String, Vec<Cell>)>,
}

/// A cell: what stands in it, how strong its colour is, and what is told of it besides.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Cell {
    /// What stands in it.
    pub text: String,
    /// From −1 (one colour) through 0 (none) to 1 (the other); beyond, it is as at the ends.
    pub colour: Option<f64>,
    /// Told when it is pointed at.
    pub hover: String,
}

/// A list with columns.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Table {
    /// What it lists.
    pub title: String,
    /// Names of the columns.
    pub columns: Vec<String>,
    /// The rows.
    pub rows: Vec<Vec<String>>,
}

impl Cell {
    /// A cell with a colour.
    pub fn new(
        text: impl Into<String>,
        colour: impl Into<Option<f64>>,
        hover: impl Into<String>,
    ) -> Self {
        Self {
            text: text.into(),
            colour: colour.into(),
            hover: hover.into(),
        }
    }
}

impl Sheet {
    /// A sheet with nothing on it yet.
    pub fn new(title: impl Into<String>, subtitle: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            subtitle: subtitle.into(),
            ..Self::default()
        }
    }

    /// Adds a fact.
    pub fn fact(&mut self, name: &str, value: impl Into<String>) {
        self.facts.push((name.to_owned(), value.into()));
    }

    /// The sheet as one page that opens from disk: no network, no library, no script needed to read it.
    pub fn page(&self) -> String {
        page::page(self)
    }

    /// The sheet as text.
    pub fn text(&self) -> String {
        text::text(self)
    }
}

#[cfg(test)]
mod tests {
    use super::{Cell, Grid, Sheet, Strip, Table, csv_table};

    fn sheet() -> Sheet {
        let mut sheet = Sheet::new("Patching", "<model>");
        sheet.fact("clean", "1.5");
        sheet.strips.push(Strip {
            title: "tokens".to_owned(),
            cells: vec![Cell::new(" <b>", Some(-0.5), "−0.5")],
        });
        sheet.grids.push(Grid {
            title: "grid".to_owned(),
            note: "share".to_owned(),
            columns: vec!["a".to_owned(), "long column".to_owned()],
            rows: vec![(
                "L0".to_owned(),
                vec![
                    Cell::new("0.10", Some(f64::NAN), ""),
                    Cell::new("1.00", 7.0, "\"x\""),
                ],
            )],
        });
        sheet.tables.push(Table {
            title: "features".to_owned(),
            columns: vec!["feature".to_owned(), "effect".to_owned()],
            rows: vec![vec!["12".to_owned(), "0.5".to_owned()]],
        });
        sheet.warnings.push("look <here>".to_owned());
        sheet
    }

    #[test]
    fn hostile_text_stays_text_and_colours_stay_in_range() {
        let page = sheet().page();
        assert!(page.contains("&lt;model&gt;") && page.contains("·&lt;b&gt;"));
        assert!(page.contains("look &lt;here&gt;") && !page.contains("<b>"));
        assert!(page.contains("var(--heat) 70%") && page.contains("var(--point) 35%"));
        assert!(!page.contains("NaN%"));
    }

    #[test]
    fn text_is_aligned() {
        let text = sheet().text();
        assert!(text.contains("clean: 1.5\n"), "{text}");
        assert!(
            text.contains("grid\n          a  long·c…\nL0     0.10     1.00\n"),
            "{text}"
        );
        assert!(
            text.contains("feature  effect\n     12     0.5\n"),
            "{text}"
        );
    }

    #[test]
    fn a_long_prompt_goes_on_below() {
        let n = 30;
        let mut sheet = Sheet::new("Lens", "model");
        let cells = (0..n).map(|i| Cell::new(format!("c{i}"), 0.0, ""));
        sheet.grids.push(Grid {
            title: "grid".to_owned(),
            note: String::new(),
            columns: (0..n).map(|i| format!("t{i}")).collect(),
            rows: vec![("0 resid_pre".to_owned(), cells.collect())],
        });
        let text = sheet.text();
        assert!(
            text.lines().all(|line| line.chars().count() <= 120),
            "{text}"
        );
        assert_eq!(text.matches("0 resid_pre").count(), 3);
        let words: Vec<&str> = text.split_whitespace().collect();
        for i in 0..n {
            for name in [format!("t{i}"), format!("c{i}")] {
                assert_eq!(words.iter().filter(|word| **word == name).count(), 1);
            }
        }
    }

    #[test]
    fn csv_is_quoted_where_it_must_be() {
        let rows = vec![vec!["a,b".to_owned(), "say \"x\"".to_owned()]];
        assert_eq!(
            csv_table(&["x", "y"], &rows),
            "x,y\n\"a,b\",\"say \"\"x\"\"\"\n"
        );
    }
}
