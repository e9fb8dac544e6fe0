//! A trainer on disk, in SAELens' layout for training checkpoints, with what it takes to go on bit for bit.
//!
//! `sae_weights.safetensors` (nothing folded), `cfg.json` of the training class, `sparsity.safetensors` and `activation_scaler.json` are
//! SAELens' own; `trainer_state.safetensors` holds the optimizer's moments and the counts.

use crate::architecture::TrainArchitecture;
use crate::finish::{Named, Numbers, tensors, transpose};
use crate::trainer::{Counts, Trainer};
use crate::weights::{NAMES, Weights};
use sae_core::{ActivationScales, SaeMetadata};
use safetensors::{Dtype, SafeTensors};
use serde_json::{Value, json};
use std::borrow::Cow;
use std::path::{Path, PathBuf};
use whole_file::{TensorFileError, WriteError};

const WEIGHTS: &str = "sae_weights.safetensors";
const CFG: &str = "cfg.json";
const SPARSITY: &str = "sparsity.safetensors";
const SCALER: &str = "activation_scaler.json";
const STATE: &str = "trainer_state.safetensors";

/// A checkpoint that cannot be written or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// A file cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// A file of tensors cannot be written.
    #[error(transparent)]
    Tensors(#[from] TensorFileError),
    /// A file or folder cannot be made, read or removed.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file is damaged, or of another run.
    #[error("{}: {problem}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// It was begun with other settings or data.
    #[error("{}: was begun with other settings or data", path.display())]
    Other {
        /// The checkpoint.
        path: PathBuf,
        /// What it was made from.
        made_from: Box<Value>,
    },
}

impl CheckpointError {
    pub(crate) fn damaged(path: &Path, problem: impl Into<String>) -> Self {
        Self::Damaged {
            path: path.to_owned(),
            problem: problem.into(),
        }
    }

    /// With what can be done about it: a file that is missing or damaged makes its checkpoint useless.
    pub(crate) fn of_checkpoint(self, checkpoint: &Path) -> Self {
        let (path, problem) = match self {
            Self::Damaged { path, problem } => (path, problem),
            Self::Io { path, source } if source.kind() == std::io::ErrorKind::NotFound => {
                (path, "is missing".to_owned())
            }
            other => return other,
        };
        let problem = format!(
            "{problem}; remove {} to go on from the checkpoint before it, or from the beginning if there is none",
            checkpoint.display()
        );
        Self::Damaged { path, problem }
    }

    pub(crate) fn io(path: &Path, source: std::io::Error) -> Self {
        Self::Io {
            path: path.to_owned(),
            source,
        }
    }
}

impl Trainer {
    /// Writes the trainer's files into a folder that exists.
    pub(crate) fn save(&self, dir: &Path, metadata: &SaeMetadata) -> Result<(), CheckpointError> {
        let (architecture, counts) = (self.options.architecture, &self.counts);
        let mut weights = tensors(architecture, self.weights().into_owned(), self.shape);
        if architecture.is_batch_topk() {
            weights.push((
                "topk_threshold".to_owned(),
                Numbers::F64([counts.topk_threshold]),
            ));
        }
        whole_file::save_tensors(&dir.join(WEIGHTS), weights)?;
        let sparsity = Numbers::f32(&[self.shape.d_sae], self.log_sparsity());
        whole_file::save_tensors(&dir.join(SPARSITY), [("sparsity".to_owned(), sparsity)])?;
        whole_file::save_tensors(&dir.join(STATE), self.state())?;
        let mut scaler =
            json!({ "scaling_factor": self.scales.map(|s| s.input), "has_whitening": false });
        if let (true, Some(scales)) = (architecture.is_transcoder(), self.scales) {
            // SAELens trains none, and so has no key for it.
            scaler["target_scaling_factor"] = scales.target.into();
        }
        whole_file::write(&dir.join(SCALER), format!("{scaler}\n").as_bytes())?;
        let cfg = serde_json::to_string_pretty(&self.training_cfg(metadata)).unwrap_or_default();
        Ok(whole_file::write(
            &dir.join(CFG),
            format!("{cfg}\n").as_bytes(),
        )?)
    }

    fn state(&self) -> Vec<Named> {
        let counts = &self.counts;
        let since: Vec<u64> = counts.since_fired.iter().map(|&n| u64::from(n)).collect();
        let scales = self
            .scales
            .map_or([0.0; 2], |s| [s.input, s.target])
            .map(f64::to_bits);
        let mut all = vec![
            (
                "counts".to_owned(),
                Numbers::u64(&[counts.steps, counts.tokens, counts.window_tokens]),
            ),
            ("since_fired".to_owned(), Numbers::u64(&since)),
            ("fired".to_owned(), Numbers::u64(&counts.fired)),
            // The bits of f64: none is lost.
            ("scales".to_owned(), Numbers::u64(&scales)),
            (
                "topk_threshold".to_owned(),
                Numbers::u64(&[counts.topk_threshold.to_bits()]),
            ),
        ];
        let (m, v) = self.moments();
        let kept = [("m", Some(m)), ("v", Some(v)), ("ema", self.ema())];
        for (kind, weights) in kept {
            let mut weights = weights.map(Cow::into_owned).unwrap_or_default();
            for (name, values) in NAMES.iter().zip(weights.parts_mut()) {
                if !values.is_empty() {
                    let values = std::mem::take(values);
                    all.push((
                        format!("{kind}.{name}"),
                        Numbers::f32(&[values.len()], values),
                    ));
                }
            }
        }
        all
    }

