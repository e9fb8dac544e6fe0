//! Headers that say which bytes these are, and of what.

use ureq::http::HeaderMap;

/// `Content-Range: bytes first-last/total`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ContentRange {
    /// First and last byte; none in an answer to a range that cannot be satisfied.
    pub(crate) span: Option<(u64, u64)>,
    /// Bytes of the whole file.
    pub(crate) total: Option<u64>,
}

impl ContentRange {
    /// `None` if this is not such a header, or one that contradicts itself.
    pub(crate) fn parse(value: &str) -> Option<Self> {
        let (span, total) = value
            .trim()
            .strip_prefix("bytes ")?
            .trim()
            .split_once('/')?;
        let total = match total {
            "*" => None,
            digits => Some(number(digits)?),
        };
        if span == "*" {
            return Some(Self { span: None, total });
        }
        let (first, last) = span.split_once('-')?;
        let (first, last) = (number(first)?, number(last)?);
        let fits = first <= last && last < total.unwrap_or(u64::MAX);
        fits.then_some(Self {
            span: Some((first, last)),
            total,
        })
    }
}

/// Digits only: `parse` would take a sign.
fn number(text: &str) -> Option<u64> {
    text.bytes()
        .all(|b| b.is_ascii_digit())
        .then(|| text.parse().ok())?
}

/// The header's value, where it is text.
pub(crate) fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// The length of the body in bytes, where the header is a number.
pub(crate) fn content_length(headers: &HeaderMap) -> Option<u64> {
    length(headers, "content-length")
}

/// A header that is a number of bytes.
pub(crate) fn length(headers: &HeaderMap, name: &str) -> Option<u64> {
    number(text(headers, name)?.trim())
}

/// The address of the page that follows, from `Link: <address>; rel="next"`.
pub(crate) fn next_page(link: &str) -> Option<&str> {
    let mut rest = link;
    loop {
        let start = rest.find('<')? + 1;
        let end = start + rest.get(start..)?.find('>')?;
        let address = &rest[start..end];
        rest = &rest[end + 1..];
        // Parameters go up to the next address. A comma in quotes would not hold an address.
        let parameters = rest.split('<').next().unwrap_or_default();
        let is_next = parameters.split([';', ',']).any(|parameter| {
            let (name, value) = parameter.split_once('=').unwrap_or_default();
            name.trim().eq_ignore_ascii_case("rel")
                && value
                    .trim()
                    .trim_matches('"')
                    .split_ascii_whitespace()
                    .any(|rel| rel.eq_ignore_ascii_case("next"))
        });
        if is_next {
            return Some(address);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_ranges() {
        let parse = ContentRange::parse;
        let all = |span, total| Some(ContentRange { span, total });
        assert_eq!(parse("bytes 0-9/10"), all(Some((0, 9)), Some(10)));
        assert_eq!(parse("bytes 5-5/*"), all(Some((5, 5)), None));
        assert_eq!(parse("bytes */10"), all(None, Some(10)));
        for bad in [
            "",
            "bytes",
            "bytes 0-9",
            "bytes 9-0/10",
            "bytes 0-10/10",
            "bytes +0-9/10",
            "bytes 0-9/x",
            "items 0-9/10",
            "bytes 0-99999999999999999999/*",
            "bytes -9/10",
            "bytes 0-/10",
        ] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_next_page() {
        assert_eq!(
            next_page("<https://h/a?b=1,2>; rel=\"next\""),
            Some("https://h/a?b=1,2")
        );
        assert_eq!(
            next_page("<p>; rel=prev, <n>; title=\"x\"; rel=\"last next\""),
            Some("n")
        );
        for none in [
            "",
            "<a>",
            "<a>; rel=\"prev\"",
            "a; rel=next",
            "<a; rel=next",
            "<",
        ] {
            assert_eq!(next_page(none), None, "{none}");
        }
    }
}
