//! `sae patch`

use crate::args::Global;
use crate::args::patch::{Args, MetricChoice, SiteChoice};
use crate::error::UsageError;
use crate::job::model::{describe, find_model, warn_if_not_finite, warn_if_too_long};
use crate::job::prompts::{prompts, texts};
use crate::job::sheets::patching::{About, features, features_csv, map, map_csv};
use crate::job::{device, plan, run, sheets};
use crate::terminal::interrupt;
use crate::terminal::progress::Runs;
use anyhow::{Context, Result, bail};
use llama_hooked::Llama;
use sae_core::RunDir;
use sae_interventions::{
    FeaturePatches, Metric, PatchProgress, Patched, PlacedSae, Prompts, Site, Trunk, patch,
    patch_bytes, patch_features, patch_rows,
};
use sae_llama::plan::Work;
use sae_report::ModelDescription;
use serde::Serialize;

/// The JSON.
#[derive(Serialize)]
struct Found<'a> {
    model: ModelDescription,
    sae: Option<String>,
    site: &'static str,
    metric_name: &'static str,
    clean_tokens: &'a [String],
    corrupted_tokens: &'a [String],
    answer: String,
    against: Option<String>,
    #[serde(flatten)]
    outcome: Outcome<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Outcome<'a> {
    Map(&'a Patched),
    Features(&'a FeaturePatches),
}

pub(crate) fn run(args: &Args, global: &Global) -> Result<()> {
    let site = site(args)?;
    let targets = sheets::targets(&args.sheet, global)?;
    let on = device::choose(global)?;
    let sae = args.sae.as_deref();
    let run = sae
        .map(|path| run::find_at(path, &args.place, global.quiet))
        .transpose()?;
    let metadata = run.as_ref().map(|run| &run.cfg.metadata);
    let found = find_model(args.place.model.as_deref(), metadata, global.quiet)?;
    targets.spare(run.iter().flat_map(RunDir::files).chain(found.paths()))?;
    let tokenizer = found.tokenizer()?;
    let pair = (&*args.clean, Some(&*args.corrupted));
    let answers = (&*args.answer, args.against.as_deref());
    let prompts = prompts(&tokenizer, pair, answers, !args.no_bos)?;
    let config = found.config()?;
    prompts.check(config.vocab_size)?;
    let corrupted = prompts.corrupted.as_deref().unwrap_or_default();
    let mut work = Work::new(&config, &on, prompts.clean.len());
    work.rows = Some(patch_rows(&config, site, prompts.clean.len(), args.top as usize) as u64);
    if let Some(run) = &run {
        work = work.with_sae(run)?;
    }
    work.besides
        .push(patch_bytes(&config, on.dtype, site, prompts.clean.len()));
    let Some(plan) = plan::settle(&work, &args.memory, &on, global)? else {
        return Ok(());
    };
    if site.is_none() {
        plan::gradients_fit(&plan, &config, &on, "another --site")?;
    }
    let model = found.load(&on, plan.placement)?;
    warn_if_too_long(prompts.clean.len(), &model);
    let metric = metric(args, &prompts, &model)?;
    let pair = (prompts.clean.as_slice(), corrupted);
    let tokens = [texts(&tokenizer, pair.0), texts(&tokenizer, pair.1)];
    let site_name = name(args.site);
    let about = About {
        model: &found.name,
        metric: metric.name(),
        site: site_name,
    };
    let bar = Runs::new(global.quiet, "patching");
    let mut observer = |progress: &PatchProgress| {
        bar.set(progress.done, progress.total);
        interrupt::flow()
    };
    let result = |outcome| Found {
        model: describe(&found.name, &model, &on),
        sae: sae.map(|path| path.display().to_string()),
        site: site_name,
        metric_name: metric.name(),
        clean_tokens: &tokens[0],
        corrupted_tokens: &tokens[1],
        answer: tokenizer.token_text(prompts.answer),
        against: prompts.against.map(|id| tokenizer.token_text(id)),
        outcome,
    };
    if let (None, Some(run)) = (site, &run) {
        let placed = PlacedSae::new(model.config(), &run::load(run, &on)?)
            .with_context(|| format!("the SAE of {} does not fit the model", run.dir.display()))?;
        let most = (args.top as usize, plan.batch_size);
        let patched = patch_features(&model, pair, &placed, &metric, most, &mut observer)?;
        drop(bar);
        warn_if_not_finite([patched.ends.clean, patched.ends.corrupted]);
        let (sheet, csv) = (features(&about, &patched), features_csv(&patched));
        return sheets::emit(
            sheet,
            &csv,
            &result(Outcome::Features(&patched)),
            &args.sheet,
            global,
        );
    }
    let site = site.unwrap_or(Site::Resid);
    let patched = patch(&model, pair, site, &metric, plan.batch_size, &mut observer)?;
    drop(bar);
    warn_if_not_finite([patched.ends.clean, patched.ends.corrupted]);
    let heads: Vec<String> = (0..config.n_heads).map(|head| format!("H{head}")).collect();
    let (columns, column, alike) = match site {
        Site::Head => (&heads, "head", 0),
        _ => (&tokens[1], "position", prompts.n_alike()),
    };
    let (sheet, csv) = (
        map(&about, &patched, columns, alike),
        map_csv(&patched, columns, column),
    );
    sheets::emit(
        sheet,
        &csv,
        &result(Outcome::Map(&patched)),
        &args.sheet,
        global,
    )
}

/// The site; none for features.
fn site(args: &Args) -> Result<Option<Site>> {
    let feature = args.site == SiteChoice::Feature;
    if feature != args.sae.is_some() {
        bail!(UsageError(
            if feature {
                "--site feature: of which SAE? Give --sae RUN"
            } else {
                "--sae: is for --site feature; the other sites need none"
            }
            .to_owned()
        ));
    }
    if args.sae.is_none() && args.place.hook.is_some() {
        bail!(UsageError(
            "--hook: says where --sae belongs; there is none".to_owned()
        ));
    }
    Ok(match args.site {
        SiteChoice::Resid => Some(Site::Resid),
        SiteChoice::Attn => Some(Site::Attn),
        SiteChoice::Mlp => Some(Site::Mlp),
        SiteChoice::Head => Some(Site::Head),
        SiteChoice::Feature => None,
    })
}

fn name(site: SiteChoice) -> &'static str {
    match site {
        SiteChoice::Resid => "resid",
        SiteChoice::Attn => "attn",
        SiteChoice::Mlp => "mlp",
        SiteChoice::Head => "head",
        SiteChoice::Feature => "feature",
    }
}

fn metric(args: &Args, prompts: &Prompts, model: &Llama) -> Result<Metric> {
    let needs = args.metric == Some(MetricChoice::LogitDiff);
    if needs && prompts.against.is_none() {
        bail!(UsageError(
            "--metric logit-diff: needs --against".to_owned()
        ));
    }
    Ok(match args.metric {
        Some(MetricChoice::LogProb) => Metric::LogProb {
            answer: prompts.answer,
        },
        Some(MetricChoice::Kl) => {
            let clean = Trunk::run(model, &prompts.clean, [])?;
            Metric::kl_from(model, clean.normed())
        }
        Some(MetricChoice::LogitDiff) | None => prompts.metric(),
    })
}
