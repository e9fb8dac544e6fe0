//! Weights to disk, in a form that SAELens 6 loads.

use super::linear::Activation;
use super::{Encoder, Sae};
use crate::run_dir::RunLayout;
use burn::tensor::{DType, Tensor, TensorData};
use safetensors::tensor::{Dtype, View};
use std::borrow::Cow;
use std::path::{Path, PathBuf};
use whole_file::{TensorFileError, WriteError};

/// An SAE that cannot be saved.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SaveError {
    /// The folder cannot be made.
    #[error("{}: cannot be made: {source}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file cannot be written; nothing of it was left behind.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The weights cannot be written; nothing of them was left behind.
    #[error(transparent)]
    Weights(#[from] TensorFileError),
}

impl Sae {
    /// Writes `cfg.json` and `sae_weights.safetensors` into a folder, which is made if need be.
    ///
    /// Each file is written under a temporary name and renamed, the weights first: where there is a `cfg.json`, there are weights.
    /// One tensor at a time is copied to the host. Weights are stored in the SAE's dtype, and `cfg.json` says so.
    ///
    /// # Errors
    /// If the folder or a file cannot be written.
    pub fn save(&self, dir: impl AsRef<Path>) -> Result<(), SaveError> {
        let dir = dir.as_ref();
        std::fs::create_dir_all(dir).map_err(|source| SaveError::Folder {
            path: dir.to_owned(),
            source,
        })?;
        let layout = RunLayout::new(dir);
        whole_file::save_tensors(&layout.weights(), self.tensors())?;
        let mut cfg = self.cfg.clone();
        torch_name(DType::from(self.dtype)).clone_into(&mut cfg.dtype);
        let text = cfg.to_json() + "\n";
        Ok(whole_file::write(&layout.cfg(), text.as_bytes())?)
    }

    /// Every tensor, by SAELens' name.
    fn tensors(&self) -> Vec<(String, Stored)> {
        let mut all = vec![
            ("W_dec".to_owned(), Stored::new(&self.w_dec)),
            ("b_dec".to_owned(), Stored::new(&self.b_dec)),
        ];
        let mut add = |name: &str, stored| all.push((name.to_owned(), stored));
        if let Some(w_skip) = &self.w_skip {
            add("W_skip", Stored::new(w_skip));
        }
        match &self.encoder {
            Encoder::Linear(linear) => {
                add("W_enc", Stored::new(&linear.w_enc));
                add("b_enc", Stored::new(&linear.b_enc));
                if let Activation::JumpRelu { threshold } = &linear.activation {
                    add("threshold", Stored::new(threshold));
                }
            }
            Encoder::Gated(gated) => {
                add("W_enc", Stored::new(&gated.w_enc));
                add("b_gate", Stored::new(&gated.b_gate));
                add("b_mag", Stored::new(&gated.b_mag));
                add("r_mag", Stored::new(&gated.r_mag));
            }
            Encoder::MatchingPursuit => {}
            Encoder::Temporal(temporal) => {
                if let Some(w_enc) = &temporal.w_enc {
                    add("W_enc", Stored::new(w_enc));
                }
                for (i, layer) in temporal.layers.iter().enumerate() {
                    let parts = [
                        ("k_ctx", &layer.k_ctx),
                        ("q_target", &layer.q_target),
                        ("v_ctx", &layer.v_ctx),
                        ("c_proj", &layer.c_proj),
                    ];
                    for (part, affine) in parts {
                        add(
                            &format!("attn_layers.{i}.{part}.weight"),
                            Stored::new(&affine.weight),
                        );
                        add(
                            &format!("attn_layers.{i}.{part}.bias"),
                            Stored::new(&affine.bias),
                        );
                    }
                }
            }
        }
        all
    }
}

fn torch_name(dtype: DType) -> &'static str {
    match dtype {
        DType::BF16 => "bfloat16",
        DType::F16 => "float16",
        _ => "float32",
    }
}

/// A tensor still on its device, copied when its bytes are asked for.
struct Stored {
    shape: Vec<usize>,
    dtype: DType,
    read: Box<dyn Fn() -> TensorData>,
}

impl Stored {
    fn new<const D: usize>(tensor: &Tensor<D>) -> Self {
        let tensor = tensor.clone();
        Self {
            shape: tensor.dims().to_vec(),
            dtype: tensor.dtype(),
            read: Box::new(move || tensor.to_data()),
        }
    }
}

impl View for Stored {
    fn dtype(&self) -> Dtype {
        match self.dtype {
            DType::BF16 => Dtype::BF16,
            DType::F16 => Dtype::F16,
            _ => Dtype::F32,
        }
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Owned((self.read)().as_bytes().to_vec())
    }

    fn data_len(&self) -> usize {
        self.shape.iter().product::<usize>() * self.dtype.size()
    }
}
