//! The names of a run's files, on disk and on the Hub alike.

use std::path::{Path, PathBuf};

const CFG: &str = "cfg.json";
const WEIGHTS: &str = "sae_weights.safetensors";
const SPARSITY: &str = "sparsity.safetensors";
const SCALER: &str = "activation_scaler.json";
const WHITENING: &str = "activation_whitening.safetensors";
const FINAL: &str = "final_sae";

/// The layout of a SAELens run: `cfg.json` and `sae_weights.safetensors` in one folder, `sparsity.safetensors` in it too or, where the
/// folder is called `final_sae`, beside it.
///
/// It knows names only and reads nothing, so that it serves paths in a repository as well as paths on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunLayout {
    folder: PathBuf,
}

impl RunLayout {
    /// The run whose `cfg.json` is in this folder.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
        }
    }

    /// The layouts that the name of a run may mean, in the order in which they are looked for: the folder itself, and `final_sae` in
    /// it.
    pub fn of(run: impl AsRef<Path>) -> [Self; 2] {
        let run = run.as_ref();
        [Self::new(run), Self::new(run.join(FINAL))]
    }

    /// The folder of `cfg.json`.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The configuration.
    pub fn cfg(&self) -> PathBuf {
        self.folder.join(CFG)
    }

    /// The weights.
    pub fn weights(&self) -> PathBuf {
        self.folder.join(WEIGHTS)
    }

    /// What inputs were multiplied by, beside a checkpoint of training.
    pub fn scaler(&self) -> PathBuf {
        self.folder.join(SCALER)
    }

    /// How inputs were whitened, beside such a checkpoint.
    pub(crate) fn whitening(&self) -> PathBuf {
        self.folder.join(WHITENING)
    }

    /// Where the recorded sparsity may be, in the order in which it is looked for. A relative `final_sae` has no parent to look in: give
    /// the canonical path on disk.
    pub fn sparsity(&self) -> Vec<PathBuf> {
        let mut places = vec![self.folder.join(SPARSITY)];
        if self.folder.file_name().is_some_and(|name| name == FINAL) {
            let above = self.folder.parent().unwrap_or(Path::new(""));
            places.push(above.join(SPARSITY));
        }
        places
    }
}

#[cfg(test)]
mod tests {
    use super::RunLayout;
    use std::path::PathBuf;

    #[test]
    fn both_layouts_are_known() {
        let [plain, last] = RunLayout::of("runs/x");
        assert_eq!(plain.cfg(), PathBuf::from("runs/x/cfg.json"));
        assert_eq!(
            plain.sparsity(),
            [PathBuf::from("runs/x/sparsity.safetensors")]
        );
        let weights = "runs/x/final_sae/sae_weights.safetensors";
        assert_eq!(last.weights(), PathBuf::from(weights));
        assert_eq!(
            last.sparsity(),
            [
                PathBuf::from("runs/x/final_sae/sparsity.safetensors"),
                PathBuf::from("runs/x/sparsity.safetensors")
            ]
        );
        let [_, top] = RunLayout::of("");
        assert_eq!(top.sparsity()[1], PathBuf::from("sparsity.safetensors"));
    }
}
