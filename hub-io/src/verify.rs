//! Whether the bytes are those that the Hub lists.

use std::io::{self, Read};

use sha2::{Digest, Sha256};

use crate::HubFile;
use crate::cache::hex;

/// Bytes that are not those of the list of files.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// Too few, or too many.
    #[error(
        "{path}: {got} bytes or more were read, the list of files has {size}; read it again from the start"
    )]
    Size {
        /// The file.
        path: String,
        /// Bytes read when it showed.
        got: u64,
        /// Bytes in the list.
        size: u64,
    },
    /// Others.
    #[error(
        "{path}: the SHA-256 of its bytes is {got}, the list of files has {oid}; read it again from the start"
    )]
    Hash {
        /// The file.
        path: String,
        /// Of the bytes.
        got: String,
        /// In the list.
        oid: String,
    },
}

/// Bytes on their way through, counted and hashed: the end is an error ([`VerifyError`] inside an [`io::Error`] of the kind
/// `InvalidData`) if they were not those of the list of files. The hash is known for large files only ([`HubFile::lfs`]).
///
/// The bytes read have to be the file from its first byte on.
#[derive(Debug)]
pub struct Verified<R> {
    inner: R,
    file: HubFile,
    read: u64,
    hash: Sha256,
}

impl<R: Read> Verified<R> {
    /// Reads `inner`, which should have the bytes of `file`.
    pub fn new(inner: R, file: &HubFile) -> Self {
        Self {
            inner,
            file: file.clone(),
            read: 0,
            hash: Sha256::new(),
        }
    }

    fn at_end(&self) -> Result<(), VerifyError> {
        let path = || self.file.path.clone();
        if self.read != self.file.size {
            return Err(VerifyError::Size {
                path: path(),
                got: self.read,
                size: self.file.size,
            });
        }
        let Some(lfs) = &self.file.lfs else {
            return Ok(());
        };
        let got = hex(&self.hash.clone().finalize());
        if got.eq_ignore_ascii_case(&lfs.oid) {
            return Ok(());
        }
        let oid = lfs.oid.clone();
        Err(VerifyError::Hash {
            path: path(),
            got,
            oid,
        })
    }
}

impl<R: Read> Read for Verified<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if buf.is_empty() {
            return Ok(0);
        }
        let got = self.inner.read(buf)?;
        self.read += got as u64;
        if self.file.lfs.is_some() {
            self.hash.update(&buf[..got]);
        }
        if got == 0 || self.read > self.file.size {
            self.at_end()
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        }
        Ok(got)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Lfs;

    /// Of `abc`, from FIPS 180-2.
    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    fn read(bytes: &[u8], size: u64, oid: Option<&str>) -> Result<Vec<u8>, String> {
        let file = HubFile {
            path: "f".to_owned(),
            size,
            lfs: oid.map(|oid| Lfs {
                oid: oid.to_owned(),
                size,
            }),
        };
        let mut read = Vec::new();
        let end = Verified::new(bytes, &file).read_to_end(&mut read);
        end.map(|_| read).map_err(|error| error.to_string())
    }

    #[test]
    fn the_right_bytes_pass() {
        assert_eq!(read(b"abc", 3, Some(ABC)).unwrap(), b"abc");
        assert_eq!(read(b"abc", 3, Some(&ABC.to_uppercase())).unwrap(), b"abc");
        assert_eq!(read(b"abd", 3, None).unwrap(), b"abd");
        assert_eq!(read(b"", 0, None).unwrap(), b"");
    }

    #[test]
    fn others_do_not() {
        assert_eq!(
            read(b"ab", 3, Some(ABC)).unwrap_err(),
            "f: 2 bytes or more were read, the list of files has 3; read it again from the start"
        );
        assert!(
            read(b"abcd", 3, None)
                .unwrap_err()
                .starts_with("f: 4 bytes")
        );
        let message = read(b"abd", 3, Some(ABC)).unwrap_err();
        assert!(
            message.starts_with("f: the SHA-256 of its bytes is "),
            "{message}"
        );
        assert!(message.contains(ABC), "{message}");
        assert!(read(b"abc", 3, Some("")).is_err());
    }
}
