//! One try to get the bytes from a position on.

use ureq::Body;
use ureq::http::{Response, Version};

use super::pin::Pin;
use super::{Open, RemoteFile};
use crate::net::error::{Failure, FetchError};
use crate::net::headers::{self, ContentRange};
use crate::net::listener::Event;
use crate::net::redirect::{self, Answer, Place};

impl RemoteFile {
    /// Asks for the bytes from the position on: after success there is a body, or the position is the end.
    pub(super) fn connect(&mut self) -> Result<(), Failure> {
        if let Some(len) = self.len()
            && self.at >= len
        {
            return Ok(self.end_at(len)?);
        }
        let from = self.place.take();
        let mut answer = self.ask(from.as_ref())?;
        // A signed address runs out; the one it came from gives a new one.
        if from.is_some() && matches!(answer.response.status().as_u16(), 401 | 403 | 404 | 410) {
            tracing::debug!(
                url = self.target.shown,
                at = self.at,
                "the redirect's target has run out"
            );
            answer = self.ask(None)?;
        }
        match answer.response.status().as_u16() {
            206 => self.part(answer),
            200 => self.whole(answer),
            416 => self.out_of_range(&answer),
            _ => Err(redirect::refusal(&self.client, &self.target, &answer)),
        }
    }

    fn ask(&self, from: Option<&Place>) -> Result<Answer, Failure> {
        let last = self.until.map(|until| until.saturating_sub(1).to_string());
        let range = format!("bytes={}-{}", self.at, last.unwrap_or_default());
        let mut extra = vec![("range", range.as_str())];
        if let Some(etag) = self.pin.as_ref().and_then(Pin::strong) {
            extra.push(("if-range", etag));
        }
        redirect::follow(&self.client, &self.target, from, &extra)
    }

    /// 206: the bytes that were asked for, or the first of them.
    fn part(&mut self, answer: Answer) -> Result<(), Failure> {
        let headers = answer.response.headers();
        let value = headers::text(headers, "content-range").unwrap_or("none");
        let wrong = |got: String| FetchError::WrongRange {
            url: self.target.shown.clone(),
            at: self.at,
            got,
        };
        let range = ContentRange::parse(value);
        let Some((range, (first, last))) = range.and_then(|range| Some((range, range.span?)))
        else {
            return Err(wrong(format!(
                "a part of the file with the Content-Range {value:.80?}"
            ))
            .into());
        };
        // Another state of the file explains another range.
        let pin = self.same_state(Pin::of(headers, answer.linked.as_deref(), range.total))?;
        if first != self.at {
            return Err(wrong(format!("those from {first} to {last}")).into());
        }
        let left = last - first + 1;
        if let Some(length) = headers::content_length(headers)
            && length != left
        {
            return Err(Failure::transient(format!(
                "the server announces {length} bytes for a range of {left}"
            )));
        }
        let part = true;
        self.begin(answer, pin, (0, Some(left), part))
    }

    /// 200: all bytes, from a server that knows no ranges.
    fn whole(&mut self, answer: Answer) -> Result<(), Failure> {
        let headers = answer.response.headers();
        let length = headers::content_length(headers);
        let pin = self.same_state(Pin::of(headers, answer.linked.as_deref(), length))?;
        if self.until.is_some() {
            let url = self.target.shown.clone();
            let reason = "the server gives the file as a whole only";
            return Err(FetchError::NoRanges { url, reason }.into());
        }
        if let Some(len) = length.filter(|len| self.at > *len) {
            return Err(self.past_end(Some(len)).into());
        }
        if self.at > 0 && !std::mem::replace(&mut self.warned, true) {
            tracing::warn!(
                url = self.target.shown,
                at = self.at,
                "the server knows no ranges: what was read before is read again"
            );
        }
        let part = false;
        self.begin(answer, pin, (self.at, length, part))
    }

    fn begin(
        &mut self,
        answer: Answer,
        pin: Pin,
        (skip, left, part): (u64, Option<u64>, bool),
    ) -> Result<(), Failure> {
        if let Some(encoding) = encoding(&answer.response) {
            let url = self.target.shown.clone();
            return Err(FetchError::Encoded { url, encoding }.into());
        }
        self.client.tell(Event::Connected {
            url: &self.target.shown,
            at: self.at,
            len: pin.total,
        });
        self.pin = Some(pin);
        if answer.url != self.target.url {
            self.place = Some(Place {
                url: answer.url,
                at_home: answer.at_home,
                linked: answer.linked,
            });
        }
        self.body = Some(Open {
            reader: answer.response.into_body().into_reader(),
            skip,
            left,
            part,
        });
        Ok(())
    }

    /// 416: there are no bytes from the position on.
    fn out_of_range(&mut self, answer: &Answer) -> Result<(), Failure> {
        let value = headers::text(answer.response.headers(), "content-range");
        let total = value
            .and_then(ContentRange::parse)
            .and_then(|range| range.total);
        // Tag and date may be those of the error's page.
        let pin = self.same_state(Pin::of_length(total))?;
        if pin.total == Some(self.at) {
            self.pin = Some(pin);
            self.at_end = true;
            return Ok(());
        }
        Err(self.past_end(pin.total).into())
    }

    fn past_end(&self, len: Option<u64>) -> FetchError {
        FetchError::PastEnd {
            url: self.target.shown.clone(),
            at: self.at,
            len,
        }
    }

    /// The known state of the file, unless the answer is about another state than the first.
    fn same_state(&self, later: Pin) -> Result<Pin, FetchError> {
        let Some(pin) = &self.pin else {
            return Ok(later);
        };
        if let Some(what) = pin.differs(&later) {
            return Err(FetchError::Changed {
                url: self.target.shown.clone(),
                at: self.at,
                what,
            });
        }
        let mut pin = pin.clone();
        pin.learn(later);
        Ok(pin)
    }
}

/// How the body is compressed, if it is.
fn encoding(response: &Response<Body>) -> Option<String> {
    let headers = response.headers();
    let text = |name| headers::text(headers, name).unwrap_or_default().trim();
    let has = |name| headers.contains_key(name);
    let known = ["gzip", "br", "deflate", "zstd", "compress"];
    if let Some(name) = known
        .iter()
        .find(|n| text("content-encoding").eq_ignore_ascii_case(n))
    {
        return Some((*name).to_owned());
    }
    // Where another crate of the build switches on ureq's own unpacking, ureq takes both headers away. An answer that really
    // has no length says that it ends with the connection.
    let hidden = response.version() == Version::HTTP_11
        && !has("content-length")
        && !has("transfer-encoding")
        && !text("connection").to_ascii_lowercase().contains("close");
    hidden.then(|| "unknown".to_owned())
}
