//! Writes a model with random weights (bf16), an SAE at the residual stream before each of its layers, and rows of random tokens.
//!
//! `large FOLDER [8b|smollm2] [LATENTS]`: 8b has Llama 3 8B's shape (16 GB in shards) and one SAE, for layer 15, to show that a model larger
//! than memory can be evaluated; smollm2 has 32 layers of SmolLM2-135M's widths, and an SAE for each. Then
//! `sae eval --sae 'FOLDER/l{layer}' --layers 15 --model FOLDER/model --tokens FOLDER/tokens.safetensors --keep-all-tokens`.

#![allow(clippy::print_stdout)] // what has been written is the result

use burn::tensor::{Device, FloatDType};
use sae_core::{Architecture, Sae, SaeConfig};
use safetensors::tensor::{Dtype, TensorView};
use serde_json::{Map, json};
use std::error::Error;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::ops::Range;
use std::path::Path;

/// Blocks in a file.
const PER_SHARD: usize = 4;
const CONTEXT: usize = 256;

struct Shape {
    vocab: usize,
    d: usize,
    d_mlp: usize,
    heads: usize,
    kv_heads: usize,
    saes: Range<usize>,
    rows: usize,
}

const LAYERS: usize = 32;

const LLAMA_3_8B: Shape = Shape {
    vocab: 128_256,
    d: 4096,
    d_mlp: 14_336,
    heads: 32,
    kv_heads: 8,
    saes: 15..16,
    rows: 4,
};

const SMOLLM2_WIDTHS: Shape = Shape {
    vocab: 49_152,
    d: 576,
    d_mlp: 1_536,
    heads: 9,
    kv_heads: 3,
    saes: 0..LAYERS,
    rows: 64,
};

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let (folder, shape, latents) = match args[..] {
        [folder] | [folder, "8b"] => (folder, LLAMA_3_8B, 16_384),
        [folder, "8b", latents] => (folder, LLAMA_3_8B, latents.parse()?),
        [folder, "smollm2"] => (folder, SMOLLM2_WIDTHS, 4_608),
        [folder, "smollm2", latents] => (folder, SMOLLM2_WIDTHS, latents.parse()?),
        _ => return Err("usage: large FOLDER [8b|smollm2] [LATENTS]".into()),
    };
    let folder = Path::new(folder);
    let model = folder.join("model");
    fs::create_dir_all(&model)?;
    write_config(&model, &shape)?;
    write_weights(&model, &shape)?;
    for layer in shape.saes.clone() {
        let run = folder.join(format!("l{layer}/final_sae"));
        write_sae(&run, &shape, layer, latents)?;
    }
    write_tokens(&folder.join("tokens.safetensors"), &shape)?;
    println!("{}", folder.display());
    Ok(())
}

fn write_config(model: &Path, shape: &Shape) -> Result<(), Box<dyn Error>> {
    let config = json!({
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": shape.vocab, "hidden_size": shape.d,
        "intermediate_size": shape.d_mlp, "num_hidden_layers": LAYERS, "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.kv_heads,
        "rms_norm_eps": 1e-5, "rope_theta": 500_000.0, "max_position_embeddings": 8192, "tie_word_embeddings": false,
        "bos_token_id": shape.vocab - 256, "eos_token_id": shape.vocab - 255, "torch_dtype": "bfloat16",
    });
    fs::write(model.join("config.json"), config.to_string())?;
    Ok(())
}

/// Name, shape and standard deviation of every tensor, file by file.
fn shards(shape: &Shape) -> Vec<Vec<(String, Vec<usize>, f32)>> {
    let (d, d_mlp, vocab) = (shape.d, shape.d_mlp, shape.vocab);
    let kv = d / shape.heads * shape.kv_heads;
    let deviation = |n_in: usize| (n_in as f32).sqrt().recip();
    let matrix = |name: String, out: usize, n_in: usize| (name, vec![out, n_in], deviation(n_in));
    let mut shards = vec![vec![(
        "model.embed_tokens.weight".to_owned(),
        vec![vocab, d],
        1.0,
    )]];
    for first in (0..LAYERS).step_by(PER_SHARD) {
        let mut shard = Vec::new();
        for layer in first..(first + PER_SHARD).min(LAYERS) {
            let name = |part: &str| format!("model.layers.{layer}.{part}.weight");
            for (part, out, n_in) in [
                ("self_attn.q_proj", d, d),
                ("self_attn.k_proj", kv, d),
                ("self_attn.v_proj", kv, d),
                ("self_attn.o_proj", d, d),
                ("mlp.gate_proj", d_mlp, d),
                ("mlp.up_proj", d_mlp, d),
                ("mlp.down_proj", d, d_mlp),
            ] {
                shard.push(matrix(name(part), out, n_in));
            }
            for part in ["input_layernorm", "post_attention_layernorm"] {
                shard.push((name(part), vec![d], 0.0));
            }
        }
        shards.push(shard);
    }
    shards.push(vec![
        ("model.norm.weight".to_owned(), vec![d], 0.0),
        matrix("lm_head.weight".to_owned(), vocab, d),
    ]);
    shards
}

