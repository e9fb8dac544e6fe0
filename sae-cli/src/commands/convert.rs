//! `sae convert`

use crate::args::Global;
use crate::args::convert::{Args, Target};
use crate::job::outputs::check_folder;
use crate::job::targets::Targets;
use crate::job::{device, run};
use anyhow::{Result, bail};
use sae_core::RunLayout;
use sae_llama::resolve::RunPart;
use serde_json::json;

pub(crate) fn run(args: &Args, global: &Global) -> Result<()> {
    let Target::Saelens = args.to;
    if !args.out.is_dir() {
        check_folder("OUT", &args.out)?;
    }
    let layout = RunLayout::new(&args.out);
    let written = [layout.cfg(), layout.weights()];
    if let Some(file) = written.iter().find(|file| file.exists()) {
        bail!(
            "{}: is there already, and would be replaced; choose another folder",
            file.display()
        );
    }
    let targets = Targets::new(
        global,
        [
            ("OUT", layout.cfg().as_path()),
            ("OUT", layout.weights().as_path()),
        ],
    )?;
    let on = device::choose(global)?;
    let mut found = run::find(&args.run, &args.files, RunPart::All, global.quiet)?;
    targets.spare(found.files())?;
    if let Some(hook) = &args.hook {
        run::put_at(&mut found, hook)?;
    }
    let (format, source) = (found.format(), found.weights.clone());
    let folded = found
        .cfg
        .foreign
        .as_ref()
        .map(|foreign| foreign.folded.clone())
        .unwrap_or_default();
    let sae = run::load(&found, &on)?;
    let architecture = sae.cfg().architecture.clone();
    if !architecture.is_in_saelens() {
        tracing::warn!(
            "{}: SAELens has no architecture {}, and cannot load what is written; this program can",
            source.display(),
            architecture.name()
        );
    }
    let hook = sae.cfg().metadata.hook_name.clone();
    if hook.is_none() {
        tracing::warn!(
            "{}: names no hook; give --hook NAME to record one",
            source.display()
        );
    }
    sae.save(&args.out)?;

    let mut text = format!(
        "{} SAE, read as {format} from {}\n",
        architecture.name(),
        source.display()
    );
    for fold in &folded {
        text.push_str(&format!("folded: {fold}\n"));
    }
    if folded.is_empty() {
        text.push_str("nothing is folded\n");
    }
    text.push_str(&format!("written to {}\n", args.out.display()));
    let result = json!({
        "out": args.out, "format": format.name(), "source": source, "architecture": architecture.name(), "hook_name": hook,
        "folded": folded, "loads_in_saelens": architecture.is_in_saelens(),
    });
    global.output().emit(&text, &result)
}
