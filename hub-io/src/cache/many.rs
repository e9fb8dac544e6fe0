//! Several files at once.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

use super::download::{Observer, Progress};
use super::{Cache, CacheError};
use crate::hub::repo::Repo;

/// Downloads at the same time: more streams fill a line better, up to a point.
const AT_ONCE: usize = 4;

/// What a thread says of the file of this number.
enum News {
    Progress(usize, u64, Option<u64>),
    Failed(CacheError),
}

/// Downloads files of one commit. The observer is called on the caller's thread.
///
/// # Errors
/// The first; the other downloads are broken off then.
pub(super) fn download(
    repo: &Repo,
    cache: &Cache,
    paths: &[&str],
    observer: Observer<'_>,
) -> Result<(), CacheError> {
    if let [path] = paths {
        return repo.download(path, cache, observer).map(drop);
    }
    let (next, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
    let (news, heard) = sync_channel(16);
    thread::scope(|scope| {
        for _ in 0..AT_ONCE.min(paths.len()) {
            let (news, next, stop) = (news.clone(), &next, &stop);
            scope.spawn(move || work(repo, cache, paths, (next, stop), &news));
        }
        drop(news);
        let mut first = None;
        for news in heard {
            match news {
                News::Progress(n, done, total) => {
                    let path = paths[n];
                    if observer(Progress { path, done, total }).is_break() {
                        stop.store(true, Ordering::Relaxed);
                    }
                }
                News::Failed(error) => {
                    stop.store(true, Ordering::Relaxed);
                    first.get_or_insert(error);
                }
            }
        }
        first.map_or(Ok(()), Err)
    })
}

/// One file after the other, while there are any.
fn work(
    repo: &Repo,
    cache: &Cache,
    paths: &[&str],
    (next, stop): (&AtomicUsize, &AtomicBool),
    news: &SyncSender<News>,
) {
    loop {
        let n = next.fetch_add(1, Ordering::Relaxed);
        let Some(path) = paths.get(n) else {
            return;
        };
        let mut tell = |progress: Progress<'_>| {
            // Somebody listens until the last thread is done.
            let _ = news.send(News::Progress(n, progress.done, progress.total));
            if stop.load(Ordering::Relaxed) {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        };
        if stop.load(Ordering::Relaxed) {
            return;
        }
        if let Err(error) = repo.download(path, cache, &mut tell) {
            let _ = news.send(News::Failed(error));
            return;
        }
    }
}
