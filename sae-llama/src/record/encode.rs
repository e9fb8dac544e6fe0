//! Features of activations in a file.

use super::shape::{Sequence, Shape};
use super::{RecordError, RecordProgress, push};
use burn::tensor::{DType, Tensor, TensorData};
use memmap2::Mmap;
use sae_core::{Sae, SaeConfig};
use sae_progress::{Observer, Stopped};
use safetensors::SafeTensors;
use std::fs::File;
use std::path::{Path, PathBuf};
use whole_file::{Dtype, TensorFile};

/// Bytes of features that a batch has at most.
const FEATURES: usize = 256 << 20;
/// Tokens that a batch has at most.
const TOKENS: usize = 4096;

/// A tensor of activations in a safetensors file, mapped: `[.., d_in]`, or `[.., heads, d_head]` for an SAE on `hook_z`.
#[derive(Debug)]
pub struct EncodeInput {
    path: PathBuf,
    key: String,
    map: Mmap,
    shape: Shape,
}

impl EncodeInput {
    /// Opens a file and finds the tensor `key` in it, which must be what the SAE reads.
    ///
    /// # Errors
    /// If it cannot be read, has no such tensor, or one of another width.
    pub fn open(path: &Path, key: &str, cfg: &SaeConfig) -> Result<Self, RecordError> {
        let unreadable = |source| RecordError::Read {
            path: path.to_owned(),
            source,
        };
        let wrong = |problem: String| RecordError::Input {
            path: path.to_owned(),
            problem,
        };
        // Asked before it is opened: opening a pipe waits for a writer.
        let found = std::fs::metadata(path).map_err(unreadable)?;
        if !found.is_file() {
            return Err(wrong("is not a file".to_owned()));
        }
        let file = File::open(path).map_err(unreadable)?;
        // SAFETY: mapped for reading only; a file that another process cuts short meanwhile would end this one, as with every program
        // that maps its input.
        let map = unsafe { Mmap::map(&file) }.map_err(unreadable)?;
        let tensors = SafeTensors::deserialize(&map)
            .map_err(|error| wrong(format!("is not a safetensors file: {error}")))?;
        let Ok(view) = tensors.tensor(key) else {
            let mut names: Vec<_> = tensors.names().into_iter().collect();
            names.sort_unstable();
            return Err(wrong(format!(
                "has no tensor {key:?}; it has {}",
                names.join(", ")
            )));
        };
        let of_tensor = |problem: String| wrong(format!("tensor {key}: {problem}"));
        let shape = Shape::new(view.shape(), cfg).map_err(of_tensor)?;
        if !matches!(view.dtype(), Dtype::F32 | Dtype::F16 | Dtype::BF16) {
            return Err(of_tensor(format!(
                "is stored as {:?}, expected F32, F16 or BF16",
                view.dtype()
            )));
        }
        Ok(Self {
            path: path.to_owned(),
            key: key.to_owned(),
            map,
            shape,
        })
    }

    /// Tokens in all.
    pub fn n_tokens(&self) -> usize {
        self.shape.rows * self.shape.positions
    }

    /// Rows, the first axis, and tokens in each.
    pub fn rows(&self) -> (usize, usize) {
        (self.shape.rows, self.shape.positions)
    }

    /// Encodes and decodes all of it, and writes `feature_acts` `[.., d_sae]`, `decoded` = `decode(encode(x))` and `forward`, the full
    /// forward pass; all but the last axis are the input's. Returns each tensor's name and shape.
    ///
    /// # Errors
    /// If the file cannot be written, or the observer stops the work; then there is no file.
    pub fn encode(
        &self,
        sae: &Sae,
        out: &Path,
        observer: &mut impl Observer<RecordProgress>,
    ) -> Result<Vec<(String, Vec<usize>)>, RecordError> {
        let (shape, cfg) = (&self.shape, sae.cfg());
        let tensors = SafeTensors::deserialize(&self.map);
        let view = tensors.and_then(|tensors| tensors.tensor(&self.key));
        let view = view.map_err(|error| RecordError::Input {
            path: self.path.clone(),
            problem: format!("has changed: {error}"),
        })?;
        let rows_at_once = if shape.sequence == Sequence::All {
            shape.rows
        } else {
            let tokens = (FEATURES / (4 * cfg.d_sae.max(1))).clamp(1, TOKENS);
            (tokens / shape.positions.max(1)).max(1)
        };
        let row_len = shape.positions * cfg.d_in;
        let mut file = TensorFile::new(out, shape.rows);
        for start in (0..shape.rows).step_by(rows_at_once) {
            let end = (start + rows_at_once).min(shape.rows);
            let numbers = floats(view.dtype(), view.data(), start * row_len..end * row_len);
            let data = TensorData::new(numbers, shape.batch(end - start, cfg.d_in));
            let x = Tensor::<3>::from_data(data, (&sae.device(), DType::F32));
            let encoded = sae.encode(x);
            let decoded = sae.decode(&encoded);
            let forward = if cfg.architecture.forward_adds_to_decode() {
                sae.forward_encoded(&encoded)
            } else {
                decoded.clone()
            };
            let features = shape.restore(encoded.features, cfg.d_sae, None);
            let parts = [
                ("feature_acts", features),
                ("decoded", shape.restore(decoded, cfg.d_out, shape.d_head)),
                ("forward", shape.restore(forward, cfg.d_out, shape.d_head)),
            ];
            push(
                &mut file,
                &parts.map(|(name, data)| (name.to_owned(), data)),
            )?;
            let (rows, of) = (end as u64, shape.rows as u64);
            Stopped::check(observer.observe(&RecordProgress { rows, of }))?;
        }
        Ok(file.finish()?)
    }
}

/// Some of a tensor's numbers.
fn floats(dtype: Dtype, bytes: &[u8], range: std::ops::Range<usize>) -> Vec<f32> {
    let of = |size: usize| &bytes[range.start * size..range.end * size];
    match dtype {
        Dtype::F16 => of(2)
            .as_chunks::<2>()
            .0
            .iter()
            .map(|b| burn::tensor::f16::from_le_bytes(*b).to_f32())
            .collect(),
        Dtype::BF16 => of(2)
            .as_chunks::<2>()
            .0
            .iter()
            .map(|b| burn::tensor::bf16::from_le_bytes(*b).to_f32())
            .collect(),
        // The only other one that is let in: F32.
        _ => of(4)
            .as_chunks::<4>()
            .0
            .iter()
            .map(|b| f32::from_le_bytes(*b))
            .collect(),
    }
}
