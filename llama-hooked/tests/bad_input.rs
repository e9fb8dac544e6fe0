//! Damaged, hostile and merely unsupported models: each is refused with a message that says what, where and what was expected.

#![allow(clippy::unwrap_used)] // clippy sees only the #[test] functions as tests, not the functions they share

mod common;

use burn::tensor::{Device, FloatDType, Int, Tensor};
use common::{Stored, Tensors, config, serialize, tensors, write};
use llama_hooked::{
    ForwardError, ForwardOptions, HookPoint, Input, Llama, LlamaConfig, LlamaLoadOptions,
    ModelSource, NoHooks, OutputKind, PointFilter, Positions,
};
use safetensors::Dtype;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

/// Loads the directory and returns the message, with the directory's name as `DIR`.
fn message(dir: &Path) -> String {
    let options = LlamaLoadOptions::new(&Device::flex(), FloatDType::F32);
    let loaded = ModelSource::Dir(dir.into())
        .resolve()
        .map_err(|e| e.to_string());
    let message = loaded
        .and_then(|files| Llama::load(&files, &options).map_err(|e| e.to_string()))
        .unwrap_err();
    message.replace(dir.to_str().unwrap(), "DIR")
}

/// The message for a configuration in which one key is changed; `Value::Null` removes it.
fn with_key(key: &str, value: &Value) -> String {
    let mut config = config();
    if value.is_null() {
        config.as_object_mut().unwrap().remove(key);
    } else {
        config[key] = value.clone();
    }
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), &config, &tensors());
    message(dir.path())
}

/// The message for weights that are changed.
fn with_tensors(change: impl FnOnce(&mut Tensors)) -> String {
    let mut tensors = tensors();
    change(&mut tensors);
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), &config(), &tensors);
    message(dir.path())
}

/// The message for a file of weights that is these bytes.
fn with_bytes(bytes: &[u8]) -> String {
    let dir = tempfile::tempdir().unwrap();
    let weights = write(dir.path(), &config(), &tensors());
    fs::write(weights, bytes).unwrap();
    message(dir.path())
}

#[test]
fn undamaged_it_loads() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), &config(), &tensors());
    let options = LlamaLoadOptions::new(&Device::flex(), FloatDType::F32);
    Llama::load(
        &ModelSource::Dir(dir.path().into()).resolve().unwrap(),
        &options,
    )
    .unwrap();
}

#[test]
fn sizes_that_cannot_be() {
    let cases = [
        (
            "num_hidden_layers",
            json!(0),
            "`num_hidden_layers` is 0, expected a number from 1 to 4096",
        ),
        (
            "num_attention_heads",
            json!(0),
            "`num_attention_heads` is 0, expected at least 1",
        ),
        (
            "num_key_value_heads",
            json!(0),
            "`num_key_value_heads` is 0, expected a number from 1 to 4096",
        ),
        (
            "num_attention_heads",
            json!(3),
            "`num_attention_heads` is 3, expected a divisor of hidden_size, which is 8, as there is no head_dim",
        ),
        (
            "num_key_value_heads",
            json!(4),
            "`num_key_value_heads` is 4, expected a divisor of num_attention_heads, which is 2",
        ),
        (
            "head_dim",
            json!(3),
            "`head_dim` is 3, expected an even number: RoPE turns pairs",
        ),
        (
            "vocab_size",
            json!(9_000_000_000_000_u64),
            "`vocab_size` is 9000000000000, expected a number from 1 to 16777216",
        ),
        (
            "intermediate_size",
            json!(u64::MAX),
            "`intermediate_size` is 18446744073709551615, expected a number from 1 to 1048576",
        ),
        (
            "rms_norm_eps",
            json!(0.0),
            "`rms_norm_eps` is 0, expected a small positive number such as 1e-5",
        ),
        (
            "rope_theta",
            json!(-1.0),
            "`rope_theta` is -1, expected a number above 1",
        ),
    ];
    for (key, value, expected) in cases {
        assert_eq!(
            with_key(key, &value),
            format!("DIR/config.json: {expected}"),
            "{key}: {value}"
        );
    }
}

