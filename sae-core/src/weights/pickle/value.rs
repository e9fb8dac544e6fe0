//! From what a pickle made to tensors in the archive's bytes.

use super::super::tensors::Stored;
use super::machine::{Machine, Node, Value};
use safetensors::Dtype;
use std::collections::BTreeMap;

/// Dictionaries within dictionaries: more than any file of weights has.
const MAX_DEPTH: usize = 8;
/// Values that are looked at, so that a dictionary that holds itself comes to an end.
const MAX_VISITS: usize = 1 << 18;

/// Letters of a tensor's name.
const MAX_NAME: usize = 1024;

/// All tensors under their keys. `data` gives the bytes of a storage. An error is a sentence without its subject, the file.
pub(super) fn tensors<'a>(
    machine: &Machine,
    data: impl Fn(&str) -> Option<&'a [u8]>,
) -> Result<BTreeMap<String, Stored<'a>>, String> {
    if !matches!(&machine.root, Value::Node(at) if matches!(machine.nodes[*at], Node::Dict(_))) {
        return Err(
            "holds no dictionary of tensors, as a state_dict() is; expected names and tensors"
                .to_owned(),
        );
    }
    let mut found = BTreeMap::new();
    let mut open = vec![(String::new(), &machine.root, 0)];
    let mut visits = 0;
    while let Some((name, value, depth)) = open.pop() {
        visits += 1;
        if depth > MAX_DEPTH || visits > MAX_VISITS {
            return Err("nests dictionaries without end".to_owned());
        }
        let Value::Node(at) = value else { continue };
        match &machine.nodes[*at] {
            Node::Dict(items) => {
                for (key, value) in items {
                    let Value::Text(key) = key else { continue };
                    if name.len() + key.len() > MAX_NAME {
                        return Err("has a name of thousands of letters".to_owned());
                    }
                    let full = if name.is_empty() {
                        key.to_string()
                    } else {
                        format!("{name}.{key}")
                    };
                    open.push((full, value, depth + 1));
                }
            }
            Node::Tensor {
                storage,
                offset,
                shape,
                strides,
            } => {
                let Node::Storage { dtype, key, numel } = &machine.nodes[*storage] else {
                    continue;
                };
                let view = View {
                    name: &name,
                    offset: *offset,
                    shape,
                    strides,
                };
                let stored = view.stored(dtype, *numel, data(key))?;
                if found.insert(name.clone(), stored).is_some() {
                    return Err(format!("has two tensors called {name:?}"));
                }
            }
            _ => {}
        }
    }
    Ok(found)
}

/// A tensor within its storage.
struct View<'a> {
    name: &'a str,
    offset: usize,
    shape: &'a [usize],
    strides: &'a [usize],
}

impl View<'_> {
    fn stored<'d>(
        &self,
        dtype: &str,
        numel: usize,
        data: Option<&'d [u8]>,
    ) -> Result<Stored<'d>, String> {
        let name = self.name;
        let data = data
            .ok_or_else(|| format!("has no data for its tensor {name:?}; was it copied whole?"))?;
        let (dtype, width) = kind(dtype)
            .ok_or_else(|| format!("has a tensor {name:?} of an unknown type, {dtype}"))?;
        if numel.checked_mul(width) != Some(data.len()) {
            return Err(format!(
                "says that the data of its tensor {name:?} are {numel} numbers of {width} bytes, and holds {} bytes",
                data.len()
            ));
        }
        let beyond = || {
            format!(
                "has a tensor {name:?} of shape {:?} that reaches beyond its {numel} numbers",
                self.shape
            )
        };
        let n = self
            .shape
            .iter()
            .try_fold(1_usize, |n, &by| n.checked_mul(by))
            .ok_or_else(beyond)?;
        // The last number's place; a view that repeats numbers would be larger than what it is a view of.
        let last = self
            .shape
            .iter()
            .zip(self.strides)
            .try_fold(self.offset, |at, (&n, &step)| {
                at.checked_add(n.saturating_sub(1).checked_mul(step)?)
            });
        let fits = n == 0 || last.is_some_and(|last| last < numel);
        if !fits || n > numel || self.offset > numel {
            return Err(beyond());
        }
        let contiguous = is_contiguous(self.shape, self.strides);
        let from = self.offset * width;
        let to = if contiguous {
            from + n * width
        } else {
            data.len()
        };
        Ok(Stored {
            dtype,
            shape: self.shape.to_vec(),
            strides: (!contiguous).then(|| self.strides.to_vec()),
            data: &data[from..to],
        })
    }
}

fn is_contiguous(shape: &[usize], strides: &[usize]) -> bool {
    let mut expected = 1;
    for (&n, &step) in shape.iter().zip(strides).rev() {
        if n != 1 && step != expected {
            return false;
        }
        expected *= n.max(1);
    }
    true
}

fn kind(storage: &str) -> Option<(Dtype, usize)> {
    Some(match storage.strip_prefix("torch.")? {
        "FloatStorage" => (Dtype::F32, 4),
        "DoubleStorage" => (Dtype::F64, 8),
        "HalfStorage" => (Dtype::F16, 2),
        "BFloat16Storage" => (Dtype::BF16, 2),
        "LongStorage" => (Dtype::I64, 8),
        "IntStorage" => (Dtype::I32, 4),
        "ShortStorage" => (Dtype::I16, 2),
        "CharStorage" => (Dtype::I8, 1),
        "ByteStorage" => (Dtype::U8, 1),
        "BoolStorage" => (Dtype::BOOL, 1),
        _ => return None,
    })
}
