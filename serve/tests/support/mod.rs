//! A backend that does as the text says, and a server of it.
#![allow(dead_code, reason = "each test uses some of it")]

mod effects;

use std::net::SocketAddr;
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use sae_dashboard::labels::{Label, Labels};
use sae_serve::{
    ActivationsRequest, ActivationsResponse, AttributeRequest, AttributeResponse, Backend,
    BackendError, CheckRequest, ContrastRequest, ContrastResponse, EndReason, GenerateEvent,
    GenerateRequest, LabelsOffer, LikelyToken, Offers, PromptError, PromptFeature, PromptRequest,
    PromptResponse, PromptToken, ServeError, ServeOptions, Server, Shutdown, Side, Stop,
    TokenChange,
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
    pub(crate) no_generate: bool,
    pub(crate) no_effects: bool,
    pub(crate) labels: Option<Mutex<Labels>>,
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
        let mut offers = Offers::default();
        (offers.prompt, offers.check, offers.activations) = (true, !self.no_check, true);
        (offers.attribute, offers.contrast) = (!self.no_effects, !self.no_effects);
        (offers.generate, offers.chat) = (!self.no_generate, true);
        if self.labels.is_some() {
            offers.labels = LabelsOffer::Change;
        }
        offers
    }

    /// As many words as are asked for, ` tick` and ` tock` by turns. From the third on the steered side says what is steered; it ends one word
    /// earlier. After `pause` it waits behind the second word of each as `hold` does, after `broken` it fails there.
    fn generate(
        &self,
        request: GenerateRequest,
        stop: &Stop,
        emit: &mut dyn FnMut(GenerateEvent) -> Result<(), PromptError>,
    ) -> Result<(), PromptError> {
        self.run(&request.text, stop, || ())?;
        let words: Vec<&str> = request.text.split_inclusive(' ').collect();
        emit(GenerateEvent::Prompt {
            tokens: tokens(&words),
        })?;
        let n = request.max_new_tokens;
        for at in 0..n {
            if at == 2 {
                match words[0].trim_end() {
                    "pause" => self.run("hold", stop, || ())?,
                    "broken" => return Err(PromptError::Failed("out of <b>memory</b>".into())),
                    _ => {}
                }
            }
            let plain = [" tick", " tock"][at % 2].to_owned();
            let steer = &request.steer[at % request.steer.len()];
            let steered = match at {
                0 | 1 => plain.clone(),
                _ => format!(
                    " {}",
                    serde_json::to_string(steer).unwrap().replace('"', "")
                ),
            };
            for (side, word) in [(Side::Plain, plain), (Side::Steered, steered)] {
                if side == Side::Steered && at + 1 == n {
                    emit(GenerateEvent::End {
                        side,
                        reason: EndReason::Stop,
                    })?;
                    continue;
                }
                let id = if word.len() > 5 { 100 + at } else { at };
                let token = PromptToken::new(id as u32, word.as_bytes());
                let likely = LikelyToken {
                    token: PromptToken::new(99, b" <i>tuck</i>"),
                    log_prob: -2.0,
                };
                emit(GenerateEvent::Token {
                    side,
                    token,
                    log_prob: -0.5,
                    top: vec![likely],
                })?;
            }
        }
        emit(GenerateEvent::End {
            side: Side::Plain,
            reason: EndReason::Length,
        })?;
        // Each token changes by a quarter more than the one before; the last one of the plain side could not come at all.
        let change = |(at, last): (usize, usize)| TokenChange {
            log_prob: -0.5,
            steered_log_prob: if at + 1 == last {
                f64::NEG_INFINITY
            } else {
                -1.5
            },
            kl: at as f64 / 4.0,
        };
        let changes = |n: usize| (0..n).map(|at| change((at, request.max_new_tokens)));
        emit(GenerateEvent::Changes {
            side: Side::Plain,
            tokens: changes(n).collect(),
        })?;
        emit(GenerateEvent::Changes {
            side: Side::Steered,
            tokens: changes(n - 1).collect(),
        })
    }

    fn attribute(
        &self,
        request: AttributeRequest,
        stop: &Stop,
    ) -> Result<AttributeResponse, PromptError> {
        self.run(&request.text, stop, || effects::attribute(&request))
    }

    fn contrast(
        &self,
        request: ContrastRequest,
        stop: &Stop,
    ) -> Result<ContrastResponse, PromptError> {
        self.run(&request.text, stop, || effects::contrast(&request))
    }

    /// A feature fires on the words that are as long as its number, half as strongly as that; `nan` is none.
    fn activations(
        &self,
        request: ActivationsRequest,
        stop: &Stop,
    ) -> Result<ActivationsResponse, PromptError> {
        self.run(&request.text, stop, || {
            let words: Vec<&str> = request.text.split_inclusive(' ').collect();
            let value = |word: &str, feature: u32| match word.trim_end() {
                "nan" => f32::NAN,
                word if word.len() as u32 == feature => feature as f32 / 2.0,
                _ => 0.0,
            };
            let values = |&feature: &u32| words.iter().map(|w| value(w, feature)).collect();
            ActivationsResponse {
                tokens: tokens(&words),
                values: request.features.iter().map(values).collect(),
            }
        })
    }

    fn labels(&self) -> Result<Vec<Label>, BackendError> {
        let labels = self.labels.as_ref().unwrap().lock().unwrap();
        Ok(labels.clone().into_vec())
    }

    fn set_labels(&self, labels: Vec<Label>) -> Result<(), PromptError> {
        if labels.iter().any(|l| l.label == "refused") {
            return Err(PromptError::Invalid("this label is refused".into()));
        }
        let mut kept = self.labels.as_ref().unwrap().lock().unwrap();
        for label in labels {
            kept.set(label);
        }
        Ok(())
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
                tokens: tokens(&words),
                features: words
                    .iter()
                    .enumerate()
                    .map(|at| vec![feature(at)])
                    .collect(),
                answer: Some(" and <i>so</i> on".into()),
                next: [(5, " Mary", -0.25), (6, " <b>", -1.75), (13, "\n", -4.0)]
                    .map(|(id, text, log_prob): (u32, &str, f32)| LikelyToken {
                        token: PromptToken::new(id, text.as_bytes()),
                        log_prob,
                    })
                    .to_vec(),
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

/// The first word is a token that does not count if it is `<s>`.
fn tokens(words: &[&str]) -> Vec<PromptToken> {
    let tokens = (7..).zip(words).map(|(id, word)| {
        let mut token = PromptToken::new(id, word.as_bytes());
        token.counts = word.trim_end() != "<s>";
        token.n_active = Some(31);
        token
    });
    tokens.collect()
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
