//! The keys and values of the positions so far, for attention that goes on.

mod columns;
#[cfg(feature = "cpu")]
mod host;
mod tensors;

use crate::causal_attention;
#[cfg(feature = "cpu")]
use crate::host::{Format, format};
#[cfg(feature = "cpu")]
use burn::tensor::bf16;
use burn::tensor::{Bool, Tensor};
use columns::Columns;
use tensors::Tensors;

/// The keys and values that one attention layer has seen, of a batch of rows.
///
/// Each [`attend`](Self::attend) adds some columns; in a row, the first of them may be padding, which no query sees and which takes no
/// position. Room grows by pieces, so that a column costs the same however many there are. Cloning shares what is there: two clones go
/// on differently, and keep one copy of what they have in common.
///
/// On the CPU in f32 or bf16 the numbers of each row lie by themselves, without padding; elsewhere they are tensors.
#[derive(Debug, Clone, Default)]
pub struct KeyValues {
    columns: Columns,
    store: Store,
    /// Positions of a row that room is made for at first.
    room: usize,
}

#[derive(Debug, Clone, Default)]
enum Store {
    #[default]
    Empty,
    #[cfg(feature = "cpu")]
    Host(host::Rows<f32>),
    #[cfg(feature = "cpu")]
    HostBf16(host::Rows<bf16>),
    Tensors(Tensors),
}

impl KeyValues {
    /// None yet, with room for this many positions of each row from the start; more come as they are needed.
    pub fn with_room(positions: usize) -> Self {
        Self {
            room: positions,
            ..Self::default()
        }
    }

    /// Adds the keys and values of new columns, and gives the causal attention of their queries to all that is there. Heads are grouped as in
    /// [`causal_attention`]. What comes out at padding is finite, and of no use.
    ///
    /// # Shapes
    /// `q`: `[b, p, H, dh]`; `k`, `v`: `[b, p, KV, dh]`; `padding`: for each row how many of its p columns are padding, the first ones
    /// → `[b, p, H, dh]`.
    ///
    /// # Panics
    /// If the shapes do not fit, or differ from those before.
    pub fn attend(
        &mut self,
        q: Tensor<4>,
        k: Tensor<4>,
        v: Tensor<4>,
        padding: &[usize],
    ) -> Tensor<4> {
        let first = self.columns.is_empty();
        self.push(&k, &v, padding);
        if first && self.columns.all_seen() {
            return causal_attention(q, k, v);
        }
        match &self.store {
            #[cfg(feature = "cpu")]
            Store::Host(rows) if format(&q) == Some(Format::F32) => rows.attend(q, padding),
            #[cfg(feature = "cpu")]
            Store::HostBf16(rows) if format(&q) == Some(Format::Bf16) => rows.attend(q, padding),
            _ => self.attend_as_tensors(q),
        }
    }

    fn attend_as_tensors(&self, q: Tensor<4>) -> Tensor<4> {
        let n = q.dims()[1];
        let (k, v) = self.dense();
        if self.columns.all_seen() {
            return causal_attention(q, k, v);
        }
        let mask = self.hidden(n, &q);
        tensors::attend(q, k, v, mask)
    }

    /// Adds the keys and values of new columns: what [`attend`](Self::attend) does first.
    ///
    /// # Panics
    /// If the shapes do not fit, or differ from those before.
    pub fn push(&mut self, k: &Tensor<4>, v: &Tensor<4>, padding: &[usize]) {
        let [b, p, ..] = k.dims();
        assert_eq!(k.dims(), v.dims(), "keys and values differ");
        assert!(
            padding.len() == b && padding.iter().all(|&n| n <= p),
            "padding of each row, within its columns"
        );
        if matches!(self.store, Store::Empty) {
            self.store = self.begin(k);
        }
        match &mut self.store {
            #[cfg(feature = "cpu")]
            Store::Host(rows) => rows.push(k, v, padding),
            #[cfg(feature = "cpu")]
            Store::HostBf16(rows) => rows.push(k, v, padding),
            Store::Tensors(tensors) => tensors.push(k, v, self.room),
            Store::Empty => unreachable!("begun above"),
        }
        self.columns.push(p, padding);
    }

    fn begin(&self, k: &Tensor<4>) -> Store {
        #[cfg(feature = "cpu")]
        match format(k) {
            Some(Format::F32) => return Store::Host(host::Rows::new(k.dims(), self.room)),
            Some(Format::Bf16) => return Store::HostBf16(host::Rows::new(k.dims(), self.room)),
            None => {}
        }
        Store::Tensors(Tensors::new(k))
    }

    /// All keys and all values, those at padding being 0 or of no use.
    ///
    /// # Shapes
    /// `[b, n_columns, KV, dh]` each.
    ///
    /// # Panics
    /// If there are none.
    pub fn dense(&self) -> (Tensor<4>, Tensor<4>) {
        match &self.store {
            #[cfg(feature = "cpu")]
            Store::Host(rows) => rows.dense(&self.columns),
            #[cfg(feature = "cpu")]
            Store::HostBf16(rows) => rows.dense(&self.columns),
            Store::Tensors(tensors) => tensors.dense(),
            Store::Empty => panic!("there are no keys and values yet"),
        }
    }

    /// Which keys the queries of the last n columns do not see: those after them, and padding. A query at padding sees itself, so that no
    /// softmax is of nothing.
    ///
    /// # Shapes
    /// `[b, 1, n, n_columns]`, on the device of `like`.
    pub fn hidden(&self, n: usize, like: &Tensor<4>) -> Tensor<4, Bool> {
        self.columns.hidden(n, &like.device())
    }

    /// Keeps these rows, in this order; a row may come more than once.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn select(&mut self, rows: &[usize]) {
        self.columns.select(rows);
        match &mut self.store {
            #[cfg(feature = "cpu")]
            Store::Host(store) => store.select(rows),
            #[cfg(feature = "cpu")]
            Store::HostBf16(store) => store.select(rows),
            Store::Tensors(store) => store.select(rows),
            Store::Empty => {}
        }
    }

    /// Columns so far, padding included.
    pub fn n_columns(&self) -> usize {
        self.columns.len()
    }
}
