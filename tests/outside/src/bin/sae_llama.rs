//! A Llama with an SAE in place, measured.

use sae_core::{Sae, SaeLoadOptions};
use sae_llama::burn::tensor::FloatDType;
use sae_llama::resolve::{FoundModel, RunPart, find_run};
use sae_llama::{ReconstructionPath, Spliced, SplitLlama};
use sae_metrics::{ProtocolOptions, Unobserved, evaluate};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let demo = concat!(env!("CARGO_MANIFEST_DIR"), "/../../demo");
    let run = find_run(
        format!("{demo}/run").as_ref(),
        RunPart::All,
        &mut Unobserved,
    )?;
    let found = FoundModel::find(&format!("{demo}/model"), &mut Unobserved)?;
    let on = sae_backend::ComputeDevice::choose("cpu".parse()?, None)?;
    assert_eq!(on.dtype, FloatDType::F32);
    let model = found.load(&on, llama_hooked::Placement::Resident)?;
    let sae = Sae::load(&run.dir, &SaeLoadOptions::new(&on.device))?;
    let split = SplitLlama::new(&model, sae.cfg())?;
    let spliced = Spliced::new(&sae, ReconstructionPath::DecodeEncode);
    let rows = [vec![0, 48, 79, 298], vec![0, 430, 602, 260]];
    let rows = rows.map(Ok::<_, std::convert::Infallible>);
    let options = ProtocolOptions::default();
    let evaluation = evaluate(&split, &spliced, rows, &options, &mut Unobserved)?;
    let losses = &evaluation.reconstruction.cross_entropy;
    println!(
        "{:.4} -> {:.4}",
        losses.original.mean(),
        losses.reconstructed.mean()
    );
    assert_eq!(evaluation.sparsity.tokens.sequences, 2);
    Ok(())
}
