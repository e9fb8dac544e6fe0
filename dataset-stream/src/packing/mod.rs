//! From documents of any length to rows of one length.

mod notebook;
mod saelens;

use serde::{Deserialize, Serialize};

use std::fmt;

use notebook::Notebook;
use saelens::SaeLens;

pub use saelens::SaeLensIds;

/// How documents become rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Packing {
    /// TransformerLens' `tokenize_and_concatenate`: one continuous stream of whole documents with EOS between them, cut into rows.
    /// Each row starts with BOS if [`StreamOptions::prepend_bos`](crate::StreamOptions::prepend_bos) is set. An empty document counts:
    /// two EOS mark its place. Only the tail of the whole data set, too short for a row, is dropped.
    #[default]
    Notebook,
    /// As SAELens' `concat_and_batch_sequences`.
    SaeLens(SaeLensPacking),
}

/// The tokens that SAELens puts between and before documents. The default is that of its activation store: documents are
/// separated by BOS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SaeLensPacking {
    /// First in each row (`begin_batch_token`). `None`: BOS if
    /// [`StreamOptions::prepend_bos`](crate::StreamOptions::prepend_bos), else nothing.
    pub begin_batch: Option<TokenRef>,
    /// First of each document (`begin_sequence_token`).
    pub begin_sequence: Option<TokenRef>,
    /// Between documents that share a row (`sequence_separator_token`).
    pub separator: Option<TokenRef>,
    /// Each document gives one row or, if it is too short, none (`disable_concat_sequences`).
    pub disable_concat: bool,
}

impl Default for SaeLensPacking {
    fn default() -> Self {
        Self {
            begin_batch: None,
            begin_sequence: None,
            separator: Some(TokenRef::Bos),
            disable_concat: false,
        }
    }
}

/// A token, by its role or by its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenRef {
    /// The tokenizer's BOS.
    Bos,
    /// The tokenizer's EOS.
    Eos,
    /// The tokenizer's SEP.
    Sep,
    /// This one.
    Id(u32),
}

impl fmt::Display for TokenRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bos => f.write_str("BOS"),
            Self::Eos => f.write_str("EOS"),
            Self::Sep => f.write_str("SEP"),
            Self::Id(id) => write!(f, "token {id}"),
        }
    }
}

/// Packs documents into rows, a document at a time; tokens that do not fill a row wait for the next document.
///
/// A document without tokens leaves no trace in SAELens' packing. In the notebook's it is a document like any other: its neighbours have
/// two EOS between them.
///
/// ```
/// use dataset_stream::Packer;
///
/// let (bos, eos) = (1, 2);
/// let mut packer = Packer::notebook(4, Some(bos), eos);
/// let mut rows = Vec::new();
/// packer.push(&[10, 11], |row| rows.push(row));
/// packer.push(&[12, 13, 14], |row| rows.push(row));
/// assert_eq!(rows, [[1, 10, 11, 2], [1, 12, 13, 14]]);
/// ```
#[derive(Debug, Clone)]
pub struct Packer(Kind);

#[derive(Debug, Clone)]
enum Kind {
    Notebook(Notebook),
    SaeLens(SaeLens),
}

impl Packer {
    /// Packs as [`Packing::Notebook`]: rows of `context_size` ids, the first of them `bos` if given.
    ///
    /// # Panics
    /// When `context_size` leaves no room for a token of the documents.
    pub fn notebook(context_size: usize, bos: Option<u32>, eos: u32) -> Self {
        assert!(
            context_size > usize::from(bos.is_some()),
            "a row of {context_size} has no room for a token"
        );
        Self(Kind::Notebook(Notebook::new(context_size, bos, eos)))
    }

    /// Packs as [`Packing::SaeLens`].
    ///
    /// # Panics
    /// When `context_size` leaves no room for a token beside `begin_batch`.
    pub fn saelens(context_size: usize, ids: SaeLensIds) -> Self {
        let fixed = usize::from(ids.begin_batch.is_some());
        assert!(
            context_size > fixed,
            "a row of {context_size} has no room for a token"
        );
        Self(Kind::SaeLens(SaeLens::new(context_size, ids)))
    }

    /// Packs one whole document and hands each row that it completes to `emit`.
    pub fn push(&mut self, document: &[u32], mut emit: impl FnMut(Vec<u32>)) {
        let mut progress = DocumentProgress::default();
        while let Some(row) = self.next_row(document, &mut progress) {
            emit(row);
        }
    }

