//! Steering: a hook that edits features while the model runs.

mod edit;
mod error;
mod seen;
mod spec;
mod steered;
mod window;

pub use edit::{Amount, FeatureEdit, FeatureFigures, ParseEditError};
pub use error::SteeringError;
pub use spec::{ParseSpecError, SteerSpec};
pub use steered::SteeredSae;
pub use window::{Part, Window};

use burn::tensor::{DType, Int, Tensor, TensorData};
use llama_hooked::{Activation, Hook, HookError, HookPoint, RowPlace, Run};
use seen::Seen;
use window::Columns;

/// SAEs in their places, with edits of their features: a [`Hook`] for any forward pass.
///
/// Each SAE reads and writes at its own hook. Where several write to one point, each sees what the one before it left.
///
/// Special tokens ([`special_tokens`](Self::special_tokens)) are left alone unless the [`Window`] says otherwise, and padding always. Which tokens a
/// pass has and where they are, a forward pass says by itself ([`Hook::begin`]), be it of a whole text, of a batch of unequal prompts or of the
/// next token of rows that a cache holds. Only for the parts of a pass that a caller runs one by one ([`Llama::blocks`](llama_hooked::Llama::blocks)),
/// and those that start from a residual, [`at`](Self::at) says it; and not even there where every position is steered, whatever its token.
///
/// # Panics
/// In a pass of whose tokens it has to know and does not, or whose earlier tokens a temporal SAE has not seen; [`Hook::check`], which
/// [`Llama::forward`](llama_hooked::Llama::forward) asks, says so first.
#[derive(Debug, Clone)]
pub struct Steering {
    saes: Vec<SteeredSae>,
    window: Window,
    /// Ascending.
    special: Vec<u32>,
    prompts: Vec<usize>,
    columns: Option<Columns>,
    /// Whether `at` has said what the columns are, for a pass that has not begun.
    told: bool,
    /// What is wrong with the pass that has begun.
    fault: Option<String>,
    /// What each SAE has read in this pass.
    inputs: Vec<Option<Tensor<3>>>,
    /// Of SAEs that look back, what they have read before.
    seen: Vec<Seen>,
    /// Of each SAE, how far its first edits went.
    changes: Vec<Option<f32>>,
}

const UNTOLD: &str =
    "steering some tokens only needs the tokens: call Steering::at before each pass";

impl Steering {
    /// Steers by these SAEs, everywhere.
    pub fn new(saes: Vec<SteeredSae>) -> Self {
        let n = saes.len();
        Self {
            saes,
            window: Window::default(),
            special: Vec::new(),
            prompts: Vec::new(),
            columns: None,
            told: false,
            fault: None,
            inputs: vec![None; n],
            seen: vec![Seen::default(); n],
            changes: vec![None; n],
        }
    }

    /// Tokens that are left alone.
    #[must_use]
    pub fn special_tokens(mut self, ids: impl IntoIterator<Item = u32>) -> Self {
        self.special = ids.into_iter().collect();
        self.special.sort_unstable();
        self.special.dedup();
        self
    }

    /// Steers only some positions.
    ///
    /// # Errors
    /// If positions count from the end.
    pub fn window(mut self, window: Window) -> Result<Self, SteeringError> {
        self.window = window.checked()?;
        Ok(self)
    }

    /// Says how many tokens the prompt has: one number for all rows of the batch, or one for each; none to forget it. Needed where prompt and
    /// continuation are told apart in a pass without a cache, or where a prompt is read in several passes; otherwise the prompt is the first
    /// input of each row of a [`KvCache`](llama_hooked::KvCache).
    pub fn prompt(&mut self, n_tokens: &[usize]) {
        self.prompts = n_tokens.to_vec();
    }

