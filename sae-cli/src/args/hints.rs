//! What to try where an argument is one too many.

use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue, Error, ErrorKind};
use std::ffi::OsString;

/// Commands that take the run by an option, which `info` and `analyze` take without.
const BY_OPTION: [&str; 4] = ["encode", "eval", "dashboard", "serve"];

/// Adds a tip to the refusal of an argument that belongs to an option. `args` is the command line.
pub(crate) fn with_hint(mut error: Error, args: &[OsString]) -> Error {
    if error.kind() != ErrorKind::UnknownArgument {
        return error;
    }
    let Some(ContextValue::String(found)) = error.get(ContextKind::InvalidArg) else {
        return error;
    };
    if let Some(hint) = hint(found, args) {
        let tip = ContextValue::StyledStrs(vec![StyledStr::from(hint)]);
        error.insert(ContextKind::Suggested, tip);
    }
    error
}

fn hint(found: &str, args: &[OsString]) -> Option<String> {
    if found.starts_with('-') {
        return None;
    }
    let at = args.iter().position(|arg| arg == found)?;
    if args[at - 1] == "--json=-" {
        return Some(format!(
            "the file of --json ends in .json; for another name, write --json={found}"
        ));
    }
    let command = args[1..at].iter().find(|arg| {
        let arg = arg.to_str().unwrap_or_default();
        BY_OPTION.contains(&arg)
    })?;
    let is_first = !args.iter().any(|arg| arg == "--sae");
    let command = command.display();
    is_first.then(|| format!("{command} takes the run by an option: --sae {found}"))
}

#[cfg(test)]
mod tests {
    use super::hint;

    fn hinted(line: &str, found: &str) -> Option<String> {
        let args: Vec<_> = line.split(' ').map(Into::into).collect();
        hint(found, &args)
    }

    #[test]
    fn an_argument_without_its_option_is_told_of_it() {
        assert_eq!(
            hinted("sae eval RUN --dataset x", "RUN").unwrap(),
            "eval takes the run by an option: --sae RUN"
        );
        assert_eq!(
            hinted("sae info RUN --json=- out.txt", "out.txt").unwrap(),
            "the file of --json ends in .json; for another name, write --json=out.txt"
        );
        for (line, found) in [
            ("sae eval --sae RUN more", "more"),
            ("sae info RUN more", "more"),
            ("sae eval --runs x", "--runs"),
        ] {
            assert_eq!(hinted(line, found), None, "{line}");
        }
    }
}