    /// The tokens that have been packed but not handed out.
    pub(crate) fn state(&self) -> PackerState {
        match &self.0 {
            Kind::Notebook(packer) => packer.state(),
            Kind::SaeLens(packer) => packer.state(),
        }
    }

    /// Goes on from such a state of a packer with the same settings, whose rows are longer than the unfinished one.
    pub(crate) fn restore(&mut self, state: PackerState) {
        match &mut self.0 {
            Kind::Notebook(packer) => packer.restore(state),
            Kind::SaeLens(packer) => packer.restore(state),
        }
    }

    /// Packs on in a document until a row is complete; `None` when the document is used up.
    pub(crate) fn next_row(
        &mut self,
        document: &[u32],
        progress: &mut DocumentProgress,
    ) -> Option<Vec<u32>> {
        match &mut self.0 {
            Kind::Notebook(packer) => packer.next_row(document, progress),
            Kind::SaeLens(packer) => packer.next_row(document, progress),
        }
    }
}

/// Space for a row. A very long one grows into it: the number may be mistaken, and the text far shorter.
fn empty_row(context_size: usize) -> Vec<u32> {
    Vec::with_capacity(context_size.min(1 << 16))
}

/// The unfinished row of a packer.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PackerState {
    row: Vec<u32>,
    /// A document came before (notebook), or a row has been begun (SAELens).
    any: bool,
}

impl PackerState {
    /// Ids in the unfinished row.
    pub(crate) fn n_ids(&self) -> usize {
        self.row.len()
    }
}

