//! A server in front of a backend of one's own.

use sae_serve::{
    Backend, BackendError, CheckRequest, Offers, PromptError, PromptRequest, PromptResponse,
    ServeOptions, Server, Stop,
};
use std::sync::Arc;

struct Empty;

impl Backend for Empty {
    fn offers(&self) -> Offers {
        Offers::default()
    }

    fn overview(&self) -> Vec<u8> {
        Vec::new()
    }

    fn feature(&self, _: u32) -> Result<Option<Vec<u8>>, BackendError> {
        Ok(None)
    }

    fn prompt(&self, _: PromptRequest, _: &Stop) -> Result<PromptResponse, PromptError> {
        Err(PromptError::Invalid("there is no model here".to_owned()))
    }

    fn check(&self, _: CheckRequest, _: &Stop) -> Result<serde_json::Value, PromptError> {
        Err(PromptError::Invalid("there is no model here".to_owned()))
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = "127.0.0.1:0".parse()?;
    let server = Server::bind(address, Arc::new(Empty), ServeOptions::default())?;
    println!("would serve at {}", server.address());
    assert!(server.address().ip().is_loopback());
    Ok(())
}
