//! One continuous stream with EOS between documents, as TransformerLens' `tokenize_and_concatenate` joins them: an empty document is a
//! document like any other, so its neighbours have two EOS between them.

use super::{DocumentProgress, PackerState, empty_row};

#[derive(Debug, Clone)]
pub(super) struct Notebook {
    context_size: usize,
    bos: Option<u32>,
    eos: u32,
    row: Vec<u32>,
    /// A document came before, so EOS is due before the next one.
    any: bool,
}

impl Notebook {
    pub(super) fn new(context_size: usize, bos: Option<u32>, eos: u32) -> Self {
        Self {
            context_size,
            bos,
            eos,
            row: empty_row(context_size),
            any: false,
        }
    }

    pub(super) fn next_row(
        &mut self,
        document: &[u32],
        progress: &mut DocumentProgress,
    ) -> Option<Vec<u32>> {
        if !std::mem::replace(&mut progress.begun, true) && std::mem::replace(&mut self.any, true) {
            self.start_row();
            self.row.push(self.eos);
            if self.row.len() == self.context_size {
                return Some(self.finish_row());
            }
        }
        let rest = document.get(progress.offset..).unwrap_or_default();
        if rest.is_empty() {
            return None;
        }
        self.start_row();
        let taken = rest.len().min(self.context_size - self.row.len());
        self.row.extend_from_slice(&rest[..taken]);
        progress.offset += taken;
        (self.row.len() == self.context_size).then(|| self.finish_row())
    }

    pub(super) fn state(&self) -> PackerState {
        PackerState {
            row: self.row.clone(),
            any: self.any,
        }
    }

    pub(super) fn restore(&mut self, state: PackerState) {
        self.row.clear();
        self.row.extend(state.row);
        self.any = state.any;
    }

    fn start_row(&mut self) {
        if self.row.is_empty() {
            self.row.extend(self.bos);
        }
    }

    fn finish_row(&mut self) -> Vec<u32> {
        std::mem::replace(&mut self.row, empty_row(self.context_size))
    }
}
