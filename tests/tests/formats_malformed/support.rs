//! Files that are not what they should be.

use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

/// A copy of a golden's files under a folder: what is there is read without complaint.
pub(crate) fn golden(into: &Path, case: &str) -> PathBuf {
    let from = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("goldens/data/formats")
        .join(case);
    if from.is_dir() {
        let to = into.join(from.file_name().unwrap());
        copy(&from, &to);
        to
    } else {
        let to = into.join(from.file_name().unwrap());
        fs::copy(&from, &to).unwrap();
        to
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}

/// Sets a key of a file of JSON, `a.b` within `a`; null removes it.
pub(crate) fn set(file: &Path, key: &str, value: Value) {
    let mut json: Value = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    let (object, key) = match key.split_once('.') {
        Some((outer, key)) => (&mut json[outer], key),
        None => (&mut json, key),
    };
    let object = object.as_object_mut().unwrap();
    if value.is_null() {
        object.remove(key);
    } else {
        object.insert(key.to_owned(), value);
    }
    fs::write(file, json.to_string()).unwrap();
}

/// A tensor as it is written.
pub(crate) struct Tensor {
    pub(crate) name: String,
    pub(crate) dtype: Dtype,
    pub(crate) shape: Vec<usize>,
    pub(crate) data: Vec<u8>,
}

/// Rewrites a safetensors file.
pub(crate) fn rewrite(file: &Path, change: impl Fn(&mut Vec<Tensor>)) {
    let bytes = fs::read(file).unwrap();
    let read = SafeTensors::deserialize(&bytes).unwrap();
    let mut all: Vec<Tensor> = read
        .tensors()
        .into_iter()
        .map(|(name, view)| Tensor {
            name,
            dtype: view.dtype(),
            shape: view.shape().to_vec(),
            data: view.data().to_vec(),
        })
        .collect();
    change(&mut all);
    let views = all.iter().map(|t| {
        let view = TensorView::new(t.dtype, t.shape.clone(), &t.data).unwrap();
        (t.name.as_str(), view)
    });
    fs::write(file, safetensors::serialize(views, None).unwrap()).unwrap();
}

pub(crate) fn named<'a>(all: &'a mut [Tensor], name: &str) -> &'a mut Tensor {
    all.iter_mut().find(|t| t.name == name).unwrap()
}

/// A zip archive of stored entries.
pub(crate) fn zip(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let (mut out, mut central) = (Vec::new(), Vec::new());
    for (name, data) in entries {
        let (at, n) = (out.len() as u32, data.len() as u32);
        let sizes = [0_u32.to_le_bytes(), n.to_le_bytes(), n.to_le_bytes()].concat();
        let name_len = (name.len() as u16).to_le_bytes();
        out.extend(b"PK\x03\x04\x14\0\0\0\0\0\0\0\0\0");
        out.extend(&sizes);
        out.extend(name_len);
        out.extend([0, 0]);
        out.extend(name.as_bytes());
        out.extend(*data);
        central.extend(b"PK\x01\x02\x14\0\x14\0\0\0\0\0\0\0\0\0");
        central.extend(&sizes);
        central.extend(name_len);
        central.extend([0; 12]);
        central.extend(at.to_le_bytes());
        central.extend(name.as_bytes());
    }
    let (at, n) = (out.len() as u32, entries.len() as u16);
    let size = central.len() as u32;
    out.extend(central);
    out.extend(b"PK\x05\x06\0\0\0\0");
    out.extend([n.to_le_bytes(), n.to_le_bytes()].concat());
    out.extend(size.to_le_bytes());
    out.extend(at.to_le_bytes());
    out.extend([0, 0]);
    out
}

/// A program for Python's pickle machine, put together.
#[derive(Default)]
pub(crate) struct Pickle(pub(crate) Vec<u8>);

impl Pickle {
    pub(crate) fn new() -> Self {
        Self(vec![0x80, 2])
    }

    pub(crate) fn op(mut self, bytes: &[u8]) -> Self {
        self.0.extend(bytes);
        self
    }

    pub(crate) fn text(self, text: &str) -> Self {
        let n = (text.len() as u32).to_le_bytes();
        self.op(b"X").op(&n).op(text.as_bytes())
    }

    pub(crate) fn int(self, n: i32) -> Self {
        self.op(b"J").op(&n.to_le_bytes())
    }

    pub(crate) fn global(self, module: &str, name: &str) -> Self {
        self.op(format!("c{module}\n{name}\n").as_bytes())
    }

    /// A tensor over a storage of `numel` floats under `key`.
    pub(crate) fn tensor(
        self,
        key: &str,
        numel: i32,
        offset: i32,
        shape: &[i32],
        strides: &[i32],
    ) -> Self {
        let mut made = self
            .global("torch._utils", "_rebuild_tensor_v2")
            .op(b"((")
            .text("storage");
        made = made
            .global("torch", "FloatStorage")
            .text(key)
            .text("cpu")
            .int(numel)
            .op(b"tQ")
            .int(offset);
        for sizes in [shape, strides] {
            made = made.op(b"(");
            for &n in sizes {
                made = made.int(n);
            }
            made = made.op(b"t");
        }
        made.op(b"\x89}tR")
    }

    pub(crate) fn end(self) -> Vec<u8> {
        self.op(b".").0
    }
}

/// A dictionary of tensors, as `torch.save` writes it: name, shape and data each.
pub(crate) fn state(tensors: &[(&str, &[i32])]) -> Vec<u8> {
    let mut program = Pickle::new().op(b"}(");
    let mut data: Vec<(String, Vec<u8>)> = Vec::new();
    for (at, (name, shape)) in tensors.iter().enumerate() {
        let numel: i32 = shape.iter().product();
        let mut strides: Vec<i32> = Vec::new();
        let mut step = 1;
        for n in shape.iter().rev() {
            strides.insert(0, step);
            step *= n;
        }
        program = program
            .text(name)
            .tensor(&at.to_string(), numel, 0, shape, &strides);
        let numbers = (0..numel).flat_map(|i| (i as f32 * 0.1 - 0.3).to_le_bytes());
        data.push((format!("x/data/{at}"), numbers.collect()));
    }
    let program = program.op(b"u").end();
    let mut entries = vec![("x/data.pkl", program.as_slice())];
    entries.extend(
        data.iter()
            .map(|(name, bytes)| (name.as_str(), bytes.as_slice())),
    );
    zip(&entries)
}

/// An archive of one program and one storage of six floats under `0`.
pub(crate) fn archive(program: &[u8]) -> Vec<u8> {
    zip(&[("x/data.pkl", program), ("x/data/0", &[0; 24])])
}
