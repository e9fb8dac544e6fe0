#![doc = include_str!("../README.md")]

mod attribute;
mod backend;
mod connection;
mod consistent;
mod contrast;
mod generate;
mod guard;
mod lines;
mod options;
mod patience;
mod queue;
mod reply;
mod request;
mod routes;
mod server;
mod shutdown;

pub use attribute::{AttributeRequest, AttributeResponse, AttributedFeature, AttributedTotal};
pub use backend::{
    ActivationsRequest, ActivationsResponse, Backend, BackendError, CheckRequest, LabelsOffer,
    LabelsRequest, Offers, PromptError, PromptFeature, PromptRequest, PromptResponse, PromptToken,
    Stop,
};
pub use contrast::{ContrastRequest, ContrastResponse, ContrastedFeature};
pub use generate::{
    EndReason, GenerateEvent, GenerateRequest, LikelyToken, Side, Steer, SteerKind, TokenChange,
};
pub use options::ServeOptions;
pub use server::{ServeError, Server};
pub use shutdown::Shutdown;