/// How far into a document its packer is.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DocumentProgress {
    /// Ids used.
    offset: usize,
    /// The tokens that start a document (separator, begin-of-sequence) have been written.
    begun: bool,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pack(mut packer: Packer, documents: &[Vec<u32>]) -> Vec<Vec<u32>> {
        let mut rows = Vec::new();
        for document in documents {
            packer.push(document, |row| rows.push(row));
        }
        rows
    }

    fn sequences() -> Vec<Vec<u32>> {
        [0..3, 3..8, 8..11, 11..17, 17..19]
            .map(Iterator::collect)
            .to_vec()
    }

    #[test]
    fn saelens_with_bos_as_separator() {
        let ids = SaeLensIds {
            begin_batch: Some(999),
            separator: Some(999),
            ..SaeLensIds::default()
        };
        assert_eq!(
            pack(Packer::saelens(5, ids), &sequences()),
            [
                [999, 0, 1, 2, 999],
                [999, 3, 4, 5, 6],
                [999, 7, 999, 8, 9],
                [999, 10, 999, 11, 12],
                [999, 13, 14, 15, 16]
            ]
        );
    }

    #[test]
    fn saelens_with_three_different_tokens() {
        let ids = SaeLensIds {
            begin_batch: Some(999),
            begin_sequence: Some(998),
            separator: Some(997),
            disable_concat: false,
        };
        assert_eq!(
            pack(Packer::saelens(5, ids), &sequences()),
            [
                [999, 998, 0, 1, 2],
                [999, 998, 3, 4, 5],
                [999, 6, 7, 997, 998],
                [999, 8, 9, 10, 997],
                [999, 998, 11, 12, 13],
                [999, 14, 15, 16, 997]
            ]
        );
    }

    #[test]
    fn saelens_without_joining() {
        let ids = SaeLensIds {
            begin_batch: Some(999),
            disable_concat: true,
            ..SaeLensIds::default()
        };
        assert_eq!(
            pack(Packer::saelens(5, ids), &sequences()),
            [[999, 3, 4, 5, 6], [999, 11, 12, 13, 14]]
        );
    }

    #[test]
    fn notebook_puts_eos_between_and_bos_before() {
        let documents = [vec![10, 11, 12], vec![], vec![13], vec![14, 15, 16, 17]];
        assert_eq!(
            pack(Packer::notebook(4, Some(1), 2), &documents),
            [[1, 10, 11, 12], [1, 2, 2, 13], [1, 2, 14, 15]]
        );
        assert_eq!(
            pack(Packer::notebook(4, None, 2), &documents),
            [[10, 11, 12, 2], [2, 13, 2, 14]]
        );
    }

    /// As TransformerLens 3.9 packs "a", "" and "b", and the like.
    #[test]
    fn empty_documents_are_documents_to_the_notebook() {
        let (a, none) = (vec![10, 11], Vec::new());
        for (documents, expected) in [
            (
                [a.clone(), none.clone(), a.clone()],
                vec![[1, 10, 11], [1, 2, 2], [1, 10, 11]],
            ),
            (
                [none.clone(), a.clone(), a.clone()],
                vec![[1, 2, 10], [1, 11, 2], [1, 10, 11]],
            ),
            (
                [a.clone(), a.clone(), none.clone()],
                vec![[1, 10, 11], [1, 2, 10], [1, 11, 2]],
            ),
            ([none.clone(), none.clone(), none.clone()], vec![[1, 2, 2]]),
        ] {
            assert_eq!(pack(Packer::notebook(3, Some(1), 2), &documents), expected);
            let ids = SaeLensIds {
                begin_batch: Some(1),
                separator: Some(1),
                ..SaeLensIds::default()
            };
            let full: Vec<_> = documents
                .iter()
                .filter(|d| !d.is_empty())
                .cloned()
                .collect();
            assert_eq!(
                pack(Packer::saelens(3, ids), &documents),
                pack(Packer::saelens(3, ids), &full)
            );
        }
    }

    #[test]
    fn notebook_counts_empty_documents_wherever_they_stand() {
        let none = Vec::new;
        for (documents, stream) in [
            (vec![none(), vec![5], vec![6]], vec![2, 5, 2, 6]),
            (vec![vec![5], none(), none(), vec![6]], vec![5, 2, 2, 2, 6]),
            (vec![vec![5], vec![6], none()], vec![5, 2, 6, 2]),
            (vec![none(); 5], vec![2, 2, 2, 2]),
            (vec![none()], vec![]),
        ] {
            // Rows of one id are the stream itself.
            let rows = pack(Packer::notebook(1, None, 2), &documents);
            assert_eq!(rows.concat(), stream, "{documents:?}");
            let with_bos = pack(Packer::notebook(2, Some(1), 2), &documents);
            let expected: Vec<_> = stream.iter().map(|&id| vec![1, id]).collect();
            assert_eq!(with_bos, expected, "{documents:?}");
        }
    }

    #[test]
    #[should_panic(expected = "a row of 1 has no room")]
    fn a_row_of_bos_alone_is_refused() {
        Packer::notebook(1, Some(1), 2);
    }

    fn documents() -> impl Strategy<Value = Vec<Vec<u32>>> {
        prop::collection::vec(prop::collection::vec(0u32..50, 0..30), 0..20)
    }

    proptest! {
        #[test]
        fn notebook_loses_and_invents_nothing(documents in documents(), context_size in 2usize..12, with_bos: bool) {
            const EOS: u32 = 100;
            let bos = with_bos.then_some(101);
            let rows = pack(Packer::notebook(context_size, bos, EOS), &documents);
            let stream: Vec<u32> = documents.join(&EOS);
            let mut packed = Vec::new();
            for row in &rows {
                prop_assert_eq!(row.len(), context_size);
                prop_assert!(bos.is_none_or(|bos| row[0] == bos));
                packed.extend_from_slice(&row[usize::from(with_bos)..]);
            }
            prop_assert_eq!(&packed, &stream[..packed.len()]);
            prop_assert!(stream.len() - packed.len() < context_size - usize::from(with_bos), "more than a tail is gone");
        }

        #[test]
        fn saelens_loses_and_invents_nothing(
            documents in documents(),
            context_size in 4usize..12,
            begin_batch in prop::option::of(Just(101u32)),
            begin_sequence in prop::option::of(Just(102u32)),
            separator in prop::option::of(Just(103u32)),
        ) {
            let ids = SaeLensIds { begin_batch, begin_sequence, separator, disable_concat: false };
            let rows = pack(Packer::saelens(context_size, ids), &documents);
            let all = documents.concat();
            let packed: Vec<u32> = rows.iter().flatten().copied().filter(|&id| id < 100).collect();
            prop_assert_eq!(&packed, &all[..packed.len()]);
            prop_assert!(all.len() - packed.len() < context_size, "more than a tail is gone");
            for row in &rows {
                prop_assert_eq!(row.len(), context_size);
                prop_assert!(begin_batch.is_none_or(|begin| row[0] == begin));
            }
        }
    }
}
