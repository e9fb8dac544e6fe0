//! Connections: accepting them, and what their clients may do.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1::Builder;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;

use crate::ServeOptions;
use crate::patience::Patient;
use crate::queue::Queue;

/// Of the head of a request.
const MAX_HEAD_BYTES: usize = 16 << 10;
const MAX_HEADERS: usize = 64;
/// After an accept that failed, as it does where the process has no descriptor left.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves until told to stop, then lets running work finish. `told` counts how often that was said.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    options: &ServeOptions,
    queues: [&Queue; 2],
    mut told: watch::Receiver<u32>,
) {
    let places = Arc::new(Semaphore::new(
        options.max_connections.clamp(1, Semaphore::MAX_PERMITS),
    ));
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            () = stopped(&mut told, 1) => break,
            Some(_) = connections.join_next() => {}
            (stream, place) = accept(&listener, &places) => {
                let connection = answer(stream, router.clone(), options.client_timeout, told.clone());
                connections.spawn(async move {
                    connection.await;
                    drop(place);
                });
            }
        }
    }
    drop(listener);
    for queue in queues {
        queue.close();
    }
    let finish = async { while connections.join_next().await.is_some() {} };
    tokio::select! {
        () = finish => {}
        () = tokio::time::sleep(options.grace) => tracing::debug!("what still runs is left"),
        () = stopped(&mut told, 2) => tracing::debug!("told again to stop"),
    }
    // Dropping the rest tells the backend to stop.
}

/// The next client, once there is a place for it.
async fn accept(listener: &TcpListener, places: &Arc<Semaphore>) -> (TcpStream, Place) {
    let place = Arc::clone(places).acquire_owned().await.ok();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return (stream, place),
            Err(error) => {
                tracing::debug!(%error, "a connection could not be accepted");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// None only of a semaphore that is closed, which this one never is.
type Place = Option<OwnedSemaphorePermit>;

/// Answers the requests of one connection, one after another.
async fn answer(
    stream: TcpStream,
    router: Router,
    client_timeout: Duration,
    mut told: watch::Receiver<u32>,
) {
    // Answers go out whole: there is nothing to gather.
    let _ = stream.set_nodelay(true);
    let io = TokioIo::new(Patient::new(stream, client_timeout));
    let connection = Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(client_timeout)
        .max_buf_size(MAX_HEAD_BYTES)
        .max_headers(MAX_HEADERS)
        .serve_connection(io, TowerToHyperService::new(router));
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stopped(&mut told, 1) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}

/// Until it was said so often.
async fn stopped(told: &mut watch::Receiver<u32>, times: u32) {
    // Where nobody is left who could say it, never.
    if told.wait_for(|said| *said >= times).await.is_err() {
        std::future::pending::<()>().await;
    }
}
