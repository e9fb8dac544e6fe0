//! Text that goes on, a token at a time.

use super::Work;
use llama_hooked::Placement;

impl Work {
    /// Bytes of the logits that one more token of each row takes, on the host and on the device, of as many rows as a batch has at most.
    pub fn next_token_bytes(&self) -> u64 {
        let rows = self
            .batch_size
            .unwrap_or_else(|| self.most_rows(Placement::Resident));
        // The model's, a copy in f32, and what the draw sorts.
        rows as u64 * self.model.vocab_size as u64 * 16
    }
}
