//! Gzip: one member or many, with zeros after the last, as tapes and some storage pad files. Python's `gzip` reads the same.

use std::io::{self, BufRead, Read};

use flate2::bufread::GzDecoder;

/// Decompresses all members.
pub(super) struct Members<R: BufRead> {
    state: State<R>,
}

enum State<R: BufRead> {
    In(Box<GzDecoder<R>>),
    /// After a member; there may be another.
    Between(R),
    End,
}

impl<R: BufRead> Members<R> {
    pub(super) fn new(inner: R) -> Self {
        Self {
            state: State::In(Box::new(GzDecoder::new(inner))),
        }
    }
}

impl<R: BufRead> Read for Members<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if buf.is_empty() {
            return Ok(0);
        }
        loop {
            self.state = match std::mem::replace(&mut self.state, State::End) {
                State::End => return Ok(0),
                State::In(mut member) => {
                    let n = member.read(buf)?;
                    if n > 0 {
                        self.state = State::In(member);
                        return Ok(n);
                    }
                    State::Between(member.into_inner())
                }
                State::Between(mut inner) => {
                    if skip_zeros(&mut inner)? {
                        State::In(Box::new(GzDecoder::new(inner)))
                    } else {
                        State::End
                    }
                }
            };
        }
    }
}

/// Whether anything follows the zeros.
fn skip_zeros(inner: &mut impl BufRead) -> io::Result<bool> {
    loop {
        let buf = inner.fill_buf()?;
        if buf.is_empty() {
            return Ok(false);
        }
        let zeros = buf.iter().take_while(|&&byte| byte == 0).count();
        let is_all = zeros == buf.len();
        inner.consume(zeros);
        if !is_all {
            return Ok(true);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufReader, Read, Write};

    use super::Members;

    fn member(text: &str) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    }

    fn read(bytes: &[u8]) -> std::io::Result<String> {
        let mut text = String::new();
        // A buffer that members and padding do not fit.
        Members::new(BufReader::with_capacity(7, bytes))
            .read_to_string(&mut text)
            .map(|_| text)
    }

    #[test]
    fn zeros_between_and_after_members_are_passed_over() {
        let zeros = vec![0; 1000];
        let bytes = [
            member("one "),
            zeros.clone(),
            member(""),
            member("two"),
            zeros,
        ]
        .concat();
        assert_eq!(read(&bytes).unwrap(), "one two");
    }

    #[test]
    fn what_is_neither_zeros_nor_a_member_is_an_error() {
        let mut bytes = member("one");
        bytes.extend_from_slice(b"\0\0more than a header's bytes");
        assert_eq!(read(&bytes).unwrap_err().to_string(), "invalid gzip header");
        let cut = &member("one two three")[..20];
        let error = read(cut).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::UnexpectedEof);
    }
}
