//! The table itself.

use serde::{Deserialize, Serialize};
use std::sync::LazyLock;

/// SAEs that were published together: one repository, one model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Release {
    /// SAELens' name of it.
    #[serde(rename = "release")]
    pub name: String,
    /// The repository on the Hub.
    pub repo_id: String,
    /// The model that they were trained on, as the Hub names it.
    pub model: String,
    /// The format of the files, such as `saelens` or `llama_scope`.
    pub format: String,
    /// The SAEs, by layer.
    pub saes: Vec<PublishedSae>,
}

/// One SAE of a release.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PublishedSae {
    /// SAELens' name of it.
    pub id: String,
    /// The folder or the file in the repository.
    pub path: String,
    /// Features on Neuronpedia: `model/source`.
    pub neuronpedia: Option<String>,
    /// Active features on a token, as published.
    pub l0: Option<f64>,
    /// The share of variance that it explains, as published.
    pub explained_variance: Option<f64>,
}

impl Release {
    /// Whether it was trained on this model: by a part of the model's name, in any case of letters, with or without `meta-llama/Meta-`.
    pub fn is_for(&self, model: &str) -> bool {
        let plain = |text: &str| text.to_lowercase().replace("meta-llama-", "llama-");
        plain(&self.model).contains(&plain(model))
    }
}

#[derive(Deserialize)]
struct Table {
    source: String,
    releases: Vec<Release>,
}

static TABLE: LazyLock<Table> = LazyLock::new(|| {
    let json = include_str!("../data/llama.json");
    serde_json::from_str(json).expect("the table in the crate is well-formed: a test reads it")
});

/// Every release, by name.
pub fn releases() -> &'static [Release] {
    &TABLE.releases
}

/// Where the table is from.
pub fn source() -> &'static str {
    &TABLE.source
}

#[cfg(test)]
mod tests {
    use super::releases;
    use std::collections::BTreeSet;

    #[test]
    fn the_table_is_whole_and_its_names_are_unique_and_plain() {
        assert_eq!(releases().len(), 13);
        let all = || {
            releases()
                .iter()
                .flat_map(|r| r.saes.iter().map(move |s| (r, s)))
        };
        assert_eq!(all().count(), 301);
        let names: BTreeSet<_> = all().map(|(r, s)| (&r.name, &s.id)).collect();
        assert_eq!(names.len(), 301);
        for (release, sae) in all() {
            let (owner, name) = release.repo_id.split_once('/').unwrap();
            assert!(!owner.is_empty() && !name.is_empty() && !release.name.contains('/'));
            let up = sae
                .path
                .split('/')
                .any(|part| part == ".." || part.is_empty());
            assert!(!up, "{}", sae.path);
            assert!(sae.l0.is_none_or(|l0| l0 > 0.0));
        }
    }

    #[test]
    fn a_model_is_found_by_its_short_name() {
        let of = |model: &str| -> Vec<&str> {
            let found = releases().iter().filter(|release| release.is_for(model));
            found.map(|release| release.name.as_str()).collect()
        };
        assert_eq!(of("llama-3-8b"), ["llama-3-8b-it-res-jh"]);
        assert_eq!(
            of("meta-llama/Llama-3-8B-Instruct"),
            ["llama-3-8b-it-res-jh"]
        );
        assert_eq!(of("Llama-3.1-8B").len(), 9);
        assert!(of("gpt2").is_empty());
    }
}