#[test]
fn what_is_not_a_plain_llama() {
    let rope = |rope_type: &str| json!({"rope_type": rope_type, "factor": 2.0});
    let cases = [
        (
            "model_type",
            json!("qwen2"),
            r#"`model_type` is "qwen2", which is not supported; supported: llama, mistral"#,
        ),
        (
            "hidden_act",
            json!("gelu"),
            r#"`hidden_act` is "gelu", which is not supported; supported: silu"#,
        ),
        (
            "attention_bias",
            json!(true),
            "`attention_bias` is true, which is not supported; supported: false",
        ),
        (
            "mlp_bias",
            json!(true),
            "`mlp_bias` is true, which is not supported; supported: false",
        ),
        (
            "sliding_window",
            json!(16),
            "`sliding_window` is 16, which is not supported; supported: null, or a window as long as max_position_embeddings",
        ),
        (
            "quantization_config",
            json!({"quant_method": "gptq", "bits": 4}),
            "`quantization_config` is gptq, which is not supported; supported: unquantised weights in f32, f16 or bf16",
        ),
        (
            "partial_rotary_factor",
            json!(0.5),
            "`partial_rotary_factor` is 0.5, which is not supported; supported: 1",
        ),
        (
            "rope_scaling",
            rope("yarn"),
            r#"`rope_type` is "yarn", which is not supported; supported: default, llama3"#,
        ),
        (
            "rope_parameters",
            rope("linear"),
            r#"`rope_type` is "linear", which is not supported; supported: default, llama3"#,
        ),
        (
            "rope_scaling",
            json!({"type": "dynamic", "factor": 2.0}),
            r#"`rope_type` is "dynamic", which is not supported; supported: default, llama3"#,
        ),
        (
            "rope_scaling",
            json!({"factor": 2.0}),
            "`rope_type` is missing, expected the kind of RoPE scaling, as there is a factor",
        ),
        (
            "rope_scaling",
            rope("llama3"),
            "`low_freq_factor` is missing, expected a number, for llama3 RoPE",
        ),
        (
            "rope_scaling",
            json!({"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 4.0, "high_freq_factor": 1.0,
                   "original_max_position_embeddings": 8}),
            "`high_freq_factor` is 1, expected a number above low_freq_factor, which is 4 and itself above 0",
        ),
    ];
    for (key, value, expected) in cases {
        assert_eq!(
            with_key(key, &value),
            format!("DIR/config.json: {expected}"),
            "{key}: {value}"
        );
    }
}

#[test]
fn configurations_that_are_none() {
    let missing = with_key("hidden_size", &Value::Null);
    assert!(
        missing.starts_with(
            "DIR/config.json: is not a Llama configuration: missing field `hidden_size` at line 1"
        ),
        "{missing}"
    );
    let negative = with_key("vocab_size", &json!(-5));
    assert!(
        negative.contains(
            "config.json: is not a Llama configuration: `vocab_size`: invalid value: integer `-5`, expected a whole number from 0"
        ),
        "{negative}"
    );

    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), &config(), &tensors());
    let path = dir.path().join("config.json");
    fs::write(&path, "{\"vocab_size\": 10,\n").unwrap();
    assert_eq!(
        message(dir.path()),
        "DIR/config.json: is not a Llama configuration: EOF while parsing a value at line 2 column 0"
    );
    fs::write(&path, vec![b' '; (4 << 20) + 1]).unwrap();
    assert_eq!(
        message(dir.path()),
        "DIR/config.json: is 4194305 bytes long, more than the 4194304 that a model configuration may have"
    );
    fs::write(&path, [0xFF, 0xFE]).unwrap();
    assert_eq!(
        message(dir.path()),
        "DIR/config.json: cannot be read: stream did not contain valid UTF-8"
    );
    let folder = llama_hooked::LlamaConfig::from_file(dir.path()).unwrap_err();
    let folder = folder.to_string();
    assert!(
        folder.ends_with("cannot be read: it is a folder, a pipe or a device"),
        "{folder}"
    );
}

