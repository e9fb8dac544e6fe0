//! A file of the cache: the latents of a range.

use super::{ExportError, Logged};
use crate::collect::Activations;
use half::f16;
use serde_json::json;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

pub(super) struct Split<'a> {
    pub(super) logged: &'a Logged<'a>,
    /// Features in the range that are written, ascending.
    pub(super) features: &'a [u32],
    pub(super) activations: &'a Activations,
    /// The first latent of the range.
    pub(super) first: u32,
}

/// Sizes and types of a file's tensors.
#[derive(Debug, Default)]
struct Shape {
    n: usize,
    /// The largest number among the locations.
    location: u32,
    value: f32,
}

impl Split<'_> {
    pub(super) fn write(
        &self,
        path: &Path,
        failed: &impl Fn(io::Error) -> ExportError,
    ) -> Result<(), ExportError> {
        let mut file = BufWriter::new(File::create(path).map_err(failed)?);
        let shape = self.shape();
        let is_narrow = u16::try_from(shape.location).is_ok();
        let is_half = shape.value <= f16::MAX.to_f32();
        self.header(&shape, is_narrow, is_half, &mut file)
            .map_err(failed)?;
        for place in 0..self.logged.log.n_contexts() {
            let tokens = self.logged.tokens(place)?;
            tokens
                .iter()
                .try_for_each(|id| file.write_all(&id.to_le_bytes()))
                .map_err(failed)?;
        }
        for (location, _) in self.entries() {
            let written = location.iter().try_for_each(|&number| {
                if is_narrow {
                    file.write_all(&(number as u16).to_le_bytes())
                } else {
                    file.write_all(&number.to_le_bytes())
                }
            });
            written.map_err(failed)?;
        }
        for (_, value) in self.entries() {
            let written = if is_half {
                file.write_all(&f16::from_f32(value).to_le_bytes())
            } else {
                file.write_all(&value.to_le_bytes())
            };
            written.map_err(failed)?;
        }
        file.flush().map_err(failed)
    }

    /// Row, position and latent − first of each activation, latent after latent.
    fn entries(&self) -> impl Iterator<Item = ([u32; 3], f32)> + '_ {
        let features = self.features.iter().enumerate();
        features.flat_map(|(slot, &feature)| {
            let latent = feature - self.first;
            let located = self.logged.located(self.activations.of(slot));
            located.map(move |(row, position, value)| ([row, position, latent], value))
        })
    }

    fn shape(&self) -> Shape {
        let mut shape = Shape::default();
        for ([row, position, latent], value) in self.entries() {
            shape.n += 1;
            shape.location = shape.location.max(row).max(position).max(latent);
            shape.value = shape.value.max(value);
        }
        shape
    }

    fn header(
        &self,
        shape: &Shape,
        is_narrow: bool,
        is_half: bool,
        file: &mut impl Write,
    ) -> io::Result<()> {
        let rows = [self.logged.log.n_contexts(), self.logged.context_size()];
        let tokens = rows[0] * rows[1] * 4;
        let (kind, width) = if is_narrow { ("U16", 2) } else { ("U32", 4) };
        let locations = tokens + shape.n * 3 * width;
        let (float, size) = if is_half { ("F16", 2) } else { ("F32", 4) };
        let header = json!({
            "tokens": { "dtype": "U32", "shape": rows, "data_offsets": [0, tokens] },
            "locations": { "dtype": kind, "shape": [shape.n, 3], "data_offsets": [tokens, locations] },
            "activations": { "dtype": float, "shape": [shape.n], "data_offsets": [locations, locations + shape.n * size] },
        });
        let mut header = header.to_string().into_bytes();
        // The tensors begin at a multiple of eight.
        header.resize(header.len().next_multiple_of(8), b' ');
        file.write_all(&(header.len() as u64).to_le_bytes())?;
        file.write_all(&header)
    }
}
