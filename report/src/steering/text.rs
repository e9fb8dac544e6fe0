//! Two continuations for a terminal.

use super::Comparison;

/// Terminals with fewer columns have the texts one after the other.
const NARROW: usize = 72;
const BETWEEN: &str = " │ ";

/// The continuation without steering and the steered one, side by side or one after the other, and what steering changes in each token of the
/// first. A character takes one column.
pub fn compared_text(plain: &str, steered: &str, comparison: &Comparison, width: usize) -> String {
    let (left, right) = ("without steering", "steered");
    let mut text = if width < NARROW {
        format!(
            "{left}:\n{}\n\n{right}:\n{}\n",
            one_text(plain),
            one_text(steered)
        )
    } else {
        let half = (width - BETWEEN.chars().count()) / 2;
        let (plain, steered) = (wrapped(plain, half), wrapped(steered, half));
        let rule = "─".repeat(half);
        let mut text = format!("{left:half$}{BETWEEN}{right}\n{rule}─┼─{rule}\n");
        for at in 0..plain.len().max(steered.len()) {
            let line = |lines: &[String]| lines.get(at).cloned().unwrap_or_default();
            let line = format!("{:half$}{BETWEEN}{}", line(&plain), line(&steered));
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    };
    text.push_str(&changes(comparison));
    text
}

/// A line a token.
fn changes(comparison: &Comparison) -> String {
    let Some(mean) = comparison.mean_kl else {
        return "\nWithout steering nothing was said, so that there is nothing to compare.\n"
            .to_owned();
    };
    let mut text = format!(
        "\nThe text without steering, token by token: KL(without ‖ steered) and ln p of the token, in nats; mean KL {mean:.4}\n\
         {:>10} {:>10} {:>10}  token\n",
        "KL", "without", "steered"
    );
    for token in &comparison.tokens {
        let shown: String = token.token.escape_debug().collect();
        text.push_str(&format!(
            "{:>10.4} {:>10.4} {:>10.4}  {shown}\n",
            token.kl, token.log_prob, token.steered_log_prob
        ));
    }
    text
}

fn one_text(text: &str) -> String {
    text.trim_end_matches('\n').to_owned()
}

/// Lines of at most so many characters, broken after spaces where there are any.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for paragraph in one_text(text).split('\n') {
        let mut line = String::new();
        let mut n = 0;
        for word in paragraph.replace('\t', "    ").split_inclusive(' ') {
            let visible = word.trim_end_matches(' ').chars().count();
            if n > 0 && n + visible > width {
                lines.push(std::mem::take(&mut line));
                n = 0;
            }
            for c in word.chars() {
                // A space at the end of a line may hang over, unseen.
                if n == width && c != ' ' {
                    lines.push(std::mem::take(&mut line));
                    n = 0;
                }
                if n < width {
                    line.push(c);
                    n += 1;
                }
            }
        }
        lines.push(line);
    }
    lines
        .iter()
        .map(|line| line.trim_end().to_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::{ComparedToken, Comparison};
    use super::{compared_text, wrapped};

    fn comparison() -> Comparison {
        let token = ComparedToken::new(" a\n".to_owned(), 3, (-0.5, -1.25), 0.125);
        Comparison::new(0, 0, vec![token])
    }

    #[test]
    fn lines_break_after_words_and_lose_nothing() {
        assert_eq!(wrapped(" one two  three", 8), [" one two", "three"]);
        assert_eq!(
            wrapped("abcdefghij k\n\nl\n", 4),
            ["abcd", "efgh", "ij k", "", "l"]
        );
        assert_eq!(wrapped("", 4), [""]);
    }

    #[test]
    fn texts_stand_side_by_side_where_there_is_room() {
        let wide = compared_text("one", "two\nthree", &comparison(), 83);
        let lines: Vec<&str> = wide.lines().collect();
        assert_eq!(lines[2], format!("one{} │ two", " ".repeat(37)));
        assert_eq!(lines[3], format!("{} │ three", " ".repeat(40)));
        assert!(
            wide.ends_with("    0.1250    -0.5000    -1.2500   a\\n\n"),
            "{wide}"
        );
        let narrow = compared_text("one", "two", &comparison(), 60);
        assert!(narrow.starts_with("without steering:\none\n\nsteered:\ntwo\n\nThe text"));
    }
}
