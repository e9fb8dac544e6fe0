//! The list of a repository's files, page by page.

use serde::Deserialize;

use super::repo::bad_answer;
use super::{Hub, HubError, HubFile, Lfs};
use crate::net::address;
use crate::net::redirect::Target;

/// A page of a list, in bytes. One of 1,000 files takes about 300 kB.
const MAX_PAGE: u64 = 32 << 20;

#[derive(Deserialize)]
struct Entry {
    #[serde(rename = "type")]
    kind: String,
    path: String,
    #[serde(default)]
    size: u64,
    lfs: Option<LfsEntry>,
}

#[derive(Deserialize)]
struct LfsEntry {
    oid: String,
    size: u64,
}

pub(super) fn files(hub: &Hub, repo: &str, first: Target) -> Result<Vec<HubFile>, HubError> {
    let (max_pages, max_entries) = (hub.options.max_pages, hub.options.max_entries);
    let too_many = |of, limit| HubError::TooMany {
        repo: repo.to_owned(),
        of,
        limit,
    };
    let mut files = Vec::new();
    let mut entries = 0;
    let mut target = first;
    // A list that leads in a circle ends here, too.
    for _ in 0..max_pages {
        let page = hub.client.get(&target, MAX_PAGE)?;
        let listed: Vec<Entry> = serde_json::from_slice(&page.body)
            .map_err(|error| bad_answer(&target, format!("not a list of files: {error}")))?;
        entries += listed.len();
        if entries > max_entries {
            return Err(too_many("entries", max_entries));
        }
        for entry in listed.into_iter().filter(|entry| entry.kind == "file") {
            address::check_path(&entry.path).map_err(|reason| {
                bad_answer(
                    &target,
                    format!("lists the path {:.200?}: {reason}", entry.path),
                )
            })?;
            files.push(HubFile {
                size: entry.lfs.as_ref().map_or(entry.size, |lfs| lfs.size),
                lfs: entry.lfs.map(|LfsEntry { oid, size }| Lfs { oid, size }),
                path: entry.path,
            });
        }
        let Some(next) = page.next else {
            return Ok(files);
        };
        let next = address::join(&page.url, &next).map_err(|reason| {
            bad_answer(&target, format!("the address of its next page: {reason}"))
        })?;
        if !address::same_origin(&next, &target.url) {
            let reason = format!(
                "its next page is on another server, {}",
                address::shown(&next)
            );
            return Err(bad_answer(&target, reason));
        }
        target = Target::new(next, target.token, target.page);
    }
    Err(too_many("pages", max_pages))
}
