//! A cross-layer transcoder or a crosscoder, as `sae info` shows it.

use sae_core::MultiLayerDir;
use serde::Serialize;

/// What the files of a dictionary of several layers say: the JSON of `sae info`.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct LayersDescription {
    /// The kind, with what activation and connections add to its name.
    pub architecture: String,
    /// Layers.
    pub n_layers: usize,
    /// Width of the activations of a layer that it reads.
    pub d_in: usize,
    /// Features: of each layer of a cross-layer transcoder, of the whole crosscoder.
    pub d_sae: usize,
    /// Width of what it writes to a layer.
    pub d_out: usize,
    /// The hooks that are read, one a layer; empty where the files name none.
    pub hook_names: Vec<String>,
    /// The hooks that are written.
    pub hook_names_out: Vec<String>,
    /// The model it was trained on.
    pub model_name: Option<String>,
    /// The number of weights.
    pub n_params: u64,
    /// The folder.
    pub path: String,
    /// Whose files they are.
    pub format: &'static str,
    /// What loading folds into the weights, in sentences.
    pub folded: Vec<String>,
}

impl LayersDescription {
    /// Of a folder.
    pub fn of(dir: &MultiLayerDir) -> Self {
        let cfg = &dir.cfg;
        Self {
            architecture: cfg.architecture(),
            n_layers: cfg.n_layers,
            d_in: cfg.d_in,
            d_sae: cfg.d_sae,
            d_out: cfg.d_out,
            hook_names: cfg.hooks.iter().map(|hooks| hooks.read.clone()).collect(),
            hook_names_out: cfg.hooks.iter().map(|hooks| hooks.write.clone()).collect(),
            model_name: cfg.model_name.clone(),
            n_params: cfg.n_params(),
            path: dir.dir.display().to_string(),
            format: cfg.format.name(),
            folded: cfg.folded.clone(),
        }
    }

    /// A line for each value.
    pub fn text(&self) -> String {
        let hooks = |hooks: &[String]| match hooks {
            [] => "not recorded".to_owned(),
            [one] => one.clone(),
            [first, .., last] => format!("{first} to {last}"),
        };
        let mut text = format!(
            "{} of {} layers: d_in={}, d_sae={}, d_out={}, {} weights\n",
            self.architecture, self.n_layers, self.d_in, self.d_sae, self.d_out, self.n_params
        );
        let model = self.model_name.as_deref().unwrap_or("not recorded");
        for (name, value) in [
            ("reads", hooks(&self.hook_names)),
            ("writes", hooks(&self.hook_names_out)),
            ("model", model.to_owned()),
            ("format", self.format.to_owned()),
            ("path", self.path.clone()),
        ] {
            text.push_str(&format!("{name:14} {value}\n"));
        }
        for folded in &self.folded {
            text.push_str(&format!("{:14} {folded}\n", "folded"));
        }
        text
    }
}