    /// Says what the next part of a pass is about: the absolute position of its first column, the same in every row, and the tokens of its
    /// columns, row after row.
    ///
    /// # Errors
    /// If the length of the prompt is needed and not known, or an SAE looks back at positions that it has not seen.
    pub fn at(&mut self, first_position: usize, ids: &[u32]) -> Result<(), SteeringError> {
        if self.window.part != Part::All && self.prompts.is_empty() {
            return Err(SteeringError::NoPrompt);
        }
        let mut place = RowPlace::default();
        place.before = first_position;
        let columns = Columns {
            rows: vec![place],
            ids: ids.to_vec(),
        };
        self.look_back(&columns)?;
        (self.columns, self.told) = (Some(columns), true);
        Ok(())
    }

    /// Makes sure that of rows that go on everything has been seen.
    fn look_back(&self, columns: &Columns) -> Result<(), SteeringError> {
        for (sae, seen) in self.saes.iter().zip(&self.seen) {
            if sae.acts() && sae.looks_back() {
                for &row in &columns.rows {
                    seen.check(row)?;
                }
            }
        }
        Ok(())
    }

    /// The SAEs.
    pub fn saes(&self) -> &[SteeredSae] {
        &self.saes
    }

    /// The point nearest to the input at which anything may change; `None` if nothing does. Up to there a steered run is a plain one.
    pub fn first_write(&self) -> Option<HookPoint> {
        let acting = self.saes.iter().filter(|sae| sae.acts());
        acting.map(SteeredSae::write).min()
    }

    /// Of each SAE, how far it moved what was at its hook when it first edited something: `‖x' − x‖ / ‖x‖` over the tokens that were steered in
    /// that pass, usually the prompt's. None where nothing was.
    pub fn relative_changes(&self) -> &[Option<f32>] {
        &self.changes
    }

    /// Whether the tokens of a pass make a difference.
    fn needs_columns(&self) -> bool {
        self.needs_ids()
            || !self.window.is_everywhere()
            || self.saes.iter().any(SteeredSae::looks_back)
    }

    /// Whether the tokens themselves do.
    fn needs_ids(&self) -> bool {
        !self.special.is_empty() && !self.window.special_tokens
    }

    fn edit(&mut self, at: usize, x: Activation) -> Activation {
        let sae = &self.saes[at];
        let target = sae.place.take(x.clone());
        let [b, p, d] = target.dims();
        if let Some(fault) = &self.fault {
            panic!("{fault}");
        }
        let columns = self.columns.as_ref();
        let ids = columns.map_or(0, |columns| columns.ids.len());
        assert!(
            !self.needs_columns() || columns.is_some() && (ids > 0 || !self.needs_ids()),
            "{UNTOLD}"
        );
        assert!(
            ids == 0 || ids == b * p,
            "Steering was told of {ids} tokens, the pass has {b} rows of {p}"
        );
        let chosen = columns
            .and_then(|columns| columns.chosen([b, p], self.window, &self.special, &self.prompts));
        let own = self.inputs[at].take();
        let own = own.unwrap_or_else(|| target.clone());
        let inputs = match columns {
            Some(columns) if sae.looks_back() => Some(self.seen[at].extend(columns, &own)),
            _ => None,
        };
        if chosen.as_ref().is_some_and(Vec::is_empty) {
            return x;
        }
        let flat = target.reshape([b * p, d]);
        let before = self.changes[at].is_none().then(|| {
            let all = flat.clone();
            let steered = chosen.as_ref().map(|chosen| rows(all.clone(), chosen));
            (steered.unwrap_or(all), chosen.clone())
        });
        let edited = match (inputs, chosen) {
            (None, None) => sae.edited(&own, None, flat),
            (None, Some(chosen)) => {
                let before = rows(flat.clone(), &chosen);
                put(flat, &chosen, sae.edited(&own, Some(&chosen), before))
            }
            (Some(inputs), chosen) => {
                let chosen = chosen.unwrap_or_else(|| (0..b * p).collect());
                let mut after = Vec::new();
                for (row, input) in inputs.iter().enumerate() {
                    let its: Vec<usize> =
                        chosen.iter().copied().filter(|at| at / p == row).collect();
                    if its.is_empty() {
                        continue;
                    }
                    // The last column of the pass is the last one that the SAE has seen.
                    let [_, n, _] = input.dims();
                    let in_input: Vec<usize> = its.iter().map(|at| n + at % p - p).collect();
                    let before = rows(flat.clone(), &its);
                    after.push(sae.edited(input, Some(&in_input), before));
                }
                put(flat, &chosen, Tensor::cat(after, 0))
            }
        };
        if let Some((before, chosen)) = before {
            let after = match &chosen {
                Some(chosen) => rows(edited.clone(), chosen),
                None => edited.clone(),
            };
            self.changes[at] = Some(relative_change(before, after));
        }
        let place = self.saes[at].place;
        place.put(x, edited.reshape([b, p, d]))
    }
}

