//! Files that `torch.save` wrote, read by `pytorch-reader`, which runs nothing in them.
//!
//! A pickle may ask for any function of any Python module and call it. The reader keeps the name of what it does not know, and such a file is
//! refused by that name: whoever loads it in Python runs it.

use super::tensors::{Data, Stored};
use crate::formats::FormatError;
use pytorch_reader::{DType, PickleValue, PytorchError, PytorchReader, Tensor};
use safetensors::Dtype;
use std::collections::BTreeMap;
use std::path::Path;

/// Names under which training scripts keep the weights beside other things.
const WRAPPERS: [&str; 5] = [
    "sae.",
    "state_dict.",
    "model_state_dict.",
    "model.",
    "module.",
];

/// What the reader has no value for, and is data all the same.
const DATA: [&str; 11] = [
    "torch.Tensor",
    "torch.Size",
    "torch.device",
    "torch.float64",
    "torch.float32",
    "torch.float16",
    "torch.bfloat16",
    "torch.int64",
    "torch.int32",
    "torch.bool",
    "int",
];

/// The tensors of a file, by their keys; keys of nested dictionaries are joined by a dot, and a dictionary that only wraps the weights is
/// left out. No tensor is read yet.
pub(super) fn read(
    path: &Path,
    file_bytes: usize,
) -> Result<BTreeMap<String, Stored<'static>>, FormatError> {
    let at_fault = |problem: String| FormatError::Archive {
        path: path.to_owned(),
        problem,
    };
    let unreadable = |error: PytorchError| {
        at_fault(format!(
            "is not a file of weights that torch.save wrote: {error}; if it was copied or downloaded, it may be incomplete"
        ))
    };
    let values = PytorchReader::read_pickle_data(path, None).map_err(unreadable)?;
    if let Some(name) = foreign(&values) {
        return Err(FormatError::Global {
            path: path.to_owned(),
            name: name.chars().take(120).collect(),
        });
    }
    let reader = PytorchReader::new(path).map_err(unreadable)?;
    let mut found = BTreeMap::new();
    for (name, tensor) in reader.into_tensors() {
        // A view may repeat numbers; it would be allocated whole.
        if tensor.byte_len() > file_bytes {
            return Err(at_fault(format!(
                "has a tensor {name:?} of shape {:?}, {} bytes, and is {file_bytes} bytes long itself",
                tensor.shape(),
                tensor.byte_len()
            )));
        }
        let stored = stored(tensor).ok_or_else(|| {
            at_fault(format!(
                "has a tensor {name:?} of unsigned numbers; expected floats"
            ))
        })?;
        found.insert(name, stored);
    }
    Ok(unwrapped(found))
}

/// The first thing that is no data.
fn foreign(value: &PickleValue) -> Option<&str> {
    match value {
        PickleValue::List(items) => items.iter().find_map(foreign),
        PickleValue::Dict(items) => items.values().find_map(foreign),
        PickleValue::Unsupported(name) if !DATA.contains(&name.as_str()) => Some(name),
        _ => None,
    }
}

fn stored(tensor: Tensor) -> Option<Stored<'static>> {
    let dtype = match tensor.dtype() {
        DType::F64 => Dtype::F64,
        DType::F32 => Dtype::F32,
        DType::F16 => Dtype::F16,
        DType::BF16 => Dtype::BF16,
        DType::I64 => Dtype::I64,
        DType::I32 => Dtype::I32,
        DType::I16 => Dtype::I16,
        DType::I8 => Dtype::I8,
        DType::U8 => Dtype::U8,
        DType::Bool => Dtype::BOOL,
        DType::U16 | DType::U32 | DType::U64 => return None,
    };
    Some(Stored {
        dtype,
        shape: tensor.shape().to_vec(),
        data: Data::Pickled(tensor),
    })
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
