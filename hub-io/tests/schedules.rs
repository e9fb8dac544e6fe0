//! Random faults in random order: the bytes are the file's, or the error is one of those that are documented.
#![allow(clippy::unwrap_used)]

mod common;
mod fault;

use std::io::Read;
use std::time::{Duration, Instant};

use common::server::{self, Reply, Server};
use common::{STALL, client, content, options};
use fault::{Fault, fault, reply};
use hub_io::FetchError;
use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};

const LEN: usize = 200_000;
const TAG: &str = "\"one\"";

fn check(faults: &[Fault], sizes: &[usize]) -> Result<bool, TestCaseError> {
    let began = Instant::now();
    let file = content(LEN);
    let (served, schedule) = (file.clone(), faults.to_vec());
    let storage = Server::start(move |request| match schedule.get(request.number) {
        Some(fault) => reply(fault, request, &served, TAG, 3 * STALL),
        None => Reply::file(request, &served, TAG),
    });
    let target = storage.url("/blob?signature=");
    let hub = Server::start(move |request| Reply::redirect(format!("{target}{}", request.number)));
    let client = client(options(&hub.url(""), Some("hf_secret")));

    let mut read = Vec::new();
    let mut result = client.open(&hub.url("/f"));
    if let Ok(stream) = &mut result {
        let mut buf = vec![0; 70_000];
        for size in sizes.iter().cycle() {
            match stream.read(&mut buf[..*size]) {
                Ok(0) => break,
                Ok(got) => read.extend_from_slice(&buf[..got]),
                Err(error) => {
                    let inner = error.get_ref().and_then(|e| e.downcast_ref::<FetchError>());
                    result = Err(inner.unwrap().clone());
                    break;
                }
            }
            prop_assert!(read.len() <= LEN);
        }
    }
    prop_assert!(
        began.elapsed() < Duration::from_secs(10),
        "{:?}",
        began.elapsed()
    );
    for request in storage.requests() {
        prop_assert_eq!(request.header("authorization"), None);
    }
    // The first answer decides what the file is, so an early lie is believed; all else has to be true.
    let lied = faults.iter().any(|fault| matches!(fault, Fault::Changed));
    match &result {
        Ok(_) => prop_assert!(read == file, "{} bytes", read.len()),
        Err(FetchError::Changed { .. }) => {
            prop_assert!(lied || faults.iter().any(|f| matches!(f, Fault::Length(_))));
        }
        Err(FetchError::WrongRange { .. }) => {
            prop_assert!(faults.iter().any(|f| matches!(f, Fault::WrongRange)));
        }
        Err(FetchError::GaveUp { tries, .. }) => {
            prop_assert_eq!(*tries, 4);
            prop_assert!(faults.len() >= 4);
        }
        Err(FetchError::Redirect { .. }) => {
            prop_assert!(faults.iter().any(|f| matches!(f, Fault::Moved)));
        }
        Err(error) => prop_assert!(false, "{}", error),
    }
    prop_assert!(file.starts_with(&read));
    Ok(result.is_ok())
}

#[test]
fn bytes_are_the_files_or_there_is_an_error() {
    let config = ProptestConfig {
        cases: 400,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    let mut runner = TestRunner::new_with_rng(config, rng);
    let faults = prop::collection::vec(fault(LEN), 0..12);
    let sizes = prop::collection::vec(1usize..70_000, 1..8);
    let whole = std::cell::Cell::new(0);
    let run = runner.run(&(faults, sizes), |(faults, sizes)| {
        whole.set(whole.get() + usize::from(check(&faults, &sizes)?));
        Ok(())
    });
    run.unwrap();
    // Most schedules must be survived, or the test says little.
    assert!(whole.get() > 150, "{}", whole.get());
}
