//! What is generated: prompts from the arguments, settings from them and from the model's files.

use crate::args::generate::{Args, SamplingArgs};
use crate::error::UsageError;
use anyhow::{Context, Result};
use dataset_stream::{Prompt as Request, Tokenizer, read_conversations, read_prompts};
use llama_hooked::generate::{GenerateOptions, GenerationConfig, Sampling};
use sae_llama::generate::{Prompt, PromptError, Prompter};
use sae_llama::resolve::FoundModel;
use std::path::Path;

/// The prompts, as tokens.
pub(crate) fn prompts(
    args: &Args,
    found: &FoundModel,
    tokenizer: &Tokenizer,
) -> Result<Vec<Prompt>> {
    let requests = match (&args.prompt, &args.chat, &args.prompts) {
        (Some(text), ..) => vec![Request::Text(text.clone())],
        (_, Some(path), _) => read_conversations(path).context("--chat")?,
        (_, _, Some(path)) => read_prompts(path).context("--prompts")?,
        _ => {
            return Err(UsageError(
                "what should be continued? give a prompt, --chat or --prompts".to_owned(),
            )
            .into());
        }
    };
    let chatting = &args.chatting;
    let is_chat = chatting.chat_template || chatting.system.is_some();
    let system = chatting.system.as_deref().map(text_or_file).transpose()?;
    let needs_template = is_chat
        || requests
            .iter()
            .any(|request| !matches!(request, Request::Text(_)));
    let template = needs_template.then(|| found.chat_template()).transpose()?;
    let mut prompter = Prompter::new(tokenizer, template);
    prompter.bos = !args.no_bos;
    prompter.text_is_chat = is_chat;
    prompter.system = system;
    prompter.options.template = chatting.template.clone();
    if let Some(date) = &chatting.date {
        let moment = date
            .parse()
            .map_err(|error| UsageError(format!("--date {error}")))?;
        prompter.options.now = Some(moment);
    }
    let several = requests.len() > 1;
    let prompt = |(i, request)| {
        let made = prompter.prompt(request).map_err(|error| match error {
            PromptError::NoBos(path) => {
                anyhow::anyhow!("{}: names no BOS token; use --no-bos", path.display())
            }
            other => other.into(),
        });
        if several {
            made.with_context(|| format!("prompt {}", i + 1))
        } else {
            made
        }
    };
    requests.iter().enumerate().map(prompt).collect()
}

/// `--system`: the content of a file of that name, else the text itself.
fn text_or_file(text: &str) -> Result<String> {
    let path = Path::new(text);
    if text.len() < 4096 && path.exists() {
        if !path.is_file() {
            return Err(UsageError(format!(
                "--system {text}: is not a file; give a file, or a text that names none"
            ))
            .into());
        }
        return std::fs::read_to_string(text).with_context(|| format!("--system {text}"));
    }
    Ok(text.to_owned())
}

/// The settings: what the arguments say, else what the model's files say.
pub(crate) fn options(
    args: &SamplingArgs,
    config: &GenerationConfig,
    tokenizer: &Tokenizer,
) -> Result<GenerateOptions> {
    let mut options = GenerateOptions::from_config(args.max_new_tokens as usize, config);
    let mut draw = config.draw();
    draw.temperature = args.temperature.unwrap_or(draw.temperature);
    draw.top_k = args.top_k.map_or(draw.top_k, |k| k as usize);
    draw.top_p = args.top_p.unwrap_or(draw.top_p);
    draw.min_p = args.min_p.unwrap_or(draw.min_p);
    let given = args.temperature.is_some()
        || args.top_k.is_some()
        || args.top_p.is_some()
        || args.min_p.is_some();
    if args.greedy {
        options.sampling = Sampling::Greedy;
    } else if args.sample || given || options.sampling != Sampling::Greedy {
        options.sampling = Sampling::Draw(draw);
    }
    if args.n > 1 && options.sampling == Sampling::Greedy {
        return Err(UsageError(format!(
            "--n {}: without chance all would be the same; add --sample",
            args.n
        ))
        .into());
    }
    if args.stop.iter().any(String::is_empty) {
        return Err(
            UsageError("--stop '': an empty text is everywhere; leave it out".to_owned()).into(),
        );
    }
    if options.stop_ids.is_empty() {
        options.stop_ids.extend(tokenizer.eos());
    }
    options.repetition_penalty = args
        .repetition_penalty
        .unwrap_or(options.repetition_penalty);
    (options.seed, options.n) = (args.seed, args.n as usize);
    Ok(options)
}
