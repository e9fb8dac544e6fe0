//! Whether files are those that an interrupted piece of work began with, whatever their names.

use serde_json::Value;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// The prefix of a fingerprint, so that messages leave its digits out.
const PREFIX: &str = "sha256:";
/// Files up to this size are read whole, in bytes.
const WHOLE: u64 = 32 << 20;
/// Of larger ones, so many pieces of so many bytes, spread evenly: training changes all of a model, and an edit its size.
const PIECES: u64 = 512;
const PIECE: u64 = 16 << 10;

/// A file that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{}: cannot be read: {source}", path.display())]
#[non_exhaustive]
pub struct FingerprintError {
    /// The file or folder.
    path: PathBuf,
    /// Why.
    source: std::io::Error,
}

/// A hash of the sizes and the contents of files; of large ones it takes a sample. A folder means the files in it; files that do not exist
/// are left out.
///
/// # Errors
/// If a file cannot be read.
pub fn fingerprint<P: AsRef<Path>>(
    paths: impl IntoIterator<Item = P>,
) -> Result<String, FingerprintError> {
    let mut hash = Sha256::new();
    for path in paths {
        let path = path.as_ref();
        add(path, &mut hash).map_err(|source| FingerprintError {
            path: path.to_owned(),
            source,
        })?;
    }
    let digits = format!("{:x}", hash.finalize());
    Ok(format!("{PREFIX}{}", &digits[..32]))
}

fn add(path: &Path, hash: &mut Sha256) -> std::io::Result<()> {
    let Ok(found) = path.metadata() else {
        return Ok(());
    };
    if found.is_dir() {
        let inside = path
            .read_dir()?
            .map(|entry| entry.map(|entry| entry.path()));
        let mut inside = inside.collect::<std::io::Result<Vec<_>>>()?;
        inside.sort_unstable();
        return inside.iter().try_for_each(|path| add(path, hash));
    }
    let len = found.len();
    hash.update(len.to_le_bytes());
    let mut file = File::open(path)?;
    if len <= WHOLE {
        std::io::copy(&mut file, hash)?;
        return Ok(());
    }
    let mut piece = Vec::with_capacity(PIECE as usize);
    for i in 0..PIECES {
        file.seek(SeekFrom::Start((len - PIECE) / (PIECES - 1) * i))?;
        piece.clear();
        file.by_ref().take(PIECE).read_to_end(&mut piece)?;
        hash.update(&piece);
    }
    Ok(())
}

/// Names the first value, however deep, that differs between what work was made from then and now, if one does.
pub fn difference(name: &str, then: &Value, now: &Value) -> Option<String> {
    if then == now {
        return None;
    }
    if let (Value::Object(before), Value::Object(after)) = (then, now) {
        let in_name = |key: &String| match name {
            "" => key.clone(),
            _ => format!("{name}.{key}"),
        };
        let key = |key: &String| {
            let [then, now] = [before, after].map(|of| of.get(key).unwrap_or(&Value::Null));
            difference(&in_name(key), then, now)
        };
        return after.keys().chain(before.keys()).find_map(key);
    }
    let is_fingerprint = |value: &Value| value.as_str().is_some_and(|s| s.starts_with(PREFIX));
    if is_fingerprint(now) {
        return Some(format!("{name} (their content has changed)"));
    }
    Some(format!("{name} ({then}, now {now})"))
}

#[cfg(test)]
mod tests {
    use super::{PIECE, PIECES, WHOLE, difference, fingerprint};
    use serde_json::json;
    use std::io::{Seek, SeekFrom, Write};

    #[test]
    fn content_and_size_count_and_names_do_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        std::fs::write(path("a"), "text").unwrap();
        std::fs::write(path("b"), "text").unwrap();
        std::fs::write(path("c"), "next").unwrap();
        let of = |name: &str| fingerprint([path(name)]).unwrap();
        assert_eq!(of("a"), of("b"));
        assert_ne!(of("a"), of("c"));
        assert_eq!(of("missing"), fingerprint(Vec::<&str>::new()).unwrap());
        std::fs::create_dir(path("d")).unwrap();
        std::fs::copy(path("c"), path("d/x")).unwrap();
        assert_eq!(of("d"), of("c"));

        let large = |at: u64| {
            let mut file = std::fs::File::create(path("large")).unwrap();
            file.set_len(2 * WHOLE + 5).unwrap();
            file.seek(SeekFrom::Start(at)).unwrap();
            file.write_all(b"x").unwrap();
            of("large")
        };
        let step = (2 * WHOLE + 5 - PIECE) / (PIECES - 1);
        assert_ne!(large(0), large(7 * step + 3), "a piece in the middle");
        assert_ne!(large(0), large((PIECES - 1) * step), "the last one");
    }

    #[test]
    fn the_first_difference_is_named() {
        let then = json!({ "a": { "b": 1, "c": 2 }, "d": "sha256:0" });
        assert_eq!(difference("", &then, &then), None);
        let mut now = then.clone();
        now["a"]["c"] = json!(3);
        assert_eq!(difference("", &then, &now).unwrap(), "a.c (2, now 3)");
        now["a"]["c"] = json!(2);
        now["d"] = json!("sha256:1");
        assert_eq!(
            difference("", &then, &now).unwrap(),
            "d (their content has changed)"
        );
        assert_eq!(
            difference("", &json!({ "gone": 1 }), &json!({})).unwrap(),
            "gone (1, now null)"
        );
    }
}
