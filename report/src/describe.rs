//! The SAE, the model and the data of a report, as its JSON has them.

use sae_core::RunDir;
use serde::Serialize;
use serde_json::{Map, Value};

/// What `cfg.json` and the recorded sparsity say about an SAE: the JSON of `sae info`, and `sae` in `report.json`.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct SaeDescription {
    /// SAELens' name of the architecture.
    pub architecture: String,
    /// Width of the activations it reads.
    pub d_in: usize,
    /// The number of features.
    pub d_sae: usize,
    /// Width of its output.
    pub d_out: usize,
    /// The hook it reads at.
    pub hook_name: Option<String>,
    /// The hook it writes at.
    pub hook_name_out: Option<String>,
    /// The one head it works on.
    pub hook_head_index: Option<usize>,
    /// The model it was trained on.
    pub model_name: Option<String>,
    /// The text it was trained on.
    pub dataset_path: Option<String>,
    /// Tokens in a row of training.
    pub context_size: Option<usize>,
    /// Whether rows of training began with BOS.
    pub prepend_bos: Option<bool>,
    /// The dtype of its weights, as torch calls it.
    pub dtype: String,
    /// Whether the decoder's bias is subtracted from the input.
    pub apply_b_dec_to_input: bool,
    /// SAELens' name of the normalisation.
    pub normalize_activations: String,
    /// SAELens' name of the reshaping.
    pub reshape_activations: String,
    /// The version of SAELens that wrote it.
    pub sae_lens_version: Option<String>,
    /// Mean of the recorded log10 densities, if they are finite.
    pub mean_log_sparsity: Option<f64>,
    /// Share of features that never fired in training, if that is recorded.
    pub dead_fraction: Option<f64>,
    /// The folder of `cfg.json`, or of the files of another format.
    pub path: String,
    /// Whose files they are: `saelens`, or the name of another format.
    pub format: &'static str,
    /// The file of weights, in the folder of `path`.
    pub weights: String,
    /// What loading folds into the weights of files of another format, in sentences.
    pub folded: Vec<String>,
    /// Whether a sparsity is recorded, usable or not.
    #[serde(skip)]
    records_sparsity: bool,
}

impl SaeDescription {
    /// Of a run.
    pub fn of(run: &RunDir) -> Self {
        let (cfg, meta) = (&run.cfg, &run.cfg.metadata);
        Self {
            architecture: cfg.architecture.name().to_owned(),
            d_in: cfg.d_in,
            d_sae: cfg.d_sae,
            d_out: cfg.d_out,
            hook_name: meta.hook_name.clone(),
            hook_name_out: meta.write_hook().map(str::to_owned),
            hook_head_index: meta.hook_head_index,
            model_name: meta.model_name.clone(),
            dataset_path: meta.dataset_path.clone(),
            context_size: meta.context_size,
            prepend_bos: meta.prepend_bos,
            dtype: cfg.dtype.clone(),
            apply_b_dec_to_input: cfg.apply_b_dec_to_input,
            normalize_activations: cfg.normalize_activations.name().to_owned(),
            reshape_activations: cfg.reshape_activations.name().to_owned(),
            sae_lens_version: meta.sae_lens_version.clone(),
            mean_log_sparsity: run.mean_log_sparsity(),
            dead_fraction: run.dead_fraction(),
            path: run.dir.display().to_string(),
            format: run.format().name(),
            weights: in_folder(run),
            folded: cfg
                .foreign
                .as_ref()
                .map(|foreign| foreign.folded.clone())
                .unwrap_or_default(),
            records_sparsity: run.log_sparsity.is_some(),
        }
    }

    /// Keys and values as in JSON, in its order.
    pub(crate) fn entries(&self) -> Map<String, Value> {
        match serde_json::to_value(self) {
            Ok(Value::Object(entries)) => entries,
            _ => Map::new(),
        }
    }

