//! A model's activations at some hooks.

use super::{RecordError, push};
use burn::tensor::{DType, Int, Tensor, TensorData};
use dataset_stream::TokenTable;
use llama_hooked::{
    Activation, Capture, ForwardOptions, HookPoint, Llama, LlamaConfig, Output, OutputKind,
    Positions,
};
use sae_progress::{Observer, Stopped};
use std::path::Path;
use whole_file::TensorFile;

/// What to keep from every row.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ActivationOptions {
    /// The hooks.
    pub points: Vec<HookPoint>,
    /// Positions to keep of every hook.
    pub positions: Positions,
    /// Whether to keep the logits.
    pub logits: bool,
    /// Whether to keep the loss of each next token.
    pub loss: bool,
    /// The first block not to run; negative counts from the end. `None` runs what the rest needs.
    pub stop_at_layer: Option<isize>,
}

/// How far recording has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecordProgress {
    /// Rows done.
    pub rows: u64,
    /// Of this many.
    pub of: u64,
}

impl ActivationOptions {
    /// All positions of these hooks.
    pub fn new(points: Vec<HookPoint>) -> Self {
        Self {
            points,
            positions: Positions::ALL,
            logits: false,
            loss: false,
            stop_at_layer: None,
        }
    }

    /// Makes sure that the model has the hooks, and that all of them fire.
    ///
    /// # Errors
    /// If it does not, or one does not.
    pub fn check(&self, n_layers: usize) -> Result<(), RecordError> {
        for point in &self.points {
            point.validate(n_layers)?;
        }
        let Some(layer) = self.stop_at_layer else {
            return Ok(());
        };
        let stop = if layer < 0 {
            n_layers.checked_sub(layer.unsigned_abs())
        } else {
            Some(layer.unsigned_abs())
        };
        let Some(stop) = stop.filter(|&stop| stop <= n_layers) else {
            return Err(RecordError::NoSuchLayer { layer, n_layers });
        };
        let fires = |point: &&HookPoint| match point.layer() {
            Some(layer) => layer < stop,
            None => **point == HookPoint::Embed,
        };
        match self.points.iter().find(|point| !fires(point)) {
            Some(&point) => Err(RecordError::DoesNotFire { layer, point }),
            None => Ok(()),
        }
    }

    /// Bytes of what is kept of a row, in f32: once on the device and once on its way to the file.
    pub fn bytes_per_row(&self, config: &LlamaConfig, context_size: usize) -> u64 {
        let hooked = self.points.iter().map(|&point| {
            // The pattern is never there without the scores.
            let copies = match point {
                HookPoint::AttnScores(_) | HookPoint::Pattern(_) => 4,
                _ => 2,
            };
            copies * config.values_at(point, context_size)
        });
        let logits = if self.logits {
            2 * (context_size * config.vocab_size) as u64
        } else {
            0
        };
        4 * (hooked.sum::<u64>() + logits)
    }

    fn output(&self) -> OutputKind {
        if self.logits {
            OutputKind::Logits
        } else if self.loss {
            OutputKind::Loss
        } else {
            OutputKind::Nothing
        }
    }

    /// Where to stop by default: after the highest block that has a hook, unless something after the blocks is wanted.
    fn needed(&self) -> Option<isize> {
        let highest = self.points.iter().max()?;
        let after_the_blocks = highest.layer().is_none() && *highest != HookPoint::Embed;
        if self.logits || self.loss || after_the_blocks {
            return None;
        }
        let stop = highest.layer().map_or(0, |layer| layer + 1);
        isize::try_from(stop).ok()
    }

    /// One batch: everything asked for, by the name it is kept under.
    fn forward(
        &self,
        model: &Llama,
        tokens: Tensor<2, Int>,
    ) -> Result<Vec<(String, TensorData)>, RecordError> {
        let mut capture = Capture::new(self.points.clone()).positions(self.positions);
        let mut batch = Vec::new();
        let mut keep = |name: &str, data| batch.push((name.to_owned(), data));
        if self.logits && self.loss {
            // Both come from one final norm, which `forward` would not give back.
            let n_layers = model.config().n_layers;
            let resid = model.embed(tokens.clone(), &mut capture);
            let resid = model.blocks(resid, 0..n_layers, &mut capture);
            let normed = model.ln_final(resid, &mut capture);
            let logits = model.logits(normed.clone(), &mut capture);
            keep("logits", logits.into_data());
            keep("loss", model.loss_per_token(normed, tokens).into_data());
        } else {
            let mut options = ForwardOptions::default();
            options.stop_at_layer = self.stop_at_layer.or_else(|| self.needed());
            options.output = self.output();
            match model.forward(tokens, &options, &mut capture)? {
                Output::Logits(logits) => keep("logits", logits.into_data()),
                Output::Loss(loss) => keep("loss", loss.into_data()),
                Output::Residual(_) | Output::Nothing => {}
            }
        }
        batch.extend(capture.into_cache().into_iter().map(|(point, x)| {
            let data = match x {
                Activation::R3(x) => x.into_data(),
                Activation::R4(x) => x.into_data(),
            };
            (point.to_string(), data)
        }));
        Ok(batch)
    }
}

/// Runs the model on the first `n_rows` rows of a table, `batch_size` at a time, and writes what is kept as tensors named as the hooks,
/// with the rows as their first axis; `logits` is `[rows, positions, vocabulary]`, `loss` `[rows, positions − 1]` in nats. Returns each
/// tensor's name and shape.
///
/// # Errors
/// If a token is not the model's, the file cannot be written, or the observer stops the work; then there is no file.
pub fn record_activations(
    model: &Llama,
    table: &TokenTable,
    (n_rows, batch_size): (usize, usize),
    options: &ActivationOptions,
    out: &Path,
    observer: &mut impl Observer<RecordProgress>,
) -> Result<Vec<(String, Vec<usize>)>, RecordError> {
    let (vocab_size, context) = (model.config().vocab_size, table.context_size());
    let mut file = TensorFile::new(out, n_rows);
    for start in (0..n_rows).step_by(batch_size) {
        let end = (start + batch_size).min(n_rows);
        let mut ids = Vec::with_capacity((end - start) * context);
        for row in start..end {
            for id in table.row(row)? {
                if id as usize >= vocab_size {
                    return Err(RecordError::UnknownToken {
                        row,
                        id,
                        vocab_size,
                    });
                }
                ids.push(id as i32);
            }
        }
        let tokens = TensorData::new(ids, [end - start, context]);
        let tokens = Tensor::<2, Int>::from_data(tokens, (&model.device(), DType::I32));
        push(&mut file, &options.forward(model, tokens)?)?;
        let (rows, of) = (end as u64, n_rows as u64);
        Stopped::check(observer.observe(&RecordProgress { rows, of }))?;
    }
    Ok(file.finish()?)
}
