//! From a feature to its page.

use sae_dashboard::page::{ContentsError, PageContents};
use std::fmt::Write;
use std::path::{Component, Path, PathBuf};

/// A page of features that cannot be linked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LinksError {
    /// There is no page.
    #[error(
        "there is no {}; give a page that `sae dashboard` wrote, the folder with index.html or the .html file",
        .0.display()
    )]
    NoPage(PathBuf),
    /// The file is no page of features.
    #[error(transparent)]
    Contents(#[from] ContentsError),
    /// A path cannot be resolved.
    #[error("{}: {source}", path.display())]
    Path {
        /// The path.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The page is of another SAE.
    #[error(
        "is of {theirs} features at {their_hook}, and the SAE has {ours} at {our_hook}; give the page of this SAE"
    )]
    OtherSae {
        /// Features of the page's SAE.
        theirs: usize,
        /// Its hook.
        their_hook: String,
        /// Features of this one.
        ours: usize,
        /// Its hook.
        our_hook: String,
    },
}

/// Where features' pages are, or how to make them.
#[derive(Debug)]
pub enum Links {
    /// The address of the page, as seen from the report, and its contents.
    Page(String, PageContents),
    /// The command that makes them, up to the list of features.
    Command(String),
}

impl Links {
    /// To a page that `sae dashboard` wrote, a folder or a file, from a report in the folder `out`, which must exist.
    ///
    /// # Errors
    /// If there is no such page.
    pub fn page(given: &Path, out: &Path) -> Result<Self, LinksError> {
        let document = if given.is_dir() {
            given.join("index.html")
        } else {
            given.to_owned()
        };
        if !document.is_file() {
            return Err(LinksError::NoPage(document));
        }
        let contents = PageContents::of(&document)?;
        let full = |path: &Path| {
            path.canonicalize().map_err(|source| LinksError::Path {
                path: path.to_owned(),
                source,
            })
        };
        let address = address(&full(&document)?, &full(out)?);
        Ok(Self::Page(address, contents))
    }

    /// Makes sure that the page is of features like these.
    ///
    /// # Errors
    /// If it is of another dictionary or hook.
    pub fn check(&self, d_sae: usize, hook_name: Option<&str>) -> Result<(), LinksError> {
        let Self::Page(_, page) = self else {
            return Ok(());
        };
        let theirs = (page.d_sae as usize, page.source.hook_name.as_str());
        let ours = (d_sae, hook_name.unwrap_or_default());
        if theirs != ours {
            return Err(LinksError::OtherSae {
                theirs: theirs.0,
                their_hook: theirs.1.to_owned(),
                ours: ours.0,
                our_hook: ours.1.to_owned(),
            });
        }
        Ok(())
    }

    /// By the command that makes the pages, its words without the list of features.
    pub fn by_command(words: &[&str]) -> Self {
        Self::Command(
            words
                .iter()
                .map(|word| quoted(word))
                .collect::<Vec<_>>()
                .join(" "),
        )
    }

    pub(crate) fn to(&self, feature: usize) -> Option<String> {
        match self {
            Self::Page(address, page) => {
                let index = u32::try_from(feature).ok()?;
                let is_shown = page.shown.binary_search(&index).is_ok();
                is_shown.then(|| format!("{address}#feature={feature}"))
            }
            Self::Command(_) => None,
        }
    }

    pub(super) fn command(&self, features: &[usize]) -> Option<String> {
        let Self::Command(command) = self else {
            return None;
        };
        let mut list: Vec<String> = features.iter().map(usize::to_string).collect();
        if list.len() == 1 {
            // A number alone would mean as many features.
            list.push(String::new());
        }
        let list = if list.is_empty() {
            "all".to_owned()
        } else {
            list.join(",")
        };
        Some(format!("{command} --features {list} --out features/"))
    }
}

/// A word that a shell takes as it is.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@,+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

/// A file's address relative to a folder, both absolute; with its scheme if they have nothing in common.
fn address(file: &Path, folder: &Path) -> String {
    let (file, folder): (Vec<Component>, Vec<Component>) =
        (file.components().collect(), folder.components().collect());
    let shared = file.iter().zip(&folder).take_while(|(a, b)| a == b).count();
    if shared == 0 {
        // Drives of Windows; elsewhere, the root is shared.
        let parts =
            file.iter()
                .filter(|part| **part != Component::RootDir)
                .map(|part| match part {
                    Component::Prefix(drive) => drive.as_os_str().to_string_lossy().into_owned(),
                    part => encoded(&part.as_os_str().to_string_lossy()),
                });
        return format!("file:///{}", parts.collect::<Vec<_>>().join("/"));
    }
    let up = std::iter::repeat_n("..".to_owned(), folder.len() - shared);
    let down = file[shared..]
        .iter()
        .map(|part| encoded(&part.as_os_str().to_string_lossy()));
    // The first part may look like a scheme ("a:b").
    std::iter::once(".".to_owned())
        .chain(up)
        .chain(down)
        .collect::<Vec<_>>()
        .join("/")
}

fn encoded(part: &str) -> String {
    let mut text = String::new();
    for byte in part.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            text.push(char::from(byte));
        } else {
            let _ = write!(text, "%{byte:02X}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{Links, address, quoted};
    use sae_dashboard::Source;
    use sae_dashboard::page::PageContents;
    use std::path::Path;

    #[test]
    fn pages_are_found_from_the_report() {
        let at = |file: &str, folder: &str| address(Path::new(file), Path::new(folder));
        assert_eq!(
            at("/a/pages/index.html", "/a/report"),
            "./../pages/index.html"
        );
        assert_eq!(at("/a/r/f:x.html", "/a/r"), "./f%3Ax.html");
        assert_eq!(at("/a/\"<ä>/i.html", "/a"), "./%22%3C%C3%A4%3E/i.html");
        let page = PageContents {
            source: Source::default(),
            d_sae: 9,
            shown: vec![3, 7],
        };
        let links = Links::Page("./p".into(), page);
        assert_eq!(links.to(7).unwrap(), "./p#feature=7");
        assert_eq!(links.to(8), None, "it has no page");
        links.check(9, Some("")).unwrap();
        let error = links.check(10, Some("")).unwrap_err().to_string();
        assert!(
            error.contains("9 features") && error.contains("10"),
            "{error}"
        );
    }

    #[test]
    fn commands_can_be_pasted() {
        assert_eq!(quoted("a b"), "'a b'");
        assert_eq!(quoted("it's"), "'it'\\''s'");
        assert_eq!(quoted("pile/*.zst"), "'pile/*.zst'");
        let links = Links::by_command(&["sae", "dashboard", "--sae", "my run"]);
        let command = |features: &[usize]| links.command(features).unwrap();
        assert_eq!(
            command(&[3, 17]),
            "sae dashboard --sae 'my run' --features 3,17 --out features/"
        );
        assert!(command(&[3]).contains("--features 3, --out"));
        assert!(command(&[]).contains("--features all"));
    }
}
