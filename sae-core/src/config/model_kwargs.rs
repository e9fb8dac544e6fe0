//! How the model was loaded in training, as far as the configuration says.

use super::SaeMetadata;
use serde_json::{Map, Value};

/// The key under which SAELens keeps the arguments of `from_pretrained`.
const KEY: &str = "model_from_pretrained_kwargs";

impl SaeMetadata {
    /// The revision of the model's repository that the SAE was trained on (`model_from_pretrained_kwargs.revision`).
    pub fn model_revision(&self) -> Option<&str> {
        self.kwargs()?.get("revision")?.as_str()
    }

    /// What `model_from_pretrained_kwargs` says that is not done here, and whether figures depend on it: one sentence each.
    ///
    /// The model runs as Hugging Face publishes it, as TransformerLens' `from_pretrained_no_processing` loads it. What each processing step
    /// of TransformerLens does is from its documentation: `fold_ln` moves the norms' weights into the matrices after them,
    /// `center_writing_weights` takes the mean out of what is written to the residual stream, `center_unembed` shifts all logits of a
    /// token alike, `fold_value_biases` moves biases that a Llama does not have.
    pub fn model_warnings(&self) -> Vec<String> {
        let kwargs = self.kwargs().into_iter().flatten();
        kwargs
            .filter_map(|(key, value)| warning(key, value))
            .collect()
    }

    fn kwargs(&self) -> Option<&Map<String, Value>> {
        self.extra.get(KEY)?.as_object()
    }
}

fn warning(key: &str, value: &Value) -> Option<String> {
    let off = matches!(value, Value::Null | Value::Bool(false));
    let effect = match key {
        // Honoured, or about where the model came from and how it was computed.
        "revision"
        | "device"
        | "device_map"
        | "cache_dir"
        | "token"
        | "trust_remote_code"
        | "local_files_only"
        | "low_cpu_mem_usage"
        | "attn_implementation"
        | "move_to_device"
        | "n_devices"
        | "default_padding_side" => return None,
        "dtype" | "torch_dtype" => "the dtype here is --dtype's; figures differ by rounding only",
        "fold_ln" if !off => {
            "it is not done here: activations after a norm (hook_normalized, the inputs of attention and MLP) differ by the norm's \
             weight, and figures of an SAE there depend on it; the residual stream does not"
        }
        "center_writing_weights" if !off => {
            "it is not done here: the residual stream keeps its mean, which the SAE has not seen, and figures depend on it"
        }
        "center_unembed" | "fold_value_biases" if !off => {
            "it is not done here; no figure depends on it"
        }
        "fold_ln" | "center_writing_weights" | "center_unembed" | "fold_value_biases" => {
            return None;
        }
        _ if off => return None,
        _ => "it is unknown here and ignored; whether figures depend on it cannot be told",
    };
    Some(format!("cfg.json says {KEY}.{key} = {value}: {effect}"))
}

#[cfg(test)]
mod tests {
    use super::SaeMetadata;
    use serde_json::json;

    fn metadata(kwargs: serde_json::Value) -> SaeMetadata {
        let mut metadata = SaeMetadata::default();
        metadata
            .extra
            .insert("model_from_pretrained_kwargs".into(), kwargs);
        metadata
    }

    #[test]
    fn the_revision_is_known() {
        let found = metadata(json!({ "revision": "step1000" }));
        assert_eq!(found.model_revision(), Some("step1000"));
        assert!(found.model_warnings().is_empty());
        assert_eq!(SaeMetadata::default().model_revision(), None);
    }

    #[test]
    fn what_is_not_done_is_said_with_what_depends_on_it() {
        let said = |kwargs| metadata(kwargs).model_warnings().join("\n");
        let folded = said(json!({ "fold_ln": true }));
        assert!(folded.contains("fold_ln = true") && folded.contains("depend on it"));
        let centred = said(json!({ "center_writing_weights": true }));
        assert!(centred.contains("figures depend on it"), "{centred}");
        let harmless = said(json!({ "center_unembed": true }));
        assert!(harmless.contains("no figure depends on it"), "{harmless}");
        assert!(said(json!({ "some_new_option": 3 })).contains("unknown here"));
        // The notebook's own run, and what is switched off.
        let off = json!({ "center_writing_weights": false, "fold_ln": false, "device": "cuda" });
        assert_eq!(said(off), "");
    }
}
