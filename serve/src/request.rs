//! Bodies of requests: JSON of a bounded size that arrives in time.

use std::time::Duration;

use axum::body::Body;
use axum::http::StatusCode;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::request::Parts;
use axum::response::Response;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::DeserializeOwned;

use crate::backend::{CheckRequest, PromptRequest};
use crate::reply;

/// JSON around the texts.
const FRAME_BYTES: usize = 1 << 10;
/// A byte of text is at most so many of JSON: `\u0000`.
const ESCAPED_BYTES: usize = 6;

/// A request with text in it.
pub(crate) trait Text: DeserializeOwned {
    /// Bytes of text.
    fn text_bytes(&self) -> usize;
}

impl Text for PromptRequest {
    fn text_bytes(&self) -> usize {
        self.text.len()
    }
}

impl Text for CheckRequest {
    fn text_bytes(&self) -> usize {
        self.prompt.len().saturating_add(self.answer.len())
    }
}

/// Reads a request's body, or says what is wrong with it.
pub(crate) async fn read<T: Text>(
    parts: &Parts,
    body: Body,
    max_text_bytes: usize,
    timeout: Duration,
) -> Result<T, Response> {
    let kind = parts
        .headers
        .get(CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    let kind = kind.map(|kind| kind.split(';').next().unwrap_or_default().trim());
    if !kind.is_some_and(|kind| kind.eq_ignore_ascii_case("application/json")) {
        return Err(reply::error(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "the body must be JSON: send it with Content-Type: application/json",
        ));
    }
    let too_large = || {
        let message = format!(
            "the text is too long: this server takes {} at once",
            show_bytes(max_text_bytes)
        );
        reply::error(StatusCode::PAYLOAD_TOO_LARGE, message)
    };
    let limit = max_text_bytes
        .saturating_mul(ESCAPED_BYTES)
        .saturating_add(FRAME_BYTES);
    let announced = parts
        .headers
        .get(CONTENT_LENGTH)
        .and_then(|n| n.to_str().ok()?.parse().ok());
    if announced.is_some_and(|n: usize| n > limit) {
        return Err(too_large());
    }
    let collected = tokio::time::timeout(timeout, Limited::new(body, limit).collect()).await;
    let bytes = match collected {
        Ok(Ok(collected)) => collected.to_bytes(),
        Ok(Err(error)) if error.is::<LengthLimitError>() => return Err(too_large()),
        Ok(Err(_)) => {
            let message = "the body of the request is broken off or malformed";
            return Err(reply::error(StatusCode::BAD_REQUEST, message));
        }
        Err(_) => {
            let message = "the body of the request did not arrive in time";
            return Err(reply::error(StatusCode::REQUEST_TIMEOUT, message));
        }
    };
    let request: T = serde_json::from_slice(&bytes).map_err(|error| {
        let message = format!("the body is not the JSON that this address takes: {error}");
        reply::error(StatusCode::BAD_REQUEST, message)
    })?;
    if request.text_bytes() > max_text_bytes {
        return Err(too_large());
    }
    Ok(request)
}

fn show_bytes(n: usize) -> String {
    match n {
        n if n >= 1 << 10 && n.is_multiple_of(1 << 10) => format!("{} KiB", n >> 10),
        n => format!("{n} bytes"),
    }
}
