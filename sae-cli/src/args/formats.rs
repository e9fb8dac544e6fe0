//! `--format`: the outputs that are made from the features, and Neuronpedia's name for them.

use crate::error::UsageError;
use anyhow::{Context, Result, anyhow, bail};
use clap::ValueEnum;
use sae_core::SaeMetadata;
use sae_dashboard::Source;
use sae_dashboard::assemble::{Format, page_form};
use sae_dashboard::export::neuronpedia::SourceId;
use sae_dashboard::page::PageForm;
use std::path::Path;

/// Endings that nobody gives a folder.
const OF_FILES: [&str; 8] = [
    "htm",
    "json",
    "jsonl",
    "gz",
    "zip",
    "csv",
    "parquet",
    "safetensors",
];

/// The option's values, with their help.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum FormatChoice {
    /// Pages for a browser
    Html,
    /// SAEDashboard's batch-0.json, …
    Neuronpedia,
    /// The folders of .jsonl.gz that Neuronpedia exports and imports
    Export,
    /// Tables of features and activations for data frames and SQL
    Parquet,
    /// The cache that delphi explains and scores features from
    Delphi,
    /// Questions for judges of explanations (detection, fuzzing), and examples to explain, as .jsonl
    Questions,
}

impl FormatChoice {
    fn format(self) -> Format {
        match self {
            Self::Html => Format::Html,
            Self::Neuronpedia => Format::Neuronpedia,
            Self::Export => Format::Export,
            Self::Parquet => Format::Parquet,
            Self::Delphi => Format::Delphi,
            Self::Questions => Format::Questions,
        }
    }
}

#[derive(Debug, clap::Args)]
pub(crate) struct FormatArgs {
    /// What to make from one pass: a list, or repeat the option
    #[arg(
        long = "format",
        value_name = "FORMAT,..",
        value_enum,
        value_delimiter = ',',
        default_value = "html"
    )]
    formats: Vec<FormatChoice>,
    /// The SAE's id on Neuronpedia: MODEL/LAYER-SET or MODEL/LAYER-SET__SUFFIX
    #[arg(long, value_name = "ID")]
    neuronpedia_id: Option<SourceId>,
    /// Windows of 32 tokens that a feature must fire in to be asked about by --format questions
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(2..))]
    pub(crate) min_windows: u32,
}

impl FormatArgs {
    /// Each once, in the order of their list.
    pub(crate) fn formats(&self) -> Vec<Format> {
        let given: Vec<_> = self.formats.iter().map(|choice| choice.format()).collect();
        Format::ALL
            .into_iter()
            .filter(|format| given.contains(format))
            .collect()
    }

    /// Refuses options that contradict each other, and a place that is taken.
    pub(crate) fn check(&self, out: Option<&Path>) -> Result<()> {
        let formats = self.formats();
        if self.neuronpedia_id.is_some() && !formats.iter().any(|f| f.needs_id()) {
            bail!(UsageError(
                "--neuronpedia-id is about --format neuronpedia and --format export".to_owned()
            ));
        }
        let Some(out) = out else { return Ok(()) };
        if page_form(out) == PageForm::File && formats != [Format::Html] {
            bail!(UsageError(format!(
                "--out {}: --format {} needs a folder, and a name that ends in .html is for html alone",
                out.display(),
                formats
                    .iter()
                    .map(|f| f.name())
                    .collect::<Vec<_>>()
                    .join(",")
            )));
        }
        let ending = out.extension().and_then(|ending| ending.to_str());
        if let Some(ending) = ending.filter(|ending| OF_FILES.contains(ending)) {
            bail!(UsageError(format!(
                "--out {}: is made a folder, and only pages can be one file, which ends in .html; leave .{ending} out",
                out.display()
            )));
        }
        let is_full = || out.read_dir().is_ok_and(|mut files| files.next().is_some());
        let taken = match page_form(out) {
            PageForm::File => out.is_dir(),
            PageForm::Folder => out.is_file() || is_full(),
        };
        if taken {
            bail!(
                "--out {}: is there already, and is not replaced; give another name, or remove it",
                out.display()
            );
        }
        Ok(())
    }

