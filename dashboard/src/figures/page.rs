//! From the overview of a page.

use super::{FeatureNumbers, Figures, FiguresError};
use crate::page::read_contents;
use std::path::Path;

pub(super) fn read(path: &Path) -> Result<Figures, FiguresError> {
    let figures = read_contents(path, |contents, columns| {
        let d_sae = contents.d_sae as usize;
        // Of each column the low bytes of all entries, then the next ones. That all are there has been checked.
        let entry = |column: usize, feature: usize| {
            let byte = |plane: usize| columns[(4 * column + plane) * d_sae + feature];
            f32::from_le_bytes([0, 1, 2, 3].map(byte))
        };
        let feature = |f: u32| {
            let numbers = FeatureNumbers {
                density: entry(0, f as usize).into(),
                max: entry(1, f as usize),
                mean: entry(2, f as usize).into(),
            };
            (f, numbers)
        };
        Figures {
            d_sae: Some(contents.d_sae),
            hook_name: Some(contents.source.hook_name),
            features: (0..contents.d_sae).map(feature).collect(),
        }
    })?;
    Ok(figures)
}
