//! `--json`, whose value may be left out.
//!
//! With an optional value, `--json RUN` could mean two things. A following argument is taken as the file only if it is `-` or ends in
//! `.json`; `--json=FILE` takes any name.

use std::ffi::{OsStr, OsString};

/// Rewrites `--json [FILE]` to `--json=FILE`, with `-` for no file.
pub(crate) fn expand(args: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut args = args.peekable();
    let mut expanded = Vec::new();
    let mut only_values = false;
    while let Some(arg) = args.next() {
        only_values |= arg == "--";
        if arg != "--json" || only_values {
            expanded.push(arg);
            continue;
        }
        let mut joined = OsString::from("--json=");
        let file = args.next_if(|next| is_file(next));
        joined.push(file.unwrap_or_else(|| "-".into()));
        expanded.push(joined);
    }
    expanded
}

fn is_file(arg: &OsStr) -> bool {
    arg == "-"
        || (arg.len() > 5
            && arg
                .to_string_lossy()
                .to_ascii_lowercase()
                .ends_with(".json"))
}

#[cfg(test)]
mod tests {
    use super::expand;

    fn expanded(line: &str) -> String {
        let args = expand(line.split(' ').map(Into::into));
        args.iter()
            .map(|a| a.to_string_lossy())
            .collect::<Vec<_>>()
            .join(" ")
    }

    #[test]
    fn the_file_may_be_left_out_wherever_the_flag_stands() {
        assert_eq!(expanded("sae info RUN --json"), "sae info RUN --json=-");
        assert_eq!(expanded("sae --json info RUN"), "sae --json=- info RUN");
        assert_eq!(expanded("sae info --json RUN"), "sae info --json=- RUN");
        assert_eq!(
            expanded("sae info --json out.json RUN"),
            "sae info --json=out.json RUN"
        );
        assert_eq!(expanded("sae info RUN --json -"), "sae info RUN --json=-");
        assert_eq!(
            expanded("sae info RUN --json=odd"),
            "sae info RUN --json=odd"
        );
        assert_eq!(expanded("sae prompt -- --json"), "sae prompt -- --json");
    }
}
