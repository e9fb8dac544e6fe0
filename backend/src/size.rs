//! Sizes as people write them.

use bytesize::ByteSize;

/// Text that is no size.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a size; write for instance 8GiB, 500MB or 1.5G")]
#[non_exhaustive]
pub struct ParseSizeError {
    text: String,
}

/// Reads a number of bytes: `8GiB`, `500 MB`, `1.5G`, `1073741824`. A letter alone is a power of 1024, as for `ls -h`.
///
/// # Errors
/// If the text is no size between one byte and an exabyte.
pub fn parse_bytes(text: &str) -> Result<u64, ParseSizeError> {
    let wrong = || ParseSizeError {
        text: text.to_owned(),
    };
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = &text[digits.len()..];
    let powers_of_1024 = unit.len() == 1 && !unit.eq_ignore_ascii_case("b");
    let in_full = format!("{text}{}", if powers_of_1024 { "iB" } else { "" });
    let ByteSize(bytes) = in_full.parse().map_err(|_| wrong())?;
    if (1..1_000_000_000_000_000_000).contains(&bytes) {
        Ok(bytes)
    } else {
        Err(wrong())
    }
}

/// Writes a number of bytes in the largest unit that it fills: `1.50 GiB`.
pub fn format_bytes(bytes: u64) -> String {
    format!("{:.2}", ByteSize(bytes).display().iec())
}

#[cfg(test)]
mod tests {
    use super::{format_bytes, parse_bytes};

    #[test]
    fn sizes_are_read_in_every_usual_unit() {
        for (text, bytes) in [
            ("8GiB", 8 << 30),
            ("8g", 8 << 30),
            ("500MB", 500_000_000),
            ("500mb", 500_000_000),
            ("1.5 GiB", 3 << 29),
            ("4096", 4096),
            ("4096B", 4096),
        ] {
            assert_eq!(parse_bytes(text), Ok(bytes), "{text}");
        }
        for wrong in ["", "GiB", "-1GB", "8GiBs", "0", "1e30", "nan", "8 G B"] {
            let error = parse_bytes(wrong).expect_err(wrong);
            assert!(
                error
                    .to_string()
                    .starts_with(&format!("{wrong:?} is not a size"))
            );
        }
    }

    #[test]
    fn sizes_are_printed_in_the_largest_unit_that_fits() {
        assert_eq!(format_bytes(3 << 29), "1.50 GiB");
        assert_eq!(format_bytes(1 << 20), "1.00 MiB");
        assert_eq!(format_bytes(999), "999 B");
    }
}
