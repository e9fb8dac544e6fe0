//! Which requests are answered: those of the page that this server gave, and of programs; not those of other sites' pages in the same
//! browser.
//!
//! A page of another site can send requests to a server on this machine. It gives itself away in `Origin` and `Sec-Fetch-Site`, or, where
//! its own name was made to lead here (DNS rebinding), in `Host`.

use std::net::IpAddr;

use axum::http::header::{HOST, ORIGIN};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, Method, StatusCode, Uri};

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

#[derive(Debug)]
pub(crate) struct Guard {
    pub(crate) bound: IpAddr,
    pub(crate) host_names: Vec<String>,
}

/// Why a request is not answered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("the request must have one Host header, with a name or an address")]
    NoHost,
    #[error(
        "this server does not answer to the name {0:?}: use localhost or its address, or start it with that name allowed"
    )]
    Host(String),
    #[error("the request comes from another site: open the page of this server itself")]
    CrossSite,
}

impl Refusal {
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::NoHost => StatusCode::BAD_REQUEST,
            Self::Host(_) | Self::CrossSite => StatusCode::FORBIDDEN,
        }
    }
}

impl Guard {
    pub(crate) fn check(
        &self,
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
    ) -> Result<(), Refusal> {
        let host = only(headers, &HOST).and_then(authority);
        let host = host.ok_or(Refusal::NoHost)?;
        // A request to a proxy names its server in the first line, too.
        for authority in [Some(&host), uri.authority()].into_iter().flatten() {
            if !self.answers_to(authority.host()) {
                return Err(Refusal::Host(authority.host().to_owned()));
            }
        }
        let api = uri.path().starts_with("/api/");
        if api && headers.contains_key(SEC_FETCH_SITE) {
            match only(headers, &SEC_FETCH_SITE) {
                Some("same-origin" | "none") => {}
                _ => return Err(Refusal::CrossSite),
            }
        }
        if *method != Method::GET && *method != Method::HEAD && headers.contains_key(ORIGIN) {
            let origin = only(headers, &ORIGIN).and_then(|origin| {
                let mut schemes = ["http://", "https://"].into_iter();
                let rest = schemes.find_map(|scheme| origin.strip_prefix(scheme));
                rest.and_then(authority)
            });
            if origin != Some(host) {
                return Err(Refusal::CrossSite);
            }
        }
        Ok(())
    }

    fn answers_to(&self, host: &str) -> bool {
        let literal = host.trim_start_matches('[').trim_end_matches(']');
        match literal.parse::<IpAddr>().map(|ip| ip.to_canonical()) {
            // An address cannot be made to lead elsewhere.
            Ok(ip) => {
                ip.is_loopback() || ip == self.bound.to_canonical() || self.bound.is_unspecified()
            }
            Err(_) => {
                host.eq_ignore_ascii_case("localhost")
                    || self
                        .host_names
                        .iter()
                        .any(|name| host.eq_ignore_ascii_case(name))
            }
        }
    }
}

/// The value of a header that occurs once.
fn only<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    if values.next().is_some() {
        return None;
    }
    value.to_str().ok()
}

fn authority(text: &str) -> Option<Authority> {
    let found: Authority = text.parse().ok()?;
    (!found.as_str().contains('@') && !found.host().is_empty()).then_some(found)
}

#[cfg(test)]
mod tests {
    use super::{Guard, Refusal};
    use axum::http::{HeaderMap, HeaderName, Method, Uri};

    fn check(bound: &str, line: &str, headers: &[(&'static str, &str)]) -> Result<(), Refusal> {
        let guard = Guard {
            bound: bound.parse().unwrap(),
            host_names: vec!["gpu.example".into()],
        };
        let (method, uri) = line.split_once(' ').unwrap();
        let headers: HeaderMap = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()))
            .collect();
        let method: Method = method.parse().unwrap();
        guard.check(&method, &uri.parse::<Uri>().unwrap(), &headers)
    }

    #[test]
    fn names_that_others_could_own_are_refused() {
        for (bound, host, answers) in [
            ("127.0.0.1", "localhost:8000", true),
            ("127.0.0.1", "LocalHost", true),
            ("127.0.0.1", "127.0.0.1:8000", true),
            ("127.0.0.1", "127.9.9.9", true),
            ("127.0.0.1", "[::1]:8000", true),
            ("127.0.0.1", "[::ffff:127.0.0.1]:8000", true),
            ("127.0.0.1", "gpu.example", true),
            ("127.0.0.1", "GPU.example:443", true),
            ("127.0.0.1", "evil.example:8000", false),
            ("127.0.0.1", "localhost.evil.example", false),
            ("127.0.0.1", "127.0.0.1.evil.example", false),
            ("127.0.0.1", "192.168.1.7", false),
            ("127.0.0.1", "0.0.0.0:8000", false),
            ("127.0.0.1", "0x7f.1", false),
            ("192.168.1.7", "192.168.1.7:8000", true),
            ("192.168.1.7", "192.168.1.8:8000", false),
            ("0.0.0.0", "192.168.1.8:8000", true),
            ("::", "192.168.1.8:8000", true),
            ("0.0.0.0", "0.0.0.0:8000", true),
            ("0.0.0.0", "evil.example:8000", false),
        ] {
            let found = check(bound, "GET /", &[("host", host)]);
            assert_eq!(found.is_ok(), answers, "{bound} {host}: {found:?}");
        }
        for headers in [
            &[][..],
            &[("host", "")],
            &[("host", "a@localhost")],
            &[("host", "a b")],
        ] {
            assert_eq!(check("127.0.0.1", "GET /", headers), Err(Refusal::NoHost));
        }
        let absolute = check(
            "127.0.0.1",
            "GET http://evil.example/",
            &[("host", "localhost")],
        );
        assert_eq!(absolute, Err(Refusal::Host("evil.example".into())));
    }

    #[test]
    fn other_sites_may_link_to_the_page_but_not_ask() {
        let host = ("host", "localhost:8000");
        let post = |headers: &[(&'static str, &str)]| {
            let headers = [&[host], headers].concat();
            check("127.0.0.1", "POST /api/prompt", &headers)
        };
        assert_eq!(post(&[]), Ok(()));
        assert_eq!(post(&[("origin", "http://localhost:8000")]), Ok(()));
        assert_eq!(
            post(&[
                ("sec-fetch-site", "same-origin"),
                ("origin", "http://LOCALHOST:8000")
            ]),
            Ok(())
        );
        for headers in [
            [("origin", "null")],
            [("origin", "http://evil.example")],
            [("origin", "http://localhost:9000")],
            [("origin", "http://localhost")],
            [("origin", "file://localhost:8000")],
            [("sec-fetch-site", "cross-site")],
            [("sec-fetch-site", "same-site")],
            [("sec-fetch-site", "")],
        ] {
            assert_eq!(post(&headers), Err(Refusal::CrossSite), "{headers:?}");
        }
        let linked = [host, ("sec-fetch-site", "cross-site")];
        assert_eq!(check("127.0.0.1", "GET /", &linked), Ok(()));
        let refused = check("127.0.0.1", "GET /api/features/1", &linked);
        assert_eq!(refused, Err(Refusal::CrossSite));
    }
}
