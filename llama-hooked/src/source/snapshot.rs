//! A repository in the cache, in `huggingface_hub`'s layout.

use std::path::{Path, PathBuf};

/// The directory of the revision's files, if the cache knows the revision.
pub(super) fn find(cache: &Path, repo: &str, revision: &str) -> Option<PathBuf> {
    let root = cache.join(format!("models--{}", repo.replace('/', "--")));
    let commit = if is_commit(revision) {
        revision.to_owned()
    } else {
        std::fs::read_to_string(root.join("refs").join(revision))
            .ok()?
            .trim()
            .to_owned()
    };
    let snapshot = root.join("snapshots").join(&commit);
    (is_commit(&commit) && snapshot.is_dir()).then_some(snapshot)
}

/// Whether this is the hash of a commit, and so a name of one state for ever.
pub(super) fn is_commit(revision: &str) -> bool {
    revision.len() == 40 && revision.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Checks names that go into URLs and into paths.
pub(super) fn check_names(repo: &str, revision: &str) -> Result<(), String> {
    let parts: Vec<&str> = repo.split('/').collect();
    if parts.len() != 2 {
        return Err("a repository is organisation/name".to_owned());
    }
    if let Some(part) = parts.iter().find(|part| !is_name(part)) {
        return Err(format!("{part:?} is not a name"));
    }
    if !revision.split('/').all(is_name) {
        return Err(format!("{revision:?} is not a revision"));
    }
    Ok(())
}

fn is_name(part: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    !part.is_empty()
        && part.len() <= 96
        && part.bytes().all(plain)
        && !part.contains("..")
        && part != "."
}
