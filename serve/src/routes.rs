//! Routes and their answers.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Request, State};
use axum::http::request::Parts;
use axum::http::{Method, StatusCode, Uri};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::routing::{get, post};
use serde::Serialize;
use serde_json::json;

use crate::ServeOptions;
use crate::attribute::{AttributeRequest, check_top};
use crate::backend::{
    ActivationsRequest, Backend, BackendError, CheckRequest, LabelsOffer, LabelsRequest, Offers,
    PromptError, PromptRequest, Stop,
};
use crate::consistent::{consistent, consistent_values};
use crate::contrast::ContrastRequest;
use crate::generate::GenerateRequest;
use crate::guard::Guard;
use crate::lines::Problem;
use crate::queue::{Queue, QueueError};
use crate::{lines, reply, request};

/// Features that are read at once, and those that wait for it: a browser asks for six at a time at most.
const READS: usize = 4;
const READS_WAITING: usize = 1024;
/// Features of which the activations on a text can be asked for at once.
const MOST_FEATURES: usize = 64;

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

    /// Runs a text when its turn comes.
    async fn ask<T: request::Text + Send + 'static>(
        &self,
        offered: bool,
        request: Request,
        answer: impl FnOnce(&dyn Backend, T, &Stop) -> Result<Vec<u8>, PromptError> + Send + 'static,
    ) -> Response {
        self.ask_of(&self.model, offered, request, answer).await
    }

    /// Answers a request with a body when its turn comes in a queue. The answer is written on the same thread: it can be large.
    async fn ask_of<T: request::Text + Send + 'static>(
        &self,
        queue: &Queue,
        offered: bool,
        request: Request,
        answer: impl FnOnce(&dyn Backend, T, &Stop) -> Result<Vec<u8>, PromptError> + Send + 'static,
    ) -> Response {
        let (parts, request) = match self.read(offered, request).await {
            Ok(read) => read,
            Err(response) => return response,
        };
        let backend = Arc::clone(&self.backend);
        let work = move |stop: &Stop| answer(&*backend, request, stop);
        match queue.run(self.options.timeout, work).await {
            Ok(Ok(bytes)) => reply::json(bytes),
            Ok(Err(error)) => {
                tracing::debug!(path = parts.uri.path(), %error, "no answer");
                self.refused(&error)
            }
            Err(error) => {
                tracing::debug!(path = parts.uri.path(), %error, "no answer");
                self.not_done(error)
            }
        }
    }

    /// The body of a request, where it is offered.
    async fn read<T: request::Text>(
        &self,
        offered: bool,
        request: Request,
    ) -> Result<(Parts, T), Response> {
        let (parts, body) = request.into_parts();
        if !offered {
            return Err(not_found(parts.uri).await);
        }
        let ServeOptions {
            max_text_bytes,
            client_timeout,
            ..
        } = self.options;
        let request = request::read(&parts, body, max_text_bytes, client_timeout).await?;
        Ok((parts, request))
    }

    fn refused(&self, error: &PromptError) -> Response {
        match error {
            PromptError::Invalid(_) => reply::error(StatusCode::UNPROCESSABLE_ENTITY, error),
            PromptError::Failed(_) => reply::error(StatusCode::INTERNAL_SERVER_ERROR, error),
            // Only those who no longer wait are told so.
            PromptError::Stopped => self.not_done(QueueError::TimedOut),
        }
    }

    /// Continues a text in its turn, and sends tokens into the answer as they come.
    async fn continued(
        &self,
        request: GenerateRequest,
        lines: lines::Sender,
    ) -> Result<(), Box<Problem>> {
        let backend = Arc::clone(&self.backend);
        let work = move |stop: &Stop| {
            let mut emit = |event| lines.send(&event);
            backend.generate(request, stop, &mut emit)
        };
        let timeout = self.options.timeout;
        let error = match self.model.run(timeout, work).await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(PromptError::Stopped)) => QueueError::TimedOut,
            Ok(Err(error)) => {
                tracing::debug!(%error, "no continuation, or not a whole one");
                return Err(Box::new(Problem {
                    response: self.refused(&error),
                    message: error.to_string(),
                }));
            }
            Err(error) => error,
        };
        tracing::debug!(%error, "no continuation, or not a whole one");
        let message = match error {
            QueueError::TimedOut => format!(
                "the {} s that a request may take are over; ask for fewer tokens",
                timeout.as_secs_f64()
            ),
            other => reply::why_not_done(other, timeout).1,
        };
        Err(Box::new(Problem {
            response: self.not_done(error),
            message,
        }))
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
        .route("/api/activations", post(activations))
        .route("/api/attribute", post(attribute))
        .route("/api/contrast", post(contrast))
        .route("/api/generate", post(generate))
        .route("/api/labels", get(labels).post(set_labels))
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

