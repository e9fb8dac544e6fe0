//! A backend that does as the text says, and a server of it.
#![allow(dead_code, reason = "each test uses some of it")]

use std::net::SocketAddr;
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use sae_serve::{
    Backend, BackendError, CheckRequest, Offers, PromptError, PromptFeature, PromptRequest,
    PromptResponse, PromptToken, ServeError, ServeOptions, Server, Shutdown, Stop,
};
use serde_json::{Value, json};

/// For what should take no time at all.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// Texts that begin with `hold` wait until [`release`](Self::release) or for as long as somebody wants the answer; `invalid`, `fail`,
/// `panic` and `nan` end as they say. Others have a token per word, and the feature of a word is its length. Of checks, `plain` has no SAE and
/// `undefined` no rank with it.
#[derive(Default)]
pub(crate) struct Fake {
    pub(crate) overview: Vec<u8>,
    pub(crate) features: Vec<Vec<u8>>,
    pub(crate) no_check: bool,
    pub(crate) log: Mutex<Log>,
    pub(crate) released: (Mutex<bool>, Condvar),
}

#[derive(Debug, Default)]
pub(crate) struct Log {
    /// Texts in the order in which they were begun.
    pub(crate) begun: Vec<String>,
    /// Those that were told to stop.
    pub(crate) stopped: Vec<String>,
    pub(crate) at_once: usize,
    pub(crate) most_at_once: usize,
}

impl Fake {
    pub(crate) fn release(&self) {
        *self.released.0.lock().unwrap() = true;
        self.released.1.notify_all();
    }

    pub(crate) fn begun(&self) -> Vec<String> {
        self.log.lock().unwrap().begun.clone()
    }

    fn run<T>(
        &self,
        text: &str,
        stop: &Stop,
        answer: impl FnOnce() -> T,
    ) -> Result<T, PromptError> {
        {
            let mut log = self.log.lock().unwrap();
            log.begun.push(text.to_owned());
            log.at_once += 1;
            log.most_at_once = log.most_at_once.max(log.at_once);
        }
        let done = self.obey(text, stop);
        let mut log = self.log.lock().unwrap();
        log.at_once -= 1;
        if matches!(done, Err(PromptError::Stopped)) {
            log.stopped.push(text.to_owned());
        }
        done.map(|()| answer())
    }

    fn obey(&self, text: &str, stop: &Stop) -> Result<(), PromptError> {
        match text.split(' ').next().unwrap_or_default() {
            "hold" => {
                let mut released = self.released.0.lock().unwrap();
                while !*released {
                    if stop.is_set() {
                        return Err(PromptError::Stopped);
                    }
                    let slice = Duration::from_millis(5);
                    released = self.released.1.wait_timeout(released, slice).unwrap().0;
                }
                Ok(())
            }
            "slow" => {
                std::thread::sleep(Duration::from_millis(300));
                Ok(())
            }
            "deaf" => {
                std::thread::sleep(Duration::from_secs(3));
                Ok(())
            }
            "invalid" => Err(PromptError::Invalid("this text has no tokens".into())),
            "fail" => Err(PromptError::Failed("out of <b>memory</b>".into())),
            "panic" => {
                self.log.lock().unwrap().at_once -= 1;
                panic!("as the text says")
            }
            _ => Ok(()),
        }
    }
}

impl Backend for Fake {
    fn overview(&self) -> Vec<u8> {
        self.overview.clone()
    }

    fn feature(&self, index: u32) -> Result<Option<Vec<u8>>, BackendError> {
        if index == 666 {
            return Err(BackendError("its shard cannot be read".into()));
        }
        Ok(self.features.get(index as usize).cloned())
    }

    fn offers(&self) -> Offers {
        Offers {
            prompt: true,
            check: !self.no_check,
        }
    }

    fn prompt(&self, request: PromptRequest, stop: &Stop) -> Result<PromptResponse, PromptError> {
        self.run(&request.text, stop, || {
            let words: Vec<&str> = request.text.split_inclusive(' ').collect();
            let feature = |(place, word): (usize, &&str)| PromptFeature {
                index: word.trim_end().len() as u32,
                value: if *word == "nan" { f32::NAN } else { 2.5 },
                quantile: 0.875,
                effect: request.effects.then_some(-0.0125),
                exact: (request.exact == Some(place)).then_some(-0.025),
            };
            PromptResponse {
                tokens: (7..)
                    .zip(&words)
                    .map(|(id, word)| PromptToken {
                        id,
                        text: (*word).to_owned(),
                    })
                    .collect(),
                features: words
                    .iter()
                    .enumerate()
                    .map(|at| vec![feature(at)])
                    .collect(),
                answer: Some(" and <i>so</i> on".into()),
            }
        })
    }

    fn check(&self, request: CheckRequest, stop: &Stop) -> Result<Value, PromptError> {
        let words: Vec<String> = request
            .answer
            .split_whitespace()
            .map(|word| format!(" {word}"))
            .collect();
        let answer = |rank: Value, prob: f64| {
            let top = json!([
                {"token": " Mary", "logit": 12.25, "prob": prob},
                {"token": " <b>", "logit": 3.5, "prob": 0.0625},
            ]);
            let tokens = words.iter().map(|word| json!({"token": word, "rank": rank, "logit": 12.25, "prob": prob, "top": top}));
            let tokens: Vec<Value> = tokens.collect();
            let mut all = tokens[0].clone();
            all["answer_prob"] = prob.powi(tokens.len() as i32).into();
            all["tokens"] = tokens.into();
            all
        };
        self.run(&request.prompt, stop, || {
            let with_sae = match request.prompt.as_str() {
                "plain" => Value::Null,
                "undefined" => answer(Value::Null, 0.125),
                _ => answer(json!(3), 0.125),
            };
            json!({
                "prompt": request.prompt,
                "answer": request.answer,
                "prompt_tokens": request.prompt.split_inclusive(' ').collect::<Vec<_>>(),
                "answer_tokens": words,
                "baseline": answer(json!(0), 0.75),
                "with_sae": with_sae,
            })
        })
    }
}

/// A server on a thread of its own. Dropping it stops it.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) backend: Arc<Fake>,
    pub(crate) shutdown: Shutdown,
    thread: Option<JoinHandle<Result<(), ServeError>>>,
}

impl Running {
    pub(crate) fn new(backend: Fake, options: ServeOptions) -> Self {
        let backend = Arc::new(backend);
        let address = ([127, 0, 0, 1], 0).into();
        let server = Server::bind(address, Arc::clone(&backend) as Arc<dyn Backend>, options);
        let server = server.unwrap();
        let shutdown = Shutdown::manual();
        let told = shutdown.clone();
        Self {
            address: server.address(),
            backend,
            shutdown,
            thread: Some(std::thread::spawn(move || server.run_until(&told))),
        }
    }

    /// Waits for it to end by itself.
    pub(crate) fn join(&mut self) {
        let thread = self.thread.take().unwrap();
        wait("the server to end", || thread.is_finished());
        thread.join().unwrap().unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.shutdown.trigger();
        self.shutdown.trigger();
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            if !std::thread::panicking() {
                ended.unwrap().unwrap();
            }
        }
    }
}

/// Waits until something is so.
pub(crate) fn wait(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < PATIENCE, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}
