//! Data sets on the Hub and at addresses, as files that are read as they come.

use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use hub_io::{Cache, Hub, HubError, Repo, WarnOfRetries, data_files};

use super::SourceOptions;
use super::error::SourceError;
use super::format::{self, Format};
use super::spec::{DataFile, Origin};

/// Addresses that one pattern may stand for.
const MOST_ADDRESSES: usize = 100_000;

/// The files of `org/name[@revision]`, of `hf://datasets/org/name[@revision]`, or at an address with an optional range of
/// numbers, `{000..029}`; `None` if the spec is none of these.
pub(super) fn resolve(
    spec: &str,
    options: &SourceOptions,
    hub: &dyn Fn() -> Result<Hub, HubError>,
) -> Result<Option<Vec<DataFile>>, SourceError> {
    let hub = || hub().map_err(|error| failed(spec, error));
    if spec.starts_with("https://") || spec.starts_with("http://") {
        if options.config.is_some() || options.split.is_some() {
            return Err(SourceError::NoSplits { spec: spec.into() });
        }
        if options.cache.is_some() {
            return Err(SourceError::NotKept { spec: spec.into() });
        }
        return addresses(spec, &hub()?).map(Some);
    }
    let id = match spec.strip_prefix("hf://datasets/") {
        Some(id) => id,
        None if looks_like_hub_id(spec) => spec,
        None => return Ok(None),
    };
    hub_files(spec, id, options, &hub()?).map(Some)
}

/// `org/name` or `org/name@revision`, with nothing that only a path would have.
fn looks_like_hub_id(spec: &str) -> bool {
    let id = spec.split_once('@').map_or(spec, |(id, _)| id);
    let part = |s: &str| {
        !s.is_empty()
            && !s.starts_with('.')
            && s.chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
    };
    id.split_once('/')
        .is_some_and(|(org, name)| part(org) && part(name))
        && format::of(Path::new(id)).is_none()
}

/// The Hub that the environment describes, with retries told as warnings.
pub(super) fn hub_of_environment() -> Result<Hub, HubError> {
    Ok(Hub::from_env()?.with_observer(Arc::new(WarnOfRetries)))
}

fn failed(spec: &str, error: impl std::error::Error + Send + Sync + 'static) -> SourceError {
    SourceError::Remote {
        spec: spec.into(),
        source: Box::new(error),
    }
}

/// The split of a data set.
fn hub_files(
    spec: &str,
    id: &str,
    options: &SourceOptions,
    hub: &Hub,
) -> Result<Vec<DataFile>, SourceError> {
    let (id, revision) = id.split_once('@').unwrap_or((id, "main"));
    let set = hub
        .dataset(id, revision)
        .map_err(|error| failed(spec, error))?;
    let readme = set.readme().map_err(|error| failed(spec, error))?;
    let all = set.files().map_err(|error| failed(spec, error))?;
    let (config, split) = (options.config.as_deref(), options.split.as_deref());
    let split =
        data_files(readme.as_deref(), &all, config, split).map_err(|error| failed(spec, error))?;
    tracing::info!(
        "{id} at commit {}: configuration {}, split {}, {} files",
        set.sha(),
        split.config,
        split.split,
        split.files.len()
    );
    let files = split.files.iter().map(|file| {
        let name = format!("hf://datasets/{id}@{}/{}", set.sha(), file.path);
        let origin = Origin::Hub(set.clone(), file.path.clone(), options.cache.clone());
        data_file(name, &file.path, file.size, origin)
    });
    files.collect()
}

fn addresses(spec: &str, hub: &Hub) -> Result<Vec<DataFile>, SourceError> {
    let files = expand(spec)?.into_iter().map(|url| {
        let path = url.split(['?', '#']).next().unwrap_or_default().to_owned();
        data_file(url.clone(), &path, 0, Origin::Url(hub.clone(), url))
    });
    files.collect()
}

/// Each `{first..last}` counted out, with as many digits as the first number has.
fn expand(spec: &str) -> Result<Vec<String>, SourceError> {
    let Some((before, rest)) = spec.split_once('{') else {
        return Ok(vec![spec.to_owned()]);
    };
    let bad = |reason: String| SourceError::BadPattern {
        spec: spec.to_owned(),
        reason,
    };
    let range = rest.split_once('}').and_then(|(range, after)| {
        let (first, last) = range.split_once("..")?;
        Some((first, last, after))
    });
    let Some((first, last, after)) = range else {
        return Err(bad("a { is followed by FIRST..LAST}".into()));
    };
    let number = |text: &str| {
        text.parse::<u32>()
            .map_err(|_| bad(format!("{text:?} is no number")))
    };
    let (low, high) = (number(first)?, number(last)?);
    let tails = expand(after)?;
    if low > high || (high - low) as usize >= MOST_ADDRESSES / tails.len() {
        return Err(bad(format!(
            "{first}..{last} is no range of at most {MOST_ADDRESSES} numbers"
        )));
    }
    let width = first.len();
    let numbers = (low..=high).map(|n| format!("{before}{n:0width$}"));
    Ok(numbers
        .flat_map(|head| tails.iter().map(move |tail| format!("{head}{tail}")))
        .collect())
}

fn data_file(
    name: String,
    path: &str,
    bytes: u64,
    origin: Origin,
) -> Result<DataFile, SourceError> {
    let (format, compression) =
        format::of(Path::new(path)).ok_or_else(|| SourceError::UnknownFormat {
            path: name.clone().into(),
        })?;
    if format == Format::Safetensors {
        return Err(SourceError::NotStreamed {
            name,
            format: format.ending(),
        });
    }
    Ok(DataFile {
        path: name.clone().into(),
        name: name.into(),
        origin,
        format,
        compression,
        bytes,
    })
}

/// The bytes of a file that is not here, or not yet.
pub(super) fn open_hub(
    set: &Repo,
    path: &str,
    cache: Option<&Cache>,
) -> std::io::Result<Box<dyn Read + Send>> {
    Ok(match cache {
        Some(cache) => Box::new(set.open_kept(path, cache).map_err(std::io::Error::other)?),
        None => Box::new(set.open(path).map_err(std::io::Error::other)?),
    })
}

/// As [`open_hub`], of an address.
pub(super) fn open_url(hub: &Hub, url: &str) -> std::io::Result<Box<dyn Read + Send>> {
    let file = hub.open_url(url).map_err(std::io::Error::other)?;
    Ok(Box::new(file))
}

#[cfg(test)]
mod tests {
    use super::{expand, looks_like_hub_id};

    #[test]
    fn ranges_are_counted_out() {
        let found = expand("https://h/{08..11}.jsonl.zst").unwrap();
        assert_eq!(found.len(), 4);
        assert_eq!(found[0], "https://h/08.jsonl.zst");
        assert_eq!(found[3], "https://h/11.jsonl.zst");
        assert_eq!(
            expand("https://h/{1..2}/{1..3}.txt").unwrap()[4],
            "https://h/2/2.txt"
        );
        for wrong in [
            "https://h/{1",
            "https://h/{1..}",
            "https://h/{5..1}",
            "https://h/{0..4000000000}",
        ] {
            assert!(expand(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn names_on_the_hub_are_told_from_paths() {
        for name in ["org/name", "org/name@main", "monology/pile-uncopyrighted"] {
            assert!(looks_like_hub_id(name), "{name}");
        }
        for path in [
            "data",
            "data/part.jsonl",
            "./data",
            "a/b/c",
            "../x",
            "/tmp/x",
        ] {
            assert!(!looks_like_hub_id(path), "{path}");
        }
    }
}
