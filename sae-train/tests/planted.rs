//! Each architecture finds directions that were planted in its data.

#[path = "planted/mod.rs"]
mod planted;

use planted::{Outcome, train};
use sae_train::TrainArchitecture;

/// One of eight that were tried (1, 11, …, 71): with each, every architecture finds at least 96.9 % (62 of 64).
const SEED: u64 = 11;

#[test]
fn every_architecture_finds_the_planted_directions() {
    let outcomes = TrainArchitecture::ALL.map(|architecture| train(architecture, SEED));
    let table: Vec<String> = outcomes.iter().map(Outcome::row).collect();
    let table = format!("{}\n{}", Outcome::HEAD, table.join("\n"));
    for outcome in &outcomes {
        let architecture = outcome.architecture;
        assert!(outcome.recovered >= 0.95, "{architecture}:\n{table}");
        // Features and skip connection can share what is linear in more than one way, above all where the sparsity loss is a number of
        // features. What is left for features to find are the planted directions but for a little: the best |cosine| with these is 0.98
        // on average, with what is left it is above 0.99.
        let beside = outcome.recovered_beside_skip.unwrap_or(1.0);
        assert!(beside >= 0.95, "{architecture}:\n{table}");
        let [first, last] = outcome.mse;
        assert!(last < 0.25 * first, "{architecture}:\n{table}");
        let [first, last] = outcome.loss;
        assert!(last < 0.5 * first, "{architecture}:\n{table}");
    }
}
