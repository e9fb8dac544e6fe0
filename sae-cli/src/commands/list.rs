//! `sae list`

use crate::args::Global;
use crate::args::list::Args;
use anyhow::{Result, bail};
use sae_releases::{PublishedSae, Release, matching, releases, source};
use serde::Serialize;

/// The JSON.
#[derive(Serialize)]
struct Found {
    source: &'static str,
    releases: Vec<Release>,
}

pub(crate) fn run(args: &Args, global: &Global) -> Result<()> {
    let is_for = |release: &Release| {
        let model = args.model.as_deref();
        model.is_none_or(|model| release.is_for(model))
    };
    let mut found: Vec<Release> = match &args.release {
        None => releases().to_vec(),
        Some(name) => of_release(name)?,
    };
    found.retain(is_for);
    if found.is_empty() {
        let model = args.model.as_deref().unwrap_or_default();
        bail!(
            "--model {model}: no SAEs for it{}; sae list tells what there are",
            args.release
                .as_deref()
                .map_or(String::new(), |name| format!(" in {name}"))
        );
    }
    let text = if args.release.is_some() {
        found.iter().map(saes).collect()
    } else {
        overview(&found)
    };
    let result = Found {
        source: source(),
        releases: found,
    };
    global.output().emit(&text, &result)
}

/// A release whole, or some of its SAEs.
fn of_release(name: &str) -> Result<Vec<Release>> {
    if let Some(release) = releases().iter().find(|release| release.name == name) {
        return Ok(vec![release.clone()]);
    }
    let named = matching(name)?;
    let Some(first) = named.first() else {
        let near: Vec<&str> = releases()
            .iter()
            .map(|release| release.name.as_str())
            .collect();
        bail!(
            "{name}: there is no such release; there are {}",
            near.join(", ")
        );
    };
    let mut release = first.release.clone();
    release.saes = named.iter().map(|named| named.sae.clone()).collect();
    Ok(vec![release])
}

/// A line for each release.
fn overview(releases: &[Release]) -> String {
    let width = releases.iter().map(|r| r.name.len()).max().unwrap_or(0);
    let model = releases.iter().map(|r| r.model.len()).max().unwrap_or(0);
    let mut text = format!(
        "{:width$}  {:>4}  {:model$}  format\n",
        "release", "SAEs", "model"
    );
    for release in releases {
        let (name, n) = (&release.name, release.saes.len());
        text.push_str(&format!(
            "{name:width$}  {n:>4}  {:model$}  {}\n",
            release.model, release.format
        ));
    }
    text
}

/// A line for each SAE of a release.
fn saes(release: &Release) -> String {
    let name = |sae: &PublishedSae| format!("{}/{}", release.name, sae.id);
    let width = release.saes.iter().map(|sae| name(sae).len()).max();
    let width = width.unwrap_or(0);
    let mut text = format!(
        "{} for {}: {}\n{:width$}  {:>6}  {:>9}  path\n",
        release.repo_id, release.model, release.format, "name", "L0", "explained"
    );
    for sae in &release.saes {
        let l0 = sae.l0.map_or("-".to_owned(), |l0| l0.to_string());
        let explained = sae.explained_variance;
        let explained = explained.map_or("-".to_owned(), |share| format!("{share:.3}"));
        text.push_str(&format!(
            "{:width$}  {l0:>6}  {explained:>9}  {}\n",
            name(sae),
            sae.path
        ));
    }
    text
}
