//! What `goldens/interventions.py` wrote.

#![allow(dead_code, reason = "each test file uses a part")]
#![allow(clippy::unwrap_used)] // clippy sees only the #[test] functions as tests, not the functions they share

use burn::tensor::{Device, FloatDType, Tensor};
use llama_hooked::{Llama, LlamaLoadOptions, ModelSource};
use sae_core::{Sae, SaeLoadOptions};
use safetensors::SafeTensors;
use serde_json::Value;
use std::collections::HashMap;
use std::path::PathBuf;

pub(crate) struct Golden {
    pub(crate) settings: Value,
    tensors: HashMap<String, Vec<f32>>,
}

pub(crate) fn data(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("goldens/data/interventions")
        .join(name)
}

impl Golden {
    pub(crate) fn read() -> Self {
        let settings = std::fs::read_to_string(data("settings.json")).unwrap();
        let bytes = std::fs::read(data("expected.safetensors")).unwrap();
        let tensors = SafeTensors::deserialize(&bytes).unwrap().tensors();
        let tensors = tensors.into_iter().map(|(name, view)| {
            let values = view.data().as_chunks().0.iter();
            (name, values.map(|b| f32::from_le_bytes(*b)).collect())
        });
        Self {
            settings: serde_json::from_str(&settings).unwrap(),
            tensors: tensors.collect(),
        }
    }

    pub(crate) fn tensor(&self, name: &str) -> &[f32] {
        let found = self.tensors.get(name);
        found.unwrap_or_else(|| panic!("the golden has no {name}"))
    }

    pub(crate) fn model() -> Llama {
        let files = ModelSource::Dir(data("model")).resolve().unwrap();
        let options = LlamaLoadOptions::new(&Device::flex(), FloatDType::F32);
        Llama::load(&files, &options).unwrap()
    }

    pub(crate) fn sae(name: &str) -> Sae {
        let folder = data("saes").join(name);
        Sae::load(&folder, &SaeLoadOptions::new(&Device::flex())).unwrap()
    }

    pub(crate) fn clean(&self) -> Vec<u32> {
        self.ids("clean")
    }

    pub(crate) fn corrupted(&self) -> Vec<u32> {
        self.ids("corrupted")
    }

    fn ids(&self, key: &str) -> Vec<u32> {
        let ids = self.settings[key].as_array().unwrap().iter();
        ids.map(|id| id.as_u64().unwrap() as u32).collect()
    }

    pub(crate) fn id(&self, key: &str) -> u32 {
        self.settings[key].as_u64().unwrap() as u32
    }
}

pub(crate) fn numbers<const D: usize>(x: Tensor<D>) -> Vec<f32> {
    x.into_data().iter::<f32>().collect()
}

/// The largest difference, of the largest number expected.
pub(crate) fn of_scale(found: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(found.len(), expected.len(), "as many numbers");
    let scale = expected.iter().fold(0.0_f32, |m, x| m.max(x.abs()));
    let pairs = found.iter().zip(expected);
    let error = pairs.map(|(a, b)| (a - b).abs());
    // A NaN must not get lost in a maximum.
    let error = error.fold(0.0, |m: f32, e| if e <= m { m } else { e });
    error / scale.max(1e-6)
}