/// Files are written a piece at a time: no shard is ever in memory.
fn write_weights(model: &Path, shape: &Shape) -> Result<(), Box<dyn Error>> {
    let shards = shards(shape);
    let mut map = Map::new();
    let mut random = Random(1);
    for (i, shard) in shards.iter().enumerate() {
        let file = format!("model-{:05}-of-{:05}.safetensors", i + 1, shards.len());
        let mut header = Map::new();
        let mut end = 0;
        for (name, shape, _) in shard {
            let start = end;
            end += 2 * shape.iter().product::<usize>();
            let entry = json!({"dtype": "BF16", "shape": shape, "data_offsets": [start, end]});
            header.insert(name.clone(), entry);
            map.insert(name.clone(), json!(file));
        }
        let header = serde_json::to_string(&header)?;
        let mut out = BufWriter::with_capacity(1 << 20, File::create(model.join(&file))?);
        out.write_all(&(header.len() as u64).to_le_bytes())?;
        out.write_all(header.as_bytes())?;
        for (_, shape, deviation) in shard {
            random.write(&mut out, shape.iter().product(), *deviation)?;
        }
        out.flush()?;
    }
    let index = json!({"metadata": {}, "weight_map": map});
    fs::write(
        model.join("model.safetensors.index.json"),
        index.to_string(),
    )?;
    Ok(())
}

fn write_sae(
    folder: &Path,
    shape: &Shape,
    layer: usize,
    latents: usize,
) -> Result<(), Box<dyn Error>> {
    let mut cfg = SaeConfig::new(Architecture::Standard, shape.d, latents);
    cfg.metadata.hook_name = Some(format!("blocks.{layer}.hook_resid_pre"));
    cfg.metadata.context_size = Some(CONTEXT);
    cfg.metadata.prepend_bos = Some(true);
    let sae = Sae::random(cfg, 0, &Device::flex(), FloatDType::F32);
    fs::create_dir_all(folder)?;
    sae.ok_or("a standard SAE can be made at random")?
        .save(folder)?;
    Ok(())
}

fn write_tokens(path: &Path, shape: &Shape) -> Result<(), Box<dyn Error>> {
    let mut random = Random(2);
    let known = shape.vocab - 256;
    let ids = (0..shape.rows * CONTEXT).map(|i| match i % CONTEXT {
        0 => known as i64,
        _ => (random.next() % known as u64) as i64,
    });
    let bytes: Vec<u8> = ids.flat_map(i64::to_le_bytes).collect();
    let view = TensorView::new(Dtype::I64, vec![shape.rows, CONTEXT], &bytes)?;
    fs::write(path, safetensors::serialize([("tokens", view)], None)?)?;
    Ok(())
}

/// The `SplitMix64` generator (Steele, Lea and Flood, 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Writes `n` bf16 numbers, uniform with this standard deviation around 0; ones where it is 0.
    fn write(&mut self, out: &mut impl Write, n: usize, deviation: f32) -> std::io::Result<()> {
        let mut buffer = Vec::with_capacity(1 << 16);
        let scale = deviation * 3.0_f32.sqrt() / 32_768.0;
        for start in (0..n).step_by(1 << 15) {
            buffer.clear();
            for _ in (start..n.min(start + (1 << 15))).step_by(4) {
                let bits = self.next();
                for lane in 0..4 {
                    let uniform = (bits >> (16 * lane)) as u16;
                    let value = if deviation > 0.0 {
                        scale * (f32::from(uniform) - 32_767.5)
                    } else {
                        1.0
                    };
                    buffer.extend(((value.to_bits() >> 16) as u16).to_le_bytes());
                }
            }
            out.write_all(&buffer)?;
        }
        Ok(())
    }
}
