//! Answers that come line by line while the work for them runs.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::{Body, Bytes};
use axum::response::Response;
use hyper::body::{Body as HttpBody, Frame};
use serde::Serialize;
use serde_json::json;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::backend::PromptError;
use crate::reply;

/// How work ends; an error is an answer by itself as long as no line has been sent.
pub(crate) type Outcome = Result<(), Box<Problem>>;

/// What went wrong.
pub(crate) struct Problem {
    /// The answer, where nothing has been sent yet.
    pub(crate) response: Response,
    /// The same for the last line of an answer.
    pub(crate) message: String,
}

/// The place where lines are put. They are as many as the work has steps, so that what waits for a slow client is bounded.
pub(crate) struct Sender(UnboundedSender<Bytes>);

impl Sender {
    /// Sends a value as a line of JSON.
    pub(crate) fn send(&self, value: &impl Serialize) -> Result<(), PromptError> {
        let line = line(value)
            .map_err(|e| PromptError::Failed(format!("the answer cannot be written: {e}")))?;
        // Nobody listens any more.
        self.0.send(line).map_err(|_| PromptError::Stopped)
    }
}

fn line(value: &impl Serialize) -> serde_json::Result<Bytes> {
    let mut bytes = serde_json::to_vec(value)?;
    bytes.push(b'\n');
    Ok(bytes.into())
}

/// A place for lines, and where they come out.
pub(crate) fn channel() -> (Sender, UnboundedReceiver<Bytes>) {
    let (sender, lines) = unbounded_channel();
    (Sender(sender), lines)
}

/// Answers as soon as there is a line, or the work has ended without one. The work ends with the answer: who closes the connection drops it.
pub(crate) async fn answer(
    work: impl Future<Output = Outcome> + Send + 'static,
    mut lines: UnboundedReceiver<Bytes>,
) -> Response {
    let mut work: Work = Box::pin(work);
    let (first, ended) = tokio::select! {
        biased;
        Some(first) = lines.recv() => (Some(first), None),
        ended = &mut work => (lines.try_recv().ok(), Some(ended)),
    };
    let body = match (first, ended) {
        (None, Some(Err(problem))) => return problem.response,
        (first, None) => Lines {
            first,
            coming: lines,
            work: Some(work),
            last: None,
        },
        (first, Some(ended)) => Lines {
            first,
            coming: lines,
            work: None,
            last: Some(last(ended)),
        },
    };
    reply::lines(Body::new(body))
}

type Work = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// The line that says that the answer is whole, or why it is not.
fn last(ended: Outcome) -> Bytes {
    let value = match ended {
        Ok(()) => json!({ "event": "done" }),
        Err(problem) => json!({ "event": "error", "error": problem.message }),
    };
    format!("{value}\n").into()
}

struct Lines {
    first: Option<Bytes>,
    coming: UnboundedReceiver<Bytes>,
    work: Option<Work>,
    last: Option<Bytes>,
}

impl HttpBody for Lines {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let frame = |line| Poll::Ready(Some(Ok(Frame::data(line))));
        if let Some(first) = self.first.take() {
            return frame(first);
        }
        if let Poll::Ready(Some(line)) = self.coming.poll_recv(context) {
            return frame(line);
        }
        if let Some(work) = &mut self.work {
            let ended = ready!(work.as_mut().poll(context));
            self.work = None;
            // Work that time ran out for may still say something: not any more.
            self.coming.close();
            self.last = Some(last(ended));
            // What was sent before it ended comes first.
            if let Ok(line) = self.coming.try_recv() {
                return frame(line);
            }
        }
        match self.last.take() {
            Some(line) => frame(line),
            None => Poll::Ready(None),
        }
    }
}
