//! Requests to the server of the live page.

use crate::panics;
use sae_serve::{
    Backend, BackendError, CheckRequest, GenerateEvent, GenerateRequest, LabelsOffer, Offers,
    PromptError, PromptRequest, PromptResponse, ServeOptions, Server, Shutdown, Stop,
};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// Takes every request that is well formed, and fails at it.
struct Refusing;

fn refused<T>() -> Result<T, PromptError> {
    Err(PromptError::Invalid("there is no model".to_owned()))
}

impl Backend for Refusing {
    fn overview(&self) -> Vec<u8> {
        b"overview".to_vec()
    }

    fn feature(&self, index: u32) -> Result<Option<Vec<u8>>, BackendError> {
        Ok((index < 4).then(|| b"feature".to_vec()))
    }

    fn offers(&self) -> Offers {
        let mut offers = Offers::default();
        (
            offers.prompt,
            offers.check,
            offers.activations,
            offers.generate,
        ) = (true, true, true, true);
        (offers.attribute, offers.contrast, offers.labels) = (true, true, LabelsOffer::Change);
        offers
    }

    fn prompt(&self, _: PromptRequest, _: &Stop) -> Result<PromptResponse, PromptError> {
        refused()
    }

    fn check(&self, _: CheckRequest, _: &Stop) -> Result<serde_json::Value, PromptError> {
        refused()
    }

    fn generate(
        &self,
        _: GenerateRequest,
        _: &Stop,
        _: &mut dyn FnMut(GenerateEvent) -> Result<(), PromptError>,
    ) -> Result<(), PromptError> {
        refused()
    }
}

fn address() -> SocketAddr {
    static SERVER: OnceLock<SocketAddr> = OnceLock::new();
    *SERVER.get_or_init(|| {
        let mut options = ServeOptions::default();
        options.client_timeout = Duration::from_millis(300);
        let any_port = (Ipv4Addr::LOCALHOST, 0).into();
        let server = Server::bind(any_port, Arc::new(Refusing), options).expect("a port is free");
        let address = server.address();
        std::thread::spawn(move || server.run_until(&Shutdown::manual()));
        address
    })
}

/// The bytes of a connection.
pub(crate) fn request(data: &[u8]) {
    let before = panics::count();
    let Ok(mut stream) = TcpStream::connect(address()) else {
        return;
    };
    // The server may hang up before everything is sent.
    let _ = stream.write_all(data);
    let _ = stream.shutdown(std::net::Shutdown::Write);
    let _ = stream.read_to_end(&mut Vec::new());
    assert_eq!(
        panics::count(),
        before,
        "the server panicked: {}",
        panics::noted_panic()
    );
}
