//! One SAE in its place, and what its edits make of the activation there.

use super::edit::{Amount, FeatureEdit, FeatureFigures};
use super::{SteeringError, rows};
use crate::PlacedSae;
use burn::tensor::{Tensor, TensorData, activation::relu};
use llama_hooked::{HookPoint, LlamaConfig};
use sae_core::{Architecture, Encoded, Sae, SparseRows};
use sae_llama::Place;

/// An SAE at its hook, with edits of its features.
///
/// With the error term (the default), `x' = x + Σ(f'ᵢ − fᵢ)·W_decᵢ`: what the SAE does not reconstruct stays as it is, and without edits
/// nothing changes. Without it, `x' = forward(f')`: the SAE's whole output, with a skip connection or a temporal prediction where the
/// architecture has one, takes the activation's place, also where there are no edits.
///
/// `f` are the activations before any edit, selected once: an edit of one feature makes no other feature of a TopK SAE fire or fall silent.
/// Edits along directions (`add`, `orthogonal`, `cap`) follow, in the order in which they were given.
#[derive(Debug, Clone)]
pub struct SteeredSae {
    pub(super) place: Place,
    sae: Sae,
    error_term: bool,
    settings: Vec<Setting>,
    directed: Vec<Directed>,
}

/// `f' = max(factor·f + offset, least)`.
#[derive(Debug, Clone, Copy)]
struct Setting {
    feature: u32,
    edit: FeatureEdit,
    factor: f32,
    offset: f32,
    least: f32,
}

/// An edit along a unit direction.
#[derive(Debug, Clone)]
struct Directed {
    edit: FeatureEdit,
    /// `[1, d_out]`, of length 1.
    unit: Tensor<2>,
}

impl Setting {
    fn of(&self, f: f32) -> f32 {
        // As the tensors do: a maximum with a NaN is the other number in Rust.
        let set = self.factor * f + self.offset;
        if set < self.least { self.least } else { set }
    }
}

impl SteeredSae {
    /// An SAE where its configuration says, with its error term and no edits yet. It shares the weights of the SAE that is given.
    ///
    /// # Errors
    /// If it does not fit the model.
    pub fn new(model: &LlamaConfig, sae: &Sae) -> Result<Self, SteeringError> {
        let PlacedSae { place, sae } = PlacedSae::new(model, sae)?;
        Ok(Self {
            place,
            sae,
            error_term: true,
            settings: Vec::new(),
            directed: Vec::new(),
        })
    }

    /// Whether what the SAE does not reconstruct stays in the activation.
    #[must_use]
    pub fn error_term(mut self, keep: bool) -> Self {
        self.error_term = keep;
        self
    }

    /// Adds an edit, in plain numbers.
    ///
    /// # Errors
    /// If there is no such feature, its activation is set already, it has no direction to go along, or the edit is in multiples of a figure
    /// that is not known.
    pub fn edit(self, feature: u32, edit: FeatureEdit) -> Result<Self, SteeringError> {
        self.edit_knowing(feature, edit, FeatureFigures::default())
    }

    /// Adds an edit that may be in multiples of the feature's maximum, or set it to its mean.
    ///
    /// # Errors
    /// As [`edit`](Self::edit).
    pub fn edit_knowing(
        mut self,
        feature: u32,
        edit: FeatureEdit,
        figures: FeatureFigures,
    ) -> Result<Self, SteeringError> {
        let d_sae = self.sae.cfg().d_sae;
        if feature as usize >= d_sae {
            return Err(SteeringError::NoFeature { feature, d_sae });
        }
        let edit = edit.resolved(feature, figures)?;
        if edit.sets_activation() {
            if let Some(first) = self.settings.iter().find(|s| s.feature == feature) {
                return Err(SteeringError::Twice {
                    feature,
                    first: first.edit,
                    second: edit,
                });
            }
            self.settings.push(setting(feature, edit));
            return Ok(self);
        }
        let row = self.sae.directions(&[feature]);
        let norm = row.clone().square().sum().sqrt();
        let length: f32 = norm.clone().into_scalar();
        if !(length.is_finite() && length > 0.0) {
            return Err(SteeringError::NoDirection {
                feature,
                edit,
                norm: length,
            });
        }
        self.directed.push(Directed {
            edit,
            unit: row / norm.unsqueeze(),
        });
        Ok(self)
    }

