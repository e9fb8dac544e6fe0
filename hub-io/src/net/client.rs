//! The state that all streams of a [`Hub`](crate::Hub) share, and a single request.

use std::io::{self, Read};
use std::sync::Arc;

use ureq::http::{Method, Response};
use ureq::{Agent, Body};
use url::Url;

use super::address;
use super::backoff::{self, Jitter};
use super::clock::{Clock, SystemClock};
use super::error::{Failure, FetchError};
use super::headers;
use super::listener::{Event, Listener};
use super::options::NetOptions;
use super::redirect::{self, Target};

/// Headers of an answer, in bytes.
const MAX_HEADERS: usize = 64 << 10;

/// Connections, timeouts, and the listener.
#[derive(Clone)]
pub(crate) struct Client {
    agent: Agent,
    options: NetOptions,
    jitter: Arc<Jitter>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) listener: Option<Arc<dyn Listener>>,
}

impl Client {
    pub(crate) fn new(options: NetOptions) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            // Redirects are ours: what may be sent where is decided at each hop.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent(concat!("hub-io/", env!("CARGO_PKG_VERSION")))
            // Positions are the file's, not those of a compressed form.
            .accept_encoding("identity")
            .max_response_header_size(MAX_HEADERS)
            .timeout_resolve(Some(options.connect_timeout))
            .timeout_connect(Some(options.connect_timeout))
            .timeout_send_request(Some(options.stall_timeout))
            .timeout_recv_response(Some(options.stall_timeout))
            .timeout_per_read(Some(options.stall_timeout))
            .timeout_per_write(Some(options.stall_timeout))
            .build();
        Self {
            agent: config.new_agent(),
            jitter: Arc::new(Jitter::new(options.backoff.seed)),
            options,
            clock: Arc::new(SystemClock),
            listener: None,
        }
    }

    /// The same client, which gives up after at most this many tries in a row.
    pub(crate) fn with_attempts(&self, attempts: u32) -> Self {
        let mut client = self.clone();
        let backoff = &mut client.options.backoff;
        backoff.attempts = backoff.attempts.min(attempts);
        client
    }

    pub(crate) fn tell(&self, event: Event<'_>) {
        if let Some(listener) = &self.listener {
            listener.event(event);
        }
    }

    /// One request, no redirects, no retries.
    pub(crate) fn request(
        &self,
        method: &Method,
        url: &Url,
        headers: &[(&str, &str)],
    ) -> Result<Response<Body>, Failure> {
        let mut request = if *method == Method::HEAD {
            self.agent.head(url.as_str())
        } else {
            self.agent.get(url.as_str())
        };
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = if address::is_loopback(url) {
            request.config().proxy(None).build().call()
        } else {
            request.call()
        };
        answer.map_err(|error| match error {
            ureq::Error::BadUri(_) | ureq::Error::Http(_) | ureq::Error::InvalidProxyUrl => {
                Failure::Fatal(FetchError::Address {
                    url: address::shown(url),
                    reason: error.to_string(),
                })
            }
            error => broken(url, in_words(&error.into_io())),
        })
    }

    /// The pause that the server asks for.
    pub(crate) fn asked_pause(&self, response: &Response<Body>) -> Option<std::time::Duration> {
        let value = headers::text(response.headers(), "retry-after")?;
        backoff::retry_after(value, self.clock.now())
    }

    /// The whole body of a small answer, with retries.
    ///
    /// # Errors
    /// [`FetchError`], [`FetchError::TooLarge`] if it is longer than `limit` bytes.
    pub(crate) fn get(&self, target: &Target, limit: u64) -> Result<Document, FetchError> {
        let mut tries = Tries::default();
        loop {
            match self.try_get(target, limit) {
                Ok(document) => return Ok(document),
                Err(failure) => tries.again(self, target, 0, failure)?,
            }
        }
    }

    fn try_get(&self, target: &Target, limit: u64) -> Result<Document, Failure> {
        let answer = redirect::follow(self, target, None, &[])?;
        let status = answer.response.status().as_u16();
        if status != 200 {
            return Err(redirect::refusal(self, target, &answer));
        }
        let link = headers::text(answer.response.headers(), "link")
            .and_then(headers::next_page)
            .map(str::to_owned);
        let expected = headers::content_length(answer.response.headers());
        let mut body = Vec::new();
        let mut reader = answer.response.into_body().into_reader();
        (&mut reader)
            .take(limit.saturating_add(1))
            .read_to_end(&mut body)
            .map_err(|error| Failure::transient(in_words(&error)))?;
        if body.len() as u64 > limit {
            let url = target.shown.clone();
            return Err(FetchError::TooLarge { url, limit }.into());
        }
        if expected.is_some_and(|expected| expected != body.len() as u64) {
            return Err(Failure::transient("the answer is not complete"));
        }
        Ok(Document {
            body,
            url: answer.url,
            next: link,
        })
    }
}

