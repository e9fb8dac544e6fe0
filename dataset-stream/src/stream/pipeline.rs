//! The threads: one reads, N encode, and the iterating thread consumes.

use std::any::Any;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};

use super::conveyor::Conveyor;
use super::encode::Encoded;
use super::error::StreamError;
use crate::source::{Block, Reader, Scratch};

/// The work on a block; it may give up when the last argument says so.
pub(super) type Work = dyn Fn(&Block, &mut Scratch, &dyn Fn() -> bool) -> Encoded + Send + Sync;

/// Running threads and their conveyor. Dropping it stops them all and joins the workers; the reader may be waiting for a network, and
/// ends when that wait does.
pub(super) struct Pipeline {
    conveyor: Arc<Conveyor>,
    workers: Vec<JoinHandle<()>>,
}

impl Pipeline {
    pub(super) fn start(
        reader: Reader,
        work: &Arc<Work>,
        threads: usize,
        bytes_in_flight: usize,
    ) -> Result<Self, StreamError> {
        let conveyor = Arc::new(Conveyor::new(bytes_in_flight));
        // From here on, an early return drops the pipeline and so stops what has been started.
        let mut pipeline = Self {
            conveyor: Arc::clone(&conveyor),
            workers: Vec::with_capacity(threads),
        };
        for n in 0..threads {
            let (conveyor, work) = (Arc::clone(&conveyor), Arc::clone(work));
            pipeline.spawn(format!("tokenise-{n}"), move || {
                run_worker(&conveyor, &*work);
            })?;
        }
        let read = Builder::new().name("read".into());
        read.spawn(move || run_reader(reader, &conveyor))
            .map_err(StreamError::Thread)?;
        Ok(pipeline)
    }

    /// The next block, in order; `None` at the end, and when `waiting`, which is asked now and then, breaks off.
    pub(super) fn next(&self, waiting: &mut dyn FnMut() -> ControlFlow<()>) -> Option<Encoded> {
        self.conveyor.next_result(waiting)
    }

    fn spawn(
        &mut self,
        name: String,
        run: impl FnOnce() + Send + 'static,
    ) -> Result<(), StreamError> {
        self.workers.push(
            Builder::new()
                .name(name)
                .spawn(run)
                .map_err(StreamError::Thread)?,
        );
        Ok(())
    }
}

impl Drop for Pipeline {
    fn drop(&mut self) {
        self.conveyor.stop();
        for worker in self.workers.drain(..) {
            // Panics inside have become errors on the conveyor.
            let _ = worker.join();
        }
    }
}

fn run_reader(mut reader: Reader, conveyor: &Conveyor) {
    let last = loop {
        match catch_unwind(AssertUnwindSafe(|| reader.next_block())) {
            Ok(Ok(Some(block))) => {
                if !conveyor.admit(block) {
                    return;
                }
            }
            Ok(Ok(None)) => break None,
            Ok(Err(error)) => break Some(error.into()),
            Err(payload) => break Some(panicked("reader", String::new(), payload.as_ref())),
        }
    };
    conveyor.close(last.map(|error| Encoded {
        error: Some(error),
        ..Encoded::default()
    }));
}

fn run_worker(conveyor: &Conveyor, work: &Work) {
    let mut scratch = Scratch::default();
    while let Some((number, block)) = conveyor.take_work() {
        let before = block.bytes();
        let run = || work(&block, &mut scratch, &|| conveyor.is_stopped());
        let result = catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|payload| {
            let during = format!(" in a block of {}", block.file);
            Encoded {
                error: Some(panicked("tokeniser", during, payload.as_ref())),
                ..Encoded::default()
            }
        });
        conveyor.put_result(number, before, result);
        scratch.trim();
    }
}

fn panicked(role: &'static str, during: String, payload: &(dyn Any + Send)) -> StreamError {
    let message = payload
        .downcast_ref::<&str>()
        .map(ToString::to_string)
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".into());
    StreamError::Panicked {
        role,
        during,
        message,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Content, TextSource};

    fn texts(n: usize) -> Reader {
        TextSource::from_documents(
            (0..n).map(|i| Content::Text(format!("{i} {}", "x".repeat(20_000)))),
        )
        .into_reader()
    }

    #[test]
    fn a_panic_in_a_worker_is_an_error_in_its_place() {
        let work = |block: &Block, _: &mut Scratch, _: &dyn Fn() -> bool| {
            // Block 0 has 64 KiB, the next one twice that: four documents, then more.
            assert!(block.bytes() < 100_000, "too much for me");
            Encoded {
                ids: vec![7],
                ..Encoded::default()
            }
        };
        let pipeline =
            Pipeline::start(texts(12), &(Arc::new(work) as Arc<Work>), 3, 1 << 20).unwrap();
        let mut wait = || ControlFlow::Continue(());
        assert_eq!(pipeline.next(&mut wait).unwrap().ids, [7]);
        let error = pipeline.next(&mut wait).unwrap().error.unwrap();
        assert_eq!(
            error.to_string(),
            "a tokeniser thread panicked in a block of (documents in memory): too much for me"
        );
    }

    #[test]
    fn dropping_it_joins_threads_that_wait_for_room() {
        let work = |_: &Block, _: &mut Scratch, _: &dyn Fn() -> bool| Encoded::default();
        // Room for one block only, and nobody consumes.
        let pipeline = Pipeline::start(texts(200), &(Arc::new(work) as Arc<Work>), 2, 1).unwrap();
        drop(pipeline);
    }
}
