//! The numbers that are trained.

use crate::architecture::TrainArchitecture;
use crate::options::TrainOptions;
use sae_core::ActivationScales;

/// One value for each kind of weight. The encoder is kept as its transpose, so that all of a feature lies together.
///
/// | | shape | which |
/// |---|---|---|
/// | `w_enc` | `[d_sae, d_in]` | all but matching pursuit |
/// | `b_enc` | `[d_sae]` | the same; `b_gate` for gated |
/// | `w_dec` | `[d_sae, d_out]` | all |
/// | `b_dec` | `[d_out]` | all |
/// | `threshold` | `[d_sae]` | jumprelu |
/// | `b_mag`, `r_mag` | `[d_sae]` | gated |
/// | `w_skip` | `[d_out, d_in]` | skip transcoders |
///
/// Those that an architecture does not have are empty.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Weights {
    /// Encoder directions, a row each.
    pub w_enc: Vec<f32>,
    /// Encoder biases.
    pub b_enc: Vec<f32>,
    /// Decoder directions, a row each.
    pub w_dec: Vec<f32>,
    /// What the output is with no feature active.
    pub b_dec: Vec<f32>,
    /// What a pre-activation must exceed.
    pub threshold: Vec<f32>,
    /// Biases of magnitudes.
    pub b_mag: Vec<f32>,
    /// Logarithms of the magnitudes' scale.
    pub r_mag: Vec<f32>,
    /// From the input to the output.
    pub w_skip: Vec<f32>,
}

/// Sizes of an SAE.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Shape {
    /// Width of the input.
    pub d_in: usize,
    /// Width of the output.
    pub d_out: usize,
    /// Features.
    pub d_sae: usize,
}

impl Shape {
    /// An SAE's, from and to vectors of width `d_in` and `d_out`.
    pub fn new(options: &TrainOptions, d_in: usize, d_out: usize) -> Self {
        Self {
            d_in,
            d_out,
            d_sae: options.d_sae,
        }
    }

    /// Numbers in each of the weights, in the order of [`Weights::parts`].
    pub(crate) fn lens(self, architecture: TrainArchitecture) -> [usize; 8] {
        let Self { d_in, d_out, d_sae } = self;
        let only = |there: bool, n: usize| if there { n } else { 0 };
        let encoder = architecture != TrainArchitecture::MatchingPursuit;
        let gated = architecture == TrainArchitecture::Gated;
        [
            only(encoder, d_sae * d_in),
            only(encoder, d_sae),
            d_sae * d_out,
            d_out,
            only(architecture.has_threshold(), d_sae),
            only(gated, d_sae),
            only(gated, d_sae),
            only(architecture.has_skip(), d_out * d_in),
        ]
    }

    /// The factors that bring inputs and targets of these mean norms to √d: `expected_average_only_in`.
    pub fn scales(self, input_norm: f64, target_norm: f64) -> ActivationScales {
        let scale = |d: usize, norm: f64| (d as f64).sqrt() / norm;
        ActivationScales::new(scale(self.d_in, input_norm), scale(self.d_out, target_norm))
    }

    /// Numbers in all.
    pub fn n_params(self, architecture: TrainArchitecture) -> usize {
        self.lens(architecture).iter().sum()
    }
}

/// Names of the weights in checkpoints.
pub(crate) const NAMES: [&str; 8] = [
    "w_enc",
    "b_enc",
    "w_dec",
    "b_dec",
    "threshold",
    "b_mag",
    "r_mag",
    "w_skip",
];

impl Weights {
    /// All zero.
    pub fn zeros(architecture: TrainArchitecture, shape: Shape) -> Self {
        let mut weights = Self::default();
        for (part, n) in weights
            .parts_mut()
            .into_iter()
            .zip(shape.lens(architecture))
        {
            *part = vec![0.0; n];
        }
        weights
    }

    /// Each kind, the empty ones too.
    pub fn parts(&self) -> [&Vec<f32>; 8] {
        [
            &self.w_enc,
            &self.b_enc,
            &self.w_dec,
            &self.b_dec,
            &self.threshold,
            &self.b_mag,
            &self.r_mag,
            &self.w_skip,
        ]
    }

    /// As [`parts`](Self::parts), to be changed.
    pub fn parts_mut(&mut self) -> [&mut Vec<f32>; 8] {
        [
            &mut self.w_enc,
            &mut self.b_enc,
            &mut self.w_dec,
            &mut self.b_dec,
            &mut self.threshold,
            &mut self.b_mag,
            &mut self.r_mag,
            &mut self.w_skip,
        ]
    }

    /// Sets every number to 0.
    pub fn clear(&mut self) {
        for part in self.parts_mut() {
            part.fill(0.0);
        }
    }
}
