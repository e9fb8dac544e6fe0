//! `sae encode`

use crate::afar::{Part, open_run};
use crate::cli::Global;
use crate::device::Chosen;
use crate::inputs;
use crate::interrupt;
use crate::output::check_file;
use crate::progress::Bar;
use crate::targets::Targets;
use crate::tensor_file::TensorFile;
use anyhow::{Context, Result, bail, ensure};
use burn::tensor::{DType, Tensor, TensorData};
use memmap2::Mmap;
use sae_core::{Architecture, ReshapeActivations, SaeConfig};
use safetensors::tensor::{Dtype, SafeTensors};
use serde_json::json;
use std::fs::File;
use std::path::PathBuf;

/// Encode activations from a file, and decode them again
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  sae encode --sae RUN --input acts.safetensors --key blocks.15.hook_resid_pre \\
      --out features.safetensors

The output holds feature_acts [.., d_sae] (dense), decoded = decode(encode(x)) and forward = the full forward pass, with a \
transcoder's skip connection and a temporal SAE's prediction; all but the last axis are those of the input.")]
pub(crate) struct Args {
    /// The SAE's run: a folder, or on the Hub organisation/name[@revision][:folder]
    #[arg(long, value_name = "DIR|ID")]
    sae: PathBuf,
    /// Activations: [.., d_in], or [.., heads, d_head] for an SAE on hook_z
    #[arg(long, value_name = "FILE.safetensors")]
    input: PathBuf,
    /// Which tensor of the file
    #[arg(long, default_value = "acts")]
    key: String,
    /// The file to write
    #[arg(long, value_name = "FILE.safetensors")]
    out: PathBuf,
}

pub(crate) fn run(args: &Args, global: &Global) -> Result<()> {
    check_file("--out", &args.out)?;
    let targets = Targets::new(global, [("--out", args.out.as_path())])?;
    targets.spare([&args.input])?;
    let on = Chosen::new(global)?;
    let run = open_run(&args.sae, Part::All, global.quiet)?;
    targets.spare(inputs::run_files(&run))?;
    let (path, cfg) = (args.input.display(), &run.cfg);
    // Asked before it is opened: opening a pipe waits for somebody who writes into it.
    let found =
        std::fs::metadata(&args.input).with_context(|| format!("{path}: cannot be read"))?;
    ensure!(found.is_file(), "{path}: is not a file");
    let file = File::open(&args.input).with_context(|| format!("{path}: cannot be read"))?;
    // SAFETY: mapped for reading only; a file that another process cuts short meanwhile would end this one, as with every program
    // that maps its input.
    let map = unsafe { Mmap::map(&file) }.with_context(|| format!("{path}: cannot be mapped"))?;
    let tensors = SafeTensors::deserialize(&map)
        .with_context(|| format!("{path}: is not a safetensors file"))?;
    let view = tensors.tensor(&args.key).map_err(|_| {
        let mut names: Vec<_> = tensors.names().into_iter().collect();
        names.sort_unstable();
        anyhow::anyhow!(
            "{path}: has no tensor {:?}; it has {}: choose with --key",
            args.key,
            names.join(", ")
        )
    })?;
    let shape =
        Shape::new(view.shape(), cfg).with_context(|| format!("{path}: tensor {}", args.key))?;
    let sae = inputs::load_sae(&run, &on)?;

    let rows_at_once = match shape.sequence {
        Sequence::All => shape.rows,
        _ => inputs::batch_size(None, shape.positions, cfg.d_sae),
    };
    let mut out = TensorFile::new(&args.out, shape.rows);
    let bar = Bar::new(
        global.quiet,
        "encoding",
        Some(shape.rows as u64),
        shape.positions,
    );
    let row_len = shape.positions * cfg.d_in;
    for start in (0..shape.rows).step_by(rows_at_once) {
        interrupt::check()?;
        let end = (start + rows_at_once).min(shape.rows);
        let numbers = floats(view.dtype(), view.data(), start * row_len..end * row_len)
            .with_context(|| {
                format!(
                    "{path}: tensor {} is stored as {:?}, expected F32, F16 or BF16",
                    args.key,
                    view.dtype()
                )
            })?;
        let data = TensorData::new(numbers, shape.batch(end - start, cfg.d_in));
        let x = Tensor::<3>::from_data(data, (&on.device, DType::F32));
        let encoded = sae.encode(x);
        let decoded = sae.decode(&encoded);
        let forward = if cfg.architecture.forward_adds_to_decode() {
            sae.forward_encoded(&encoded)
        } else {
            decoded.clone()
        };
        out.push(vec![
            (
                "feature_acts".to_owned(),
                shape.restore(encoded.features, cfg.d_sae, None),
            ),
            (
                "decoded".to_owned(),
                shape.restore(decoded, cfg.d_out, shape.d_head),
            ),
            (
                "forward".to_owned(),
                shape.restore(forward, cfg.d_out, shape.d_head),
            ),
        ])?;
        bar.sequences(end as u64);
    }
    drop(bar);
    let shapes = out.finish()?;
    let mut text = format!(
        "{} tokens in {}\n",
        shape.rows * shape.positions,
        args.out.display()
    );
    for (name, shape) in &shapes {
        text.push_str(&format!("  {name} {shape:?}\n"));
    }
    let tensors: serde_json::Map<_, _> = shapes
        .into_iter()
        .map(|(name, shape)| (name, json!(shape)))
        .collect();
    global
        .output()
        .emit(&text, &json!({ "out": args.out, "tensors": tensors }))
}

