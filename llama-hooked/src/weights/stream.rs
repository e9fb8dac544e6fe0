//! Weights that stay in their files and visit the device block by block.

use super::TensorSource;
use super::decode::Target;
use super::files::WeightFiles;
use super::tensors::{EMBEDDING, UNEMBEDDING};
use crate::config::LlamaConfig;
use burn::tensor::{Device, Int, Tensor, TensorData};
use std::collections::HashMap;
use std::convert::Infallible;
use std::ops::Range;
use std::sync::mpsc::sync_channel;

/// A model's files, checked against its configuration, and where their tensors are to go.
#[derive(Debug)]
pub(crate) struct StreamedWeights {
    files: WeightFiles,
    device: Device,
    target: Target,
    vocab_size: usize,
    d_model: usize,
    /// `lm_head.weight`, or the embedding's name where they are one.
    unembedding: &'static str,
}

const CHECKED: &str = "every tensor was checked when the model was opened";

impl StreamedWeights {
    /// Of files that [`super::load`] has checked.
    pub(super) fn new(
        files: WeightFiles,
        config: &LlamaConfig,
        device: Device,
        target: Target,
    ) -> Self {
        Self {
            files,
            device,
            target,
            vocab_size: config.vocab_size,
            d_model: config.d_model,
            unembedding: if config.tie_word_embeddings {
                EMBEDDING
            } else {
                UNEMBEDDING
            },
        }
    }

    /// Calls `f` with a source of each block's tensors, in order. While `f` works on one block, the next is read and decoded.
    pub(crate) fn for_each_block(
        &self,
        config: &LlamaConfig,
        layers: Range<usize>,
        mut f: impl FnMut(usize, &mut StagedBlock<'_>),
    ) {
        std::thread::scope(|scope| {
            // Without a buffer: one block in use and one on its way is all that memory holds.
            let (send, receive) = sync_channel(0);
            let to_read = layers.clone();
            scope.spawn(move || {
                for layer in to_read {
                    // The receiver goes away early only in a panic, which is told elsewhere.
                    if send.send(self.stage(config, layer)).is_err() {
                        return;
                    }
                }
            });
            for layer in layers {
                let Ok(tensors) = receive.recv() else {
                    panic!("block {layer} could not be read from its file");
                };
                let mut staged = StagedBlock {
                    tensors,
                    device: &self.device,
                    target: self.target,
                };
                f(layer, &mut staged);
            }
        });
    }

    fn stage(&self, config: &LlamaConfig, layer: usize) -> HashMap<String, TensorData> {
        let tensors = super::tensors::block_tensors(config, layer);
        let read = |(name, shape): (String, Vec<usize>)| {
            let data = self.files.read(&name, &shape, self.target).expect(CHECKED);
            (name, data)
        };
        tensors.map(read).collect()
    }

    /// # Shapes
    /// `[n]` ids → `[n, d_model]`.
    pub(crate) fn embed(&self, tokens: Tensor<1, Int>) -> Tensor<2> {
        let ids: Vec<i64> = tokens.into_data().iter::<i64>().collect();
        let rows: Vec<usize> = ids.iter().map(|&id| id as usize).collect();
        let shape = [self.vocab_size, self.d_model];
        let data = self.files.read_rows(EMBEDDING, shape, &rows, self.target);
        self.tensor(data.expect(CHECKED))
    }

    /// # Shapes
    /// `[entries.len(), d_model]`
    pub(crate) fn unembedding(&self, entries: Range<usize>) -> Tensor<2> {
        let shape = [self.vocab_size, self.d_model];
        let data = self
            .files
            .read_range(self.unembedding, shape, entries, self.target);
        self.tensor(data.expect(CHECKED))
    }

    pub(crate) fn device(&self) -> &Device {
        &self.device
    }

    fn tensor<const D: usize>(&self, data: TensorData) -> Tensor<D> {
        Tensor::from_data(data, (&self.device, self.target.dtype()))
    }
}

/// The tensors of one block, in host memory; each moves to the device when it is asked for.
#[derive(Debug)]
pub(crate) struct StagedBlock<'a> {
    tensors: HashMap<String, TensorData>,
    device: &'a Device,
    target: Target,
}

impl StagedBlock<'_> {
    fn take<const D: usize>(&mut self, name: &str) -> Tensor<D> {
        let data = self
            .tensors
            .remove(name)
            .expect("a block's tensors are staged");
        Tensor::from_data(data, (self.device, self.target.dtype()))
    }
}

impl TensorSource for StagedBlock<'_> {
    type Error = Infallible;

    fn vector(&mut self, name: &str, _: usize) -> Result<Tensor<1>, Infallible> {
        Ok(self.take(name))
    }

    fn matrix(&mut self, name: &str, _: [usize; 2]) -> Result<Tensor<2>, Infallible> {
        Ok(self.take(name))
    }
}