    /// Neuronpedia's name for the features, if something is made for it: as given, as `cfg.json` says, or from model and hook.
    pub(crate) fn id(&self, source: &Source, metadata: &SaeMetadata) -> Result<Option<SourceId>> {
        if !self.formats().iter().any(|format| format.needs_id()) {
            return Ok(None);
        }
        if self.neuronpedia_id.is_some() {
            return Ok(self.neuronpedia_id.clone());
        }
        let known = metadata.extra.get("neuronpedia_id");
        if let Some(known) = known.and_then(|id| id.as_str()) {
            let id = known.parse().context(
                "neuronpedia_id of cfg.json is of another form; say it by --neuronpedia-id",
            )?;
            return Ok(Some(id));
        }
        let layer = SourceId::layer_of(&source.hook_name).ok_or_else(|| {
            anyhow!(
                "Neuronpedia knows SAEs by their layer, and {:?} is in none; say it by --neuronpedia-id, such as gpt2-small/0-emb",
                source.hook_name
            )
        })?;
        let id = SourceId {
            model_id: plain_name(&source.model),
            layer,
            sae_set: "sae".to_owned(),
            suffix: None,
        };
        tracing::warn!(
            "nothing says what Neuronpedia calls this SAE: the files for it say {id}, made from the model's name and the hook's layer; \
             give the name by --neuronpedia-id, such as gpt2-small/6-res-jb"
        );
        Ok(Some(id))
    }
}

/// The last part of a Hub id or path, of characters that names have on Neuronpedia.
fn plain_name(model: &str) -> String {
    let path = Path::new(model);
    let last = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let last = last.file_name().unwrap_or_default().to_string_lossy();
    let plain = |c: char| {
        let is_plain = c.is_ascii_alphanumeric() || "-_.".contains(c);
        if is_plain { c } else { '-' }
    };
    let name: String = last.chars().map(plain).collect();
    if name.is_empty() {
        return "model".to_owned();
    }
    name
}

#[cfg(test)]
mod tests {
    use super::{FormatArgs, FormatChoice, plain_name};
    use sae_core::SaeMetadata;
    use sae_dashboard::Source;
    use sae_dashboard::assemble::Format;
    use serde_json::json;

    fn source(hook_name: &str) -> Source {
        Source {
            model: "meta-llama/Llama 3.2".to_owned(),
            hook_name: hook_name.to_owned(),
            ..Source::default()
        }
    }

    fn args(formats: &[FormatChoice], id: Option<&str>) -> FormatArgs {
        FormatArgs {
            formats: formats.to_vec(),
            neuronpedia_id: id.map(|id| id.parse().unwrap()),
            min_windows: 200,
        }
    }

    #[test]
    fn ids_are_given_known_or_made() {
        let export = [FormatChoice::Export];
        let id = |args: FormatArgs, hook, cfg: &SaeMetadata| {
            let id = args.id(&source(hook), cfg);
            id.map(|id| id.map(|id| id.to_string()))
        };
        let none = SaeMetadata::default();
        let mut known = SaeMetadata::default();
        known
            .extra
            .insert("neuronpedia_id".into(), json!("gpt2-small/6-res-jb"));
        let hook = "blocks.7.hook_resid_post";
        assert_eq!(
            id(args(&[FormatChoice::Html], None), "", &none).unwrap(),
            None
        );
        let made = id(args(&export, None), hook, &none).unwrap();
        assert_eq!(made.unwrap(), "Llama-3.2/7-sae");
        let found = id(args(&export, None), hook, &known).unwrap();
        assert_eq!(found.unwrap(), "gpt2-small/6-res-jb");
        let given = id(args(&export, Some("a/1-b__c")), hook, &known).unwrap();
        assert_eq!(given.unwrap(), "a/1-b__c");
        let error = id(args(&export, None), "hook_embed", &none).unwrap_err();
        assert!(error.to_string().contains("--neuronpedia-id"), "{error}");
        known
            .extra
            .insert("neuronpedia_id".into(), json!("something else"));
        let error = id(args(&export, None), hook, &known).unwrap_err();
        assert!(error.to_string().contains("cfg.json"), "{error}");
    }

    #[test]
    fn formats_come_once_and_in_one_order() {
        let given = args(
            &[
                FormatChoice::Parquet,
                FormatChoice::Html,
                FormatChoice::Parquet,
            ],
            None,
        );
        assert_eq!(given.formats(), [Format::Html, Format::Parquet]);
    }

    #[test]
    fn any_model_has_a_plain_name() {
        assert_eq!(plain_name("org/Llama-3"), "Llama-3");
        assert_eq!(plain_name("/"), "model");
        assert_eq!(plain_name("x/ö y"), "--y");
    }
}