    /// `cfg.json` as SAELens' training class writes it.
    fn training_cfg(&self, metadata: &SaeMetadata) -> Value {
        let finished = self.finished(metadata).cfg;
        let mut cfg: Value = serde_json::from_str(&finished.to_json()).unwrap_or_default();
        cfg["architecture"] = self.options.architecture.name().into();
        cfg["normalize_activations"] = json!(self.options.normalize_activations);
        for (key, value) in self.options.of_architecture() {
            cfg[key] = value;
        }
        cfg
    }

    /// Reads what [`save`](Self::save) wrote of a trainer like this one, which is left as it is.
    pub(crate) fn read(&self, dir: &Path) -> Result<Saved, CheckpointError> {
        let (architecture, shape) = (self.options.architecture, self.shape);
        let state = File::read(&dir.join(STATE))?;
        let counts = state.u64("counts", 3)?;
        let since = state.u64("since_fired", shape.d_sae)?;
        let counts = Counts {
            steps: counts[0],
            tokens: counts[1],
            window_tokens: counts[2],
            since_fired: since.into_iter().map(|n| n as u32).collect(),
            fired: state.u64("fired", shape.d_sae)?,
            topk_threshold: f64::from_bits(state.u64("topk_threshold", 1)?[0]),
        };
        let scales = state.u64("scales", 2)?;
        let [input, target] = [0, 1].map(|i| f64::from_bits(scales[i]));
        let read = |kind: &str| -> Result<Weights, CheckpointError> {
            let mut weights = Weights::zeros(architecture, shape);
            for (name, values) in NAMES.iter().zip(weights.parts_mut()) {
                if !values.is_empty() {
                    *values = state.f32(&format!("{kind}.{name}"), values.len())?;
                }
            }
            Ok(weights)
        };
        Ok(Saved {
            weights: self.read_weights(&File::read(&dir.join(WEIGHTS))?)?,
            m: read("m")?,
            v: read("v")?,
            ema: self.options.ema_decay.map(|_| read("ema")).transpose()?,
            counts,
            scales: (input != 0.0).then(|| ActivationScales::new(input, target)),
        })
    }

    /// The weights of a file in SAELens' names and layout.
    fn read_weights(&self, file: &File) -> Result<Weights, CheckpointError> {
        let (architecture, shape) = (self.options.architecture, self.shape);
        let bias = if architecture == TrainArchitecture::Gated {
            "b_gate"
        } else {
            "b_enc"
        };
        let names = [
            "W_enc",
            bias,
            "W_dec",
            "b_dec",
            "threshold",
            "b_mag",
            "r_mag",
            "W_skip",
        ];
        let mut weights = Weights::zeros(architecture, shape);
        for (name, values) in names.iter().zip(weights.parts_mut()) {
            if !values.is_empty() {
                *values = file.f32(name, values.len())?;
            }
        }
        weights.w_enc = transpose(&weights.w_enc, shape.d_sae);
        Ok(weights)
    }

    /// Goes on from what was read.
    pub(crate) fn put(&mut self, saved: Saved) {
        self.restore(
            saved.weights,
            saved.m,
            saved.v,
            saved.ema,
            saved.counts,
            saved.scales,
        );
    }
}

/// A trainer's state, read and checked.
pub(crate) struct Saved {
    weights: Weights,
    m: Weights,
    v: Weights,
    ema: Option<Weights>,
    counts: Counts,
    scales: Option<ActivationScales>,
}

/// A file of tensors in memory.
pub(crate) struct File {
    path: PathBuf,
    bytes: Vec<u8>,
}

impl File {
    pub(crate) fn read(path: &Path) -> Result<Self, CheckpointError> {
        let bytes = std::fs::read(path).map_err(|source| CheckpointError::io(path, source))?;
        Ok(Self {
            path: path.to_owned(),
            bytes,
        })
    }

    /// The bytes of a tensor of so many numbers.
    fn get(&self, name: &str, dtype: Dtype, len: Option<usize>) -> Result<&[u8], CheckpointError> {
        let damaged = |problem: String| CheckpointError::damaged(&self.path, problem);
        let file =
            SafeTensors::deserialize(&self.bytes).map_err(|error| damaged(error.to_string()))?;
        let view = file
            .tensor(name)
            .map_err(|_| damaged(format!("has no tensor {name}")))?;
        let n: usize = view.shape().iter().product();
        if view.dtype() != dtype || len.is_some_and(|len| len != n) {
            let expected = len.map_or(String::new(), |len| format!("{len} numbers of "));
            return Err(damaged(format!(
                "tensor {name} is {:?} of shape {:?}, expected {expected}{dtype:?}",
                view.dtype(),
                view.shape()
            )));
        }
        Ok(view.data())
    }

    pub(crate) fn f32(&self, name: &str, len: usize) -> Result<Vec<f32>, CheckpointError> {
        let bytes = self.get(name, Dtype::F32, Some(len))?;
        Ok(bytes
            .as_chunks::<4>()
            .0
            .iter()
            .map(|b| f32::from_le_bytes(*b))
            .collect())
    }

    pub(crate) fn any_f32(&self, name: &str) -> Result<Vec<f32>, CheckpointError> {
        let bytes = self.get(name, Dtype::F32, None)?;
        Ok(bytes
            .as_chunks::<4>()
            .0
            .iter()
            .map(|b| f32::from_le_bytes(*b))
            .collect())
    }

    pub(crate) fn u64(&self, name: &str, len: usize) -> Result<Vec<u64>, CheckpointError> {
        let bytes = self.get(name, Dtype::U64, Some(len))?;
        Ok(bytes
            .as_chunks::<8>()
            .0
            .iter()
            .map(|b| u64::from_le_bytes(*b))
            .collect())
    }
}