    /// The lines that the notebook prints about a loaded SAE, and the other values, a line each.
    pub fn text(&self) -> String {
        let or_unknown = |text: &Option<String>| {
            let text = text.as_deref().unwrap_or("not recorded");
            text.to_owned()
        };
        let hook = match (&self.hook_name, &self.hook_name_out) {
            (Some(read), Some(write)) if read != write => format!("{read} -> {write}"),
            (name, _) => or_unknown(name),
        };
        let bos = match self.prepend_bos {
            Some(true) => ", BOS first",
            Some(false) => ", no BOS",
            None => "",
        };
        let context = self
            .context_size
            .map_or_else(|| "not recorded".to_owned(), |n| format!("{n} tokens{bos}"));
        let head = self
            .hook_head_index
            .map_or_else(|| "none".to_owned(), |head| head.to_string());
        let b_dec = if self.apply_b_dec_to_input {
            "subtracted from the input"
        } else {
            "left out of the input"
        };
        let size = format!(
            "d_in={}, d_sae={} ({:.1}x), d_out={}",
            self.d_in,
            self.d_sae,
            self.d_sae as f64 / self.d_in as f64,
            self.d_out
        );
        let lines = [
            ("architecture", self.architecture.clone()),
            ("size", size),
            ("hook", hook),
            ("head index", head),
            ("model", or_unknown(&self.model_name)),
            ("data set", or_unknown(&self.dataset_path)),
            ("context", context),
            ("dtype", self.dtype.clone()),
            ("normalisation", self.normalize_activations.clone()),
            ("reshaping", self.reshape_activations.clone()),
            ("b_dec", b_dec.to_owned()),
            ("sparsity", self.sparsity()),
            ("format", self.format.to_owned()),
            ("path", self.path.clone()),
        ];
        let mut text = lines
            .map(|(name, value)| format!("{name:14} {value}\n"))
            .concat();
        for fold in &self.folded {
            text.push_str(&format!("{:14} {fold}\n", "folded"));
        }
        text
    }

    fn sparsity(&self) -> String {
        match (self.mean_log_sparsity, self.dead_fraction) {
            (Some(mean), Some(dead)) => format!("mean log10 {mean:.3}, {:.2} % dead", 100.0 * dead),
            (None, Some(dead)) => format!(
                "mean log10 not finite (features recorded at -inf), {:.2} % dead",
                100.0 * dead
            ),
            _ if self.records_sparsity => "recorded, but not as numbers (NaN)".to_owned(),
            _ => "not recorded".to_owned(),
        }
    }
}

/// The file of weights by its name in the run's folder; where it is elsewhere, whole.
fn in_folder(run: &RunDir) -> String {
    let name = run.weights.strip_prefix(&run.dir);
    name.unwrap_or(&run.weights).display().to_string()
}

/// The model of a report.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct ModelDescription {
    /// Its name or its folder, as given.
    pub name: String,
    /// Blocks.
    pub n_layers: usize,
    /// Width of the residual stream.
    pub d_model: usize,
    /// Token ids.
    pub vocab_size: usize,
    /// The device it ran on.
    pub device: String,
    /// The dtype it ran in.
    pub dtype: String,
}

impl ModelDescription {
    /// A model of this name and these dimensions, on a device and in a dtype.
    pub fn new(
        name: &str,
        [n_layers, d_model, vocab_size]: [usize; 3],
        device: &str,
        dtype: &str,
    ) -> Self {
        Self {
            name: name.to_owned(),
            n_layers,
            d_model,
            vocab_size,
            device: device.to_owned(),
            dtype: dtype.to_owned(),
        }
    }
}

/// The text of a report.
#[derive(Debug, Clone, Default, Serialize)]
#[non_exhaustive]
pub struct DataDescription {
    /// Its name.
    pub dataset: String,
    /// Tokens in a row.
    pub context_size: usize,
    /// Rows measured.
    pub sequences: u64,
    /// Tokens measured.
    pub tokens: u64,
    /// Whether rows begin with BOS.
    pub prepend_bos: bool,
    /// How documents became rows; `None` for rows that were given.
    pub packing: Option<&'static str>,
    /// Rows of the data set that were left out.
    pub bad_rows: u64,
}
