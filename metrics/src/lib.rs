#![doc = include_str!("../README.md")]

mod activations;
mod density;
mod features;
mod histogram;
mod legacy_variance;
mod losses;
mod masking;
mod merge;
mod moments;
mod null;
mod observer;
mod prediction;
mod prompt_check;
mod protocol;
mod quality;
mod report;
mod shrinkage;
mod statistics;
mod strength;
mod tensors;
mod vocab;

pub use activations::TokenNorms;
pub use burn;
pub use density::{DensityHistogram, FeatureDensity};
pub use histogram::{Bins, Histogram};
pub use legacy_variance::LegacyVariance;
pub use losses::{CrossEntropy, KlDivergence};
pub use masking::Masking;
pub use merge::MergeError;
pub use moments::Moments;
pub use observer::EvaluationProgress;
pub use prediction::Prediction;
pub use prompt_check::{Answer, PromptCheck, TokenReport, TopToken, show_rank};
pub use protocol::{
    Evaluation, MultiEvaluation, ProtocolError, ProtocolOptions, evaluate, evaluate_ensemble,
    evaluate_more, evaluate_multi, evaluate_multi_more, explained_variance_legacy, reconstruction,
    sparsity,
};
pub use quality::ReconstructionQuality;
pub use report::{
    FeatureMetrics, FeatureWeights, Metrics, ModelBehaviorPreservation,
    ModelPerformancePreservation, ReconstructionQualityFigures, Report, ShrinkageFigures,
    SparsityFigures, TokenStats,
};
pub use sae_progress::{Observer, Unobserved};
pub use sae_traits::{
    Autoencoder, ChainEdit, ChainPlace, Ensemble, Features, MultiRun, MultiSplitModel, Prefix,
    Reconstruction, SparseRows, Splice, SplitModel,
};
pub use shrinkage::Shrinkage;
pub use statistics::{ReconstructionStatistics, SparsityStatistics, TokenCounts};
pub use strength::FeatureStrength;
