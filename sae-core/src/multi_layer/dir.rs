//! A folder with a dictionary of several layers, opened but not loaded.

use super::config::{LayerHooks, MultiLayerConfig};
use super::read;
use super::{CrossLayerTranscoder, Crosscoder};
use crate::sae::{SaeLoadOptions, to_f32};
use crate::weights::SaeLoadError;
use std::path::{Path, PathBuf};

/// The files of a cross-layer transcoder or a crosscoder, of which headers and configurations have been read.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct MultiLayerDir {
    /// The folder.
    pub dir: PathBuf,
    /// What it is.
    pub cfg: MultiLayerConfig,
    /// The files that loading reads.
    pub files: Vec<PathBuf>,
}

/// A dictionary of several layers, loaded.
#[derive(Debug)]
#[non_exhaustive]
pub enum MultiLayer {
    /// A cross-layer transcoder.
    CrossLayer(CrossLayerTranscoder),
    /// A crosscoder.
    Crosscoder(Crosscoder),
}

impl MultiLayerDir {
    /// The dictionary in a folder, or whose file this is; none if it is of another kind: an SAE, or nothing known.
    ///
    /// # Errors
    /// If the files are of such a dictionary and cannot be used.
    pub fn find(path: impl AsRef<Path>) -> Result<Option<Self>, SaeLoadError> {
        let path = path.as_ref();
        Ok(read::find(path)?.map(|found| Self {
            dir: found.folder.clone(),
            cfg: found.cfg.clone(),
            files: found.files(),
        }))
    }

    /// Puts it at these hooks, one for each layer, in place of those that its files name. What a layer writes is what it reads, unless the files
    /// say otherwise.
    ///
    /// # Errors
    /// How many there should be, if there are not as many.
    pub fn put_at(&mut self, hooks: &[String]) -> Result<(), usize> {
        if hooks.len() != self.cfg.n_layers {
            return Err(self.cfg.n_layers);
        }
        let hooks = hooks.iter().enumerate().map(|(layer, hook)| {
            let old = self
                .cfg
                .hooks
                .get(layer)
                .filter(|old| old.read != old.write);
            let write = old.map_or_else(|| hook.clone(), |old| old.write.clone());
            LayerHooks::new(hook, write)
        });
        self.cfg.hooks = hooks.collect();
        Ok(())
    }

    /// Loads it. A cross-layer transcoder's large weights stay in their files.
    ///
    /// # Errors
    /// If a tensor is missing, misshapen, not made of floats, or not finite.
    pub fn load(&self, options: &SaeLoadOptions) -> Result<MultiLayer, SaeLoadError> {
        let found = read::find(&self.dir)?.ok_or_else(|| SaeLoadError::Read {
            path: self.dir.clone(),
            source: std::io::Error::other("its files are gone"),
        })?;
        let mut loaded = found.load(options)?;
        match &mut loaded {
            MultiLayer::CrossLayer(of) => of.cfg_mut().hooks.clone_from(&self.cfg.hooks),
            MultiLayer::Crosscoder(of) => of.cfg.hooks.clone_from(&self.cfg.hooks),
        }
        Ok(loaded)
    }
}

impl MultiLayer {
    /// The configuration.
    pub fn cfg(&self) -> &MultiLayerConfig {
        match self {
            Self::CrossLayer(of) => of.cfg(),
            Self::Crosscoder(of) => of.cfg(),
        }
    }

    /// With all encoders of a cross-layer transcoder in memory.
    #[must_use]
    pub fn keep_encoders(self) -> Self {
        match self {
            Self::CrossLayer(of) => Self::CrossLayer(of.keep_encoders()),
            other => other,
        }
    }

    /// The biases of the encoder of a layer, `[d_sae]`; a crosscoder has one for all.
    ///
    /// # Panics
    /// If there is no such layer.
    pub fn b_enc(&self, layer: usize) -> Vec<f32> {
        match self {
            Self::CrossLayer(of) => of.b_enc(layer).to_vec(),
            Self::Crosscoder(of) => to_f32(of.b_enc()),
        }
    }

    /// What a layer writes, as JSON and tables have it.
    pub fn formula(&self) -> &'static str {
        match self {
            Self::CrossLayer(of) if of.cfg().skip => {
                "sum of f_i W_dec_i->l over i <= l, b_dec_l, x_l W_skip_l"
            }
            Self::CrossLayer(_) => "sum of f_i W_dec_i->l over i <= l, b_dec_l",
            Self::Crosscoder(_) => "f W_dec_l, b_dec_l",
        }
    }
}
