//! What can be wrong with an answer.
#![allow(clippy::unwrap_used, dead_code, unreachable_pub)]

use std::time::Duration;

use proptest::prelude::*;

use crate::server::{Reply, Request};

/// One thing wrong, or nothing.
#[derive(Debug, Clone)]
pub enum Fault {
    None,
    Cut(usize),
    Stall(usize),
    Silence,
    Status(u16),
    Refused,
    Length(usize),
    Chunked(Option<usize>),
    Part(usize),
    NoRange,
    Garbage(Vec<u8>),
    Changed,
    WrongRange,
    Moved,
}

/// In a file of `len` bytes.
pub fn fault(len: usize) -> impl Strategy<Value = Fault> {
    prop_oneof![
        6 => Just(Fault::None),
        8 => (0..len).prop_map(Fault::Cut),
        1 => (0..len).prop_map(Fault::Stall),
        1 => Just(Fault::Silence),
        3 => prop::sample::select(vec![408, 429, 500, 503]).prop_map(Fault::Status),
        2 => Just(Fault::Refused),
        2 => (0..2 * len).prop_map(Fault::Length),
        2 => prop::option::of(0..len).prop_map(Fault::Chunked),
        3 => (1..len).prop_map(Fault::Part),
        2 => Just(Fault::NoRange),
        2 => prop::collection::vec(any::<u8>(), 0..200).prop_map(Fault::Garbage),
        1 => Just(Fault::Changed),
        1 => Just(Fault::WrongRange),
        2 => Just(Fault::Moved),
    ]
}

/// The answer to a request for a file. A stalled one holds out for `stall`.
pub fn reply(fault: &Fault, request: &Request, file: &[u8], tag: &str, stall: Duration) -> Reply {
    let len = file.len();
    let mut good = Reply::file(request, file, tag);
    let from = request.from().unwrap_or_default();
    match fault {
        Fault::None => good,
        Fault::Cut(at) => good.cut(*at),
        Fault::Stall(at) => {
            good.stall = stall;
            good.cut(*at)
        }
        Fault::Silence => {
            let mut reply = Reply::raw("");
            reply.stall = stall;
            reply
        }
        Fault::Status(status) => Reply::new(*status),
        // Of the storage: a signed address that ran out.
        Fault::Refused => Reply::new(403),
        Fault::Length(length) => {
            good.length = Some(*length);
            good
        }
        Fault::Chunked(cut) => {
            (good.chunked, good.cut) = (true, *cut);
            good
        }
        Fault::Part(part) => {
            good.body.truncate(*part);
            let last = from + good.body.len().max(1) - 1;
            good.with("Content-Range", format!("bytes {from}-{last}/{len}"))
        }
        Fault::NoRange => Reply::body(file).with("ETag", tag),
        Fault::Garbage(bytes) => Reply::raw(bytes.as_slice()),
        Fault::Changed => good.with("ETag", "\"two\""),
        Fault::WrongRange => good.with(
            "Content-Range",
            format!("bytes {}-{}/{len}", from + 1, len + 1),
        ),
        Fault::Moved => Reply::redirect("/blob?signature=new"),
    }
}
