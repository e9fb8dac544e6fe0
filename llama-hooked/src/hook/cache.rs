//! The activations that a capture keeps.

use super::{Activation, HookPoint};
use burn::tensor::Tensor;
use std::collections::BTreeMap;

/// Activations by hook point, in firing order.
#[derive(Debug, Clone, Default)]
pub struct ActivationCache(BTreeMap<HookPoint, Activation>);

impl ActivationCache {
    /// The activation at the point, if it was captured.
    pub fn get(&self, point: HookPoint) -> Option<&Activation> {
        self.0.get(&point)
    }

    /// Takes the activation out.
    pub fn remove(&mut self, point: HookPoint) -> Option<Activation> {
        self.0.remove(&point)
    }

    /// Puts an activation in, and returns the one it replaces.
    pub fn insert(&mut self, point: HookPoint, x: Activation) -> Option<Activation> {
        self.0.insert(point, x)
    }

    /// The activation at a point of rank 3.
    ///
    /// # Panics
    /// If it was not captured or is of rank 4.
    pub fn r3(&self, point: HookPoint) -> Tensor<3> {
        let x = self.get(point).cloned().and_then(Activation::into_r3);
        x.unwrap_or_else(|| panic!("{point} of rank 3 is not in the cache"))
    }

    /// The activation at a point of rank 4.
    ///
    /// # Panics
    /// If it was not captured or is of rank 3.
    pub fn r4(&self, point: HookPoint) -> Tensor<4> {
        let x = self.get(point).cloned().and_then(Activation::into_r4);
        x.unwrap_or_else(|| panic!("{point} of rank 4 is not in the cache"))
    }

    /// [`Activation::inner`] of each.
    #[must_use]
    pub fn inner(self) -> Self {
        let values = self.0.into_iter().map(|(point, x)| (point, x.inner()));
        Self(values.collect())
    }

    /// How many activations there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing was captured.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The activations, in firing order.
    pub fn iter(&self) -> impl Iterator<Item = (HookPoint, &Activation)> {
        self.0.iter().map(|(point, x)| (*point, x))
    }
}

impl IntoIterator for ActivationCache {
    type Item = (HookPoint, Activation);
    type IntoIter = std::collections::btree_map::IntoIter<HookPoint, Activation>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}
