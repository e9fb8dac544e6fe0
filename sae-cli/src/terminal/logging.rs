//! Logs on stderr; warnings are kept as well, for the JSON.

use std::fmt;
use std::io::IsTerminal;
use std::sync::{Mutex, PoisonError};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, fmt as log};

/// Crates whose messages are for people.
const OURS: &[&str] = &[
    "dataset_stream",
    "hub_io",
    "llama_hooked",
    "sae_attribution_graph",
    "sae_backend",
    "sae_cli",
    "sae_core",
    "sae_dashboard",
    "sae_interventions",
    "sae_llama",
    "sae_metrics",
    "sae_serve",
];

static WARNINGS: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Every warning so far, each once, whether or not it was shown.
pub(crate) fn warnings() -> Vec<String> {
    let warnings = WARNINGS.lock().unwrap_or_else(PoisonError::into_inner);
    warnings.clone()
}

/// Keeps the warnings of our crates.
struct Keep;

impl<S: Subscriber> Layer<S> for Keep {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let metadata = event.metadata();
        let krate = metadata.target().split("::").next().unwrap_or_default();
        if *metadata.level() != Level::WARN || !OURS.contains(&krate) {
            return;
        }
        let mut message = Message(String::new());
        event.record(&mut message);
        let mut warnings = WARNINGS.lock().unwrap_or_else(PoisonError::into_inner);
        if !warnings.contains(&message.0) {
            warnings.push(message.0);
        }
    }
}

/// An event's message, and its fields after it, as on stderr.
struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.0.insert_str(0, &format!("{value:?}"));
        } else {
            self.0.push_str(&format!(" {}={value:?}", field.name()));
        }
    }
}

/// Sends logs to stderr: warnings by default, none if quiet, more if verbose; `SAE_LOG` overrides.
pub(crate) fn start_logging(verbose: u8, quiet: bool) {
    let level = match (quiet, verbose) {
        (true, _) => "error",
        (_, 0) => "warn",
        (_, 1) => "info",
        _ => "debug",
    };
    let default: Vec<_> = OURS.iter().map(|name| format!("{name}={level}")).collect();
    let default = default.join(",");
    let wanted = std::env::var_os("SAE_LOG").filter(|text| !text.is_empty());
    let parsed = wanted.as_ref().map(|text| {
        let text = text.to_str().ok_or("it is not UTF-8".to_owned())?;
        EnvFilter::try_new(text).map_err(|error| error.to_string())
    });
    let (filter, misunderstood) = match parsed {
        Some(Ok(filter)) => (Some(filter), None),
        Some(Err(reason)) => (None, Some(reason)),
        None => (None, None),
    };
    // Looking for GPUs where there are none is no error.
    let others = "error,wgpu_hal=off,wgpu_core=off";
    let filter = filter.unwrap_or_else(|| EnvFilter::new(format!("{others},{default}")));
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let shown = log::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal() && !no_color)
        .without_time()
        .with_target(verbose > 1)
        .with_filter(filter);
    let started = tracing_subscriber::registry()
        .with(shown)
        .with(Keep)
        .try_init();
    // Another subscriber exists already when the library's caller has set one.
    let _ = started;
    if let (Some(text), Some(reason)) = (wanted, misunderstood) {
        tracing::warn!(
            "SAE_LOG is {text:?}, which is not understood and ignored: {reason}; try debug, or llama_hooked=trace"
        );
    }
}
