//! Data sets on the Hub and at addresses, as files that are read as they come.

use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use hub_io::{Cache, CacheError, FetchError, Hub, HubError, Repo, WarnOfRetries, data_files};

use super::format::{self, Format};
use super::{DataFile, Origin};
use crate::source::SourceOptions;
use crate::source::error::SourceError;

/// Addresses that one pattern may expand to.
const MOST_ADDRESSES: usize = 100_000;

/// Makes the Hub, once it is known that one is needed.
pub(in crate::source) type MakeHub<'a> = &'a dyn Fn() -> Result<Hub, HubError>;

/// Where the bytes of a file are that is not here.
#[derive(Debug, Clone)]
pub(crate) enum RemoteFile {
    /// In a data set on the Hub, under this path; kept in the cache, if there is one.
    Hub(Repo, String, Option<Cache>),
    /// At an address.
    Url(Hub, String),
}

impl RemoteFile {
    /// Its bytes, from first to last.
    pub(crate) fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        Ok(match self {
            Self::Hub(set, path, Some(cache)) => {
                Box::new(set.open_kept(path, cache).map_err(io::Error::other)?)
            }
            Self::Hub(set, path, None) => Box::new(set.open(path).map_err(io::Error::other)?),
            Self::Url(hub, url) => Box::new(hub.open_url(url).map_err(io::Error::other)?),
        })
    }
}

/// Whether an error is of the network, not of what came over it.
pub(crate) fn is_of_network(error: &io::Error) -> bool {
    let inner = error.get_ref();
    inner.is_some_and(|error| error.is::<FetchError>() || error.is::<CacheError>())
}

/// The files of `org/name[@revision]`, of `hf://datasets/org/name[@revision]`, or at an address with an optional range of
/// numbers, `{000..029}`.
pub(super) fn resolve(
    spec: &str,
    options: &SourceOptions,
    hub: MakeHub<'_>,
) -> Result<Vec<DataFile>, SourceError> {
    let hub = hub().map_err(|error| failed(spec, error));
    if spec.starts_with("https://") || spec.starts_with("http://") {
        if options.config.is_some() || options.split.is_some() {
            return Err(SourceError::NoSplits { spec: spec.into() });
        }
        if options.cache.is_some() {
            return Err(SourceError::NotKept { spec: spec.into() });
        }
        return addresses(spec, &hub?);
    }
    let id = spec.strip_prefix("hf://datasets/").unwrap_or(spec);
    hub_files(spec, id, options, &hub?)
}

/// The Hub that the environment describes, with retries told as warnings.
pub(in crate::source) fn hub_of_environment() -> Result<Hub, HubError> {
    Ok(Hub::from_env()?.with_listener(Arc::new(WarnOfRetries)))
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
        let origin = RemoteFile::Hub(set.clone(), file.path.clone(), options.cache.clone());
        data_file(name, &file.path, file.size, origin)
    });
    files.collect()
}

fn addresses(spec: &str, hub: &Hub) -> Result<Vec<DataFile>, SourceError> {
    let files = expand(spec)?.into_iter().map(|url| {
        let path = url.split(['?', '#']).next().unwrap_or_default().to_owned();
        data_file(url.clone(), &path, 0, RemoteFile::Url(hub.clone(), url))
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
    origin: RemoteFile,
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
        origin: Origin::Remote(origin),
        format,
        compression,
        bytes,
    })
}

#[cfg(test)]
mod tests {
    use super::expand;

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
}
