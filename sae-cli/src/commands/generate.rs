//! `sae generate`

use crate::args::Global;
use crate::args::generate::Args;
use crate::job::generate::{options, prompts};
use crate::job::model::find_model;
use crate::job::steer::Steer;
use crate::job::targets::Targets;
use crate::job::{device, plan};
use crate::terminal::progress::{NewTokens, Runs};
use crate::terminal::{Shown, columns, interrupt};
use anyhow::{Error, Result};
use dataset_stream::Tokenizer;
use llama_hooked::generate::GenerateOptions;
use llama_hooked::{Hook, Llama, NoHooks};
use sae_interventions::{Steering, compare, compare_bytes};
use sae_llama::generate::{Completion, Completions, Prompt, complete};
use sae_llama::plan::{Part, Work};
use sae_report::steering::{ComparedToken, Comparison, SteeringReport, compared_text};
use serde::Serialize;

/// The JSON.
#[derive(Serialize)]
struct Found {
    #[serde(flatten)]
    completions: Completions,
    #[serde(skip_serializing_if = "Option::is_none")]
    steering: Option<SteeringReport>,
    /// The continuations without steering.
    #[serde(skip_serializing_if = "Option::is_none")]
    plain: Option<Vec<Completion>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    comparison: Option<Vec<Comparison>>,
}

/// What is continued, and how.
struct Asked<'a> {
    model: (&'a str, &'a Llama),
    tokenizer: &'a Tokenizer,
    prompts: &'a [Prompt],
    options: &'a GenerateOptions,
    stop: &'a [String],
    rows: usize,
}

pub(crate) fn run(args: &Args, global: &Global) -> Result<()> {
    let on = device::choose(global)?;
    let found = find_model(Some(&args.model), None, global.quiet)?;
    let targets = Targets::new(global, None)?;
    let files = [&args.chat, &args.prompts].into_iter().flatten().cloned();
    let steer = Steer::find(&args.steering, global.quiet)?;
    let of_saes = steer.as_ref().map(Steer::paths).unwrap_or_default();
    targets.spare(found.paths().into_iter().chain(files).chain(of_saes))?;
    let tokenizer = found.tokenizer()?;
    let prompts = prompts(args, &found, &tokenizer)?;
    let mut options = options(&args.sampling, &found.generation_config()?, &tokenizer)?;
    options.log_probs = global.json.is_some().then_some(args.sampling.top as usize);
    let config = found.config()?;
    let longest = prompts
        .iter()
        .map(|prompt| prompt.ids.len())
        .max()
        .unwrap_or(0);
    let mut work = Work::new(&config, &on, longest + options.max_new_tokens);
    work.rows = Some((prompts.len() * options.n) as u64);
    work.batch_size = args.batch_size.map(|n| n as usize);
    work.keeps_keys = true;
    work.logit_bytes = 0;
    work.besides
        .push(Part::new("logits", work.next_token_bytes()));
    if let Some(steer) = &steer {
        work = steer.planned(work)?;
    }
    if args.steering.compare {
        let bytes = compare_bytes(&config, options.max_new_tokens);
        work.besides.push(Part::new("comparison", bytes));
    }
    let settled = plan::settle(&work, &args.memory, &on, global).map_err(|error| {
        let text = error.to_string();
        Error::msg(text.replace("a smaller --context-size", "fewer --max-new-tokens"))
    });
    let Some(plan) = settled? else {
        return Ok(());
    };
    let steering = steer.map(|steer| steer.load(&config, &tokenizer, &on));
    let (steering, report) = steering.transpose()?.unzip();
    let model = found.load(&on, plan.placement)?;
    if work.context_size > config.max_position_embeddings {
        tracing::warn!(
            "prompts and continuations have up to {} tokens together, more than the {} that the model was trained for",
            work.context_size,
            config.max_position_embeddings
        );
    }
    let asked = Asked {
        model: (&found.name, &model),
        tokenizer: &tokenizer,
        prompts: &prompts,
        options: &options,
        stop: &args.sampling.stop,
        rows: plan.batch_size,
    };
    let result = match steering {
        Some(steering) if args.steering.compare => return both(&asked, steering, report, global),
        Some(mut steering) => {
            let mut result = asked.shown(&mut steering, global)?;
            result.steering = report.map(|report| with_changes(report, &steering));
            result
        }
        None => asked.shown(&mut NoHooks, global)?,
    };
    interrupt::check()?;
    global.output().emit("", &result)
}

