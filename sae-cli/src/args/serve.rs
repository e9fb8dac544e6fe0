//! The arguments of `sae serve`.

use super::source::SourceArgs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

/// The feature pages live: which features fire on what you type, and a prompt check with the SAE in place
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  sae serve --sae RUN --dataset 'pile/*.jsonl.zst' --max-tokens 200000 --work work/
  sae serve --sae RUN --tokens tokens.safetensors --port 0
  sae serve --sae RUN --dataset text/ --labels labels.jsonl

The text goes through the model first, as for `sae dashboard`; with --work, only once. The server listens on this machine alone unless --host \
says otherwise, and has no password. Ctrl-C ends it.")]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) source: SourceArgs,
    /// The logit lens without the final norm's weight
    #[arg(long)]
    pub(crate) raw_lens: bool,
    /// Labels, notes and stars of features, in a file of lines; the page adds to it
    #[arg(long, value_name = "FILE")]
    pub(crate) labels: Option<PathBuf>,
    /// The address to listen on
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1", value_parser = host)]
    pub(crate) host: IpAddr,
    /// The port; 0 takes one that is free
    #[arg(long, value_name = "N", default_value_t = 8737)]
    pub(crate) port: u16,
    /// Another host name by which browsers may reach this server, such as a proxy's
    #[arg(long, value_name = "NAME")]
    pub(crate) host_name: Vec<String>,
}

/// An address, or the name that every machine has for itself.
fn host(text: &str) -> Result<IpAddr, String> {
    if text == "localhost" {
        return Ok(Ipv4Addr::LOCALHOST.into());
    }
    text.parse().map_err(|_| {
        "is not an address of this machine, such as 127.0.0.1 or 0.0.0.0 (all of them); further names are given by --host-name".to_owned()
    })
}
