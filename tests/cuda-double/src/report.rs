//! What was seen, as JSON at the end of the process, and call by call if asked.

use crate::settings::settings;
use crate::state::{Copies, State, lock};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::sync::{Mutex, Once, OnceLock};

unsafe extern "C" {
    fn atexit(handler: extern "C" fn()) -> i32;
}

/// Writes the report when the process ends, however often it is asked to.
pub(crate) fn at_exit() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: the handler is a function of this library, which is never unloaded.
        unsafe { atexit(write) };
    });
}

extern "C" fn write() {
    let Some(path) = &settings().report else {
        return;
    };
    let text = json(&lock());
    if let Err(error) = std::fs::write(path, text) {
        say(&format!("{path}: {error}"));
    }
}

/// The report, with the launches of each kernel.
fn json(state: &State) -> String {
    let copies = |c: Copies| format!(r#"{{"count":{},"bytes":{}}}"#, c.count, c.bytes);
    let mut by_name: BTreeMap<&str, u64> = BTreeMap::new();
    for kernel in &state.kernels {
        *by_name.entry(&kernel.name).or_default() += kernel.launches;
    }
    let kernels = by_name.iter().map(|(name, n)| format!("{name:?}:{n}"));
    let refused = state.refused.iter().map(|why| format!("{why:?}"));
    format!(
        r#"{{"peak_bytes":{},"bytes":{},"allocations":{},"peak_pinned_bytes":{},"launches":{},"waits":{},"to_device":{},"to_host":{},"on_device":{},"modules":{},"refused":[{}],"kernels":{{{}}}}}"#,
        state.peak_bytes,
        state.bytes,
        state.allocated,
        state.peak_pinned_bytes,
        state.launches,
        state.waits,
        copies(state.to_device),
        copies(state.to_host),
        copies(state.on_device),
        state.modules.len(),
        refused.collect::<Vec<_>>().join(","),
        kernels.collect::<Vec<_>>().join(","),
    )
}

/// Writes a line of the trace, if there is one.
pub(crate) fn trace(line: impl FnOnce() -> String) {
    static FILE: OnceLock<Option<Mutex<File>>> = OnceLock::new();
    let file = FILE.get_or_init(|| {
        let path = settings().trace.as_ref()?;
        File::create(path).ok().map(Mutex::new)
    });
    if let Some(Ok(mut file)) = file.as_ref().map(Mutex::lock) {
        let _ = writeln!(file, "{}", line());
    }
}

/// Says something to whoever runs the program.
#[allow(clippy::print_stderr)]
pub(crate) fn say(text: &str) {
    eprintln!("cuda double: {text}");
}
