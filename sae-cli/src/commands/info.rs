//! `sae info`

use crate::args::Global;
use crate::args::info::Args;
use crate::job::run;
use crate::job::targets::Targets;
use anyhow::Result;
use sae_llama::resolve::RunPart;
use sae_report::SaeDescription;

pub(crate) fn run(args: &Args, global: &Global) -> Result<()> {
    let run = run::find(&args.run, RunPart::Description, global.quiet)?;
    Targets::new(global, None)?.spare(run.files())?;
    let sae = SaeDescription::of(&run);
    global.output().emit(&sae.text(), &sae)
}
