//! Addresses: read with care, shown without secrets.

use std::fmt::Write as _;

use url::{Host, Url};

/// The longest address that is accepted, in bytes. Signed addresses take about 2,000.
const MAX_LEN: usize = 16 << 10;

/// An `http` or `https` address with a host, without a fragment.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn parse(text: &str) -> Result<Url, String> {
    if text.len() > MAX_LEN {
        return Err(format!("it is longer than {MAX_LEN} bytes"));
    }
    let url = Url::parse(text).map_err(|error| error.to_string())?;
    check(url)
}

/// Where a redirect from `base` to `location` leads.
///
/// # Errors
/// Why it is not followed.
pub(crate) fn join(base: &Url, location: &str) -> Result<Url, String> {
    if location.len() > MAX_LEN {
        return Err(format!("the target is longer than {MAX_LEN} bytes"));
    }
    let url = check(base.join(location).map_err(|error| error.to_string())?)?;
    if base.scheme() == "https" && url.scheme() != "https" {
        return Err("it leads from https to http".to_owned());
    }
    Ok(url)
}

fn check(mut url: Url) -> Result<Url, String> {
    if !matches!(url.scheme(), "http" | "https") {
        return Err(format!(
            "only http and https are known, not {:?}",
            url.scheme()
        ));
    }
    if !url.has_host() {
        return Err("it has no host".to_owned());
    }
    // The client would send it as a password to whoever the address names.
    if !url.username().is_empty() || url.password().is_some() {
        return Err("it has a user name or password in it".to_owned());
    }
    url.set_fragment(None);
    Ok(url)
}

/// The address for messages: the query of a signed address is as good as a password.
pub(crate) fn shown(url: &Url) -> String {
    let mut shown = url.clone();
    shown.set_query(None);
    let mark = if url.query().is_some() { "?…" } else { "" };
    format!("{shown}{mark}")
}

/// Same scheme, host and port.
pub(crate) fn same_origin(a: &Url, b: &Url) -> bool {
    a.scheme() == b.scheme()
        && a.host() == b.host()
        && a.port_or_known_default() == b.port_or_known_default()
}

/// This machine itself, which no proxy can reach for us.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

/// `text` as one segment of a path: everything but letters, digits and `-._~` is percent-encoded.
pub(crate) fn segment(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            encoded.push(char::from(byte));
        } else {
            // Writing to a string does not fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

/// A path inside a repository, each of its segments encoded.
///
/// # Errors
/// Why this is not such a path.
pub(crate) fn path(path: &str) -> Result<String, String> {
    check_path(path)?;
    let segments: Vec<_> = path.split('/').map(segment).collect();
    Ok(segments.join("/"))
}

/// A path inside a repository names no place outside of it, and fits on a line.
pub(crate) fn check_path(path: &str) -> Result<(), String> {
    if path.len() > 4096 {
        return Err("it is longer than 4096 bytes".to_owned());
    }
    if path.contains('\\') || path.chars().any(char::is_control) {
        return Err("it has backslashes or control characters".to_owned());
    }
    if path.split('/').any(|s| matches!(s, "" | "." | "..")) {
        return Err("empty segments, `.` and `..` are not allowed".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_web_addresses() {
        assert!(parse("https://h/a?b#c").unwrap().fragment().is_none());
        for bad in [
            "ftp://h/",
            "file:///etc/passwd",
            "https://u:p@h/",
            "h/a",
            "http://",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
        assert!(parse(&format!("http://h/{}", "a".repeat(MAX_LEN))).is_err());
    }

    #[test]
    fn redirects_stay_on_the_web_and_keep_their_encryption() {
        let base = parse("https://h/a/b?x").unwrap();
        assert_eq!(join(&base, "../c").unwrap().as_str(), "https://h/c");
        assert_eq!(join(&base, "//o/c").unwrap().as_str(), "https://o/c");
        assert_eq!(
            join(&base, "http://h/").unwrap_err(),
            "it leads from https to http"
        );
        assert!(join(&base, "javascript:x").is_err());
        assert!(join(&parse("http://h/").unwrap(), "https://h/").is_ok());
    }

    #[test]
    fn origins_have_a_default_port() {
        let of = |text| parse(text).unwrap();
        assert!(same_origin(&of("https://h/a"), &of("https://H:443/b")));
        assert!(!same_origin(&of("https://h/"), &of("http://h/")));
        assert!(!same_origin(&of("https://h/"), &of("https://h:8443/")));
        assert!(!same_origin(&of("https://h/"), &of("https://h.evil/")));
    }

    #[test]
    fn signatures_are_not_shown() {
        let url = parse("https://h/a?Signature=secret").unwrap();
        assert_eq!(shown(&url), "https://h/a?…");
    }

    #[test]
    fn paths_are_encoded_segment_by_segment() {
        assert_eq!(
            path("data/a b#?%.parquet").unwrap(),
            "data/a%20b%23%3F%25.parquet"
        );
        assert_eq!(path("猫/é+~_").unwrap(), "%E7%8C%AB/%C3%A9%2B~_");
        assert_eq!(segment("refs/pr/1"), "refs%2Fpr%2F1");
        for bad in [
            "", "/a", "a//b", "a/../b", "..", "./a", "a/", "a\\b", "a\nb",
        ] {
            assert!(path(bad).is_err(), "{bad:?}");
        }
        let url = Url::parse(&format!("https://h/{}", path("%2e%2e/x").unwrap())).unwrap();
        assert_eq!(url.path(), "/%252e%252e/x");
    }
}
