//! What a file's name says about its content.

use std::path::Path;

/// The endings that are read, for messages.
pub(in crate::source) const KNOWN: &str =
    ".jsonl, .ndjson, .json, .txt (each plain, .gz or .zst), .parquet, .arrow and .safetensors";

/// How rows are laid out in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Format {
    /// A JSON value on each line.
    Jsonl,
    /// An array of JSON values, or JSON values one after the other.
    Json,
    /// The file is one text.
    Txt,
    /// A Parquet table.
    Parquet,
    /// Arrow's IPC stream or file.
    Arrow,
    /// A `[n, ctx]` table of ids.
    Safetensors,
}

/// How the bytes are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compression {
    None,
    Gzip,
    Zstd,
}

impl Compression {
    /// Its name in messages.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::None => "plain text",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        }
    }
}

impl Format {
    /// The ending that names the format in messages.
    pub(crate) fn ending(self) -> &'static str {
        match self {
            Self::Jsonl => ".jsonl",
            Self::Json => ".json",
            Self::Txt => ".txt",
            Self::Parquet => ".parquet",
            Self::Arrow => ".arrow",
            Self::Safetensors => ".safetensors",
        }
    }
}

/// Reads format and compression off the name: `part.jsonl.zst`.
pub(crate) fn of(path: &Path) -> Option<(Format, Compression)> {
    let name = path.file_name()?.to_str()?.to_ascii_lowercase();
    let (stem, compression) = if let Some(stem) = name.strip_suffix(".gz") {
        (stem, Compression::Gzip)
    } else if let Some(stem) = name
        .strip_suffix(".zst")
        .or_else(|| name.strip_suffix(".zstd"))
    {
        (stem, Compression::Zstd)
    } else {
        (name.as_str(), Compression::None)
    };
    let format = match stem.rsplit_once('.')?.1 {
        "jsonl" | "ndjson" => Format::Jsonl,
        "json" => Format::Json,
        "txt" => Format::Txt,
        "parquet" if compression == Compression::None => Format::Parquet,
        "arrow" if compression == Compression::None => Format::Arrow,
        "safetensors" if compression == Compression::None => Format::Safetensors,
        _ => return None,
    };
    Some((format, compression))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_format_and_compression() {
        let of = |name: &str| of(Path::new(name));
        assert_eq!(
            of("a/train-0.jsonl"),
            Some((Format::Jsonl, Compression::None))
        );
        assert_eq!(
            of("c4.00000.JSON.gz"),
            Some((Format::Json, Compression::Gzip))
        );
        assert_eq!(of("x.ndjson.zst"), Some((Format::Jsonl, Compression::Zstd)));
        assert_eq!(of("x.txt.zstd"), Some((Format::Txt, Compression::Zstd)));
        assert_eq!(of("x.parquet"), Some((Format::Parquet, Compression::None)));
        assert_eq!(of("x.parquet.gz"), None);
        assert_eq!(of("x.arrow"), Some((Format::Arrow, Compression::None)));
        assert_eq!(of("README.md"), None);
        assert_eq!(of("x.gz"), None);
        assert_eq!(of("jsonl"), None);
    }
}
