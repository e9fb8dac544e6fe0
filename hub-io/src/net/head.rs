//! The size and the tags of a file, without its bytes.

use ureq::http::Method;
use url::Url;

use super::address;
use super::client::{Client, Tries};
use super::error::{Failure, FetchError};
use super::headers;
use super::redirect::{self, Answer, Target};

/// What the Hub says about a file before it is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Head {
    /// `X-Linked-Etag`: names the content, wherever it is stored.
    pub(crate) linked: Option<String>,
    /// The Hub's own `ETag`, of what it stores itself.
    pub(crate) etag: Option<String>,
    /// In bytes.
    pub(crate) size: Option<u64>,
}

impl Head {
    /// The name of the content in the cache: the tag without quotes and without `W/`.
    pub(crate) fn name(&self) -> Option<&str> {
        let tag = self.linked.as_deref().or(self.etag.as_deref())?;
        Some(tag.strip_prefix("W/").unwrap_or(tag).trim_matches('"'))
    }
}

/// Asks with `HEAD`, with retries.
///
/// A redirect to another server says where the bytes are. The answer that redirects describes them, so the redirect is not followed: a
/// signed address is good for `GET` only.
pub(crate) fn head(client: &Client, target: &Target) -> Result<Head, FetchError> {
    let mut tries = Tries::default();
    loop {
        match try_head(client, target) {
            Ok(head) => return Ok(head),
            Err(failure) => tries.again(client, target, 0, failure)?,
        }
    }
}

fn try_head(client: &Client, target: &Target) -> Result<Head, Failure> {
    let bearer = target.token.as_ref().map(|token| format!("Bearer {token}"));
    let auth: Vec<_> = bearer
        .iter()
        .map(|b| ("authorization", b.as_str()))
        .collect();
    let (mut url, mut seen): (Url, Vec<Url>) = (target.url.clone(), Vec::new());
    loop {
        let response = client.request(&Method::HEAD, &url, &auth)?;
        let headers = response.headers();
        let tag = |name| {
            let tag = headers::text(headers, name).map(str::trim);
            tag.filter(|tag| !tag.is_empty()).map(str::to_owned)
        };
        let linked = tag("x-linked-etag");
        let linked_size = headers::length(headers, "x-linked-size");
        if redirect::is_redirect(&response) {
            let next = redirect::next_hop(&response, &url, &mut seen)?;
            if linked.is_some() || !address::same_origin(&next, &target.url) {
                // Tag and length of the redirect itself are not the file's.
                let (etag, size) = (None, linked_size);
                return Ok(Head { linked, etag, size });
            }
            url = next;
            continue;
        }
        if response.status().as_u16() == 200 {
            let size = linked_size.or_else(|| headers::content_length(headers));
            let etag = tag("etag");
            return Ok(Head { linked, etag, size });
        }
        let answer = Answer {
            response,
            url,
            at_home: true,
            linked,
        };
        return Err(redirect::refusal(client, target, &answer));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_no_quotes_and_are_the_contents() {
        let name = |linked: Option<&str>, etag: Option<&str>| {
            let head = Head {
                linked: linked.map(str::to_owned),
                etag: etag.map(str::to_owned),
                size: None,
            };
            head.name().map(str::to_owned)
        };
        assert_eq!(name(None, Some("W/\"ab\"")).unwrap(), "ab");
        assert_eq!(name(Some("\"ab\""), Some("\"cd\"")).unwrap(), "ab");
        assert_eq!(name(None, Some("plain")).unwrap(), "plain");
        assert_eq!(name(None, None), None);
    }
}
