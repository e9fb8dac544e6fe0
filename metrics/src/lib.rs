//! Mergeable sparse-autoencoder metrics and the protocols that measure them.