/// A small answer, read whole.
#[derive(Debug)]
pub(crate) struct Document {
    pub(crate) body: Vec<u8>,
    /// The server that answered, after redirects.
    pub(crate) url: Url,
    /// `rel="next"` of the `Link` header.
    pub(crate) next: Option<String>,
}

/// Tries that failed in a row.
#[derive(Debug, Default)]
pub(crate) struct Tries(u32);

impl Tries {
    /// Waits before the next try.
    ///
    /// # Errors
    /// If there is no sense in another, or there were too many.
    pub(crate) fn again(
        &mut self,
        client: &Client,
        target: &Target,
        at: u64,
        failure: Failure,
    ) -> Result<(), FetchError> {
        let (reason, asked) = match failure {
            Failure::Fatal(error) => return Err(error),
            Failure::Transient { reason, after } => (reason, after),
        };
        let options = &client.options.backoff;
        self.0 = self.0.saturating_add(1);
        if self.0 >= options.attempts {
            return Err(FetchError::GaveUp {
                url: target.shown.clone(),
                at,
                tries: self.0,
                reason,
            });
        }
        let after = backoff::pause(options, &client.jitter, self.0, asked);
        tracing::debug!(
            url = target.shown,
            at,
            tries = self.0,
            ?after,
            reason,
            "trying again"
        );
        client.tell(Event::Retrying {
            url: &target.shown,
            after,
            tries: self.0,
            reason: &reason,
        });
        client.clock.sleep(after);
        Ok(())
    }

    /// Something arrived: whether there had been failures before.
    pub(crate) fn progress(&mut self) -> bool {
        std::mem::take(&mut self.0) > 0
    }
}

/// A connection that could not be made or used. A certificate will be the same the next time.
fn broken(url: &Url, reason: String) -> Failure {
    // How rustls puts it; the error itself is not of a type that we can name.
    if reason.contains("invalid peer certificate") {
        let url = address::shown(url);
        return Failure::Fatal(FetchError::Certificate { url, reason });
    }
    Failure::transient(reason)
}

/// A problem on the connection.
pub(crate) fn in_words(error: &io::Error) -> String {
    let inner = error
        .get_ref()
        .and_then(|e| e.downcast_ref::<ureq::Error>());
    match inner {
        Some(ureq::Error::Timeout(ureq::Timeout::PerRead | ureq::Timeout::RecvResponse)) => {
            "the server sent nothing for too long".to_owned()
        }
        Some(ureq::Error::HostNotFound) => "the host's name could not be looked up".to_owned(),
        Some(ureq::Error::Protocol(error)) => format!("the answer is not HTTP: {error}"),
        Some(error) => error.to_string(),
        None => format!("the connection broke: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_are_not_tried_again() {
        let url = address::parse("https://h/f?x").unwrap();
        let rustls = io::Error::new(
            io::ErrorKind::InvalidData,
            "invalid peer certificate: UnknownIssuer",
        );
        let Failure::Fatal(error) = broken(&url, in_words(&rustls)) else {
            panic!("would be tried again");
        };
        assert_eq!(
            error.to_string(),
            "https://h/f?…: the server's certificate is not accepted: the connection broke: invalid peer certificate: UnknownIssuer; \
             check the address, this machine's clock, and whether a proxy stands in between"
        );
        let reset = io::Error::from(io::ErrorKind::ConnectionReset);
        assert!(matches!(
            broken(&url, in_words(&reset)),
            Failure::Transient { .. }
        ));
    }
}
