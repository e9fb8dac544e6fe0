#![doc = include_str!("../README.md")]

mod error;
mod file;
mod folder;
mod path;
mod tensors;

pub use error::{WriteError, WriteErrorKind};
pub use file::{WholeFile, check, is_temporary, write, write_all};
pub use folder::{WholeFolder, check_folder};
pub use path::{folder_of, follow, is_pipe};
pub use safetensors::{Dtype, View};
pub use tensors::{TensorBatch, TensorFile, TensorFileError, save_tensors};
