#![doc = include_str!("../README.md")]

mod backend;
mod connection;
mod guard;
mod options;
mod patience;
mod queue;
mod reply;
mod request;
mod routes;
mod server;
mod shutdown;

pub use backend::{
    Backend, BackendError, CheckRequest, Offers, PromptError, PromptFeature, PromptRequest,
    PromptResponse, PromptToken, Stop,
};
pub use options::ServeOptions;
pub use server::{ServeError, Server};
pub use shutdown::Shutdown;
