//! Where an SAE came from and where it belongs.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What a SAELens configuration says about the model and the data; everything is optional.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SaeMetadata {
    /// TransformerLens' name of the hook the SAE reads at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hook_name: Option<String>,
    /// The hook a transcoder writes at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hook_name_out: Option<String>,
    /// The one head of `hook_name` that was trained on.
    #[serde(default)]
    pub hook_head_index: Option<usize>,
    /// Hub id, or path, of the model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model_name: Option<String>,
    /// The Python class the model was loaded with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model_class_name: Option<String>,
    /// Hub id, or path, of the training data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dataset_path: Option<String>,
    /// Tokens in a row of training data, BOS included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context_size: Option<usize>,
    /// Whether each row began with BOS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prepend_bos: Option<bool>,
    /// The SAELens version that wrote the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sae_lens_version: Option<String>,
    /// Everything else, kept as it was.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl SaeMetadata {
    /// The hook that the SAE's output belongs to: `hook_name_out` where there is one, else `hook_name`.
    pub fn write_hook(&self) -> Option<&str> {
        self.hook_name_out.as_deref().or(self.hook_name.as_deref())
    }
}
