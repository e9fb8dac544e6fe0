//! Byte-pair merging, for the rare piece that the library cannot take.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

/// `(left, right)` → `(rank, merged)`.
pub(super) type Merges = HashMap<(u32, u32), (u32, u32)>;

const NONE: usize = usize::MAX;

/// Merges neighbours in `symbols`, always the pair of the lowest rank, of those the leftmost, until none is left.
///
/// `O(n log n)`: pieces come from outside and may be long.
pub(super) fn merge(symbols: &mut Vec<u32>, merges: &Merges) {
    let n = symbols.len();
    let mut next: Vec<usize> = (1..=n).map(|i| if i < n { i } else { NONE }).collect();
    let mut previous: Vec<usize> = (0..n).map(|i| i.checked_sub(1).unwrap_or(NONE)).collect();
    let mut gone = vec![false; n];
    let candidate = |symbols: &[u32], left: usize, right: usize| {
        let &(rank, merged) = merges.get(&(symbols[left], symbols[right]))?;
        Some(Reverse((rank, left, merged)))
    };
    let mut heap: BinaryHeap<_> = (1..n)
        .filter_map(|right| candidate(symbols, right - 1, right))
        .collect();
    while let Some(Reverse((_, left, merged))) = heap.pop() {
        if gone[left] || next[left] == NONE {
            continue;
        }
        let right = next[left];
        // One of the two may have merged with its other neighbour since.
        if merges
            .get(&(symbols[left], symbols[right]))
            .is_none_or(|&(_, now)| now != merged)
        {
            continue;
        }
        symbols[left] = merged;
        gone[right] = true;
        next[left] = next[right];
        if next[left] != NONE {
            previous[next[left]] = left;
            heap.extend(candidate(symbols, left, next[left]));
        }
        if previous[left] != NONE {
            heap.extend(candidate(symbols, previous[left], left));
        }
    }
    let mut at = 0;
    symbols.retain(|_| {
        at += 1;
        !gone[at - 1]
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_rank_goes_first_and_of_equals_the_leftmost() {
        // a=0 b=1 c=2; "bc" before "ab", then "abc" from either side; "aa" pairs from the left.
        let merges = Merges::from([
            ((1, 2), (0, 12)),
            ((0, 1), (1, 10)),
            ((0, 12), (2, 99)),
            ((0, 0), (3, 77)),
        ]);
        let merged = |mut symbols: Vec<u32>| {
            merge(&mut symbols, &merges);
            symbols
        };
        assert_eq!(merged(vec![0, 1, 2]), [99]);
        assert_eq!(merged(vec![0, 1, 0, 1, 2]), [10, 99]);
        assert_eq!(merged(vec![0, 0, 0]), [77, 0]);
        assert_eq!(merged(vec![2, 1, 0]), [2, 1, 0]);
        assert!(merged(vec![]).is_empty());
    }
}
