//! A file on a server, as a stream of bytes that resumes after failures.

mod connect;
mod pin;
mod ranges;

use std::fmt;
use std::io::{self, Read};

use ureq::BodyReader;

use crate::net::client::{Client, Tries, in_words};
use crate::net::error::{Failure, FetchError};
use crate::net::head::Head;
use crate::net::listener::Event;
use crate::net::redirect::{Place, Target};
use pin::Pin;

pub use ranges::RemoteRanges;

/// A step forward of at most this many bytes is read and thrown away rather than asked for anew.
const NEAR: u64 = 256 << 10;

/// A file on a server: its bytes in order, from any position on.
///
/// When a connection breaks, stalls or is refused for the moment, the next read resumes at the exact byte, after a pause and
/// with a range request. The state of the file that was seen first is the one that is read: if it changes on the server,
/// reading ends with [`FetchError::Changed`]. The end of the stream is the end of the file, never of a broken connection.
///
/// # Errors
/// [`Read::read`] gives [`FetchError`] inside [`io::Error`]; `error.get_ref()?.downcast_ref::<FetchError>()` finds it.
/// After an error the position is as it was, and the next read tries again.
pub struct RemoteFile {
    client: Client,
    target: Target,
    place: Option<Place>,
    pin: Option<Pin>,
    body: Option<Open>,
    at: u64,
    /// The first byte that is not asked for; the file's end if there is none.
    until: Option<u64>,
    at_end: bool,
    tries: Tries,
    warned: bool,
}

/// The body of an answer.
struct Open {
    reader: BodyReader<'static>,
    /// Bytes in front of the position.
    skip: u64,
    /// Bytes that it has yet, those to skip included; unknown for a body that ends where the server says so.
    left: Option<u64>,
    /// It is a range, so that its end need not be the file's.
    part: bool,
}

impl RemoteFile {
    /// Connects, so that what is wrong with an address or a token is known at once.
    pub(crate) fn open(client: Client, target: Target) -> Result<Self, FetchError> {
        let mut file = Self::new(client, target, None, 0);
        file.start()?;
        Ok(file)
    }

    fn start(&mut self) -> Result<(), FetchError> {
        while self.body.is_none() && !self.at_end {
            if let Err(failure) = self.connect() {
                self.again(failure)?;
            }
        }
        Ok(())
    }

    /// The file that `head` describes, from a byte on. Connects when it is read.
    pub(crate) fn described(client: Client, target: Target, head: &Head, at: u64) -> Self {
        Self::new(client, target, Some(Pin::of_head(head)), at)
    }

    fn new(client: Client, target: Target, pin: Option<Pin>, at: u64) -> Self {
        Self {
            client,
            target,
            place: None,
            pin,
            body: None,
            at,
            until: None,
            at_end: false,
            tries: Tries::default(),
            warned: false,
        }
    }

    /// The position of the next byte.
    pub fn position(&self) -> u64 {
        self.at
    }

    /// Bytes of the whole file, if the server has said.
    pub fn len(&self) -> Option<u64> {
        self.pin.as_ref()?.total
    }

