//! Routes and their answers.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Request, State};
use axum::http::{Method, StatusCode, Uri};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::routing::{get, post};
use serde::Serialize;
use serde_json::json;

use crate::ServeOptions;
use crate::backend::{
    Backend, BackendError, CheckRequest, Offers, PromptError, PromptRequest, PromptResponse, Stop,
};
use crate::guard::Guard;
use crate::queue::{Queue, QueueError};
use crate::{reply, request};

/// Features that are read at once, and those that wait for it: a browser asks for six at a time at most.
const READS: usize = 4;
const READS_WAITING: usize = 1024;

/// Everything that answers need.
pub(crate) struct Shared {
    pub(crate) backend: Arc<dyn Backend>,
    pub(crate) offers: Offers,
    pub(crate) page: Bytes,
    pub(crate) overview: Bytes,
    pub(crate) guard: Guard,
    pub(crate) options: ServeOptions,
    /// One text at a time.
    pub(crate) model: Queue,
    pub(crate) reads: Queue,
}

impl Shared {
    pub(crate) fn new(backend: Arc<dyn Backend>, guard: Guard, options: ServeOptions) -> Self {
        Self {
            offers: backend.offers(),
            page: sae_dashboard::page::live_page().into(),
            overview: backend.overview().into(),
            guard,
            model: Queue::new(1, options.queue),
            reads: Queue::new(READS, READS_WAITING),
            options,
            backend,
        }
    }

    /// Threads that block at once.
    pub(crate) const THREADS: usize = READS + 1;

    fn not_done(&self, error: QueueError) -> Response {
        reply::not_done(error, self.options.timeout)
    }

    /// Runs a text when its turn comes. The answer is written on the same thread: it can be large.
    async fn ask<T: request::Text + Send + 'static>(
        &self,
        offered: bool,
        request: Request,
        answer: impl FnOnce(&dyn Backend, T, &Stop) -> Result<Vec<u8>, PromptError> + Send + 'static,
    ) -> Response {
        let (parts, body) = request.into_parts();
        if !offered {
            return not_found(parts.uri).await;
        }
        let ServeOptions {
            max_text_bytes,
            client_timeout,
            timeout,
            ..
        } = self.options;
        let request = match request::read(&parts, body, max_text_bytes, client_timeout).await {
            Ok(request) => request,
            Err(response) => return response,
        };
        let backend = Arc::clone(&self.backend);
        let work = move |stop: &Stop| answer(&*backend, request, stop);
        match self.model.run(timeout, work).await {
            Ok(Ok(bytes)) => reply::json(bytes),
            Ok(Err(error)) => {
                tracing::debug!(path = parts.uri.path(), %error, "no answer");
                match error {
                    PromptError::Invalid(_) => {
                        reply::error(StatusCode::UNPROCESSABLE_ENTITY, error)
                    }
                    PromptError::Failed(_) => {
                        reply::error(StatusCode::INTERNAL_SERVER_ERROR, error)
                    }
                    // Only those who no longer wait are told so.
                    PromptError::Stopped => self.not_done(QueueError::TimedOut),
                }
            }
            Err(error) => {
                tracing::debug!(path = parts.uri.path(), %error, "no answer");
                self.not_done(error)
            }
        }
    }
}

pub(crate) fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/", get(page))
        .route("/api/health", get(health))
        .route("/api/overview", get(overview))
        .route("/api/features/{index}", get(feature))
        .route("/api/prompt", post(prompt))
        .route("/api/check", post(check))
        .fallback(not_found)
        .method_not_allowed_fallback(wrong_method)
        .layer(from_fn_with_state(Arc::clone(&shared), admit))
        .with_state(shared)
}

async fn admit(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let checked = shared
        .guard
        .check(request.method(), request.uri(), request.headers());
    let mut response = match checked {
        Ok(()) => next.run(request).await,
        Err(refusal) => {
            tracing::debug!(%refusal, "refused");
            reply::error(refusal.status(), refusal)
        }
    };
    reply::protect(response.headers_mut());
    response
}