    /// The point it reads at.
    pub fn read(&self) -> HookPoint {
        self.place.read()
    }

    /// The point it writes to.
    pub fn write(&self) -> HookPoint {
        self.place.write()
    }

    /// The SAE.
    pub fn sae(&self) -> &Sae {
        &self.sae
    }

    /// Whether it changes anything at all.
    pub(super) fn acts(&self) -> bool {
        !(self.error_term && self.settings.is_empty() && self.directed.is_empty())
    }

    /// Whether features of a token depend on the tokens before it.
    pub(super) fn looks_back(&self) -> bool {
        matches!(self.sae.cfg().architecture, Architecture::Temporal(_))
    }

    /// Whether it has to see the activation at the point where it reads.
    pub(super) fn needs_input(&self) -> bool {
        !(self.error_term && self.settings.is_empty())
    }

    /// The activation at the write point after the edits, at some of the positions.
    ///
    /// # Shapes
    /// `input`: `[b, p, d_in]`, of every position that the SAE may look at; `chosen`: which of the `b·p` rows to edit; `target`:
    /// `[chosen.len(), d_out]`, what is at the write point there → the same.
    pub(super) fn edited(
        &self,
        input: &Tensor<3>,
        chosen: Option<&[usize]>,
        target: Tensor<2>,
    ) -> Tensor<2> {
        let dtype = target.dtype();
        let mut x = target.cast(self.sae.dtype());
        if !self.error_term {
            x = self.output(input, chosen);
        } else if !self.settings.is_empty() {
            x = x + self.change(input, chosen);
        }
        for Directed { edit, unit } in &self.directed {
            let along = || fused_dot(&x, unit);
            x = match *edit {
                FeatureEdit::Add(Amount::Value(s)) => x + unit.clone().mul_scalar(s),
                FeatureEdit::Orthogonal(c) => {
                    let along = along();
                    x + along.mul_scalar(c - 1.0) * unit.clone()
                }
                FeatureEdit::Cap(Amount::Value(c)) => {
                    let beyond = relu(along().sub_scalar(c));
                    x - beyond * unit.clone()
                }
                _ => unreachable!("the others set activations, and amounts are resolved"),
            };
        }
        x.cast(dtype)
    }

    /// `Σ(f' − f)·W_dec`.
    fn change(&self, input: &Tensor<3>, chosen: Option<&[usize]>) -> Tensor<2> {
        let features: Vec<u32> = self.settings.iter().map(|s| s.feature).collect();
        // What looks back has to see all positions, and is scaled by a constant alone, so that rows can be left out afterwards.
        let (encoded, chosen) = match chosen {
            Some(chosen) if !self.looks_back() => {
                let [b, p, d] = input.dims();
                let some = rows(input.clone().reshape([b * p, d]), chosen);
                let some = some.reshape([1, chosen.len(), d]);
                (self.sae.encode_some(some, &features), None)
            }
            chosen => (self.sae.encode_some(input.clone(), &features), chosen),
        };
        let f = match chosen {
            Some(chosen) => rows(encoded.values, chosen),
            None => encoded.values,
        };
        let of_settings = |value: &dyn Fn(&Setting) -> f32| {
            let values = self.settings.iter().map(value).collect::<Vec<f32>>();
            let values = TensorData::new(values, [1, self.settings.len()]);
            Tensor::<2>::from_data(values, (&f.device(), f.dtype()))
        };
        let set = f.clone() * of_settings(&|s| s.factor) + of_settings(&|s| s.offset);
        let least = of_settings(&|s| s.least);
        let below = set.clone().lower(least.clone());
        let set = set.clone().mask_where(below, least.expand(set.dims()));
        self.sae.decode_change(set - f, &features, &encoded.state)
    }

