//! The `sae` command: is a sparse autoencoder any good, and what do its features mean.
