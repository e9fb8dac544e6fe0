//! The options that say what of a data set is read, and in what order.

use super::bad_rows::OnBadRow;
use crate::error::UsageError;
use anyhow::{Context, Result, bail};
use clap::error::Error;
use clap::{ArgMatches, Args, Command, FromArgMatches};
use dataset_stream::{Shard, Shuffle, SourceOptions, StreamOptions};
use hub_io::Cache;
use serde_json::{Value, json};

/// What is common to all commands that read text.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct TextArgs {
    /// The column that holds the text; detected if it has a common name
    #[arg(long, value_name = "NAME")]
    column: Option<String>,
    /// The configuration (subset) of a data set on the Hub
    #[arg(long, value_name = "NAME")]
    config: Option<String>,
    /// The split of a data set on the Hub; train by default
    #[arg(long, value_name = "NAME")]
    split: Option<String>,
    /// Keep files of a Hub data set in Python's cache as they are read, and read from there what it already has
    #[arg(long)]
    cache: bool,
    /// Shuffle: the order of the files, and documents within a window
    #[arg(long, value_name = "SEED")]
    shuffle: Option<u64>,
    /// Documents in the window [default: 10000]
    #[arg(long, value_name = "N", requires = "shuffle", value_parser = clap::value_parser!(u32).range(1..))]
    shuffle_window: Option<u32>,
    /// Process shard I of N (I starts at 0); auto takes them from Slurm, MPI, Kubernetes or torchrun
    #[arg(long, value_name = "I/N|auto", value_parser = super::shard::shard)]
    pub(crate) shard: Option<Shard>,
    /// Rows that cannot be used: error ends the run (the default), skip drops them, quarantine drops them and writes them to FILE
    #[arg(long, value_name = "error|skip|quarantine=FILE")]
    on_bad_row: Option<OnBadRow>,
}

impl TextArgs {
    /// What to do with bad rows.
    pub(crate) fn on_bad_row(&self) -> OnBadRow {
        self.on_bad_row.clone().unwrap_or_default()
    }

    /// The column that was asked for.
    pub(crate) fn column(&self) -> Option<&str> {
        self.column.as_deref()
    }

    /// How the data set is read.
    pub(crate) fn source(&self) -> Result<SourceOptions> {
        let cache = if self.cache {
            let found = Cache::from_env();
            Some(found.context(
                "--cache: there is no home folder to keep files in; set HF_HUB_CACHE to a folder",
            )?)
        } else {
            None
        };
        Ok({
            let mut options = SourceOptions::default();
            options.cache = cache;
            options.config = self.config.clone();
            options.split = self.split.clone();
            options.column = self.column.clone();
            options.bad_rows = self.on_bad_row().policy();
            options
        })
    }

    /// What is read of a data set, as JSON, for comparing one call with another.
    pub(crate) fn settings(&self) -> Value {
        json!({
            "column": self.column,
            "config": self.config,
            "split": self.split,
            "shuffle": self.shuffle,
            "shuffle_window": self.shuffle_window,
        })
    }

    /// How its documents are ordered and divided.
    pub(crate) fn order(&self, options: &StreamOptions) -> StreamOptions {
        let shuffle = self.shuffle.map(|seed| Shuffle {
            window: self
                .shuffle_window
                .map_or(Shuffle::new(seed).window, |n| n as usize),
            seed,
        });
        {
            let mut made = options.clone();
            made.shuffle = shuffle;
            made.shard = self.shard;
            made
        }
    }

    /// Refuses options that mean nothing where rows of tokens are read instead of text.
    pub(crate) fn none_but_shard(&self) -> Result<()> {
        let given = [
            ("--column", self.column.is_some()),
            ("--config", self.config.is_some()),
            ("--split", self.split.is_some()),
            ("--cache", self.cache),
            ("--shuffle", self.shuffle.is_some()),
            ("--on-bad-row", self.on_bad_row.is_some()),
        ];
        if let Some((name, _)) = given.iter().find(|(_, is_given)| *is_given) {
            bail!(UsageError(format!(
                "{name} is about text (--dataset) and says nothing of a file of tokens (--tokens); leave it out"
            )));
        }
        Ok(())
    }
}

/// The same for `sae train`, whose `--config` is a file of settings: a data set's configuration is `--subset`.
#[derive(Debug, Clone)]
pub(crate) struct TrainText(pub(crate) TextArgs);

impl TrainText {
    /// As [`TextArgs::none_but_shard`].
    pub(crate) fn none_but_shard(&self) -> Result<()> {
        let refused = self.0.none_but_shard();
        refused
            .map_err(|error| UsageError(error.to_string().replace("--config ", "--subset ")).into())
    }
}

impl Args for TrainText {
    fn augment_args(command: Command) -> Command {
        // Without an order of their own, they keep the one in which they are added.
        let own = TextArgs::augment_args(Command::new("text").next_display_order(None));
        let own = own.mut_arg("config", |arg| arg.long("subset"));
        command.args(own.get_arguments().cloned())
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for TrainText {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        TextArgs::from_arg_matches(matches).map(Self)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        self.0.update_from_arg_matches(matches)
    }
}
