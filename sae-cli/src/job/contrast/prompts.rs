//! The two sets: read, checked, and made into tokens.

use crate::args::contrast::{Args, RankChoice, ReduceChoice};
use crate::error::UsageError;
use anyhow::{Context, Result, bail};
use chat_template::ChatTemplate;
use dataset_stream::{Prompt, Tokenizer, read_pairs, read_prompts};
use llama_hooked::LlamaConfig;
use rayon::prelude::*;
use sae_contrast::{Groups, RankBy};
use sae_llama::contrast::{PromptOptions, PromptTokenizer, PromptTokens, Reduce};
use sae_llama::resolve::FoundModel;
use sae_report::contrast::{ContrastSettings, PromptSet};
use std::path::{Path, PathBuf};

/// The prompts of both sets, as they were read.
pub(crate) struct Read {
    a: (String, Vec<Prompt>),
    b: (String, Vec<Prompt>),
    pub(crate) groups: Groups,
    /// The files.
    pub(crate) files: Vec<PathBuf>,
}

/// The prompts of both sets as tokens, those of `a` first.
pub(crate) struct Sets {
    pub(crate) tokens: Vec<PromptTokens>,
    pub(crate) described: [PromptSet; 2],
}

/// Reads `--a` and `--b`, or `--pairs`.
pub(crate) fn read(args: &Args) -> Result<Read> {
    let named = |path: &Path| path.display().to_string();
    match (&args.a, &args.b, &args.pairs) {
        (Some(a), Some(b), None) => {
            let (of_a, of_b) = (read_prompts(a)?, read_prompts(b)?);
            let (n_a, n_b) = (of_a.len(), of_b.len());
            if args.paired && n_a != n_b {
                bail!(UsageError(format!(
                    "--paired: {} has {n_a} prompts and {} has {n_b}; pairs need as many of both",
                    a.display(),
                    b.display()
                )));
            }
            let groups = if args.paired {
                Groups::pairs(n_a)?
            } else {
                Groups::independent(n_a, n_b)?
            };
            Ok(Read {
                a: (named(a), of_a),
                b: (named(b), of_b),
                groups,
                files: vec![a.clone(), b.clone()],
            })
        }
        (None, None, Some(pairs)) => {
            let (of_a, of_b): (Vec<_>, Vec<_>) = read_pairs(pairs)?.into_iter().unzip();
            let groups = Groups::pairs(of_a.len())?;
            let name = named(pairs);
            Ok(Read {
                a: (format!("{name}: a"), of_a),
                b: (format!("{name}: b"), of_b),
                groups,
                files: vec![pairs.clone()],
            })
        }
        _ => bail!(UsageError(
            "which prompts? give --a FILE and --b FILE, or --pairs FILE.jsonl".to_owned()
        )),
    }
}

impl Read {
    /// Tokens of all prompts, on threads.
    pub(crate) fn tokens(&self, tokenizer: &Tokenizer, options: PromptOptions) -> Result<Sets> {
        let prompts = PromptTokenizer::new(tokenizer, options)?;
        let of = |set: &(String, Vec<Prompt>)| -> Result<Vec<PromptTokens>> {
            let tokens = set.1.par_iter().enumerate().map(|(at, prompt)| {
                let tokens = prompts.tokens(prompt);
                tokens.with_context(|| format!("{}: prompt {}", set.0, at + 1))
            });
            tokens.collect()
        };
        let (mut tokens, of_b) = (of(&self.a)?, of(&self.b)?);
        if tokens == of_b {
            tracing::warn!("the two sets are the same prompts: nothing can differ");
        }
        let described = [describe(&self.a.0, &tokens), describe(&self.b.0, &of_b)];
        tokens.extend(of_b);
        Ok(Sets { tokens, described })
    }
}

fn describe(name: &str, tokens: &[PromptTokens]) -> PromptSet {
    let kept = |prompt: &PromptTokens| prompt.kept.iter().filter(|kept| **kept).count();
    PromptSet::new(
        name,
        tokens.len(),
        tokens.iter().map(kept).sum(),
        tokens.iter().filter(|prompt| prompt.cut).count(),
    )
}

/// How prompts become tokens, and a contrast of them: `prepend_bos` as the SAE was trained.
pub(crate) fn settings(
    args: &Args,
    found: &FoundModel,
    config: &LlamaConfig,
    prepend_bos: bool,
    paired: bool,
) -> Result<(PromptOptions, ContrastSettings)> {
    let prompt = &args.prompt;
    let trained = config.max_position_embeddings;
    let context_size = prompt.context_size.map_or(trained, |n| n as usize);
    if context_size > trained {
        tracing::warn!(
            "prompts of up to {context_size} tokens are longer than the {trained} that the model was trained for"
        );
    }
    let mut options = PromptOptions::new(context_size, config.vocab_size);
    options.template = prompt.template.clone();
    options.chat = prompt
        .chat
        .then(|| chat_template(args, found))
        .transpose()?;
    options.system = prompt.system.as_deref().map(system).transpose()?;
    options.add_generation_prompt = !prompt.no_generation_prompt;
    options.prepend_bos = prepend_bos && !prompt.no_bos;
    options.exclude_special_tokens = args.exclude_special_tokens;
    let mut settings = ContrastSettings::default();
    settings.paired = paired;
    settings.reduce = reduce(args.reduce).name();
    settings.exclude_special_tokens = args.exclude_special_tokens;
    settings.chat = prompt.chat;
    settings.system = options.system.clone();
    settings.template = prompt.template.clone();
    settings.permutations = args.tests.permutations as usize;
    settings.seed = args.tests.seed;
    settings.min_fired = args.tests.min_fired as usize;
    settings.rank_by = rank_by(args.tests.rank_by);
    settings.alpha = args.tests.alpha;
    if settings.rank_by == RankBy::DZ && !paired {
        bail!(UsageError(
            "--rank-by d_z: is of pairs; give --pairs, or --paired with --a and --b".to_owned()
        ));
    }
    Ok((options, settings))
}

fn chat_template(args: &Args, found: &FoundModel) -> Result<ChatTemplate> {
    let folder = found.files.config.parent().unwrap_or(Path::new("."));
    let Some(given) = &args.prompt.chat_template else {
        return ChatTemplate::from_folder(folder).context(
            "--chat: the model's chat template (another can be given by --chat-template)",
        );
    };
    let config = folder.join("tokenizer_config.json");
    let config = config.is_file().then_some(config);
    let template = ChatTemplate::from_files(Some(given), config.as_deref());
    template.with_context(|| format!("--chat-template {}", given.display()))
}

/// A system message; the line feed that ends a file is no part of it.
fn system(path: &Path) -> Result<String> {
    let text = std::fs::read_to_string(path);
    let text = text.with_context(|| format!("--system {}: cannot be read", path.display()))?;
    Ok(text.strip_suffix('\n').unwrap_or(&text).to_owned())
}

/// `--reduce`.
pub(crate) fn reduce(choice: ReduceChoice) -> Reduce {
    match choice {
        ReduceChoice::Max => Reduce::Max,
        ReduceChoice::Mean => Reduce::Mean,
        ReduceChoice::Last => Reduce::Last,
    }
}

fn rank_by(choice: RankChoice) -> RankBy {
    match choice {
        RankChoice::CohensD => RankBy::CohensD,
        RankChoice::DZ => RankBy::DZ,
        RankChoice::T => RankBy::T,
        RankChoice::Auroc => RankBy::Auroc,
        RankChoice::Frequency => RankBy::Frequency,
        RankChoice::Mean => RankBy::Mean,
    }
}