/// Which axis is the sequence, for an SAE that looks at more than one token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sequence {
    /// The last but the width, of this length.
    Axis(usize),
    /// The only one, `[t, d_in]`, so that all tokens must be seen at once.
    All,
    /// The only one, but tokens are independent.
    None,
}

/// How the input's axes map to `[sequences, positions, d_in]`.
struct Shape {
    /// The first axis, along which batches are taken.
    rows: usize,
    /// The product of the axes between the first and the last.
    positions: usize,
    /// The axes between.
    middle: Vec<usize>,
    sequence: Sequence,
    /// Width of a head, where the last axis is heads.
    d_head: Option<usize>,
}

impl Shape {
    fn new(shape: &[usize], cfg: &SaeConfig) -> Result<Self> {
        let (width, d_head, rest) = match (cfg.reshape_activations, shape) {
            (ReshapeActivations::HookZ, [rest @ .., heads, d_head])
                if heads * d_head == cfg.d_in =>
            {
                (cfg.d_in, Some(*d_head), rest)
            }
            (_, [rest @ .., width]) => (*width, None, rest),
            (_, []) => bail!("has no axes"),
        };
        ensure!(
            width == cfg.d_in,
            "has shape {shape:?}, the SAE reads activations of width {}",
            cfg.d_in
        );
        let [rows, middle @ ..] = rest else {
            bail!("has shape {shape:?}, expected at least one axis of tokens")
        };
        let positions = middle.iter().product();
        ensure!(
            *rows > 0 && positions > 0,
            "has shape {shape:?}: there are no activations"
        );
        Ok(Self {
            rows: *rows,
            positions,
            middle: middle.to_vec(),
            sequence: match (middle.last(), &cfg.architecture) {
                (Some(&n), _) => Sequence::Axis(n),
                (None, Architecture::Temporal(_)) => Sequence::All,
                (None, _) => Sequence::None,
            },
            d_head,
        })
    }

    /// The shape in which the SAE gets `rows` of the first axis.
    fn batch(&self, rows: usize, d_in: usize) -> [usize; 3] {
        match self.sequence {
            Sequence::Axis(n) => [rows * self.positions / n, n, d_in],
            Sequence::All => [1, rows, d_in],
            Sequence::None => [rows, 1, d_in],
        }
    }

    /// A batch's result in the input's axes.
    fn restore(&self, x: Tensor<3>, width: usize, d_head: Option<usize>) -> TensorData {
        let [sequences, positions, _] = x.dims();
        let rows = sequences * positions / self.positions;
        let (bytes, _, dtype) = x.into_data().into_parts();
        let last = match d_head {
            Some(d_head) if width.is_multiple_of(d_head) => vec![width / d_head, d_head],
            _ => vec![width],
        };
        let shape = [vec![rows], self.middle.clone(), last].concat();
        TensorData::from_bytes(bytes, shape, dtype)
    }
}

/// Some of a tensor's numbers; `None` if they are not floats.
fn floats(dtype: Dtype, bytes: &[u8], range: std::ops::Range<usize>) -> Option<Vec<f32>> {
    let of = |size: usize| &bytes[range.start * size..range.end * size];
    Some(match dtype {
        Dtype::F32 => of(4)
            .as_chunks::<4>()
            .0
            .iter()
            .map(|b| f32::from_le_bytes(*b))
            .collect(),
        Dtype::F16 => of(2)
            .as_chunks::<2>()
            .0
            .iter()
            .map(|b| burn::tensor::f16::from_le_bytes(*b).to_f32())
            .collect(),
        Dtype::BF16 => of(2)
            .as_chunks::<2>()
            .0
            .iter()
            .map(|b| burn::tensor::bf16::from_le_bytes(*b).to_f32())
            .collect(),
        _ => return None,
    })
}
