//! Llama-architecture language models on burn with TransformerLens' hook points.
