//! Text from tokens, as they come.

use dataset_stream::{DecodeError, Tokenizer};

/// Tokens of the prompt that the first new ones are decoded with: some decoders drop a space at the beginning.
const CONTEXT: usize = 8;

/// Turns tokens into text, a token at a time: whole characters only, and nothing that may be the beginning of a text to stop at.
#[derive(Debug, Clone)]
pub struct TextStream {
    ids: Vec<u32>,
    /// Before this, ids are only needed for what follows; between the two they are decoded and given out.
    from: usize,
    read: usize,
    stop: Vec<String>,
    /// All text so far.
    text: String,
    /// How much of it was given out.
    given: usize,
    /// The text that it stopped at.
    stopped: Option<String>,
}

impl TextStream {
    /// After this prompt, until one of the texts comes.
    pub fn new(prompt: &[u32], stop: &[String]) -> Self {
        let ids = prompt[prompt.len().saturating_sub(CONTEXT)..].to_vec();
        Self {
            from: 0,
            read: ids.len(),
            ids,
            stop: stop
                .iter()
                .filter(|text| !text.is_empty())
                .cloned()
                .collect(),
            text: String::new(),
            given: 0,
            stopped: None,
        }
    }

    /// Takes a token, and gives the text that is certain now: it may be empty.
    ///
    /// # Errors
    /// If the tokenizer cannot decode.
    pub fn push(&mut self, tokenizer: &Tokenizer, id: u32) -> Result<&str, DecodeError> {
        self.ids.push(id);
        self.decode(tokenizer, false)?;
        Ok(self.give(false))
    }

    /// What is left at the end: half characters, shown as U+FFFD, and text that might have been the beginning of a stop.
    ///
    /// # Errors
    /// If the tokenizer cannot decode.
    pub fn finish(&mut self, tokenizer: &Tokenizer) -> Result<&str, DecodeError> {
        self.decode(tokenizer, true)?;
        Ok(self.give(true))
    }

    /// All text so far, without the text that it stopped at.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The text that it stopped at.
    pub fn stopped(&self) -> Option<&str> {
        self.stopped.as_deref()
    }

    fn decode(&mut self, tokenizer: &Tokenizer, last: bool) -> Result<(), DecodeError> {
        if self.stopped.is_some() || self.read == self.ids.len() {
            return Ok(());
        }
        let before = tokenizer.decode(&self.ids[self.from..self.read])?;
        let after = tokenizer.decode(&self.ids[self.from..])?;
        let half = after.ends_with('\u{fffd}') && !last;
        let Some(new) = after.get(before.len()..).filter(|_| !half) else {
            return Ok(());
        };
        let searched = self.text.len();
        self.text.push_str(new);
        (self.from, self.read) = (self.read, self.ids.len());
        // The first stop in the text; it may have begun before the new part.
        let found = self.stop.iter().filter_map(|stop| {
            let mut start = searched.saturating_sub(stop.len());
            while !self.text.is_char_boundary(start) {
                start -= 1;
            }
            self.text[start..]
                .find(stop.as_str())
                .map(|at| (start + at, stop.clone()))
        });
        if let Some((at, stop)) = found.min() {
            self.text.truncate(at);
            self.stopped = Some(stop);
        }
        Ok(())
    }

    fn give(&mut self, last: bool) -> &str {
        let held = if last || self.stopped.is_some() {
            0
        } else {
            self.held()
        };
        let start = self.given.min(self.text.len());
        self.given = (self.text.len() - held).max(start);
        &self.text[start..self.given]
    }

    /// Bytes at the end that may be the beginning of a stop.
    fn held(&self) -> usize {
        let longest = |stop: &String| {
            let starts = (1..stop.len()).rev().filter(|&n| stop.is_char_boundary(n));
            starts
                .into_iter()
                .find(|&n| self.text.ends_with(&stop[..n]))
                .unwrap_or(0)
        };
        self.stop.iter().map(longest).max().unwrap_or(0)
    }
}
