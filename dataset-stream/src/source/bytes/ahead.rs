//! Bytes that come over a network are fetched on a thread of their own, so that neither waits for the other: the network while a block is
//! decompressed and parsed, and the parser while bytes are on their way.

use std::io::{self, Read};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::Builder;

/// Bytes of a piece, and pieces that wait at most: 16 MiB.
const PIECE: usize = 256 << 10;
const WAITING: usize = 64;

/// Reads ahead of its reader.
pub(super) struct Ahead {
    pieces: Receiver<io::Result<Vec<u8>>>,
    piece: Vec<u8>,
    at: usize,
    ended: bool,
}

impl Ahead {
    /// Starts fetching.
    ///
    /// # Errors
    /// If no thread can be started.
    pub(super) fn new(from: impl Read + Send + 'static) -> io::Result<Self> {
        let (send, pieces) = sync_channel(WAITING);
        // Not joined: it ends with the stream, or at its next piece once nobody wants it.
        Builder::new()
            .name("fetch".into())
            .spawn(move || fetch(from, &send))?;
        Ok(Self {
            pieces,
            piece: Vec::new(),
            at: 0,
            ended: false,
        })
    }
}

fn fetch(mut from: impl Read, send: &SyncSender<io::Result<Vec<u8>>>) {
    loop {
        let mut piece = vec![0; PIECE];
        // Handed on as it comes, however little it is: a reader that waits should not wait for more.
        let result = from.read(&mut piece).map(|n| {
            piece.truncate(n);
            piece
        });
        let is_last = !matches!(&result, Ok(piece) if !piece.is_empty());
        if send.send(result).is_err() || is_last {
            return;
        }
    }
}

impl Read for Ahead {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        while self.at == self.piece.len() {
            if self.ended {
                return Ok(0);
            }
            let next = self.pieces.recv();
            let next = next
                .unwrap_or_else(|_| Err(io::Error::other("the thread that fetches has panicked")));
            self.ended = !matches!(&next, Ok(piece) if !piece.is_empty());
            (self.piece, self.at) = (next?, 0);
        }
        let n = buf.len().min(self.piece.len() - self.at);
        buf[..n].copy_from_slice(&self.piece[self.at..self.at + n]);
        self.at += n;
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::Ahead;
    use std::io::{self, Read};

    /// Bytes in pieces of odd sizes, and an error after them.
    struct Odd(Vec<u8>, usize, bool);

    impl Read for Odd {
        fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
            if self.1 == self.0.len() && self.2 {
                return Err(io::Error::other("cut"));
            }
            let n = (self.1 % 70_001 + 1)
                .min(self.0.len() - self.1)
                .min(buf.len());
            buf[..n].copy_from_slice(&self.0[self.1..self.1 + n]);
            self.1 += n;
            Ok(n)
        }
    }

    #[test]
    fn bytes_come_as_they_are_and_errors_after_them() {
        let bytes: Vec<u8> = (0..3_000_000_u32)
            .map(|i| (i.wrapping_mul(i) >> 7) as u8)
            .collect();
        for fails in [false, true] {
            let mut ahead = Ahead::new(Odd(bytes.clone(), 0, fails)).unwrap();
            let mut found = Vec::new();
            let end = ahead.read_to_end(&mut found);
            assert_eq!(
                end.map_err(|e| e.to_string()).err(),
                fails.then(|| "cut".to_owned())
            );
            assert!(found == bytes);
            assert_eq!(ahead.read(&mut [0; 5]).unwrap(), 0, "nothing after the end");
        }
    }

    #[test]
    fn who_stops_reading_stops_the_thread() {
        struct Told(std::sync::mpsc::Sender<()>);
        impl Read for Told {
            fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
                Ok(buf.len())
            }
        }
        impl Drop for Told {
            fn drop(&mut self) {
                self.0.send(()).unwrap();
            }
        }
        let (send, ended) = std::sync::mpsc::channel();
        let mut ahead = Ahead::new(Told(send)).unwrap();
        ahead.read_exact(&mut [0; 1000]).unwrap();
        drop(ahead);
        ended
            .recv_timeout(std::time::Duration::from_secs(20))
            .unwrap();
    }

    #[test]
    fn a_panic_is_an_error() {
        struct Panics;
        impl Read for Panics {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                panic!("no")
            }
        }
        let error = Ahead::new(Panics).unwrap().read(&mut [0]).unwrap_err();
        assert!(error.to_string().contains("panicked"));
    }
}
