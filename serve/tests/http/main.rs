//! The server at the other end of a socket.
#![allow(clippy::unwrap_used, reason = "test code")]

#[path = "../support/mod.rs"]
mod support;

mod answers;
mod client;
mod continuing;
mod effects;
mod guard;
mod hostile;
mod limits;
mod queue;
mod stopping;
