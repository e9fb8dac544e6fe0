//! Redirects, followed by us, so that a token never leaves the server that it is for.

use ureq::Body;
use ureq::http::{Method, Response};
use url::Url;

use super::address;
use super::client::Client;
use super::error::{Failure, FetchError};
use super::headers;

/// Redirects in a row that are followed.
const MAX_HOPS: usize = 10;

/// The address to ask, and the token to ask with.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) url: Url,
    /// The address for messages.
    pub(crate) shown: String,
    /// Sent to the origin of `url`, and to no other.
    pub(crate) token: Option<String>,
    /// The page where the terms of a gated repository are accepted.
    pub(crate) page: Option<String>,
}

impl Target {
    pub(crate) fn new(url: Url, token: Option<String>, page: Option<String>) -> Self {
        let shown = address::shown(&url);
        Self {
            url,
            shown,
            token,
            page,
        }
    }
}

/// Where redirects led: to be asked directly the next time.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) url: Url,
    /// All redirects stayed on the target's own origin.
    pub(crate) at_home: bool,
    /// The Hub's tag for the state of the file, from the redirect that led there.
    pub(crate) linked: Option<String>,
}

/// An answer that is not a redirect.
pub(crate) struct Answer {
    pub(crate) response: Response<Body>,
    pub(crate) url: Url,
    /// No other origin than the target's had a part in it.
    pub(crate) at_home: bool,
    /// `X-Linked-Etag` of the Hub, which names the content whatever storage it is read from.
    pub(crate) linked: Option<String>,
}

/// Asks for the target, or `from` a place that its redirects led to before, and follows redirects.
pub(crate) fn follow(
    client: &Client,
    target: &Target,
    from: Option<&Place>,
    extra: &[(&str, &str)],
) -> Result<Answer, Failure> {
    let (mut url, mut at_home, mut linked) = match from {
        Some(place) => (place.url.clone(), place.at_home, place.linked.clone()),
        None => (target.url.clone(), true, None),
    };
    let bearer = target.token.as_ref().map(|token| format!("Bearer {token}"));
    let mut seen: Vec<Url> = Vec::new();
    loop {
        let mut all = extra.to_vec();
        // Once an address of somebody else was followed, even one that leads back gets no token: it is not our choice.
        if let (Some(bearer), true) = (&bearer, at_home) {
            all.push(("authorization", bearer));
        }
        let response = client.request(&Method::GET, &url, &all)?;
        if !is_redirect(&response) {
            return Ok(Answer {
                response,
                url,
                at_home,
                linked,
            });
        }
        let next = next_hop(&response, &url, &mut seen)?;
        if at_home && let Some(etag) = headers::text(response.headers(), "x-linked-etag") {
            linked = Some(etag.trim().to_owned());
        }
        at_home &= address::same_origin(&next, &target.url);
        url = next;
    }
}

pub(super) fn is_redirect(response: &Response<Body>) -> bool {
    matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308)
}

/// Where a redirect from `url` leads, which is none of those `seen` before.
pub(super) fn next_hop(
    response: &Response<Body>,
    url: &Url,
    seen: &mut Vec<Url>,
) -> Result<Url, FetchError> {
    let refused = |reason: String| FetchError::Redirect {
        url: address::shown(url),
        reason,
    };
    let location = headers::text(response.headers(), "location")
        .ok_or_else(|| refused("it says not where to".to_owned()))?;
    let next = address::join(url, location).map_err(refused)?;
    seen.push(url.clone());
    if seen.contains(&next) {
        return Err(refused(
            "it leads back to where it came from, in a circle".to_owned(),
        ));
    }
    if seen.len() > MAX_HOPS {
        return Err(refused(format!("there are more than {MAX_HOPS} in a row")));
    }
    Ok(next)
}

/// The failure that an answer without the bytes means.
pub(crate) fn refusal(client: &Client, target: &Target, answer: &Answer) -> Failure {
    let status = answer.response.status().as_u16();
    let url = address::shown(&answer.url);
    match status {
        408 | 429 | 500.. => Failure::Transient {
            reason: format!("the server answered with status {status}"),
            after: client.asked_pause(&answer.response),
        },
        401 | 403 if answer.at_home => Failure::Fatal(FetchError::NoAccess {
            url,
            status,
            advice: advice(target, &answer.response, status),
        }),
        // The signature in an address has run out, or the clocks disagree: a new one may do.
        401 | 403 => Failure::transient(format!(
            "the storage at {url} refused the signed address with status {status}"
        )),
        404 => Failure::Fatal(FetchError::NotFound {
            url,
            advice: not_found(target),
        }),
        _ => Failure::Fatal(FetchError::Status { url, status }),
    }
}

fn advice(target: &Target, response: &Response<Body>, status: u16) -> String {
    // https://github.com/huggingface/huggingface_hub, utils/_http.py: hf_raise_for_status
    let code = headers::text(response.headers(), "x-error-code").unwrap_or_default();
    let Some(page) = &target.page else {
        return "the server wants a login, or does not show this to you; check the address"
            .to_owned();
    };
    match (code, status, &target.token) {
        ("GatedRepo", _, Some(_)) => {
            format!("it is gated: accept the terms on {page}, as the user whose token HF_TOKEN is")
        }
        ("GatedRepo", _, None) => {
            format!("it is gated: accept the terms on {page} and set HF_TOKEN to a token of yours")
        }
        ("RepoNotFound", _, Some(_)) => {
            "there is no such repository, or it is private and HF_TOKEN may not read it; check the name".to_owned()
        }
        (_, 401, Some(_)) => {
            "the token is not valid: set HF_TOKEN to one from https://huggingface.co/settings/tokens; or check the name".to_owned()
        }
        (_, _, Some(_)) => {
            format!("HF_TOKEN may not read it; if it is gated, accept the terms on {page}")
        }
        (_, _, None) => format!(
            "it does not exist, or is private or gated; check the name, set HF_TOKEN to a token that may read it, and accept the terms, if there are any, on {page}"
        ),
    }
}

fn not_found(target: &Target) -> String {
    match (&target.page, &target.token) {
        (None, _) => "check the address".to_owned(),
        (Some(_), Some(_)) => "check the name, the revision and the path, and that HF_TOKEN may read it if it is private".to_owned(),
        (Some(_), None) => "check the name, the revision and the path; if it is private, set HF_TOKEN to a token that may read it".to_owned(),
    }
}
