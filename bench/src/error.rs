//! Why a benchmark cannot be run.

/// Data that cannot be benchmarked.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum BenchError {
    /// An activation of another width.
    #[error("text {text} has an activation of {width} numbers, and the others have {expected}")]
    Width {
        /// The text, counted from 0 in its class.
        text: usize,
        /// Its width.
        width: usize,
        /// The width of the others.
        expected: usize,
    },
    /// A feature that does not exist, or is out of order.
    #[error(
        "text {text} has feature {feature} out of order or not below {d_sae}; give each feature once, in ascending order"
    )]
    Feature {
        /// The text, counted from 0 in its class.
        text: usize,
        /// The feature.
        feature: u32,
        /// Features there are.
        d_sae: usize,
    },
    /// A value that is infinite or not a number.
    #[error(
        "text {text} has a value of {value}; do the SAE and the model belong together, and does the dtype hold the numbers?"
    )]
    NotFinite {
        /// The text, counted from 0 in its class.
        text: usize,
        /// The value.
        value: f32,
    },
    /// One class.
    #[error(
        "there are {0} classes; a probe tells a class from others, so give texts of two at least"
    )]
    Classes(usize),
    /// Too few texts of other classes.
    #[error(
        "the class {class} has {positives} texts of the {split} set, and the other classes give {negatives} to tell them from; a probe wants as many. Give each class \
         about as many texts"
    )]
    Unbalanced {
        /// The class.
        class: String,
        /// `train` or `test`.
        split: &'static str,
        /// Texts of the class.
        positives: usize,
        /// Texts of other classes that are used.
        negatives: usize,
    },
    /// A class without texts.
    #[error("the class {class} has no texts in the {split} set")]
    Empty {
        /// The class.
        class: String,
        /// `train` or `test`.
        split: &'static str,
    },
    /// Directions of another shape.
    #[error("there are {found} numbers of {what}, and {expected} were expected")]
    Shape {
        /// Of what.
        what: &'static str,
        /// How many.
        found: usize,
        /// How many there should be.
        expected: usize,
    },
}
