//! Sparse autoencoder architectures and file formats on burn, compatible with SAELens.