async fn activations(State(shared): State<Arc<Shared>>, request: Request<Body>) -> Response {
    let answer = |backend: &dyn Backend, request: ActivationsRequest, stop: &Stop| {
        let n = request.features.len();
        if n > MOST_FEATURES {
            let message = format!("{n} features at once are too many: ask for {MOST_FEATURES}");
            return Err(PromptError::Invalid(message));
        }
        let response = backend.activations(request, stop)?;
        consistent_values(&response, n)?;
        to_json(&response)
    };
    shared.ask(shared.offers.activations, request, answer).await
}

async fn attribute(State(shared): State<Arc<Shared>>, request: Request<Body>) -> Response {
    let answer = |backend: &dyn Backend, request: AttributeRequest, stop: &Stop| {
        check_top(request.top)?;
        let response = backend.attribute(request, stop)?;
        response.check()?;
        to_json(&response)
    };
    shared.ask(shared.offers.attribute, request, answer).await
}

async fn contrast(State(shared): State<Arc<Shared>>, request: Request<Body>) -> Response {
    let answer = |backend: &dyn Backend, request: ContrastRequest, stop: &Stop| {
        check_top(request.top)?;
        let response = backend.contrast(request, stop)?;
        response.check()?;
        to_json(&response)
    };
    shared.ask(shared.offers.contrast, request, answer).await
}

async fn generate(State(shared): State<Arc<Shared>>, request: Request<Body>) -> Response {
    let read = shared.read::<GenerateRequest>(shared.offers.generate, request);
    let request = match read.await {
        Ok((_, request)) => request,
        Err(response) => return response,
    };
    if let Err(error) = request.check() {
        return shared.refused(&error);
    }
    let (sender, lines) = lines::channel();
    let work = async move { shared.continued(request, sender).await };
    lines::answer(work, lines).await
}

async fn labels(State(shared): State<Arc<Shared>>, uri: Uri) -> Response {
    if shared.offers.labels == LabelsOffer::None {
        return not_found(uri).await;
    }
    let backend = Arc::clone(&shared.backend);
    let read = move |_: &Stop| backend.labels();
    match shared.reads.run(shared.options.timeout, read).await {
        Ok(Ok(labels)) => reply::json(json!({ "labels": labels }).to_string()),
        Ok(Err(BackendError(message))) => {
            tracing::warn!(message, "labels cannot be read");
            reply::error(StatusCode::INTERNAL_SERVER_ERROR, message)
        }
        Err(error) => shared.not_done(error),
    }
}

async fn set_labels(State(shared): State<Arc<Shared>>, request: Request<Body>) -> Response {
    let answer = |backend: &dyn Backend, request: LabelsRequest, _: &Stop| {
        backend.set_labels(request.labels)?;
        Ok(b"{}".to_vec())
    };
    let offered = shared.offers.labels == LabelsOffer::Change;
    shared.ask_of(&shared.reads, offered, request, answer).await
}

fn to_json(value: &impl Serialize) -> Result<Vec<u8>, PromptError> {
    serde_json::to_vec(value)
        .map_err(|error| PromptError::Failed(format!("the answer cannot be written: {error}")))
}

async fn not_found(uri: Uri) -> Response {
    let message = format!("there is nothing at {:?} here", uri.path());
    reply::error(StatusCode::NOT_FOUND, message)
}

async fn wrong_method(method: Method, uri: Uri) -> Response {
    let message = format!("{:?} does not take {method}", uri.path());
    reply::error(StatusCode::METHOD_NOT_ALLOWED, message)
}
