//! Finds where JSON values start and end in a stream of bytes, without parsing them.
//!
//! Only the outermost structure is checked here; the bytes between a value's first and last are checked by the parser.

use crate::source::block::ValueSpan;

/// The part that is missing at the end of the input.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// The closing bracket of the outermost array.
    Array,
    /// The end of a value.
    Value,
}

/// How deep values may be nested. No record comes near it; a file of brackets does, and its end need not be waited for.
const MAX_DEPTH: usize = 10_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before anything.
    Begin,
    /// Before a value; in an array one may be due, after a comma.
    Before { due: bool },
    /// After a value of the array.
    After,
    /// In an object or array, this deep.
    Nested(usize),
    /// In a string, in an object or array this deep.
    Text(usize),
    /// After a backslash in such a string.
    Escape(usize),
    /// In a number or word.
    Scalar,
    /// After the outermost array.
    End,
}

/// The scanner's state between chunks.
#[derive(Debug)]
pub(super) struct Scanner {
    state: State,
    array: bool,
    /// Where the value starts that is being read, and its line.
    start: usize,
    start_line: u64,
    line: u64,
}

impl Default for Scanner {
    fn default() -> Self {
        Self {
            state: State::Begin,
            array: false,
            start: 0,
            start_line: 1,
            line: 1,
        }
    }
}

impl Scanner {
    /// Whether nothing has been read.
    pub(super) fn is_fresh(&self) -> bool {
        self.state == State::Begin && self.line == 1
    }

    /// The line of the value being read, or of the scanner itself between values.
    pub(super) fn line(&self) -> u64 {
        if self.in_value() {
            self.start_line
        } else {
            self.line
        }
    }

    /// Where in the buffer the value starts that is not complete.
    pub(super) fn open_value(&self) -> Option<usize> {
        self.in_value().then_some(self.start)
    }

    /// Tells the scanner that the buffer lost its first `n` bytes.
    pub(super) fn rebase(&mut self, n: usize) {
        self.start = self.start.saturating_sub(n);
    }

    fn in_value(&self) -> bool {
        matches!(
            self.state,
            State::Nested(_) | State::Text(_) | State::Escape(_) | State::Scalar
        )
    }

    /// Scans `buf[from..]`, adding each value that is now complete.
    ///
    /// # Errors
    /// The problem in the structure between values, in words.
    pub(super) fn feed(
        &mut self,
        buf: &[u8],
        from: usize,
        spans: &mut Vec<ValueSpan>,
    ) -> Result<(), String> {
        let mut i = from;
        while let Some(&byte) = buf.get(i) {
            match self.state {
                State::Text(depth) => {
                    // Nearly all bytes are text: jump over them.
                    let Some(skip) = memchr::memchr2(b'"', b'\\', &buf[i..]) else {
                        return Ok(());
                    };
                    i += skip;
                    if buf[i] == b'\\' {
                        self.state = State::Escape(depth);
                    } else if depth == 0 {
                        self.close(i + 1, spans);
                    } else {
                        self.state = State::Nested(depth);
                    }
                }
                State::Escape(depth) => self.state = State::Text(depth),
                State::Nested(depth) => match byte {
                    b'"' => self.state = State::Text(depth),
                    b'{' | b'[' if depth == MAX_DEPTH => {
                        return Err(format!(
                            "nested more than {MAX_DEPTH} deep; is this a data set?"
                        ));
                    }
                    b'{' | b'[' => self.state = State::Nested(depth + 1),
                    b'}' | b']' if depth == 1 => self.close(i + 1, spans),
                    b'}' | b']' => self.state = State::Nested(depth - 1),
                    b'\n' => self.line += 1,
                    _ => {}
                },
                State::Scalar
                    if matches!(byte, b',' | b']' | b'}' | b'{' | b'[' | b'"')
                        || byte.is_ascii_whitespace() =>
                {
                    self.close(i, spans);
                    continue;
                }
                State::Scalar => {}
                _ if byte == b'\n' => self.line += 1,
                _ if byte.is_ascii_whitespace() => {}
                State::Begin if byte == b'[' => {
                    self.array = true;
                    self.state = State::Before { due: false };
                }
                State::Begin => {
                    self.state = State::Before { due: false };
                    continue;
                }
                State::Before { due: false } if self.array && byte == b']' => {
                    self.state = State::End;
                }
                State::Before { .. } => self.open(byte, i)?,
                State::After if byte == b',' => self.state = State::Before { due: true },
                State::After if byte == b']' => self.state = State::End,
                State::After => {
                    return Err(format!(
                        "expected `,` or `]` after the last record, found {}",
                        show(byte)
                    ));
                }
                State::End => {
                    return Err(format!("the array is closed, but {} follows", show(byte)));
                }
            }
            i += 1;
        }
        Ok(())
    }

