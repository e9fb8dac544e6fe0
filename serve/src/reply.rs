//! Answers and their headers.

use axum::body::{Body, Bytes};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue, REFERRER_POLICY,
    RETRY_AFTER, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, StatusCode};
use axum::response::Response;
use serde_json::json;

use crate::queue::QueueError;

/// The page's own policy, which names its scripts and styles by their hashes, is in the page; this one sets what cannot be set there.
const PAGE_POLICY: &str = "frame-ancestors 'none'; base-uri 'none'; form-action 'none'; object-src 'none'; connect-src 'self'";
const DATA_POLICY: &str = "default-src 'none'; frame-ancestors 'none'; sandbox";
const CROSS_ORIGIN_RESOURCE_POLICY: HeaderName =
    HeaderName::from_static("cross-origin-resource-policy");
const CROSS_ORIGIN_OPENER_POLICY: HeaderName =
    HeaderName::from_static("cross-origin-opener-policy");

/// When to ask again where all places are taken, in seconds.
const RETRY_SECONDS: u16 = 5;

pub(crate) fn page(bytes: Bytes) -> Response {
    let mut response = typed("text/html; charset=utf-8", bytes);
    let policy = HeaderValue::from_static(PAGE_POLICY);
    response
        .headers_mut()
        .insert(CONTENT_SECURITY_POLICY, policy);
    response
}

pub(crate) fn bytes(bytes: impl Into<Bytes>) -> Response {
    typed("application/octet-stream", bytes.into())
}

pub(crate) fn json(bytes: impl Into<Bytes>) -> Response {
    typed("application/json", bytes.into())
}

/// Lines of JSON, as they come.
pub(crate) fn lines(body: Body) -> Response {
    let mut response = Response::new(body);
    let kind = HeaderValue::from_static("application/x-ndjson");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

/// A problem, as `{"error": …}`.
pub(crate) fn error(status: StatusCode, message: impl std::fmt::Display) -> Response {
    let mut response = json(json!({"error": message.to_string()}).to_string());
    *response.status_mut() = status;
    response
}

/// Why work was not done, or not in time.
pub(crate) fn not_done(error: QueueError, timeout: std::time::Duration) -> Response {
    let (status, message) = why_not_done(error, timeout);
    let mut response = self::error(status, message);
    if error == QueueError::Full {
        response
            .headers_mut()
            .insert(RETRY_AFTER, RETRY_SECONDS.into());
    }
    response
}

pub(crate) fn why_not_done(
    error: QueueError,
    timeout: std::time::Duration,
) -> (StatusCode, String) {
    match error {
        QueueError::Full => (
            StatusCode::SERVICE_UNAVAILABLE,
            "many are asking at once, and the queue is full: try again in a few seconds".to_owned(),
        ),
        QueueError::Closed => (
            StatusCode::SERVICE_UNAVAILABLE,
            "the server is being stopped".to_owned(),
        ),
        QueueError::TimedOut => (
            StatusCode::GATEWAY_TIMEOUT,
            format!(
                "no answer within {} s: try a shorter text, or later, when fewer are asking",
                timeout.as_secs_f64()
            ),
        ),
        QueueError::Panicked => (
            StatusCode::INTERNAL_SERVER_ERROR,
            "the server failed at this, which is a defect in it: its log says where".to_owned(),
        ),
    }
}

fn typed(kind: &'static str, bytes: Bytes) -> Response {
    let mut response = Response::new(Body::from(bytes));
    let kind = HeaderValue::from_static(kind);
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

/// Headers that every answer has for browsers: it is for this page alone, has the type that it names, and is not kept.
pub(crate) fn protect(headers: &mut HeaderMap) {
    for (name, value) in [
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (X_FRAME_OPTIONS, "DENY"),
        (CROSS_ORIGIN_RESOURCE_POLICY, "same-origin"),
        (CROSS_ORIGIN_OPENER_POLICY, "same-origin"),
        (CACHE_CONTROL, "no-store"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    let policy = headers.entry(CONTENT_SECURITY_POLICY);
    policy.or_insert(HeaderValue::from_static(DATA_POLICY));
}
