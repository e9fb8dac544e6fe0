//! Training goes through these: on a CPU device that records gradients, an SAE gives the plain device's numbers, and gradients reach its
//! input.

#![cfg(feature = "cpu")]
#![allow(clippy::unwrap_used)] // clippy sees only the #[test] functions as tests, not the functions they share

use burn::tensor::{Device, FloatDType, Tensor, TensorData};
use sae_core::{Architecture, Sae, SaeConfig, SaeLoadOptions, TopK};

fn numbers<const D: usize>(x: Tensor<D>) -> Vec<f32> {
    x.into_data().iter::<f32>().collect()
}

#[test]
fn gradients_reach_the_input_through_every_way_of_selecting() {
    let topk = TopK {
        k: 3,
        rescale_acts_by_decoder_norm: false,
    };
    let rescaled = TopK {
        rescale_acts_by_decoder_norm: true,
        ..topk
    };
    for architecture in [
        Architecture::Standard,
        Architecture::JumpRelu,
        Architecture::TopK(topk),
        Architecture::TopK(rescaled),
        Architecture::AbsTopK(topk),
    ] {
        let name = architecture.name();
        let (plain, recording) = (Device::flex(), Device::flex().autodiff());
        // One set of weights, from a file: the device's generator is shared.
        let dir = tempfile::tempdir().unwrap();
        let cfg = SaeConfig::new(architecture.clone(), 6, 20);
        let made = Sae::random(cfg, 3, &plain, FloatDType::F32).unwrap();
        made.save(dir.path()).unwrap();
        let sae = |device| Sae::load(dir.path(), &SaeLoadOptions::new(device)).unwrap();
        let (on_plain, on_recording) = (sae(&plain), sae(&recording));
        let values = (0..48).map(|i| ((i * 7919 % 101) as f32 / 50.0 - 1.0) * 1.5);
        let data = TensorData::new(values.collect::<Vec<f32>>(), [2, 4, 6]);

        let x = Tensor::<3>::from_data(data.clone(), &recording).require_grad();
        let encoded = on_recording.encode(x.clone());
        let gradients = encoded.features.clone().square().sum().backward();
        let gradient = x.grad(&gradients).map(numbers);
        let gradient = gradient.unwrap_or_else(|| panic!("{name}: encoding detaches"));
        assert!(gradient.iter().any(|g| g.abs() > 1e-3), "{name}");

        let x = Tensor::<3>::from_data(data.clone(), &recording).require_grad();
        let out = on_recording.forward(x.clone());
        let gradients = out.clone().square().sum().backward();
        assert!(x.grad(&gradients).is_some(), "{name}: forward detaches");

        let x = Tensor::<3>::from_data(data, &plain);
        let expected = numbers(on_plain.encode(x.clone()).features);
        let sparse = on_plain.encode_sparse(x.clone()).features.to_dense();
        for (found, expected) in numbers(encoded.features.inner()).iter().zip(&expected) {
            assert!((found - expected).abs() < 1e-5, "{name}");
        }
        for (found, expected) in sparse.iter().zip(&expected) {
            assert!((found - expected).abs() < 1e-5, "{name}, sparse");
        }
        let forward = numbers(on_plain.forward(x));
        for (found, expected) in numbers(out.inner()).iter().zip(&forward) {
            assert!((found - expected).abs() < 1e-4, "{name}, forward");
        }
    }
}