#[test]
fn tensors_that_do_not_fit_the_configuration() {
    let q_proj = "model.layers.0.self_attn.q_proj.weight";
    assert_eq!(
        with_tensors(|tensors| drop(tensors.remove(q_proj))),
        format!("tensor {q_proj} of shape [8, 8] is missing from DIR/model.safetensors")
    );
    assert_eq!(
        with_tensors(|tensors| drop(tensors.remove("lm_head.weight"))),
        "tensor lm_head.weight of shape [10, 8] is missing from DIR/model.safetensors; if the unembedding is the embedding, \
         config.json should say \"tie_word_embeddings\": true"
    );
    assert_eq!(
        with_tensors(|tensors| drop(
            tensors.insert(q_proj.into(), Stored::zeros(Dtype::F32, &[8, 4]))
        )),
        format!(
            "DIR/model.safetensors: tensor {q_proj} has shape [8, 4], expected [8, 8] by the configuration"
        )
    );
    assert_eq!(
        with_tensors(|tensors| drop(
            tensors.insert(q_proj.into(), Stored::zeros(Dtype::F32, &[64]))
        )),
        format!(
            "DIR/model.safetensors: tensor {q_proj} has shape [64], expected [8, 8] by the configuration"
        )
    );
    assert_eq!(
        with_tensors(|tensors| drop(
            tensors.insert(q_proj.into(), Stored::zeros(Dtype::I8, &[8, 8]))
        )),
        format!(
            "DIR/model.safetensors: tensor {q_proj} is stored as I8, expected F32, F16 or BF16"
        )
    );
    assert_eq!(
        with_tensors(|tensors| drop(tensors.insert(
            "model.layers.0.self_attn.q_norm.weight".into(),
            Stored::zeros(Dtype::F32, &[2])
        ))),
        "DIR/model.safetensors: tensor model.layers.0.self_attn.q_norm.weight of shape [2] is not part of a Llama with this configuration"
    );
    assert_eq!(
        with_tensors(|tensors| drop(tensors.insert(
            "model.layers.0.self_attn.q_proj.bias".into(),
            Stored::zeros(Dtype::F32, &[8])
        ))),
        "DIR/model.safetensors: tensor model.layers.0.self_attn.q_proj.bias of shape [8] is not part of a Llama with this \
         configuration; biases are not supported"
    );
}

#[test]
fn files_that_are_not_safetensors() {
    let format = |reason: &str| {
        format!(
            "DIR/model.safetensors: is not a safetensors file: {reason}; if it was downloaded, it may be incomplete"
        )
    };
    assert_eq!(with_bytes(b""), format("header too small"));
    assert_eq!(with_bytes(b"PK\x03\x04"), format("header too small"));
    let whole = serialize(&tensors());
    assert_eq!(
        with_bytes(&whole[..whole.len() - 7]),
        format("incomplete metadata, file not fully covered")
    );
    assert_eq!(
        with_bytes(&u64::MAX.to_le_bytes()),
        format("header too large")
    );
    assert_eq!(
        with_bytes(&[&100_u64.to_le_bytes()[..], b"{}"].concat()),
        format("invalid header length")
    );

    let headed =
        |header: &str| [&(header.len() as u64).to_le_bytes()[..], header.as_bytes()].concat();
    // Offsets that lie outside the file, and a shape whose size overflows: nothing may be read or allocated for them.
    let outside =
        headed(r#"{"model.norm.weight":{"dtype":"F32","shape":[8],"data_offsets":[0,32]}}"#);
    assert_eq!(
        with_bytes(&outside),
        format("incomplete metadata, file not fully covered")
    );
    let huge =
        headed(r#"{"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]}}"#);
    assert_eq!(
        with_bytes(&huge),
        format("overflow computing buffer size from shape and/or element type")
    );
    let backwards = headed(r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}"#);
    assert_eq!(
        with_bytes(&backwards),
        format("invalid offset for tensor `a`")
    );
}

#[test]
fn shards_that_do_not_agree() {
    let dir = tempfile::tempdir().unwrap();
    let weights = write(dir.path(), &config(), &tensors());
    fs::rename(&weights, dir.path().join("a.safetensors")).unwrap();
    let norm = tensors().remove_entry("model.norm.weight").unwrap();
    fs::write(
        dir.path().join("b.safetensors"),
        serialize(&Tensors::from([norm])),
    )
    .unwrap();
    let index = json!({"weight_map": {"x": "a.safetensors", "model.norm.weight": "b.safetensors"}});
    fs::write(
        dir.path().join("model.safetensors.index.json"),
        index.to_string(),
    )
    .unwrap();
    assert_eq!(
        message(dir.path()),
        "tensor model.norm.weight is both in DIR/a.safetensors and in DIR/b.safetensors"
    );
}

#[test]
fn dtypes_no_model_runs_in() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), &config(), &tensors());
    let options = LlamaLoadOptions::new(&Device::flex(), FloatDType::F64);
    let error = Llama::load(
        &ModelSource::Dir(dir.path().into()).resolve().unwrap(),
        &options,
    )
    .unwrap_err();
    assert_eq!(
        error.to_string(),
        "a model cannot be loaded as F64; choose F32, F16 or BF16"
    );
}

