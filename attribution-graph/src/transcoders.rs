//! A transcoder for each of a model's MLPs.

use crate::error::TranscoderError;
use crate::place::{Place, Reads};
use burn::tensor::{Device, FloatDType};
use llama_hooked::LlamaConfig;
use sae_core::{NormalizeActivations, RunDir, Sae, SaeConfig, SaeLoadError, SaeLoadOptions};

/// A transcoder for each block, in order: in their files, of which one at a time is in memory, or loaded.
#[derive(Debug, Clone)]
pub struct Transcoders {
    source: Source,
    reads: Vec<Reads>,
}

#[derive(Debug, Clone)]
enum Source {
    Files(Vec<RunDir>),
    Loaded(Vec<Sae>),
}

impl Transcoders {
    /// Transcoders in their runs. They are loaded one at a time, when they are needed.
    ///
    /// # Errors
    /// If a run is not a transcoder of this model, or a block has none, or two.
    pub fn from_runs(runs: Vec<RunDir>, model: &LlamaConfig) -> Result<Self, TranscoderError> {
        let named = runs.into_iter().map(|run| {
            let name = run.dir.display().to_string();
            (name, run.cfg.clone(), run)
        });
        let (reads, runs) = in_order(named.collect(), model)?;
        Ok(Self {
            source: Source::Files(runs),
            reads,
        })
    }

    /// Transcoders that are in memory.
    ///
    /// # Errors
    /// As [`from_runs`](Self::from_runs).
    pub fn loaded(saes: Vec<Sae>, model: &LlamaConfig) -> Result<Self, TranscoderError> {
        let named = saes.into_iter().enumerate().map(|(i, sae)| {
            let name = format!("transcoder {i}");
            (name, sae.cfg().clone(), sae)
        });
        let (reads, saes) = in_order(named.collect(), model)?;
        Ok(Self {
            source: Source::Loaded(saes),
            reads,
        })
    }

    /// The number of blocks.
    pub fn n_layers(&self) -> usize {
        self.reads.len()
    }

    /// What the transcoder of a block reads.
    ///
    /// # Panics
    /// If there is no such block.
    pub fn reads(&self, layer: usize) -> Reads {
        self.reads[layer]
    }

    /// The configuration of a block's transcoder.
    ///
    /// # Panics
    /// If there is no such block.
    pub fn cfg(&self, layer: usize) -> &SaeConfig {
        match &self.source {
            Source::Files(runs) => &runs[layer].cfg,
            Source::Loaded(saes) => saes[layer].cfg(),
        }
    }

    /// The runs, where that is what they are.
    pub fn runs(&self) -> &[RunDir] {
        match &self.source {
            Source::Files(runs) => runs,
            Source::Loaded(_) => &[],
        }
    }

    /// Features active on a token at the most that one of them was seen to have in training, or 100 where none has recorded it.
    pub fn expected_l0(&self) -> f64 {
        let recorded = self.runs().iter().filter_map(|run| {
            let l0 = run.log_sparsity.as_ref()?.mean_l0()?;
            l0.is_finite().then_some(l0)
        });
        recorded.reduce(f64::max).unwrap_or(100.0)
    }

    /// The number of weights of the largest.
    ///
    /// # Errors
    /// If the header of a file cannot be read.
    pub fn most_params(&self) -> Result<u64, SaeLoadError> {
        match &self.source {
            Source::Files(runs) => {
                let n_params = runs.iter().map(RunDir::n_params);
                let n_params = n_params.collect::<Result<Vec<_>, _>>()?;
                Ok(n_params.into_iter().max().unwrap_or(0))
            }
            Source::Loaded(_) => Ok(0),
        }
    }

    /// A block's transcoder on the device, in f32.
    pub(crate) fn load(&self, layer: usize, device: &Device) -> Result<Sae, SaeLoadError> {
        match &self.source {
            Source::Files(runs) => {
                let mut options = SaeLoadOptions::new(device);
                options.dtype = FloatDType::F32;
                let run = &runs[layer];
                Sae::load_weights(run.cfg.clone(), &run.weights, &options)
            }
            Source::Loaded(saes) => Ok(saes[layer].clone()),
        }
    }
}

/// Sorted by layer, and what each reads.
fn in_order<T>(
    transcoders: Vec<(String, SaeConfig, T)>,
    model: &LlamaConfig,
) -> Result<(Vec<Reads>, Vec<T>), TranscoderError> {
    let n_layers = model.n_layers;
    let mut slots: Vec<Option<(String, Reads, T)>> = (0..n_layers).map(|_| None).collect();
    for (name, cfg, transcoder) in transcoders {
        let Place { layer, reads } = check(&name, &cfg, model)?;
        match slots.get_mut(layer) {
            None => {
                let last = n_layers.saturating_sub(1);
                return Err(TranscoderError::NoSuchLayer { name, layer, last });
            }
            Some(Some((first, ..))) => {
                return Err(TranscoderError::Twice {
                    layer,
                    first: first.clone(),
                    second: name,
                });
            }
            Some(slot) => *slot = Some((name, reads, transcoder)),
        }
    }
    let missing = slots.iter().enumerate().filter(|(_, slot)| slot.is_none());
    let layers: Vec<usize> = missing.map(|(layer, _)| layer).collect();
    if !layers.is_empty() {
        return Err(TranscoderError::Missing { layers, n_layers });
    }
    let all = slots.into_iter().flatten();
    Ok(all
        .map(|(_, reads, transcoder)| (reads, transcoder))
        .unzip())
}

/// Whether this is a transcoder of the model, and where.
fn check(name: &str, cfg: &SaeConfig, model: &LlamaConfig) -> Result<Place, TranscoderError> {
    let name = name.to_owned();
    if !cfg.architecture.is_transcoder() {
        let architecture = cfg.architecture.name();
        return Err(TranscoderError::NotATranscoder { name, architecture });
    }
    let scales = !matches!(
        cfg.normalize_activations,
        NormalizeActivations::None
            | NormalizeActivations::ExpectedAverageOnlyIn
            | NormalizeActivations::CovarianceWhitening
    );
    if scales {
        let normalization = cfg.normalize_activations.name();
        return Err(TranscoderError::Normalizes {
            name,
            normalization,
        });
    }
    if [cfg.d_in, cfg.d_out] != [model.d_model; 2] {
        return Err(TranscoderError::Width {
            name,
            d_in: cfg.d_in,
            d_out: cfg.d_out,
            d_model: model.d_model,
        });
    }
    Place::of(cfg).map_err(|problem| TranscoderError::Place { name, problem })
}

/// Whether a transcoder adds its input, times a matrix, to its output.
pub(crate) fn skips(cfg: &SaeConfig) -> bool {
    cfg.architecture.skips()
}
