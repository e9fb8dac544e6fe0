//! `sae serve`

use crate::args::Global;
use crate::args::serve::Args;
use crate::job::live::Live;
use crate::job::prepare::prepare;
use crate::job::targets::Targets;
use crate::terminal::interrupt;
use anyhow::Result;
use sae_serve::{ServeOptions, Server, Shutdown};
use serde_json::json;
use std::net::SocketAddr;
use std::sync::Arc;

pub(crate) fn run(args: &Args, global: &Global) -> Result<()> {
    args.source.check()?;
    let on_bad_row = args.source.text.on_bad_row();
    let work = args.source.work.as_deref().map(|path| ("--work", path));
    let targets = Targets::new(global, work.into_iter().chain(on_bad_row.file()))?;
    targets.spare(&args.source.tokens)?;
    let Some(mut prepared) = prepare(&args.source, &targets, global)? else {
        return Ok(());
    };
    let log = prepared.log(&args.source, global.quiet)?;
    let _scratch = prepared.work.take_scratch();
    let live = Live::new(prepared, log, args.raw_lens)?;
    let mut options = ServeOptions::default();
    options.host_names = args.host_name.clone();
    let address = SocketAddr::new(args.host, args.port);
    let server = Server::bind(address, Arc::new(live), options)?;
    let url = format!("http://{}/", server.address());
    global
        .output()
        .emit(&format!("{url}\nCtrl-C ends it\n"), &json!({ "url": url }))?;
    if !args.host.is_loopback() {
        tracing::warn!("{url} can be reached from the network, by anybody, without a password");
    }
    // Not `Shutdown::on_signals`: a signal may come before the server listens for them.
    let shutdown = Shutdown::manual();
    let stop = shutdown.clone();
    let _watch = interrupt::when_asked(move || stop.trigger());
    Ok(server.run_until(&shutdown)?)
}