    /// forward(f').
    fn output(&self, input: &Tensor<3>, chosen: Option<&[usize]>) -> Tensor<2> {
        let (input, chosen) = match chosen {
            Some(chosen) if !self.looks_back() => {
                let [b, p, d] = input.dims();
                let some = rows(input.clone().reshape([b * p, d]), chosen);
                (some.reshape([1, chosen.len(), d]), None)
            }
            chosen => (input.clone(), chosen),
        };
        let [b, p, _] = input.dims();
        let out = if sae_backend::is_host(&self.sae.device()) {
            let mut encoded = self.sae.encode_sparse(input);
            if !self.settings.is_empty() {
                encoded.features = self.set_sparse(&encoded.features);
            }
            self.sae.forward_sparse(&encoded, p)
        } else {
            let encoded = self.sae.encode(input);
            self.sae.forward_encoded(&self.set_dense(encoded))
        };
        let [_, _, d_out] = out.dims();
        let out = out.reshape([b * p, d_out]);
        match chosen {
            Some(chosen) => rows(out, chosen),
            None => out,
        }
    }

    fn set_sparse(&self, features: &SparseRows) -> SparseRows {
        let mut settings = self.settings.clone();
        settings.sort_unstable_by_key(|s| s.feature);
        let edited = (0..features.n_rows()).map(|row| {
            let mut entries: Vec<(u32, f32)> = features
                .entries(row)
                .map(|(feature, value)| (feature as u32, value))
                .collect();
            for setting in &settings {
                let at = entries.binary_search_by_key(&setting.feature, |e| e.0);
                match at {
                    Ok(at) => entries[at].1 = setting.of(entries[at].1),
                    Err(at) => entries.insert(at, (setting.feature, setting.of(0.0))),
                }
            }
            entries
        });
        SparseRows::from_rows(edited, features.d_sae)
    }

    fn set_dense(&self, encoded: Encoded) -> Encoded {
        let Encoded {
            mut features,
            state,
        } = encoded;
        let [b, p, _] = features.dims();
        for setting in &self.settings {
            let at = setting.feature as usize;
            let f = features.clone().narrow(2, at, 1);
            let set = f.mul_scalar(setting.factor).add_scalar(setting.offset);
            let below = set.clone().lower_scalar(setting.least);
            let set = set.mask_fill(below, setting.least);
            features = features.slice_assign([0..b, 0..p, at..at + 1], set);
        }
        Encoded { features, state }
    }
}

/// The projections of rows on a unit direction: `[n, d]`, `[1, d]` → `[n, 1]`.
fn fused_dot(x: &Tensor<2>, unit: &Tensor<2>) -> Tensor<2> {
    (x.clone() * unit.clone()).sum_dim(1)
}

fn setting(feature: u32, edit: FeatureEdit) -> Setting {
    let keep = Setting {
        feature,
        edit,
        factor: 1.0,
        offset: 0.0,
        least: f32::NEG_INFINITY,
    };
    let to = |offset| Setting {
        factor: 0.0,
        offset,
        ..keep
    };
    match edit {
        FeatureEdit::AddRaw(Amount::Value(offset)) => Setting { offset, ..keep },
        FeatureEdit::MinClamp(Amount::Value(least)) => Setting { least, ..keep },
        FeatureEdit::Scale(factor) => Setting { factor, ..keep },
        FeatureEdit::Clamp(Amount::Value(value)) | FeatureEdit::Mean(Some(value)) => to(value),
        FeatureEdit::Ablate => to(0.0),
        _ => unreachable!("the others go along directions, and amounts are resolved"),
    }
}
