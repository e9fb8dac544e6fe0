//! A shard, mapped.

use crate::dtype::Sums;
use crate::manifest::{FORMAT, VERSION};
use crate::settings::{IDS, SCALE};
use crate::{CacheError, CacheSettings};
use memmap2::Mmap;
use safetensors::SafeTensors;
use safetensors::tensor::Metadata;
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::ops::Range;
use std::path::Path;
use whole_file::Dtype;

/// The entry of the header.
pub(crate) const ENTRY: &str = "activation_cache";

/// What a shard says of itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct About {
    pub(crate) format: String,
    pub(crate) version: u32,
    pub(crate) shard: usize,
    pub(crate) settings: CacheSettings,
    /// Of each hook.
    pub(crate) sums: Vec<Sums>,
}

impl About {
    pub(crate) fn new(settings: &CacheSettings, shard: usize, sums: Vec<Sums>) -> Self {
        Self {
            format: FORMAT.to_owned(),
            version: VERSION,
            shard,
            settings: settings.clone(),
            sums,
        }
    }
}

/// A shard whose tensors are those that its settings ask for.
#[derive(Debug)]
pub(crate) struct Shard {
    map: Mmap,
    ids: usize,
    hooks: Vec<Hook>,
    pub(crate) sums: Vec<Sums>,
}

/// Where a hook's tensors begin in the file.
#[derive(Debug)]
struct Hook {
    values: usize,
    scales: Option<usize>,
}

impl Shard {
    /// Maps shard `number` of a folder with these settings. Nothing is allocated by what the file says.
    pub(crate) fn open(
        path: &Path,
        settings: &CacheSettings,
        number: usize,
    ) -> Result<Self, CacheError> {
        let wrong = |reason: String| CacheError::shard(path, reason);
        // Asked before it is opened: opening a pipe waits for a writer.
        let found = fs::metadata(path).map_err(CacheError::io("read", path))?;
        if !found.is_file() || found.len() == 0 {
            return Err(wrong("is empty or not a file".to_owned()));
        }
        let file = File::open(path).map_err(CacheError::io("read", path))?;
        // SAFETY: the map is read only; that nobody changes the file underneath is the documented condition, as for every reader that
        // maps files.
        let map = unsafe { Mmap::map(&file) }.map_err(CacheError::io("read", path))?;
        let (header, all) = SafeTensors::read_metadata(&map)
            .map_err(|error| wrong(format!("is not a whole safetensors file: {error}")))?;
        let about = about(&all).map_err(wrong)?;
        if let Some(difference) = settings.difference(&about.settings) {
            return Err(CacheError::OtherSettings {
                path: path.to_owned(),
                difference,
            });
        }
        let possible = about.sums.len() == settings.hooks.len()
            && about.sums.iter().all(|sums| sums.is_possible());
        if about.shard != number || !possible {
            return Err(wrong(format!(
                "is not shard {number}, or was not written to its end"
            )));
        }
        let tokens = settings.rows_of(number) * settings.context_size;
        let data = 8 + header;
        // The sizes of the file and of all tensors agree: the library has compared them.
        let start = |name: &str, dtype: Dtype, shape: &[usize]| {
            let info = all
                .info(name)
                .ok_or_else(|| wrong(format!("has no tensor {name}")))?;
            if info.dtype != dtype || info.shape != shape {
                return Err(wrong(format!(
                    "tensor {name} is {:?} {:?}, expected {dtype:?} {shape:?}",
                    info.dtype, info.shape
                )));
            }
            Ok(data + info.data_offsets.0)
        };
        let hook = |hook: &crate::CachedHook| {
            let scales = settings.dtype.has_scale().then(|| {
                let name = format!("{}{SCALE}", hook.name);
                start(&name, Dtype::F32, &[tokens])
            });
            Ok(Hook {
                values: start(&hook.name, settings.dtype.stored(), &[tokens, hook.width])?,
                scales: scales.transpose()?,
            })
        };
        let hooks = settings.hooks.iter().map(hook);
        let hooks = hooks.collect::<Result<_, CacheError>>()?;
        let ids = start(IDS, Dtype::U32, &[tokens])?;
        Ok(Self {
            ids,
            hooks,
            sums: about.sums,
            map,
        })
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.map.len() as u64
    }

    /// The ids of some of its tokens.
    pub(crate) fn ids(&self, tokens: Range<usize>) -> impl Iterator<Item = u32> {
        let bytes = &self.map[self.ids + 4 * tokens.start..self.ids + 4 * tokens.end];
        bytes.as_chunks().0.iter().map(|b| u32::from_le_bytes(*b))
    }

    /// Appends a range of a token's numbers at a hook.
    pub(crate) fn read(
        &self,
        settings: &CacheSettings,
        hook: usize,
        token: usize,
        range: Range<usize>,
        out: &mut Vec<f32>,
    ) {
        let (dtype, width) = (settings.dtype, settings.hooks[hook].width);
        let hook = &self.hooks[hook];
        let scale = hook.scales.map_or(1.0, |scales| {
            let bytes = &self.map[scales + 4 * token..][..4];
            bytes
                .as_chunks()
                .0
                .first()
                .map_or(0.0, |b| f32::from_le_bytes(*b))
        });
        let start = hook.values + (token * width + range.start) * dtype.size();
        let bytes = &self.map[start..start + range.len() * dtype.size()];
        dtype.decode(bytes, scale, out);
    }
}

fn about(all: &Metadata) -> Result<About, String> {
    let metadata = all.metadata().as_ref();
    let entry = metadata
        .and_then(|entries| entries.get(ENTRY))
        .ok_or_else(|| format!("has no entry {ENTRY:?} in its __metadata__"))?;
    serde_json::from_str(entry).map_err(|error| format!("its entry {ENTRY:?}: {error}"))
}
