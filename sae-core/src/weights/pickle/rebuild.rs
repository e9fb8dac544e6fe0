//! The few functions and classes of torch that a file of weights asks for, as data.

use super::machine::{Done, Fault, Node, Run, Value, fault};

/// What a state dictionary may ask for; all of it is data.
const KNOWN: [&str; 18] = [
    "collections.OrderedDict",
    "torch._utils._rebuild_tensor_v2",
    "torch._utils._rebuild_parameter",
    "torch.FloatStorage",
    "torch.DoubleStorage",
    "torch.HalfStorage",
    "torch.BFloat16Storage",
    "torch.LongStorage",
    "torch.IntStorage",
    "torch.ShortStorage",
    "torch.CharStorage",
    "torch.ByteStorage",
    "torch.BoolStorage",
    "torch.Size",
    "torch.device",
    "torch.float32",
    "torch.bfloat16",
    "torch.float16",
];

/// Tensors of more axes are none of an SAE's.
const MAX_RANK: usize = 8;

impl Run<'_> {
    pub(super) fn global(&mut self, module: &str, name: &str) -> Done<()> {
        let full = format!("{module}.{name}");
        if !KNOWN.contains(&full.as_str()) {
            return Err(Fault::Global(full.chars().take(120).collect()));
        }
        self.push(Node::Global(full));
        Ok(())
    }

    /// `('storage', type, key, location, numel)`
    pub(super) fn storage(&mut self) -> Done<()> {
        let id = self.pop()?;
        let Some([_, kind, Value::Text(key), _, numel]) = self.sequence(&id) else {
            return fault("refers to data in a form that torch does not use");
        };
        let Value::Node(kind) = kind else {
            return fault("refers to data without saying of which type");
        };
        let Node::Global(dtype) = &self.nodes[*kind] else {
            return fault("refers to data without saying of which type");
        };
        let (dtype, key, numel) = (dtype.clone(), key.to_string(), size(numel)?);
        self.push(Node::Storage { dtype, key, numel });
        Ok(())
    }

    fn sequence(&self, value: &Value) -> Option<&[Value]> {
        match value {
            Value::Node(at) => match &self.nodes[*at] {
                Node::Sequence(items) => Some(items),
                _ => None,
            },
            _ => None,
        }
    }

    pub(super) fn call(&mut self) -> Done<()> {
        let arguments = self.pop()?;
        let Value::Node(function) = self.pop()? else {
            return fault("calls what is no function");
        };
        let Node::Global(name) = &self.nodes[function] else {
            return fault("calls what is no function");
        };
        let Some(items) = self.sequence(&arguments) else {
            return fault("calls a function without a list of arguments");
        };
        match name.as_str() {
            "collections.OrderedDict" => {
                // From before dictionaries kept their order: a list of pairs.
                let pairs = items
                    .first()
                    .and_then(|list| self.sequence(list))
                    .unwrap_or_default();
                let pairs = pairs.iter().filter_map(|pair| match self.sequence(pair) {
                    Some([key, value]) => Some((key.clone(), value.clone())),
                    _ => None,
                });
                let pairs = pairs.collect();
                self.push(Node::Dict(pairs));
            }
            "torch._utils._rebuild_tensor_v2" => {
                let [Value::Node(storage), offset, shape, strides, ..] = items else {
                    return fault("makes a tensor of something else than torch does");
                };
                let (storage, offset) = (*storage, size(offset)?);
                let (shape, strides) = (self.sizes(shape)?, self.sizes(strides)?);
                if shape.len() != strides.len() || shape.len() > MAX_RANK {
                    return fault(format!(
                        "makes a tensor of shape {shape:?} with steps {strides:?}"
                    ));
                }
                if !matches!(self.nodes[storage], Node::Storage { .. }) {
                    return fault("makes a tensor without data");
                }
                self.push(Node::Tensor {
                    storage,
                    offset,
                    shape,
                    strides,
                });
            }
            "torch._utils._rebuild_parameter" => match items.first() {
                Some(tensor) => {
                    let tensor = tensor.clone();
                    self.stack.push(tensor);
                }
                None => return fault("makes a parameter of nothing"),
            },
            _ => self.push(Node::Inert),
        }
        Ok(())
    }

    fn sizes(&self, value: &Value) -> Done<Vec<usize>> {
        match self.sequence(value) {
            Some(items) => items.iter().map(size).collect(),
            None => fault("gives a tensor a shape that is no list"),
        }
    }
}

fn size(value: &Value) -> Done<usize> {
    match value {
        Value::Int(n) => match usize::try_from(*n) {
            Ok(n) => Ok(n),
            Err(_) => fault(format!("has a size of {n}")),
        },
        _ => fault("has a size that is no number"),
    }
}
