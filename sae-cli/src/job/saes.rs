//! Several SAEs of one model.

use super::run::find_at;
use crate::args::layers::Layers;
use crate::args::place::PlaceArgs;
use crate::error::UsageError;
use anyhow::{Result, bail};
use sae_core::{RunDir, SaeMetadata};
use sae_llama::resolve::published;
use sae_report::Published;
use std::path::PathBuf;

/// The paths of an option with every layer in place of `{layer}`, and every SAE of a release in place of a pattern such as `release/*`.
pub(crate) fn each_layer(
    option: &str,
    paths: &[PathBuf],
    layers: Option<&Layers>,
) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for path in paths {
        let text = path.display().to_string();
        match (text.contains("{layer}"), layers) {
            (true, Some(layers)) => {
                let at = |layer: &usize| PathBuf::from(text.replace("{layer}", &layer.to_string()));
                found.extend(layers.0.iter().map(at));
            }
            (true, None) => bail!(UsageError(format!(
                "{option} {text}: which layers? give --layers, such as --layers 0..32"
            ))),
            (false, Some(_)) => bail!(UsageError(format!(
                "{option} {text}: --layers needs a {{layer}} in it, such as 'runs/l{{layer}}'"
            ))),
            (false, None) if text.contains('*') && !path.exists() => {
                let named = sae_releases::matching(&text)?;
                if named.is_empty() {
                    bail!(UsageError(format!(
                        "{option} {text}: a * is for the SAEs of a release that sae list has, such as 'llama_scope_lxr_8x/*'"
                    )));
                }
                found.extend(named.iter().map(|named| PathBuf::from(named.name())));
            }
            (false, None) => found.push(path.clone()),
        }
    }
    Ok(found)
}

/// Every layer of circuit-tracer's sets of transcoders in place of the set, unless `--layer` chooses one.
pub(crate) fn each_of_sets(paths: Vec<PathBuf>, layer: Option<usize>) -> Vec<PathBuf> {
    if layer.is_some() {
        return paths;
    }
    let each = |path: PathBuf| sae_core::layers_of_set(&path).unwrap_or_else(|| vec![path]);
    paths.into_iter().flat_map(each).collect()
}

/// Finds runs, here or on the Hub. `--hook` is of one SAE.
pub(crate) fn find_all(paths: &[PathBuf], place: &PlaceArgs, quiet: bool) -> Result<Vec<RunDir>> {
    if place.hook.is_some() && paths.len() > 1 {
        bail!(UsageError(
            "--hook: is of one SAE, and there are several; each is put where its cfg.json says"
                .to_owned()
        ));
    }
    paths
        .iter()
        .map(|path| find_at(path, place, quiet))
        .collect()
}

/// Makes sure that all are of one model, where no model is given.
pub(crate) fn same_model(runs: &[RunDir], names: &[String], given: Option<&str>) -> Result<()> {
    let model = |run: &RunDir| run.cfg.metadata.model_name.clone();
    for (run, name) in runs.iter().zip(names) {
        if given.is_none() && model(run) != model(&runs[0]) {
            bail!(UsageError(format!(
                "{name} names the model {}, and {} names {}; give --model to run all of them on one",
                model(run).as_deref().unwrap_or("none"),
                names[0],
                model(&runs[0]).as_deref().unwrap_or("none")
            )));
        }
    }
    Ok(())
}

/// Warns where rows are not what an SAE would have by itself: they are made once for all, as the first has them.
pub(crate) fn warn_of_other_rows(
    runs: &[RunDir],
    names: &[String],
    given: bool,
    context_size: usize,
) {
    if given {
        return;
    }
    let bos = |metadata: &SaeMetadata| metadata.prepend_bos.unwrap_or(true);
    let first = &runs[0].cfg.metadata;
    for (run, name) in runs.iter().zip(names).skip(1) {
        let metadata = &run.cfg.metadata;
        if bos(metadata) != bos(first) {
            tracing::warn!(
                "{name} and {} differ in prepend_bos: rows begin as the first has it",
                names[0]
            );
        }
        let own = metadata.context_size;
        if own != first.context_size && own.is_some_and(|own| own != context_size) {
            tracing::warn!(
                "{name} was trained on rows of {} tokens, and these have {context_size}, as {} has them; --context-size says otherwise",
                own.unwrap_or_default(),
                names[0]
            );
        }
    }
}

/// The figures of each as published, of those given by their names in releases.
pub(crate) fn all_published(paths: &[PathBuf]) -> Result<Vec<Option<Published>>> {
    let of = |path: &PathBuf| Ok(published(path)?.map(Published::from));
    paths.iter().map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::each_layer;
    use std::path::PathBuf;

    #[test]
    fn a_release_is_all_its_layers() {
        let of = |text: &str| each_layer("--sae", &[PathBuf::from(text)], None);
        let all = of("llama_scope_lxr_8x/*").unwrap();
        assert_eq!(all.len(), 32);
        assert_eq!(all[31], PathBuf::from("llama_scope_lxr_8x/l31r_8x"));
        assert_eq!(of("runs/a").unwrap(), [PathBuf::from("runs/a")]);
        let error = of("runs/*").unwrap_err().to_string();
        assert!(
            error.contains("--sae runs/*: a * is for the SAEs of a release"),
            "{error}"
        );
        assert!(of("llama_scope_lxr_8x/x*").is_err());
    }
}
