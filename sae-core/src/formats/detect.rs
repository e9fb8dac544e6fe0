//! Which format a path is of, by the files there and what is in them.

use super::keys::Keys;
use super::layout::{ALL, Names, PICKLED, ending, layer_of};
use super::{
    Format, FormatError, RunOptions, circuit_tracer, dictionary_learning, gemma_scope,
    gemma_scope_2, linear_pair, llama_scope, open_moss, sparsify, state_dict, temporal,
};
use crate::config::SaeConfig;
use crate::run_dir::RunLayout;
use std::path::{Path, PathBuf};

/// What becomes of dictionaries of several layers.
pub(super) const SEVERAL_LAYERS: &str = "its features are of several layers, which sae info and sae eval know, and other commands do not";

/// Files of a format.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    pub(crate) format: Format,
    /// What was given: the folder, or the file's.
    pub(crate) folder: PathBuf,
    pub(crate) config: Option<PathBuf>,
    /// They need not exist, if the configuration says all.
    pub(crate) weights: PathBuf,
}

/// The files at a path, a folder or a file; `None` if they are `SAELens`', or nobody's.
///
/// # Errors
/// If a format is asked for and there are none of its files, or what is there does not say which layer or which of several.
pub(crate) fn detect(path: &Path, options: &RunOptions) -> Result<Option<Found>, FormatError> {
    let found = match options.format {
        Some(Format::SaeLens) => return Ok(None),
        _ if path.is_file() => of_file(path, options.format)?,
        _ => of_folder(path, options)?,
    };
    match (options.format, found) {
        (None, found) => Ok(found),
        (Some(format), Some(found)) if found.format == format => Ok(Some(found)),
        (Some(format), _) => Err(FormatError::NotThis {
            path: path.to_owned(),
            format,
            expected: expected(format),
        }),
    }
}

/// The configuration of files that were found.
pub(crate) fn read(found: &Found, options: &RunOptions) -> Result<SaeConfig, FormatError> {
    match found.format {
        Format::LlamaScope => llama_scope::read(found),
        Format::OpenMoss => open_moss::read(found),
        Format::Sparsify => sparsify::read(found),
        Format::DictionaryLearning => dictionary_learning::read(found),
        Format::Goodfire | Format::Qresearch => linear_pair::read(found),
        Format::CircuitTracer => circuit_tracer::read(found),
        Format::GemmaScope => gemma_scope::read(found),
        Format::GemmaScope2 => gemma_scope_2::read(found),
        Format::Temporal => temporal::read(found),
        Format::StateDict => state_dict::read(found, options),
        Format::SaeLens => Err(FormatError::NotThis {
            path: found.folder.clone(),
            format: Format::SaeLens,
            expected: expected(Format::SaeLens),
        }),
    }
}

fn expected(format: Format) -> &'static str {
    let names = ALL.iter().find(|names| names.format == format);
    names.map_or_else(
        || match format {
            Format::CircuitTracer => "config.yaml and layer_N.safetensors",
            Format::SaeLens => "cfg.json and sae_weights.safetensors",
            Format::Goodfire => "a .pt or .pth with encoder_linear and decoder_linear",
            Format::Qresearch => "a .pt with encoder and decoder, weight and bias each",
            _ => "one .pt, .pth or .bin that torch.save wrote",
        },
        |names| names.expected,
    )
}

