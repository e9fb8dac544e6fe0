//! Documents in another order, the same one for the same seed.

use serde::{Deserialize, Serialize};

use super::encode::Extent;

/// Ids that a window holds at most, 128 MiB; one longer document is a window of its own.
const MOST_IDS: usize = 32 << 20;

/// Shuffles documents: first the order of the files, then the documents within one window of them after another.
///
/// A window ends after [`window`](Self::window) documents, or earlier once it holds 32 Mi ids. Unlike a reservoir, from which a document
/// may leave long after it has entered, a window can be found again: a [`StreamState`](super::StreamState) says where it began and how much of it is done,
/// and so stays small however large the window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shuffle {
    /// What the order depends on, besides the data.
    pub seed: u64,
    /// Documents in a window (0 is taken as 1, which keeps the order within files). All of them are in memory, as ids.
    pub window: usize,
}

impl Shuffle {
    /// Windows of 10,000 documents.
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            window: 10_000,
        }
    }

    /// The order in which `n_files` files are read.
    pub(super) fn files(self, n_files: usize) -> Vec<usize> {
        // Windows are numbered from 0 on, and never reach this.
        permutation(n_files, self.seed, u64::MAX)
    }
}

/// Where in a shuffled stream one is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Place {
    /// The window's number.
    window: u64,
    /// Documents of it that are done.
    done: usize,
    /// Bad rows before this place have been counted: its file and the number of the row.
    pub(super) counted: (usize, u64),
}

/// A window's documents.
#[derive(Debug)]
pub(super) struct Window {
    shuffle: Shuffle,
    /// The place of the first document.
    pub(super) start: (usize, u64),
    ids: Vec<u32>,
    documents: Vec<Extent>,
    order: Vec<usize>,
    place: Place,
}

impl Window {
    /// An empty one; the first to be filled is that of `place`.
    pub(super) fn new(shuffle: Shuffle, start: (usize, u64), place: Place) -> Self {
        Self {
            shuffle,
            start,
            ids: Vec::new(),
            documents: Vec::new(),
            order: Vec::new(),
            place,
        }
    }

    /// The document whose turn it is.
    pub(super) fn current(&self) -> Option<(&[u32], Extent)> {
        let extent = self.documents[*self.order.get(self.place.done)?];
        Some((&self.ids[extent.start..extent.end], extent))
    }

    pub(super) fn advance(&mut self) {
        self.place.done += 1;
    }

    /// Where the stream is, bad rows before `counted` being counted.
    pub(super) fn place(&self, counted: (usize, u64)) -> Place {
        Place {
            counted: counted.max(self.place.counted),
            ..self.place
        }
    }

    /// Drops the documents that are done, for a window that starts at `start`. The one to be filled first stays as it is.
    pub(super) fn begin(&mut self, start: (usize, u64)) {
        if !self.order.is_empty() {
            self.place.window += 1;
            self.place.done = 0;
        }
        (self.ids, self.documents, self.order) = (Vec::new(), Vec::new(), Vec::new());
        self.start = start;
    }

    pub(super) fn is_full(&self) -> bool {
        self.documents.len() >= self.shuffle.window.max(1) || self.ids.len() >= MOST_IDS
    }

    pub(super) fn push(&mut self, ids: &[u32], extent: Extent) {
        let start = self.ids.len();
        self.ids.extend_from_slice(ids);
        self.documents.push(Extent {
            start,
            end: self.ids.len(),
            ..extent
        });
    }

    /// Puts the documents in their order; whether there are any.
    pub(super) fn close(&mut self) -> bool {
        self.order = permutation(self.documents.len(), self.shuffle.seed, self.place.window);
        !self.order.is_empty()
    }
}

/// `0..n` in an order drawn evenly from all (Fisher and Yates), `which` telling apart those of one seed.
fn permutation(n: usize, seed: u64, which: u64) -> Vec<usize> {
    let mut random = SplitMix(SplitMix(seed).next() ^ which);
    let mut order: Vec<usize> = (0..n).collect();
    for i in (1..n).rev() {
        // The high half of the product is below i + 1, and even to one part in 2^64 / n.
        let j = (u128::from(random.next()) * (i as u128 + 1)) >> 64;
        order.swap(i, j as usize);
    }
    order
}

/// `SplitMix64` (Steele, Lea and Flood 2014): the same numbers on every machine and in every version.
struct SplitMix(u64);

impl SplitMix {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::permutation;

    #[test]
    fn permutations_hold_everything_once_and_differ() {
        for n in [0, 1, 2, 17, 1000] {
            let mut order = permutation(n, 7, 3);
            order.sort_unstable();
            assert_eq!(order, (0..n).collect::<Vec<_>>());
        }
        assert_ne!(permutation(50, 7, 3), permutation(50, 7, 4));
        assert_ne!(permutation(50, 7, 3), permutation(50, 8, 3));
        assert_eq!(permutation(50, 7, 3), permutation(50, 7, 3));
    }

    #[test]
    fn every_place_is_as_likely() {
        // Where 0 of 5 lands over 20,000 draws: 4,000 each, standard deviation 57.
        let mut landed = [0; 5];
        for which in 0..20_000 {
            let order = permutation(5, 11, which);
            landed[order.iter().position(|&i| i == 0).unwrap()] += 1;
        }
        assert!(
            landed.iter().all(|n| (3700..4300).contains(n)),
            "{landed:?}"
        );
    }
}
