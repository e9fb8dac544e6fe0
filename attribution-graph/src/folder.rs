//! A folder of graphs, as circuit-tracer's server reads it.

use crate::viewer::ViewerGraph;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use whole_file::WriteError;

/// The list of the graphs in a folder.
const LIST: &str = "graph-metadata.json";
/// No list comes near this size.
const MAX_LIST: u64 = 64 << 20;
/// Characters of a name that is made of a prompt.
const MOST: usize = 40;

/// A graph that cannot be put into a folder.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FolderError {
    /// The folder cannot be made.
    #[error("{}: cannot be made: {source}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The folder has a list of another kind.
    #[error(
        "{}: is not a list of graphs: {problem}; expected what circuit-tracer or an earlier call wrote, with \"graphs\" in it. \
         Choose another folder, or remove the file",
        path.display()
    )]
    List {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// A file cannot be written; nothing of it was left behind.
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// Whether a graph's file can have this name.
///
/// # Errors
/// What is wrong with it, in words.
pub fn check_slug(slug: &str) -> Result<(), String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if slug.is_empty() || slug.len() > 100 || slug.starts_with('.') || !slug.chars().all(plain) {
        return Err(
            "is not a name for a graph: expected at most 100 letters, digits, -, _ and ., and no . at the beginning"
                .to_owned(),
        );
    }
    if slug == "graph-metadata" {
        return Err("is the name of the list of graphs; choose another".to_owned());
    }
    Ok(())
}

/// A name made of the words of a prompt.
pub fn slug_of(prompt: &str) -> String {
    let mut slug = String::new();
    for word in prompt.split(|c: char| !c.is_ascii_alphanumeric()) {
        if word.is_empty() {
            continue;
        }
        if slug.len() + word.len() >= MOST && !slug.is_empty() {
            break;
        }
        if !slug.is_empty() {
            slug.push('-');
        }
        slug.extend(word.to_ascii_lowercase().chars().take(MOST));
    }
    if slug.is_empty() {
        slug.push_str("graph");
    }
    slug
}

impl ViewerGraph {
    /// Puts the graph into a folder, which is made if need be: as `{slug}.json`, and in `graph-metadata.json`, the list of the graphs there.
    /// Graphs of other names stay.
    ///
    /// # Errors
    /// If the folder or a file cannot be written, or the list is none. The list is looked at first.
    pub fn write(&self, folder: &Path) -> Result<(), FolderError> {
        let made = std::fs::create_dir_all(folder);
        made.map_err(|source| FolderError::Folder {
            path: folder.to_owned(),
            source,
        })?;
        let list = self.listed(&folder.join(LIST))?;
        let file = folder.join(format!("{}.json", self.metadata.slug));
        whole_file::write(&file, self.to_json().as_bytes())?;
        whole_file::write(&folder.join(LIST), format!("{list:#}\n").as_bytes())?;
        Ok(())
    }

    /// Whether the graph could be put into a folder: its list, if there is one, is a list.
    ///
    /// # Errors
    /// If it is not.
    pub fn check_folder(folder: &Path) -> Result<(), FolderError> {
        graphs(&folder.join(LIST)).map(drop)
    }

    /// The list with this graph in it, in place of an older one of its name.
    fn listed(&self, path: &Path) -> Result<Value, FolderError> {
        let mut graphs = graphs(path)?;
        graphs.retain(|graph| graph["slug"] != self.metadata.slug);
        graphs.push(json!(self.metadata));
        Ok(json!({ "graphs": graphs }))
    }
}

/// What the list has.
fn graphs(path: &Path) -> Result<Vec<Value>, FolderError> {
    let at_fault = |problem: String| FolderError::List {
        path: path.to_owned(),
        problem,
    };
    let Ok(found) = std::fs::metadata(path) else {
        return Ok(Vec::new());
    };
    if !found.is_file() || found.len() > MAX_LIST {
        return Err(at_fault(
            "it is a folder, a pipe, or far too large".to_owned(),
        ));
    }
    let text = std::fs::read_to_string(path).map_err(|error| at_fault(error.to_string()))?;
    let list: Value = serde_json::from_str(&text).map_err(|error| at_fault(error.to_string()))?;
    match list.get("graphs").and_then(Value::as_array) {
        Some(graphs) => Ok(graphs.clone()),
        None => Err(at_fault("it has no \"graphs\"".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::{check_slug, slug_of};

    #[test]
    fn prompts_become_names() {
        for (prompt, slug) in [
            ("The capital of Texas is", "the-capital-of-texas-is"),
            (" … ", "graph"),
            ("../../etc/passwd", "etc-passwd"),
            (
                "one two three four five six seven eight nine",
                "one-two-three-four-five-six-seven-eight",
            ),
        ] {
            assert_eq!(slug_of(prompt), slug);
            assert_eq!(check_slug(slug), Ok(()));
        }
        assert_eq!(slug_of(&"x".repeat(99)).len(), 40);
        for bad in [
            "",
            ".hidden",
            "a/b",
            "ü",
            "graph-metadata",
            &"x".repeat(101),
        ] {
            assert!(check_slug(bad).is_err(), "{bad}");
        }
    }
}