    /// Whether the file is known to have no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == Some(0)
    }

    /// The `ETag` of the state that is read, as sent: in quotes, and `W/` in front of a weak one. Of a large file on the Hub it
    /// is the SHA-256 of its content.
    pub fn etag(&self) -> Option<&str> {
        self.pin.as_ref()?.tag()
    }

    /// The address, without its query.
    pub fn url(&self) -> &str {
        &self.target.shown
    }

    /// Goes to a byte, which the next read asks for. At the length of the file there is nothing to read; a position after that
    /// is an error of the read.
    pub fn seek_to(&mut self, byte: u64) {
        let ahead = byte.checked_sub(self.at);
        match (&mut self.body, ahead) {
            (Some(open), Some(step)) if step <= NEAR => open.skip += step,
            _ => self.body = None,
        }
        self.at = byte;
        self.at_end = self.body.is_none() && self.len() == Some(byte);
    }

    fn again(&mut self, failure: Failure) -> Result<(), FetchError> {
        self.tries
            .again(&self.client, &self.target, self.at, failure)
    }

    /// Bytes from the open body; none at the end of the file, or if the body ended and another has to be asked for.
    fn read_open(&mut self, buf: &mut [u8]) -> Result<usize, Failure> {
        let Some(open) = &mut self.body else {
            return Ok(0);
        };
        let broken = |error: &io::Error| Failure::transient(in_words(error));
        while open.skip > 0 {
            let mut scratch = [0; 16 << 10];
            let want = open.skip.min(scratch.len() as u64);
            let got = open
                .read(&mut scratch[..want as usize])
                .map_err(|e| broken(&e))?;
            if got == 0 {
                break;
            }
            open.skip -= got as u64;
        }
        let got = if open.skip > 0 {
            0
        } else {
            open.read(buf).map_err(|e| broken(&e))?
        };
        if got > 0 {
            self.at += got as u64;
            if self.tries.progress() {
                let url = &self.target.shown;
                self.client.tell(Event::Resumed {
                    url,
                    at: self.at - got as u64,
                });
            }
            return Ok(got);
        }
        self.body_ended()
    }

    /// Whether the end of a body is the end of the file.
    fn body_ended(&mut self) -> Result<usize, Failure> {
        let Some(mut open) = self.body.take() else {
            return Ok(0);
        };
        let total = self.len();
        if open.left.is_some_and(|left| left > 0) {
            return Err(Failure::transient(
                "the connection ended in the middle of the file",
            ));
        }
        if open.left == Some(0) && open.has_more() {
            return Err(Failure::Fatal(FetchError::WrongRange {
                url: self.target.shown.clone(),
                at: self.at,
                got: "more bytes than it announced".to_owned(),
            }));
        }
        let end = self.at - open.skip.min(self.at);
        match total {
            Some(total) if end < total && open.left.is_none() => {
                return Err(Failure::transient(
                    "the connection ended in the middle of the file",
                ));
            }
            // A part of what was asked for is allowed: the rest is asked for next.
            Some(total) if end < total => return Ok(0),
            Some(_) => {}
            None if open.part => return Ok(0),
            None => {
                if let Some(pin) = &mut self.pin {
                    pin.total = Some(end);
                }
            }
        }
        self.end_at(end)?;
        Ok(0)
    }

    /// The file ends at this byte, so that is where the position should be.
    fn end_at(&mut self, end: u64) -> Result<(), FetchError> {
        if self.at > end {
            return Err(FetchError::PastEnd {
                url: self.target.shown.clone(),
                at: self.at,
                len: Some(end),
            });
        }
        self.at_end = true;
        Ok(())
    }
}

impl Open {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let most = self.left.unwrap_or(u64::MAX).min(buf.len() as u64);
        if most == 0 {
            return Ok(0);
        }
        let got = self.reader.read(&mut buf[..most as usize])?;
        if let Some(left) = &mut self.left {
            *left -= got as u64;
        }
        Ok(got)
    }

    /// Whether the body has more bytes after its announced end. If it has none, the connection can be used again.
    fn has_more(&mut self) -> bool {
        matches!(self.reader.read(&mut [0]), Ok(1..))
    }
}

impl Read for RemoteFile {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if buf.is_empty() {
            return Ok(0);
        }
        while !self.at_end {
            let tried = match self.body {
                Some(_) => self.read_open(buf),
                None => self.connect().map(|()| 0),
            };
            match tried {
                Ok(0) => {}
                Ok(got) => return Ok(got),
                Err(failure) => {
                    self.body = None;
                    if let Err(error) = self.again(failure) {
                        // A read after an error gets all its tries again.
                        self.tries = Tries::default();
                        return Err(error.into());
                    }
                }
            }
        }
        Ok(0)
    }
}

impl fmt::Debug for RemoteFile {
    /// Without the token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteFile")
            .field("url", &self.target.shown)
            .field("position", &self.at)
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}