async fn page(State(shared): State<Arc<Shared>>) -> Response {
    reply::page(shared.page.clone())
}

async fn health(State(shared): State<Arc<Shared>>) -> Response {
    let health = json!({
        "status": "ok",
        "offers": shared.offers,
        "running": shared.model.running(),
        "waiting": shared.model.waiting(),
    });
    reply::json(health.to_string())
}

async fn overview(State(shared): State<Arc<Shared>>) -> Response {
    reply::bytes(shared.overview.clone())
}

async fn feature(State(shared): State<Arc<Shared>>, Path(index): Path<String>) -> Response {
    // Not `parse` alone, which takes a sign.
    let digits = !index.is_empty() && index.bytes().all(|byte| byte.is_ascii_digit());
    let Some(index) = index.parse::<u32>().ok().filter(|_| digits) else {
        let message = format!("features are numbered from 0: {index:?} is not one of them");
        return reply::error(StatusCode::BAD_REQUEST, message);
    };
    let backend = Arc::clone(&shared.backend);
    let read = move |_: &Stop| backend.feature(index);
    match shared.reads.run(shared.options.timeout, read).await {
        Ok(Ok(Some(bytes))) => reply::bytes(bytes),
        Ok(Ok(None)) => reply::error(
            StatusCode::NOT_FOUND,
            format!("there is no feature {index}"),
        ),
        Ok(Err(BackendError(message))) => {
            tracing::warn!(index, message, "a feature cannot be read");
            reply::error(StatusCode::INTERNAL_SERVER_ERROR, message)
        }
        Err(error) => shared.not_done(error),
    }
}

async fn prompt(State(shared): State<Arc<Shared>>, request: Request<Body>) -> Response {
    let answer = |backend: &dyn Backend, request: PromptRequest, stop: &Stop| {
        let response = backend.prompt(request, stop)?;
        consistent(&response)?;
        to_json(&response)
    };
    shared.ask(shared.offers.prompt, request, answer).await
}

async fn check(State(shared): State<Arc<Shared>>, request: Request<Body>) -> Response {
    let answer = |backend: &dyn Backend, request: CheckRequest, stop: &Stop| {
        to_json(&backend.check(request, stop)?)
    };
    shared.ask(shared.offers.check, request, answer).await
}

fn to_json(value: &impl Serialize) -> Result<Vec<u8>, PromptError> {
    serde_json::to_vec(value)
        .map_err(|error| PromptError::Failed(format!("the answer cannot be written: {error}")))
}

/// That every token has its list, and every number is one: JSON has no NaN.
fn consistent(response: &PromptResponse) -> Result<(), PromptError> {
    let (tokens, lists) = (response.tokens.len(), response.features.len());
    if tokens != lists {
        let message = format!("the model gave {tokens} tokens and features of {lists}");
        return Err(PromptError::Failed(message));
    }
    for (place, features) in response.features.iter().enumerate() {
        for feature in features {
            let numbers = [
                feature.value,
                feature.quantile,
                feature.effect.unwrap_or(0.0),
                feature.exact.unwrap_or(0.0),
            ];
            if !numbers.into_iter().all(f32::is_finite) {
                let message = format!(
                    "feature {} on token {place} is not a finite number: the weights of the model or of the SAE hold NaN or infinities",
                    feature.index
                );
                return Err(PromptError::Failed(message));
            }
        }
    }
    Ok(())
}

async fn not_found(uri: Uri) -> Response {
    let message = format!("there is nothing at {:?} here", uri.path());
    reply::error(StatusCode::NOT_FOUND, message)
}

async fn wrong_method(method: Method, uri: Uri) -> Response {
    let message = format!("{:?} does not take {method}", uri.path());
    reply::error(StatusCode::METHOD_NOT_ALLOWED, message)
}
