//! One request and its answer: redirects, statuses and waiting, but nothing about files.

pub(crate) mod address;
pub(crate) mod backoff;
pub(crate) mod client;
pub(crate) mod clock;
pub(crate) mod error;
pub(crate) mod head;
pub(crate) mod headers;
pub(crate) mod listener;
pub(crate) mod options;
pub(crate) mod redirect;
