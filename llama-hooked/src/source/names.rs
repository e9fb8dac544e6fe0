//! Names of repositories and revisions.

/// Checks names that go into URLs and into paths.
pub(super) fn check(repo: &str, revision: &str) -> Result<(), String> {
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
