//! Files on threads of their own, so that the caller can break off at any time, and several at once.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::Builder;
use std::time::{Duration, Instant};

use super::download::{DownloadProgress, Observer};
use super::{Cache, CacheError};
use crate::hub::repo::Repo;

/// Downloads at the same time: more streams fill a line better, up to a point.
const AT_ONCE: usize = 4;
/// The observer is asked this often whether to continue, also when nothing arrives.
const PATIENCE: Duration = Duration::from_millis(100);
/// Threads that are told to stop are waited for no longer than this.
const GRACE: Duration = Duration::from_millis(500);

/// A message from a thread.
enum News {
    /// With the channel for the answer whether to continue.
    Progress(DownloadProgress, SyncSender<ControlFlow<()>>),
    Failed(CacheError),
}

/// The state that the threads share. They are not joined when the caller breaks off: a thread that waits for a server that says nothing ends when
/// that wait does.
struct Job {
    repo: Repo,
    cache: Cache,
    paths: Vec<String>,
    next: AtomicUsize,
    stop: AtomicBool,
}

/// Downloads files of one commit. The observer is called on the caller's thread.
///
/// # Errors
/// The first; the other downloads are broken off then. [`CacheError::Stopped`] when the observer says so.
pub(super) fn download(
    repo: &Repo,
    cache: &Cache,
    paths: &[&str],
    observer: Observer<'_>,
) -> Result<(), CacheError> {
    let job = Arc::new(Job {
        repo: repo.clone(),
        cache: cache.clone(),
        paths: paths.iter().map(|&path| path.to_owned()).collect(),
        next: AtomicUsize::new(0),
        stop: AtomicBool::new(false),
    });
    let (news, heard) = sync_channel(16);
    for n in 0..AT_ONCE.min(paths.len()) {
        let (job, news) = (Arc::clone(&job), news.clone());
        let thread = Builder::new().name(format!("download-{n}"));
        let started = thread.spawn(move || job.work(&news));
        started.map_err(|error| CacheError::io(cache.root(), "starting a download", error))?;
    }
    drop(news);
    let mut last = DownloadProgress {
        path: paths.first().copied().unwrap_or_default().to_owned(),
        done: 0,
        total: None,
    };
    loop {
        match heard.recv_timeout(PATIENCE) {
            Ok(News::Progress(progress, verdict)) => {
                let flow = observer.observe(&progress);
                // The thread waits for it.
                let _ = verdict.send(flow);
                last = progress;
                if flow.is_continue() {
                    continue;
                }
            }
            Ok(News::Failed(error)) => {
                job.end(&heard);
                return Err(error);
            }
            Err(RecvTimeoutError::Timeout) if observer.observe(&last).is_continue() => continue,
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return job.check(),
        }
        job.end(&heard);
        return Err(CacheError::Stopped { path: last.path });
    }
}

impl Job {
    /// One file after the other, until there are none left or the caller stops.
    fn work(&self, news: &SyncSender<News>) {
        loop {
            let n = self.next.fetch_add(1, Ordering::Relaxed);
            let Some(path) = self.paths.get(n) else {
                return;
            };
            let mut tell = |progress: &DownloadProgress| {
                let (answer, verdict) = sync_channel(1);
                // If the caller has gone, there is no verdict.
                let _ = news.send(News::Progress(progress.clone(), answer));
                verdict.recv().unwrap_or(ControlFlow::Break(()))
            };
            if self.stop.load(Ordering::Relaxed) {
                return;
            }
            if let Err(error) = self.repo.download_here(path, &self.cache, &mut tell) {
                let _ = news.send(News::Failed(error));
                return;
            }
        }
    }

    /// Tells the threads to stop, and waits a little: one that is not held up by the network stops at its next piece.
    fn end(&self, heard: &Receiver<News>) {
        self.stop.store(true, Ordering::Relaxed);
        let start = Instant::now();
        while let Some(left) = GRACE.checked_sub(start.elapsed())
            && heard.recv_timeout(left).is_ok()
        {}
    }

    /// Every file is there, now that all threads have ended: one that panicked has left its own.
    fn check(&self) -> Result<(), CacheError> {
        let folder = self.cache.folder(self.repo.kind, self.repo.id());
        let commit = folder.snapshot(self.repo.sha());
        let mut pointers = self.paths.iter().map(|path| commit.join(path));
        match pointers.find(|pointer| !pointer.is_file()) {
            Some(pointer) => {
                let error = std::io::Error::other("its thread ended without a word");
                Err(CacheError::io(&pointer, "downloading", error))
            }
            None => Ok(()),
        }
    }
}