impl Hook for Steering {
    fn wants(&self, point: HookPoint) -> bool {
        self.saes.iter().any(|sae| {
            sae.acts() && (sae.write() == point || (sae.needs_input() && sae.read() == point))
        })
    }

    fn at(&mut self, point: HookPoint, x: Activation) -> Activation {
        let mut x = x;
        for at in 0..self.saes.len() {
            let sae = &self.saes[at];
            if !sae.acts() {
                continue;
            }
            if sae.read() == point && sae.write() != point && sae.needs_input() {
                self.inputs[at] = Some(sae.place.take(x.clone()));
            }
            if sae.write() == point {
                x = self.edit(at, x);
            }
        }
        x
    }

    fn check(&self, run: &Run) -> Result<(), HookError> {
        for sae in self.saes.iter().filter(|sae| sae.acts()) {
            run.check(sae.write())?;
            if sae.needs_input() {
                run.check(sae.read())?;
            }
        }
        if let Some(fault) = &self.fault {
            return Err(HookError::NotReady(fault.clone()));
        }
        let columns = self.columns.as_ref();
        let lacks_ids = self.needs_ids() && columns.is_none_or(|columns| columns.ids.is_empty());
        if (columns.is_none() || lacks_ids) && self.needs_columns() {
            return Err(HookError::NotReady(UNTOLD.to_owned()));
        }
        Ok(())
    }

    fn begin(&mut self, run: &Run) {
        self.fault = None;
        self.inputs.fill(None);
        let told = std::mem::take(&mut self.told);
        if told && run.ids.is_empty() {
            return;
        }
        let columns = Columns {
            rows: run.rows.clone(),
            ids: run.ids.clone(),
        };
        let unknown = self.window.part != Part::All && self.prompts.is_empty() && !run.cached;
        let fault = if unknown {
            Err(SteeringError::NoPrompt)
        } else {
            self.look_back(&columns)
        };
        self.fault = fault.err().map(|error| error.to_string());
        self.columns = Some(columns);
    }
}

/// `‖after − before‖ / ‖before‖`.
fn relative_change(before: Tensor<2>, after: Tensor<2>) -> f32 {
    let norm = |x: Tensor<2>| x.cast(DType::F32).square().sum().sqrt();
    (norm(after - before.clone()) / norm(before)).into_scalar()
}

/// Rows of a matrix in the place of those that are there.
fn put(x: Tensor<2>, which: &[usize], after: Tensor<2>) -> Tensor<2> {
    let [n, _] = x.dims();
    // Each row from where it is: as it was, or behind those, edited.
    let mut from: Vec<usize> = (0..n).collect();
    for (at, &row) in which.iter().enumerate() {
        from[row] = n + at;
    }
    rows(Tensor::cat(vec![x, after], 0), &from)
}

/// Some rows of a matrix.
pub(crate) fn rows(x: Tensor<2>, which: &[usize]) -> Tensor<2> {
    let at = indices(which, &x);
    x.select(0, at)
}

fn indices(which: &[usize], beside: &Tensor<2>) -> Tensor<1, Int> {
    let numbers: Vec<i32> = which.iter().map(|&i| i as i32).collect();
    let numbers = TensorData::new(numbers, [which.len()]);
    Tensor::from_data(numbers, (&beside.device(), DType::I32))
}
