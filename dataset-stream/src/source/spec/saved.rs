//! Folders that Python's `datasets` has written with `save_to_disk`.

use std::path::{Component, Path, PathBuf};

use serde::Deserialize;

use crate::source::error::SourceError;

/// Lists the data files in their order.
const STATE: &str = "state.json";
/// In a folder of splits, each a folder as above.
const SPLITS: &str = "dataset_dict.json";
const MOST_BYTES: u64 = 64 << 20;

#[derive(Deserialize)]
struct State {
    #[serde(rename = "_data_files")]
    data_files: Vec<DataFile>,
    /// Written long ago: rows in another order than the files'.
    #[serde(rename = "_indices_data_files", default)]
    indices: Option<Vec<DataFile>>,
}

#[derive(Deserialize)]
struct DataFile {
    filename: String,
}

#[derive(Deserialize)]
struct Splits {
    splits: Vec<String>,
}

/// The data files of such a folder, in order; of one with splits, those of `train`, or of the only one. `None` for other folders.
pub(super) fn files(folder: &Path) -> Result<Option<Vec<PathBuf>>, SourceError> {
    let wrong = |reason: String| SourceError::Saved {
        path: folder.to_owned(),
        reason,
    };
    if let Some(Splits { splits }) = read(folder, SPLITS)? {
        let split = match splits.as_slice() {
            [only] => only,
            all => all.iter().find(|name| *name == "train").ok_or_else(|| {
                let listed = splits.join(", ");
                wrong(format!(
                    "it has the splits {listed:.300} and no train; name the folder of one of them"
                ))
            })?,
        };
        let inner = inside(folder, split).map_err(wrong)?;
        tracing::info!("{}: split {split}", folder.display());
        let files = state_files(&inner)?;
        return files
            .ok_or_else(|| wrong(format!("its split {split:?} has no {STATE}")))
            .map(Some);
    }
    state_files(folder)
}

fn state_files(folder: &Path) -> Result<Option<Vec<PathBuf>>, SourceError> {
    let wrong = |reason: String| SourceError::Saved {
        path: folder.to_owned(),
        reason,
    };
    let Some(state) = read::<State>(folder, STATE)? else {
        return Ok(None);
    };
    if state.indices.is_some_and(|files| !files.is_empty()) {
        return Err(wrong(
            "its rows are in an order of their own (_indices_data_files); write it anew with a later version of datasets"
                .into(),
        ));
    }
    if state.data_files.is_empty() {
        return Err(wrong(format!("{STATE} lists no data file")));
    }
    let paths = state
        .data_files
        .iter()
        .map(|file| inside(folder, &file.filename));
    paths.collect::<Result<_, _>>().map(Some).map_err(wrong)
}

/// A file or folder directly in `folder`, by a name that leads nowhere else.
fn inside(folder: &Path, name: &str) -> Result<PathBuf, String> {
    let mut parts = Path::new(name).components();
    match (parts.next(), parts.next()) {
        (Some(Component::Normal(part)), None) => Ok(folder.join(part)),
        _ => Err(format!("{name:.80?} is not the name of something in it")),
    }
}

/// A JSON file of the folder; `None` if it has none, or one of another kind.
fn read<T: for<'a> Deserialize<'a>>(folder: &Path, name: &str) -> Result<Option<T>, SourceError> {
    let path = folder.join(name);
    match std::fs::metadata(&path) {
        Ok(found) if found.is_file() && found.len() <= MOST_BYTES => {}
        _ => return Ok(None),
    }
    let text = std::fs::read(&path).map_err(|source| SourceError::Io { path, source })?;
    Ok(serde_json::from_slice(&text).ok())
}
