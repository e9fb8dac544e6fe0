//! Sequences that go on: each new input is run on top of what the attention of the earlier ones has kept.

use super::attention::Past;
use super::rotary::Rotary;
use super::{ForwardError, Llama};
use crate::config::LlamaConfig;
use crate::hook::{Hook, RowPlace, Run};
use burn::tensor::{DType, Int, Tensor, TensorData};
use fused_ops::KeyValues;

/// The keys and values of a batch of sequences at every layer, as [`Llama::extend`] leaves them.
///
/// It takes 2 · layers · key heads · head width numbers for each position of each row ([`ModelMemory::cache_per_token`]). Cloning shares
/// what is there, so that many continuations of one prompt keep it once ([`select`](Self::select) makes several rows of one).
///
/// [`ModelMemory::cache_per_token`]: crate::ModelMemory::cache_per_token
#[derive(Debug, Clone)]
pub struct KvCache {
    layers: Vec<KeyValues>,
    rows: Vec<RowPlace>,
}

impl KvCache {
    /// An empty one for so many rows.
    pub fn new(model: &LlamaConfig, n_rows: usize) -> Self {
        Self::with_room(model, n_rows, 0)
    }

    /// An empty one that makes room for so many positions of each row at once, rather than as they come.
    pub fn with_room(model: &LlamaConfig, n_rows: usize, positions: usize) -> Self {
        let row = |id| RowPlace {
            id,
            began: id,
            ..RowPlace::default()
        };
        Self {
            layers: vec![KeyValues::with_room(positions); model.n_layers],
            rows: (0..n_rows).map(row).collect(),
        }
    }

    /// How many rows there are.
    pub fn n_rows(&self) -> usize {
        self.rows.len()
    }

    /// How many positions a row has so far.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn n_positions(&self, row: usize) -> usize {
        self.rows[row].before
    }

    /// Keeps these rows in this order, each as often as it comes: those that go on, or one prompt for several continuations. Hooks
    /// hear of them by the ids that they had ([`RowPlace::id`]).
    ///
    /// # Panics
    /// If there is no such row.
    pub fn select(&mut self, rows: &[usize]) {
        self.rows = rows.iter().map(|&row| self.rows[row]).collect();
        for layer in &mut self.layers {
            layer.select(rows);
        }
    }

    /// Numbers the rows anew, from 0. What they were before stays in [`RowPlace::began`].
    pub fn renumber(&mut self) {
        for (id, row) in self.rows.iter_mut().enumerate() {
            row.id = id;
        }
    }
}

impl Llama {
    /// Runs the model on what follows the sequences of the cache, and adds it to them: the same numbers as a run on the whole sequences
    /// has at these positions, edits by hooks included. Hooks hear of the rows and positions by [`Hook::begin`], and are checked
    /// when the cache is empty.
    ///
    /// Rows of unequal length are padded on the left. What hooks see there belongs to no position, and no position sees it.
    ///
    /// # Shapes
    /// `tokens`: one list of ids for each row of the cache, not all empty; p the longest → the outputs of the final norm,
    /// `[b, p, d_model]`. The last column is every row's last token, if it has any.
    ///
    /// # Errors
    /// If the input is empty or not of this model, has other rows than the cache, or a hook names a point that the run does not fire.
    ///
    /// # Panics
    /// If a hook returns another shape than it was given, or the cache is of another model.
    pub fn extend<H: Hook + ?Sized>(
        &self,
        tokens: &[impl AsRef<[u32]>],
        cache: &mut KvCache,
        hooks: &mut H,
    ) -> Result<Tensor<3>, ForwardError> {
        let run = self.plan_extension(tokens, cache)?;
        hooks.begin(&run);
        if run.rows.iter().all(|row| row.before == 0) {
            hooks.check(&run)?;
        }
        let p = run.n_positions;
        let padding: Vec<usize> = run.rows.iter().map(|row| row.padding).collect();
        let ids: Vec<i32> = run.ids.iter().map(|&id| id as i32).collect();
        let ids = TensorData::new(ids, [tokens.len(), p]);
        let ids = Tensor::<2, Int>::from_data(ids, (&self.device, DType::I32));
        let first: Vec<isize> = run
            .rows
            .iter()
            .map(|row| row.before as isize - row.padding as isize)
            .collect();
        let rotary = Rotary::at(&self.config, &first, p, &self.device);
        let mut resid = Some(self.embed(ids, hooks));
        let layers = 0..self.config.n_layers;
        self.weights
            .for_each_block(&self.config, layers, |layer, block| {
                let past = Past {
                    key_values: &mut cache.layers[layer],
                    padding: &padding,
                };
                let input = resid.take().expect("is put back").cast(self.dtype);
                resid = Some(block.forward(layer, input, &rotary, Some(past), hooks));
            });
        for (row, ids) in cache.rows.iter_mut().zip(tokens) {
            row.before += ids.as_ref().len();
        }
        Ok(self.ln_final(resid.expect("was put back"), hooks))
    }

    /// The logits after the last column of outputs of the final norm, in f32: only these are computed. Fires `unembed.hook_out` for that
    /// column alone.
    ///
    /// # Shapes
    /// `normed`: `[b, p, d_model]` → `[b, vocab_size]`.
    pub fn next_logits<H: Hook + ?Sized>(&self, normed: Tensor<3>, hooks: &mut H) -> Tensor<2> {
        let p = normed.dims()[1];
        let last = normed.narrow(1, p - 1, 1);
        let logits = self.logits(last, hooks);
        logits.squeeze_dim::<2>(1).cast(DType::F32)
    }

    fn plan_extension(
        &self,
        tokens: &[impl AsRef<[u32]>],
        cache: &KvCache,
    ) -> Result<Run, ForwardError> {
        let (found, expected) = (tokens.len(), cache.n_rows());
        if found != expected {
            return Err(ForwardError::CacheRows { found, expected });
        }
        assert_eq!(
            cache.layers.len(),
            self.config.n_layers,
            "the cache is of another model"
        );
        let n_positions = tokens
            .iter()
            .map(|ids| ids.as_ref().len())
            .max()
            .unwrap_or(0);
        if n_positions == 0 {
            return Err(ForwardError::EmptyInput(vec![found, 0]));
        }
        let vocab_size = self.config.vocab_size;
        let mut ids = tokens.iter().flat_map(AsRef::as_ref);
        if let Some(&id) = ids.find(|&&id| id as usize >= vocab_size) {
            let id = id.into();
            return Err(ForwardError::TokenOutOfRange { id, vocab_size });
        }
        let place = |(row, ids): (&RowPlace, &_)| RowPlace {
            padding: n_positions - AsRef::<[u32]>::as_ref(ids).len(),
            ..*row
        };
        let rows: Vec<RowPlace> = cache.rows.iter().zip(tokens).map(place).collect();
        let ids = tokens.iter().zip(&rows).flat_map(|(ids, row)| {
            // Any token will do.
            let padding = std::iter::repeat_n(0, row.padding);
            padding.chain(ids.as_ref().iter().copied())
        });
        Ok(Run {
            n_layers: self.config.n_layers,
            embeds: true,
            layers: 0..self.config.n_layers,
            normalizes: true,
            n_positions,
            ids: ids.collect(),
            rows,
            cached: true,
        })
    }
}
