#![doc = include_str!("../README.md")]

mod attribute;
mod compare;
mod gradient;
mod lens;
mod memory;
mod metric;
mod patch;
mod placed;
mod prompts;
mod side_by_side;
mod steer;
mod trunk;

pub use attribute::{
    AttributeError, AttributeOptions, AttributeProgress, Attribution, Completeness,
    ComponentEffect, FeatureEffect, FeatureTotal, Method, ParseMethodError, SaeAttribution,
    attribute,
};
pub use burn;
pub use compare::{TokenChange, compare, compare_bytes};
pub use gradient::{Gradients, gradients};
pub use lens::{Lens, LensCell, LensError, LensLayer, LensOptions, LensToken, lens};
pub use memory::{
    attribute_bytes, attribute_rows, gradient_bytes, lens_bytes, patch_bytes, patch_rows,
    recorded_per_token,
};
pub use metric::Metric;
pub use patch::{
    Ends, FeaturePatch, FeaturePatches, PatchError, PatchProgress, Patched, Site, patch,
    patch_features,
};
pub use placed::PlacedSae;
pub use prompts::{Prompts, PromptsError, answer_token};
pub use side_by_side::{Side, SideBySideError, side_by_side};
pub use steer::{
    Amount, FeatureEdit, FeatureFigures, ParseEditError, ParseSpecError, Part, SteerSpec,
    SteeredSae, Steering, SteeringError, Window,
};
pub use trunk::Trunk;
