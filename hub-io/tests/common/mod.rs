//! A client that does not wait, and what it heard.
#![allow(clippy::unwrap_used, dead_code, unreachable_pub)]

#[path = "../server/mod.rs"]
pub mod server;

use std::io::Read;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use hub_io::{Clock, Event, FetchError, Hub, HubOptions, RemoteFile};

/// After this long without a byte a connection has stalled.
pub const STALL: Duration = Duration::from_millis(50);

/// Notes pauses instead of making them.
#[derive(Default)]
pub struct NoWait(pub Mutex<Vec<Duration>>);

impl Clock for NoWait {
    fn sleep(&self, time: Duration) {
        self.0.lock().unwrap().push(time);
    }

    fn now(&self) -> SystemTime {
        // Fri, 06 Nov 2026 08:49:37 GMT
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_793_954_977)
    }
}

pub struct Client {
    pub hub: Hub,
    pub clock: Arc<NoWait>,
    pub events: Arc<Mutex<Vec<String>>>,
}

pub fn options(endpoint: &str, token: Option<&str>) -> HubOptions {
    let mut made = HubOptions::default();
    made.endpoint = endpoint.to_owned();
    made.token = token.map(str::to_owned);
    made.net.stall_timeout = STALL;
    made.net.connect_timeout = Duration::from_secs(5);
    made.net.backoff.attempts = 4;
    made.net.backoff.seed = Some(1);
    made
}

pub fn client(options: HubOptions) -> Client {
    let clock = Arc::new(NoWait::default());
    let events = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&events);
    let observer = move |event: Event<'_>| {
        let line = match event {
            Event::Connected { at, len, .. } => format!("connected at {at} of {len:?}"),
            Event::Retrying { tries, reason, .. } => format!("retrying {tries}: {reason}"),
            Event::Resumed { at, .. } => format!("resumed at {at}"),
            _ => unreachable!(),
        };
        heard.lock().unwrap().push(line);
    };
    let hub = Hub::new(options).unwrap();
    let hub = hub
        .with_listener(Arc::new(observer))
        .with_clock(clock.clone());
    Client { hub, clock, events }
}

impl Client {
    pub fn events(&self) -> Vec<String> {
        self.events.lock().unwrap().clone()
    }

    pub fn pauses(&self) -> Vec<Duration> {
        self.clock.0.lock().unwrap().clone()
    }

    pub fn open(&self, url: &str) -> Result<RemoteFile, FetchError> {
        self.hub.open_url(url)
    }

    /// All bytes of a file, or the first error and what came before it.
    pub fn read(&self, url: &str) -> Result<Vec<u8>, FetchError> {
        let mut file = self.open(url)?;
        read_on(&mut file)
    }
}

/// A client of servers other than the Hub.
pub fn plain() -> Client {
    client(options("http://127.0.0.1:1", Some("hf_secret")))
}

pub fn read_on(file: &mut RemoteFile) -> Result<Vec<u8>, FetchError> {
    let mut bytes = Vec::new();
    match file.read_to_end(&mut bytes) {
        Ok(_) => Ok(bytes),
        Err(error) => Err(error
            .get_ref()
            .unwrap()
            .downcast_ref::<FetchError>()
            .unwrap()
            .clone()),
    }
}

/// Bytes that differ from their neighbours.
pub fn content(len: usize) -> Vec<u8> {
    (0..len)
        .map(|i| (i.wrapping_mul(2_654_435_761) >> 7) as u8)
        .collect()
}
