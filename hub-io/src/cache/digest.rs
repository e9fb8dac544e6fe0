//! Whether bytes are those that their name in the cache says.

use std::fmt::Write as _;

use sha1::Sha1;
use sha2::{Digest as _, Sha256};

/// The hash of bytes on their way to the disk, of the kind that the name is.
pub(super) enum Digest {
    /// 64 hexadecimal digits: large files are named by the SHA-256 of their content.
    Sha256(Sha256),
    /// 40 hexadecimal digits: small files by git's name for them, the SHA-1 of `blob {length}\0` and the content.
    GitBlob(Sha1),
    /// Another name says nothing about the content.
    Unknown,
}

impl Digest {
    /// For a file of this name and size; git's hash needs the size.
    pub(super) fn of(name: &str, size: Option<u64>) -> Self {
        if !name.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Self::Unknown;
        }
        match (name.len(), size) {
            (64, _) => Self::Sha256(Sha256::new()),
            (40, Some(size)) => {
                Self::GitBlob(Sha1::new().chain_update(format!("blob {size}\0").as_bytes()))
            }
            _ => Self::Unknown,
        }
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha256(hash) => hash.update(bytes),
            Self::GitBlob(hash) => hash.update(bytes),
            Self::Unknown => {}
        }
    }

    /// The hash and its kind, if it is not the name.
    pub(super) fn differs(self, name: &str) -> Option<(&'static str, String)> {
        let (kind, got) = match self {
            Self::Sha256(hash) => ("SHA-256", hex(&hash.finalize())),
            Self::GitBlob(hash) => ("git hash", hex(&hash.finalize())),
            Self::Unknown => return None,
        };
        (!got.eq_ignore_ascii_case(name)).then_some((kind, got))
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: &str, bytes: &[u8]) -> Option<(&'static str, String)> {
        let mut digest = Digest::of(name, Some(bytes.len() as u64));
        for half in bytes.chunks(2) {
            digest.update(half);
        }
        digest.differs(name)
    }

    #[test]
    fn names_are_hashes_of_content() {
        // FIPS 180-2, and `git hash-object`.
        let sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let git = "f2ba8f84ab5c1bce84a7b441cb1959cfc7093b7f";
        for name in [sha256, git, &git.to_uppercase(), "W0-other"] {
            assert_eq!(of(name, b"abc"), None, "{name}");
        }
        assert_eq!(of(sha256, b"abd").unwrap().0, "SHA-256");
        assert_eq!(of(git, b"abd").unwrap().0, "git hash");
        assert_eq!(
            of(git, b"").unwrap().1,
            "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"
        );
    }
}
