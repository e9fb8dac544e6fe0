//! The transcoders of a model, checked before anything runs.

use llama_hooked::LlamaConfig;
use sae_attribution_graph::{Transcoders, slug_of};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let config = LlamaConfig::from_json(
        r#"{"vocab_size": 50, "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}"#,
    )?;
    let error = Transcoders::loaded(Vec::new(), &config).expect_err("there are none");
    println!("{}: {error}", slug_of("The capital of Texas is"));
    assert!(error.to_string().contains("no transcoder for blocks 0, 1"));
    Ok(())
}