impl Asked<'_> {
    /// The continuations, of which `shown` hears every piece.
    fn complete<H: Hook + ?Sized>(
        &self,
        hooks: &mut H,
        shown: impl FnMut(usize, &str) -> std::ops::ControlFlow<()>,
    ) -> Result<Completions> {
        let settings = (self.options, self.stop);
        let (rows, prompts) = (self.rows, self.prompts);
        let done = complete(
            self.model,
            self.tokenizer,
            prompts,
            settings,
            rows,
            hooks,
            shown,
        );
        Ok(done?)
    }

    /// The continuations, shown as they come.
    fn shown<H: Hook>(&self, hooks: &mut H, global: &Global) -> Result<Found> {
        let output = global.output();
        let shown = Shown::new(&output, self.prompts.len() * self.options.n);
        let completions = self.complete(hooks, |row, piece| {
            if shown.piece(row, piece).is_break() {
                std::ops::ControlFlow::Break(())
            } else {
                interrupt::flow()
            }
        })?;
        let texts = completions.completions.iter();
        shown.end(texts.map(|completion| completion.text.as_str()))?;
        Ok(Found {
            completions,
            steering: None,
            plain: None,
            comparison: None,
        })
    }
}

/// What came of steering, beside what was asked for; warns of pushes that are too large.
fn with_changes(mut report: SteeringReport, steering: &Steering) -> SteeringReport {
    for (run, change) in report.saes.iter_mut().zip(steering.relative_changes()) {
        run.relative_change = *change;
        if let Some(warning) = run.warning() {
            tracing::warn!("{warning}");
        }
    }
    report
}

/// `--compare`
fn both(
    asked: &Asked<'_>,
    mut steering: Steering,
    report: Option<SteeringReport>,
    global: &Global,
) -> Result<()> {
    let total = asked.prompts.len() * asked.options.n * asked.options.max_new_tokens;
    let quietly = |what, hooks: &mut dyn Hook| {
        let bar = NewTokens::new(global.quiet, what, total);
        asked.complete(hooks, |_, _| {
            bar.one();
            interrupt::flow()
        })
    };
    let plain = quietly("plain", &mut NoHooks)?;
    interrupt::check()?;
    let steered = quietly("steered", &mut steering)?;
    interrupt::check()?;
    let report = report.map(|report| with_changes(report, &steering));
    let bar = Runs::new(global.quiet, "comparing");
    let (mut text, mut comparisons) = (String::new(), Vec::new());
    let steered_rows = steered.completions.len();
    let pairs = plain.completions.iter().zip(&steered.completions);
    for (at, (plain, steered)) in pairs.enumerate() {
        interrupt::check()?;
        bar.set(at, steered_rows);
        let comparison = compared(asked, plain, &mut steering)?;
        if asked.prompts.len() * asked.options.n > 1 {
            text.push_str(&format!(
                "{}--- {}\n",
                if at > 0 { "\n" } else { "" },
                at + 1
            ));
        }
        text.push_str(&compared_text(
            &plain.text,
            &steered.text,
            &comparison,
            columns(),
        ));
        comparisons.push(comparison);
    }
    drop(bar);
    let result = Found {
        completions: steered,
        steering: report,
        plain: Some(plain.completions),
        comparison: Some(comparisons),
    };
    global.output().emit(&text, &result)
}

fn compared(asked: &Asked<'_>, plain: &Completion, steering: &mut Steering) -> Result<Comparison> {
    let ids: Vec<u32> = plain.tokens.iter().map(|token| token.id).collect();
    let changes = compare(asked.model.1, &plain.prompt_ids, &ids, steering)?;
    let token = |(token, change): (&sae_llama::generate::Token, sae_interventions::TokenChange)| {
        let log_probs = (change.log_prob, change.changed_log_prob);
        ComparedToken::new(token.token.clone(), token.id, log_probs, change.kl)
    };
    let tokens = plain.tokens.iter().zip(changes).map(token);
    Ok(Comparison::new(
        plain.prompt_index,
        plain.sample,
        tokens.collect(),
    ))
}