    /// Tells the scanner that there is no more.
    ///
    /// # Errors
    /// What is still open.
    pub(super) fn finish(&mut self, buf: &[u8], spans: &mut Vec<ValueSpan>) -> Result<(), Shape> {
        if self.state == State::Scalar {
            self.close(buf.len(), spans);
        }
        match self.state {
            State::Begin | State::End => Ok(()),
            State::Before { .. } if !self.array => Ok(()),
            State::Before { .. } | State::After => Err(Shape::Array),
            _ => Err(Shape::Value),
        }
    }

    fn open(&mut self, byte: u8, at: usize) -> Result<(), String> {
        self.state = match byte {
            b'{' | b'[' => State::Nested(1),
            b'"' => State::Text(0),
            b',' | b']' | b'}' | b':' => {
                return Err(format!("expected a record, found {}", show(byte)));
            }
            _ => State::Scalar,
        };
        self.start = at;
        self.start_line = self.line;
        Ok(())
    }

    fn close(&mut self, end: usize, spans: &mut Vec<ValueSpan>) {
        spans.push(ValueSpan {
            start: self.start,
            end,
            line: self.start_line,
        });
        self.state = if self.array {
            State::After
        } else {
            State::Before { due: false }
        };
    }
}

fn show(byte: u8) -> String {
    if byte.is_ascii_graphic() {
        format!("`{}`", char::from(byte))
    } else {
        format!("byte 0x{byte:02x}")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    /// Scans `text` in chunks of `chunk` bytes; the values found, or what is wrong.
    fn scan(text: &[u8], chunk: usize) -> Result<Vec<(Vec<u8>, u64)>, String> {
        let (mut scanner, mut spans, mut from) = (Scanner::default(), Vec::new(), 0);
        while from < text.len() {
            let to = (from + chunk).min(text.len());
            scanner.feed(&text[..to], from, &mut spans)?;
            from = to;
        }
        scanner
            .finish(text, &mut spans)
            .map_err(|shape| format!("{shape:?}"))?;
        Ok(spans
            .iter()
            .map(|span| (text[span.start..span.end].to_vec(), span.line))
            .collect())
    }

    fn found(text: &str) -> Vec<(String, u64)> {
        let values = scan(text.as_bytes(), 3).unwrap();
        values
            .into_iter()
            .map(|(bytes, line)| (String::from_utf8(bytes).unwrap(), line))
            .collect()
    }

    #[test]
    fn arrays_and_sequences() {
        let of = |values: &[(&str, u64)]| {
            values
                .iter()
                .map(|&(v, l)| (v.to_owned(), l))
                .collect::<Vec<_>>()
        };
        assert_eq!(
            found("[\n {\"a\": \"]\"},\n\n[1, {}] , \"x\\\"\", 12\n]\n"),
            of(&[
                ("{\"a\": \"]\"}", 2),
                ("[1, {}]", 4),
                ("\"x\\\"\"", 4),
                ("12", 4)
            ])
        );
        assert_eq!(
            found("{\"a\":1}\n{\"a\":\n2}{} 7"),
            of(&[("{\"a\":1}", 1), ("{\"a\":\n2}", 2), ("{}", 3), ("7", 3)])
        );
        assert_eq!(found(" [ ] "), of(&[]));
        assert_eq!(found(""), of(&[]));
    }

    #[test]
    fn broken_structure_is_named() {
        let error = |text: &str| scan(text.as_bytes(), 2).unwrap_err();
        assert_eq!(error("[1, 2"), "Array");
        assert_eq!(error("[1, {\"a\": 2"), "Value");
        assert_eq!(error("{\"a\": \"x"), "Value");
        assert_eq!(
            error("[1 2]"),
            "expected `,` or `]` after the last record, found `2`"
        );
        assert_eq!(error("[1,,2]"), "expected a record, found `,`");
        assert_eq!(error("[1,]"), "expected a record, found `]`");
        assert_eq!(error("[1] [2]"), "the array is closed, but `[` follows");
        assert_eq!(
            error("[1] \u{1}"),
            "the array is closed, but byte 0x01 follows"
        );
        assert_eq!(error("}"), "expected a record, found `}`");
    }

    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            "[a-z\"\\\\\\[\\]{},\n é😀]{0,12}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::vec(("[a-z\"]{0,3}", inner), 0..4)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn values_are_found_however_the_bytes_arrive(
            values in prop::collection::vec(json(), 0..6), array: bool, pretty: bool, chunk in 1usize..40,
        ) {
            let written: Vec<String> = values
                .iter()
                .map(|v| if pretty { serde_json::to_string_pretty(v).unwrap() } else { v.to_string() })
                .collect();
            let text = if array { format!("[{}]", written.join(" ,\n")) } else { written.join("\n") };
            // Without its array a sequence that starts with `[` would be one.
            prop_assume!(array || !text.starts_with('['));
            let found = scan(text.as_bytes(), chunk).unwrap();
            let read: Vec<Value> = found.iter().map(|(bytes, _)| serde_json::from_slice(bytes).unwrap()).collect();
            prop_assert_eq!(read, values);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..60), chunk in 1usize..9) {
            let _ = scan(&bytes, chunk);
        }
    }
}
