//! The buffer that mixes activations, as SAELens has it.

use crate::random::Random;

/// Holds rows until there are enough, shuffles them, serves some as batches and keeps the rest to be mixed with what comes.
///
/// Rows stay where they are written: what is shuffled are their places, so that nothing but the batch being served is copied.
#[derive(Debug)]
pub(crate) struct MixingBuffer {
    width: usize,
    batch: usize,
    /// Rows from which it is shuffled and served.
    size: usize,
    mix: f64,
    random: Random,
    rows: Vec<f32>,
    /// The rows in their order, from `head` on.
    places: Vec<u32>,
    head: usize,
    free: Vec<u32>,
    /// Batches that may be served before more rows are wanted.
    ready: usize,
}

impl MixingBuffer {
    /// A buffer for rows of so many numbers. `mix` is the share of `size` that stays; with 0 nothing is shuffled.
    pub(crate) fn new(width: usize, batch: usize, size: usize, mix: f64, random: Random) -> Self {
        Self {
            width,
            batch,
            size: size.max(batch),
            mix,
            random,
            rows: Vec::new(),
            places: Vec::new(),
            head: 0,
            free: Vec::new(),
            ready: 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.places.len() - self.head
    }

    /// Adds rows.
    pub(crate) fn push(&mut self, rows: &[f32]) {
        self.push_with(rows, super::random::Random::permutation);
    }

    fn push_with(
        &mut self,
        rows: &[f32],
        permutation: impl FnOnce(&mut Random, usize) -> Vec<u32>,
    ) {
        self.places.drain(..self.head);
        self.head = 0;
        let new = (rows.len() / self.width).saturating_sub(self.free.len());
        // Not more than is used: growing by halves would take as much again.
        self.rows.reserve_exact(new * self.width);
        for row in rows.chunks_exact(self.width) {
            let place = self.free.pop().unwrap_or_else(|| {
                let place = (self.rows.len() / self.width) as u32;
                self.rows.resize(self.rows.len() + self.width, 0.0);
                place
            });
            self.rows[place as usize * self.width..][..self.width].copy_from_slice(row);
            self.places.push(place);
        }
        if self.places.len() < self.size {
            return;
        }
        if self.mix > 0.0 {
            let order = permutation(&mut self.random, self.places.len());
            self.places = order.iter().map(|&i| self.places[i as usize]).collect();
        }
        let kept = (self.size as f64 * self.mix) as usize;
        self.ready = ((self.places.len() - kept) / self.batch).max(1);
    }

    /// There are no more rows: what is left is served in its order, as far as it makes batches.
    pub(crate) fn end(&mut self) {
        self.ready = self.len() / self.batch;
    }

    /// Copies the next batch, cutting each row into parts of these widths, one vector each. False if more rows are wanted first.
    pub(crate) fn next(&mut self, widths: &[usize], into: &mut [Vec<f32>]) -> bool {
        if self.ready == 0 {
            return false;
        }
        self.ready -= 1;
        into.iter_mut().for_each(Vec::clear);
        for &place in &self.places[self.head..self.head + self.batch] {
            let mut row = &self.rows[place as usize * self.width..][..self.width];
            for (part, &width) in into.iter_mut().zip(widths) {
                part.extend_from_slice(&row[..width]);
                row = &row[width..];
            }
        }
        self.free
            .extend(&self.places[self.head..self.head + self.batch]);
        self.head += self.batch;
        true
    }

    /// The rows in their order.
    pub(crate) fn contents(&self) -> impl Iterator<Item = &[f32]> {
        let places = self.places[self.head..].iter();
        places.map(|&place| &self.rows[place as usize * self.width..][..self.width])
    }

    /// Batches that may be served before more rows are wanted.
    pub(crate) fn ready(&self) -> usize {
        self.ready
    }

    /// Puts back what [`contents`](Self::contents) gave.
    pub(crate) fn restore(&mut self, rows: Vec<f32>, ready: usize, random: Random) {
        self.places = (0..(rows.len() / self.width) as u32).collect();
        (self.rows, self.ready, self.random) = (rows, ready, random);
        (self.head, self.free) = (0, Vec::new());
    }

    pub(crate) fn random(&self) -> &Random {
        &self.random
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use safetensors::SafeTensors;
    use std::path::Path;

    fn buffer(width: usize, mix: f64) -> MixingBuffer {
        MixingBuffer::new(width, 8, 30, mix, Random::new(0, 1))
    }

    fn drain(buffer: &mut MixingBuffer, served: &mut Vec<f32>) {
        let mut batch = [Vec::new()];
        while buffer.next(&[1], &mut batch) {
            served.extend(&batch[0]);
        }
    }

    #[test]
    fn rows_are_served_in_the_peers_order_given_its_permutations() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../tests/goldens/data/training/buffer.safetensors");
        let bytes = std::fs::read(path).unwrap();
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let numbers = |name: &str| -> Vec<i64> {
            let view = file.tensor(name).unwrap();
            view.data()
                .as_chunks::<8>()
                .0
                .iter()
                .map(|b| i64::from_le_bytes(*b))
                .collect()
        };
        let (mut buffer, mut served, mut drawn) = (buffer(1, 0.5), Vec::new(), 0);
        for chunk in 0..20 {
            let rows: Vec<f32> = (0..7).map(|i| (chunk * 7 + i) as f32).collect();
            buffer.push_with(&rows, |_, n| {
                let order = numbers(&format!("permutation.{drawn}"));
                assert_eq!(order.len(), n);
                drawn += 1;
                order.iter().map(|&i| i as u32).collect()
            });
            drain(&mut buffer, &mut served);
        }
        buffer.end();
        drain(&mut buffer, &mut served);
        let served: Vec<i64> = served.iter().map(|&x| x as i64).collect();
        assert_eq!(served, numbers("served"));
        assert!(drawn > 3);
    }

    #[test]
    fn nothing_is_lost_or_served_twice_and_a_restored_buffer_goes_on() {
        let (mut buffer, mut served) = (buffer(1, 0.5), Vec::new());
        for chunk in 0..40 {
            let rows: Vec<f32> = (0..11).map(|i| (chunk * 11 + i) as f32).collect();
            buffer.push(&rows);
            let mut batch = [Vec::new()];
            if buffer.next(&[1], &mut batch) {
                served.extend(&batch[0]);
                let (rows, ready): (Vec<f32>, _) = (
                    buffer.contents().flatten().copied().collect(),
                    buffer.ready(),
                );
                let random = Random::at(buffer.random().state(0));
                let mut other = super::tests::buffer(1, 0.5);
                other.restore(rows, ready, random);
                buffer = other;
            }
            drain(&mut buffer, &mut served);
        }
        buffer.end();
        drain(&mut buffer, &mut served);
        assert_eq!(served.len(), 440 / 8 * 8);
        served.sort_by(f32::total_cmp);
        assert!(served.windows(2).all(|pair| pair[0] < pair[1]));
    }

    #[test]
    fn without_mixing_rows_keep_their_order_and_are_cut_into_hooks() {
        let mut buffer = buffer(3, 0.0);
        let rows: Vec<f32> = (0..30)
            .flat_map(|i| [i as f32, 10.0 * i as f32, -1.0])
            .collect();
        buffer.push(&rows);
        let mut batch = [Vec::new(), Vec::new()];
        assert!(buffer.next(&[1, 2], &mut batch));
        assert_eq!(batch[0], [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]);
        assert_eq!(batch[1][2..4], [10.0, -1.0]);
    }
}
