//! `sae info`

use crate::args::Global;
use crate::args::info::Args;
use crate::job::run;
use crate::job::targets::Targets;
use anyhow::Result;
use sae_core::MultiLayerDir;
use sae_llama::resolve::{RunPart, published};
use sae_releases::PublishedSae;
use sae_report::{LayersDescription, SaeDescription};
use serde::Serialize;

pub(crate) fn run(args: &Args, global: &Global) -> Result<()> {
    if let Some(dir) = MultiLayerDir::find(&args.run)? {
        Targets::new(global, None)?.spare(&dir.files)?;
        let found = LayersDescription::of(&dir);
        return global.output().emit(&found.text(), &found);
    }
    let run = run::find(&args.run, &args.files, RunPart::Description, global.quiet)?;
    Targets::new(global, None)?.spare(run.files())?;
    let sae = SaeDescription::of(&run);
    let published = published(&args.run)?.map(|found| Published {
        release: &found.release.name,
        sae: found.sae,
    });
    let mut text = sae.text();
    if let Some(published) = &published {
        text.push_str(&published.text());
    }
    global.output().emit(&text, &Found { sae, published })
}

/// The JSON.
#[derive(Serialize)]
struct Found {
    #[serde(flatten)]
    sae: SaeDescription,
    #[serde(skip_serializing_if = "Option::is_none")]
    published: Option<Published>,
}

/// What its authors say of it.
#[derive(Serialize)]
struct Published {
    release: &'static str,
    #[serde(flatten)]
    sae: &'static PublishedSae,
}

impl Published {
    fn text(&self) -> String {
        let l0 = self.sae.l0.map(|l0| format!("L0 {l0}"));
        let explained = self.sae.explained_variance;
        let explained = explained.map(|share| format!("explained variance {share:.3}"));
        let on_neuronpedia = self.sae.neuronpedia.as_ref();
        let on_neuronpedia = on_neuronpedia.map(|id| format!("neuronpedia.org/{id}"));
        let known: Vec<String> = [l0, explained, on_neuronpedia]
            .into_iter()
            .flatten()
            .collect();
        format!("{:14} {}\n", "as published", known.join(", "))
    }
}
