//! Where a product goes, shared by the threads that make its parts.

use crate::host::Number;

/// A row-major matrix that is written a piece of a row at a time.
pub(super) struct Place<E> {
    first: *mut E,
    rows: usize,
    width: usize,
    /// Whether sums are added to what is there.
    add: bool,
}

// SAFETY: threads write to the matrix through `put` alone, whose callers write different pieces.
unsafe impl<E: Send> Sync for Place<E> {}

impl<E: Number> Place<E> {
    /// # Safety
    /// As long as the place is in use, `first` is valid for writing `rows · width` numbers, and for reading them if `add`, and nothing else
    /// refers to them.
    pub(super) unsafe fn new(first: *mut E, rows: usize, width: usize, add: bool) -> Self {
        Self {
            first,
            rows,
            width,
            add,
        }
    }

    /// Writes sums to a row from a column on, or adds them to what is there.
    ///
    /// # Safety
    /// No other thread writes to these columns of this row.
    ///
    /// # Panics
    /// If they are not within the matrix.
    #[inline(always)]
    #[allow(clippy::inline_always)] // compiled into the caller's vector code
    pub(super) unsafe fn put(&self, row: usize, column: usize, sums: &[f32]) {
        assert!(row < self.rows && column + sums.len() <= self.width);
        // SAFETY: within the matrix by the assertion, which is valid for writing by `new`.
        let place = unsafe { self.first.add(row * self.width + column) };
        for (i, &sum) in sums.iter().enumerate() {
            // SAFETY: as above; read only where the numbers are valid for reading by `new`.
            unsafe {
                let at = place.add(i);
                let sum = if self.add {
                    at.read().wide() + sum
                } else {
                    sum
                };
                at.write(E::narrow(sum));
            }
        }
    }
}
