//! Files that `torch.save` wrote, read without running anything in them.
//!
//! Such a file is a zip archive: `<root>/data.pkl` is a program for Python's pickle machine, and `<root>/data/N` are the numbers. A pickle
//! may ask for any function of any Python module and call it. The [machine] here knows torch's tensors and plain values; whatever else is
//! asked for is named in an error, and never looked up. Sizes are checked against the archive before anything is allocated.

mod machine;
mod rebuild;
mod value;

use super::tensors::Stored;
use super::zip;
use crate::formats::FormatError;
use machine::Machine;
use std::collections::BTreeMap;
use std::path::Path;

/// The program of a file of weights is a few thousand bytes long.
const MAX_PROGRAM: usize = 4 << 20;

/// Names under which training scripts keep the weights beside other things.
const WRAPPERS: [&str; 5] = [
    "sae.",
    "state_dict.",
    "model_state_dict.",
    "model.",
    "module.",
];

/// The tensors of a file, by their keys; keys of nested dictionaries are joined by a dot, and a dictionary that only wraps the weights is
/// left out.
pub(super) fn read<'a>(
    path: &Path,
    bytes: &'a [u8],
) -> Result<BTreeMap<String, Stored<'a>>, FormatError> {
    let at_fault = |problem: String| FormatError::Archive {
        path: path.to_owned(),
        problem,
    };
    let entries = zip::entries(bytes).map_err(at_fault)?;
    let mut programs = entries.iter().filter(|(name, _)| {
        name.strip_suffix("/data.pkl")
            .is_some_and(|root| !root.is_empty() && !root.contains('/'))
    });
    let (name, program) = programs.next().ok_or_else(|| {
        at_fault(
            "is a zip archive without <name>/data.pkl; expected one that torch.save wrote"
                .to_owned(),
        )
    })?;
    if programs.next().is_some() {
        return Err(at_fault("has two entries called data.pkl".to_owned()));
    }
    let root = name.trim_end_matches("data.pkl");
    let under = |name: &str| {
        let full = format!("{root}{name}");
        entries
            .iter()
            .find(|(name, _)| *name == full)
            .map(|(_, data)| *data)
    };
    if let Some(order) = under("byteorder")
        && order != b"little"
    {
        return Err(at_fault(format!(
            "was written with byteorder {:?}; expected \"little\"",
            String::from_utf8_lossy(&order[..order.len().min(20)])
        )));
    }
    if program.len() > MAX_PROGRAM {
        return Err(at_fault(format!(
            "has a data.pkl of {} bytes; that of a file of weights has a few thousand",
            program.len()
        )));
    }
    let machine = Machine::run(program).map_err(|fault| match fault {
        machine::Fault::Global(name) => FormatError::Global {
            path: path.to_owned(),
            name,
        },
        machine::Fault::Other(problem) => at_fault(format!("has a data.pkl that {problem}")),
    })?;
    let data = |key: &str| under(&format!("data/{key}"));
    let tensors = value::tensors(&machine, data).map_err(at_fault)?;
    Ok(unwrapped(tensors))
}

/// Without the name of a dictionary that holds all tensors.
fn unwrapped(mut tensors: BTreeMap<String, Stored<'_>>) -> BTreeMap<String, Stored<'_>> {
    for _ in 0..WRAPPERS.len() {
        let wrapper = WRAPPERS.iter().find(|wrapper| {
            !tensors.is_empty() && tensors.keys().all(|name| name.starts_with(**wrapper))
        });
        let Some(wrapper) = wrapper else { break };
        let inner = tensors.into_iter();
        tensors = inner
            .map(|(name, stored)| (name[wrapper.len()..].to_owned(), stored))
            .collect();
    }
    tensors
}

/// Whether the file is a pickle by itself, as torch wrote it before version 1.6.
pub(super) fn is_old(bytes: &[u8]) -> bool {
    // The length of a safetensors header comes first, and then its brace.
    bytes.first() == Some(&0x80)
        && bytes.get(1).is_some_and(|v| *v <= 5)
        && bytes.get(8) != Some(&b'{')
}

/// The error for such a file.
pub(super) fn old(path: &Path) -> FormatError {
    FormatError::Archive {
        path: path.to_owned(),
        problem: "is a pickle of before PyTorch 1.6 (or not of PyTorch); expected a zip archive. Save it again in Python: \
                  torch.save(torch.load(FILE, weights_only=True), FILE)"
            .to_owned(),
    }
}
