//! `sae info`

use crate::args::Global;
use crate::args::info::Args;
use crate::job::run;
use crate::job::targets::Targets;
use anyhow::Result;
use sae_core::MultiLayerDir;
use sae_llama::resolve::{RunPart, published};
use sae_report::{LayersDescription, Published, SaeDescription};
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
    let published = published(&args.run)?.map(Published::from);
    let mut text = sae.text();
    if let Some(published) = &published {
        text.push_str(&format!("{:14} {}\n", "as published", published.text()));
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