fn model() -> Llama {
    let config = LlamaConfig::from_json(&config().to_string()).unwrap();
    Llama::random(config, 1, &Device::flex(), FloatDType::F32)
}

fn tokens(ids: &[i64]) -> Tensor<2, Int> {
    Tensor::<1, Int>::from_ints(ids, &Device::flex()).unsqueeze()
}

#[test]
fn runs_that_make_no_sense() {
    let model = model();
    let run = |input: Input, options: ForwardOptions| {
        model
            .forward(input, &options, &mut NoHooks)
            .unwrap_err()
            .to_string()
    };
    let all = ForwardOptions::default();
    let mut loss = all;
    loss.output = OutputKind::Loss;
    let stop = |layer| {
        let mut options = all;
        options.stop_at_layer = Some(layer);
        options
    };
    let resid = |width, start_at_layer| Input::Resid {
        resid: Tensor::zeros([1, 2, width], &Device::flex()),
        start_at_layer,
    };

    assert_eq!(
        run(tokens(&[1, 10]).into(), all),
        "token 10 is not in the model's vocabulary of 10; were the tokens made by this model's tokenizer?"
    );
    assert_eq!(
        run(tokens(&[-1, 3]).into(), all),
        "token -1 is not in the model's vocabulary of 10; were the tokens made by this model's tokenizer?"
    );
    assert_eq!(
        run(tokens(&[1]).into(), loss),
        "a loss needs at least two positions"
    );
    assert_eq!(
        run(resid(8, 0), loss),
        "a loss needs tokens: from a residual, call ln_final and loss_per_token"
    );
    assert_eq!(run(resid(7, 0), all), "the residual is 7 wide, the model 8");
    assert_eq!(
        run(resid(8, 2), all),
        "start_at_layer is 2, outside -1..=1 for a model of 1 blocks"
    );
    assert_eq!(
        run(tokens(&[1]).into(), stop(-2)),
        "stop_at_layer is -2, outside -1..=1 for a model of 1 blocks"
    );
    assert_eq!(
        run(resid(8, 1), stop(0)),
        "stop_at_layer is block 0, before start_at_layer, block 1"
    );
}

#[test]
fn hooks_that_would_stay_silent() {
    let model = model();
    let run = |options: ForwardOptions, filter: PointFilter, positions: &str| {
        let result = model.run_with_cache(
            tokens(&[1, 2, 3]),
            &options,
            filter,
            positions.parse().unwrap(),
        );
        result
            .map(|_| ())
            .map_err(|error: ForwardError| error.to_string())
    };
    let all = ForwardOptions::default();
    let mut stop = all;
    stop.stop_at_layer = Some(0);
    assert_eq!(
        run(all, HookPoint::Z(3).into(), ":"),
        Err(
            "blocks.3.attn.hook_z does not exist: the model has 1 blocks, blocks.0 to blocks.0"
                .into()
        )
    );
    assert_eq!(
        run(stop, HookPoint::Z(0).into(), ":"),
        Err("blocks.0.attn.hook_z would not fire: this run embeds tokens, goes through no block of 1 and stops before the final norm; \
             widen start_at_layer, stop_at_layer or the output asked for"
            .into())
    );
    assert_eq!(
        run(all, HookPoint::Embed.into(), "3:"),
        Err("positions 3: select nothing of an input of 3 positions".into())
    );
    assert_eq!(run(stop, PointFilter::all(), ":"), Ok(()));
    let (_, cache) = model
        .run_with_cache(tokens(&[1]), &stop, PointFilter::all(), Positions::ALL)
        .unwrap();
    assert_eq!(
        cache.iter().map(|(point, _)| point).collect::<Vec<_>>(),
        [HookPoint::Embed]
    );
}

#[test]
#[should_panic(expected = "a hook at hook_embed returned another shape than it was given")]
fn an_edit_that_changes_the_shape() {
    let mut edit = llama_hooked::Edit::r3(HookPoint::Embed, |x| x.narrow(1, 0, 1));
    model().embed(tokens(&[1, 2]), &mut edit);
}
