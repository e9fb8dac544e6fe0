//! `sae serve`

use crate::cli::Global;
use crate::dashboards::live::Live;
use crate::dashboards::prepare::SourceArgs;
use crate::targets::Targets;
use anyhow::Result;
use sae_serve::{ServeOptions, Server, Shutdown};
use serde_json::json;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

/// The feature pages live: which features fire on what you type, and a prompt check with the SAE in place
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  sae serve --sae RUN --dataset 'pile/*.jsonl.zst' --max-tokens 200000 --work work/
  sae serve --sae RUN --tokens tokens.safetensors --port 0

The text goes through the model first, as for `sae dashboard`; with --work, only once. The server listens on this machine alone unless --host \
says otherwise, and has no password. Ctrl-C ends it.")]
pub(crate) struct Args {
    #[command(flatten)]
    source: SourceArgs,
    /// The logit lens without the final norm's weight
    #[arg(long)]
    raw_lens: bool,
    /// The address to listen on
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1", value_parser = host)]
    host: IpAddr,
    /// The port; 0 takes one that is free
    #[arg(long, value_name = "N", default_value_t = 8737)]
    port: u16,
    /// Another name under which browsers reach the server, for instance that of a proxy
    #[arg(long, value_name = "NAME")]
    host_name: Vec<String>,
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

pub(crate) fn run(args: &Args, global: &Global) -> Result<()> {
    args.source.check()?;
    let on_bad_row = args.source.text.on_bad_row();
    let work = args.source.work.as_deref().map(|path| ("--work", path));
    let targets = Targets::new(global, work.into_iter().chain(on_bad_row.file()))?;
    targets.spare(&args.source.tokens)?;
    let Some(mut prepared) = args.source.prepare(&targets, global)? else {
        return Ok(());
    };
    let log = prepared.log(&args.source, global.quiet)?;
    let _scratch = prepared.work.take_scratch();
    // The server's threads may outlive this function's frame, and the program ends with them.
    let prepared = Box::leak(Box::new(prepared));
    let live = Live::new(prepared, log, args.raw_lens)?;
    let options = ServeOptions {
        host_names: args.host_name.clone(),
        ..ServeOptions::default()
    };
    let address = SocketAddr::new(args.host, args.port);
    let server = Server::bind(address, Arc::new(live), options)?;
    let url = format!("http://{}/", server.address());
    let served = global
        .output()
        .emit(&format!("{url}\nCtrl-C ends it\n"), &json!({ "url": url }));
    served?;
    if !args.host.is_loopback() {
        tracing::warn!("{url} can be reached from the network, by anybody, without a password");
    }
    Ok(server.run_until(&Shutdown::on_signals())?)
}
