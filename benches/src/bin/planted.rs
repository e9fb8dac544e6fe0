//! How many planted directions each architecture finds: a table in Markdown.
//!
//! `planted [SEED]`, with the data and settings of the test `sae-train/tests/planted.rs`. The seed, 11 without one, is that of the data.

#![allow(clippy::print_stdout)] // the table is the result

#[path = "../../../sae-train/tests/planted/mod.rs"]
mod planted;

use planted::{Outcome, train};
use sae_train::TrainArchitecture;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let seed = std::env::args()
        .nth(1)
        .map_or(Ok(11), |seed| seed.parse())?;
    println!("{}", Outcome::HEAD);
    for architecture in TrainArchitecture::ALL {
        println!("{}", train(architecture, seed).row());
    }
    Ok(())
}
