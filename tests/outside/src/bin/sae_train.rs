//! Trains a small SAE on numbers of its own.

use sae_train::{TrainArchitecture, TrainOptions, Trainer};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut options = TrainOptions::default();
    options.architecture = TrainArchitecture::BatchTopK;
    (options.d_sae, options.k) = (24, 2.5);
    (options.train_batch_size_tokens, options.training_tokens) = (32, 32 * 20);
    let batch: Vec<f32> = (0..32 * 6).map(|i| ((i * 7) % 13) as f32 - 6.0).collect();
    let mut trainer = Trainer::new(&options, 6, 6)?;
    while !trainer.is_done() {
        let report = trainer.step(&batch, None)?;
        assert!(report.overall_loss.is_finite());
    }
    let finished = trainer.finished(&Default::default());
    assert_eq!(finished.cfg.architecture.name(), "jumprelu");
    Ok(())
}