fn of_folder(folder: &Path, options: &RunOptions) -> Result<Option<Found>, FormatError> {
    let is_run = RunLayout::of(folder).iter().any(|run| run.cfg().exists());
    for names in &ALL {
        // Beside SAELens' cfg.json there may be files of any name; sparsify has one of its own.
        if is_run && options.format.is_none() && names.format != Format::Sparsify {
            continue;
        }
        if options.format.is_none_or(|format| format == names.format)
            && let Some(found) = by_names(folder, names, options.format.is_some())
        {
            return Ok(Some(found));
        }
    }
    if is_run && options.format.is_none() {
        return Ok(None);
    }
    let config = folder.join("config.yaml");
    if config.is_file() && folder.join("W_enc_0.safetensors").is_file() {
        return Err(FormatError::Unsupported {
            path: folder.to_owned(),
            what: format!("is a cross-layer transcoder: {SEVERAL_LAYERS}"),
        });
    }
    let is_asked_for = options.format == Some(Format::CircuitTracer);
    if config.is_file() && (is_asked_for || !circuit_tracer::layers(folder).is_empty()) {
        return circuit_tracer::layer(folder, &config, options.layer).map(Some);
    }
    let mut pickled = pickled(folder);
    let Some(file) = pickled.pop() else {
        return Ok(None);
    };
    if !pickled.is_empty() {
        let names = pickled.iter().chain([&file]).filter_map(|p| p.file_name());
        let mut names: Vec<_> = names
            .map(|name| name.to_string_lossy().into_owned())
            .collect();
        names.sort();
        names.truncate(12);
        return Err(FormatError::Undecided {
            path: folder.to_owned(),
            missing: format!(
                "holds several pickled files and no cfg.json; give one of them: {}",
                names.join(", ")
            ),
        });
    }
    of_file(&file, options.format)
}

/// Whether a folder has a format's files, and its configuration the format's keys.
fn by_names(folder: &Path, names: &Names, is_forced: bool) -> Option<Found> {
    let weights = names.weights.iter().map(|name| folder.join(name));
    let there = weights.clone().find(|file| file.exists());
    let config = names.config.map(|name| folder.join(name));
    match &config {
        Some(config) if !config.is_file() => return None,
        Some(config) if !is_forced && !has_keys(config, names.format, there.is_some()) => {
            return None;
        }
        None if there.is_none() => return None,
        _ => {}
    }
    Some(Found {
        format: names.format,
        folder: folder.to_owned(),
        config,
        weights: there.unwrap_or_else(|| folder.join(names.weights[0])),
    })
}

/// Whether a configuration looks like this format's. One that cannot be read does if the weights are there, and then says why not.
fn has_keys(config: &Path, format: Format, has_weights: bool) -> bool {
    let Ok(keys) = Keys::json(config) else {
        return has_weights;
    };
    match format {
        Format::Sparsify => {
            let saelens = ["architecture", "metadata", "hook_name", "hook_point"];
            keys.has("k")
                && (keys.has("expansion_factor") || keys.has("num_latents"))
                && !saelens.iter().any(|key| keys.has(key))
                || has_weights && !keys.has("architecture")
        }
        Format::DictionaryLearning => keys.has("trainer") || has_weights,
        Format::GemmaScope2 => keys.has("hf_hook_point_in") || has_weights,
        Format::OpenMoss => keys.has("hook_point_in") || keys.has("sae_type"),
        _ => true,
    }
}

fn pickled(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let files = entries.map(|entry| entry.path()).filter(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        path.is_file() && PICKLED.contains(&ending(&name)) && name != "trainer_state.pt"
    });
    files.take(1000).collect()
}

fn of_file(file: &Path, format: Option<Format>) -> Result<Option<Found>, FormatError> {
    let folder = match file.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let found = |format, config: Option<PathBuf>| Found {
        format,
        folder: folder.to_owned(),
        config,
        weights: file.to_owned(),
    };
    if let Some(layer) = layer_of(&name) {
        let config = folder.join("config.yaml");
        return if config.is_file() {
            circuit_tracer::layer(folder, &config, Some(layer)).map(Some)
        } else {
            Ok(Some(found(Format::CircuitTracer, None)))
        };
    }
    if name.ends_with(".npz") {
        return Ok(Some(found(Format::GemmaScope, None)));
    }
    if !PICKLED.contains(&ending(&name)) {
        return Ok(None);
    }
    let config = folder.join("config.json");
    if config.is_file() {
        let by_config = ALL
            .iter()
            .filter(|names| names.config == Some("config.json"))
            .filter(|names| format.is_none_or(|format| format == names.format));
        for names in by_config {
            if names.weights.contains(&&*name) && has_keys(&config, names.format, false) {
                return Ok(Some(found(names.format, Some(config))));
            }
        }
    }
    let format = match format {
        Some(format @ (Format::Goodfire | Format::Qresearch | Format::StateDict)) => format,
        Some(_) => return Ok(None),
        None => linear_pair::sniff(file)?,
    };
    Ok(Some(found(format, config.is_file().then_some(config))))
}
