//! `sae serve`

use crate::args::Global;
use crate::args::serve::Args;
use crate::job::live::{KEPT_TOKENS, Live, MOST_NEW};
use crate::job::prepare::{Continued, prepare};
use crate::job::targets::Targets;
use crate::terminal::interrupt;
use anyhow::Result;
use sae_dashboard::labels::{LabelFile, LabelSubject};
use sae_serve::{ServeOptions, Server, Shutdown};
use serde_json::json;
use std::net::SocketAddr;
use std::sync::Arc;
use whole_file::follow;

pub(crate) fn run(args: &Args, global: &Global) -> Result<()> {
    args.source.check()?;
    let on_bad_row = args.source.input.text.on_bad_row();
    let work = args.source.work.as_deref().map(|path| ("--work", path));
    let labels = args.labels.as_deref().map(|path| ("--labels", path));
    let own = work.into_iter().chain(on_bad_row.file()).chain(labels);
    let targets = Targets::new(global, own)?;
    targets.spare(&args.source.input.tokens)?;
    let continued = Continued {
        kept: KEPT_TOKENS,
        compared: MOST_NEW,
    };
    let Some(mut prepared) = prepare(&args.source, &targets, global, Some(continued))? else {
        return Ok(());
    };
    // Before the text goes through the model, which takes long.
    let subject = LabelSubject::of(&prepared.source, prepared.sae.cfg().d_sae as u32);
    let labels = args.labels.as_deref();
    let labels = labels
        .map(|path| LabelFile::open(follow(path), subject))
        .transpose()?;
    let log = prepared.log(&args.source, global.quiet)?;
    let _scratch = prepared.work.take_scratch();
    let live = Live::new(prepared, log, labels, args.raw_lens)?;
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
