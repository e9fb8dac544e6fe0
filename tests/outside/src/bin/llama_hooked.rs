//! A model, and one of its activations.

use llama_hooked::burn::tensor::{Device, FloatDType, Int, Tensor};
use llama_hooked::{ForwardOptions, HookPoint, Llama, LlamaLoadOptions, ModelSource, Positions};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let device = Device::flex();
    let demo = concat!(env!("CARGO_MANIFEST_DIR"), "/../../demo/model");
    let files = ModelSource::parse(demo)?.resolve()?;
    let model = Llama::load(&files, &LlamaLoadOptions::new(&device, FloatDType::F32))?;
    let tokens = Tensor::<2, Int>::from_ints([[0, 48, 79]], &device);
    let hook: HookPoint = "blocks.2.hook_resid_pre".parse()?;
    let options = ForwardOptions::default();
    let (_, cache) = model.run_with_cache(tokens, &options, hook, Positions::ALL)?;
    println!("{hook}: {:?}", cache.r3(hook).dims());
    assert_eq!(cache.r3(hook).dims(), [1, 3, 128]);
    Ok(())
}
