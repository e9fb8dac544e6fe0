//! The first few by an order, of many that come one after the other.

use std::cmp::Ordering;

/// Keeps `n` items, first ones first.
pub(super) struct First<T> {
    n: usize,
    items: Vec<T>,
}

impl<T: Copy> First<T> {
    pub(super) fn new(n: usize) -> Self {
        Self {
            n,
            items: Vec::with_capacity(n + 1),
        }
    }

    /// Takes an item in if it is among the first; of equal ones the earlier stays before.
    pub(super) fn push(&mut self, item: T, order: impl Fn(&T, &T) -> Ordering) {
        if self.items.len() == self.n {
            match self.items.last() {
                Some(last) if order(&item, last).is_lt() => {}
                _ => return,
            }
        }
        let at = self
            .items
            .partition_point(|kept| order(kept, &item).is_le());
        self.items.insert(at, item);
        self.items.truncate(self.n);
    }

    pub(super) fn into_vec(self) -> Vec<T> {
        self.items
    }
}
