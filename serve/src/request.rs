//! Bodies of requests: JSON of a bounded size that arrives in time.

use std::time::Duration;

use axum::body::Body;
use axum::http::StatusCode;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, EXPECT};
use axum::http::request::Parts;
use axum::response::Response;
use http_body_util::BodyExt;
use serde::de::DeserializeOwned;

use crate::attribute::AttributeRequest;
use crate::backend::{ActivationsRequest, CheckRequest, LabelsRequest, PromptRequest};
use crate::contrast::ContrastRequest;
use crate::generate::GenerateRequest;
use crate::reply;

/// JSON around the texts.
const FRAME_BYTES: usize = 1 << 10;
/// A byte of text takes at most this many bytes of JSON: `\u0000`.
const ESCAPED_BYTES: usize = 6;
/// Of a body that is too large, so much more is read before the answer.
const DRAINED_BYTES: usize = 8 << 20;

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

impl Text for ActivationsRequest {
    fn text_bytes(&self) -> usize {
        self.text.len()
    }
}

impl Text for GenerateRequest {
    fn text_bytes(&self) -> usize {
        self.text.len()
    }
}

impl Text for AttributeRequest {
    fn text_bytes(&self) -> usize {
        self.text.len()
    }
}

impl Text for ContrastRequest {
    fn text_bytes(&self) -> usize {
        self.text.len().saturating_add(self.other.len())
    }
}

impl Text for LabelsRequest {
    fn text_bytes(&self) -> usize {
        let texts = self.labels.iter().map(|l| l.label.len() + l.note.len());
        texts.sum()
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
    let announced = parts.headers.get(CONTENT_LENGTH);
    let announced: usize = announced
        .and_then(|n| n.to_str().ok()?.parse().ok())
        .unwrap_or(0);
    // A client that asks first whether to send it, or would be sending for long, is told at once.
    let patient = parts.headers.contains_key(EXPECT);
    if announced > limit && (patient || announced - limit > DRAINED_BYTES) {
        return Err(too_large());
    }
    let bytes = match tokio::time::timeout(timeout, collect(body, limit)).await {
        Ok(Ok(bytes)) => bytes,
        Ok(Err(BodyError::TooLarge)) => return Err(too_large()),
        Ok(Err(BodyError::Broken)) => {
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

enum BodyError {
    TooLarge,
    Broken,
}

/// A body that is too large is read for a while, though not kept: many clients hear an answer only once they have sent everything.
async fn collect(mut body: Body, limit: usize) -> Result<Vec<u8>, BodyError> {
    let mut bytes = Vec::new();
    let mut taken = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| BodyError::Broken)?;
        let Some(data) = frame.data_ref() else {
            continue;
        };
        taken += data.len();
        if taken <= limit {
            bytes.extend_from_slice(data);
            continue;
        }
        bytes = Vec::new();
        if taken - limit > DRAINED_BYTES {
            break;
        }
    }
    if taken > limit {
        return Err(BodyError::TooLarge);
    }
    Ok(bytes)
}

fn show_bytes(n: usize) -> String {
    match n {
        n if n >= 1 << 10 && n.is_multiple_of(1 << 10) => format!("{} KiB", n >> 10),
        n => format!("{n} bytes"),
    }
}
