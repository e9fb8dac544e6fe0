//! One split of a folder that is laid out as a data set on the Hub.

use std::fs;
use std::path::Path;

use hub_io::{HubFile, data_files};

use super::{DataFile, data_file};
use crate::source::SourceOptions;
use crate::source::error::SourceError;

/// A README larger than this is no README.
const MOST_README: u64 = 4 << 20;

/// The files of the configuration and split that the options name, found as they are on the Hub: from the README's head, else
/// from the names of files and folders.
pub(super) fn directory(
    root: &Path,
    options: &SourceOptions,
) -> Result<Vec<DataFile>, SourceError> {
    let mut all = Vec::new();
    list(root, "", &mut all)?;
    let readme = root.join("README.md");
    let is_readme = fs::metadata(&readme).is_ok_and(|m| m.is_file() && m.len() <= MOST_README);
    let readme = match is_readme.then(|| fs::read_to_string(&readme)) {
        Some(Ok(text)) => Some(text),
        Some(Err(source)) => {
            return Err(SourceError::Io {
                path: readme,
                source,
            });
        }
        None => None,
    };
    let (config, split) = (options.config.as_deref(), options.split.as_deref());
    let chosen = data_files(readme.as_deref(), &all, config, split).map_err(|source| {
        SourceError::Split {
            path: root.to_owned(),
            source,
        }
    })?;
    let files = chosen.files.iter();
    files
        .map(|file| data_file(&root.join(&file.path)))
        .collect()
}

/// Collects the files below `root`, by their paths from there with `/` between the parts. Links to directories are not followed.
fn list(root: &Path, below: &str, files: &mut Vec<HubFile>) -> Result<(), SourceError> {
    let dir = root.join(below);
    let io = |source| SourceError::Io {
        path: dir.clone(),
        source,
    };
    for entry in fs::read_dir(&dir).map_err(io)? {
        let entry = entry.map_err(io)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with('.') {
            continue;
        }
        let path = match below {
            "" => name,
            _ => format!("{below}/{name}"),
        };
        if entry.file_type().map_err(io)?.is_dir() {
            list(root, &path, files)?;
        } else if let Ok(found) = fs::metadata(entry.path())
            && found.is_file()
        {
            files.push(HubFile {
                path,
                size: found.len(),
                lfs: None,
            });
        }
    }
    Ok(())
}
