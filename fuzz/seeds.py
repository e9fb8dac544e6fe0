"""The first inputs of each target, from the goldens and the demo: python fuzz/seeds.py, in an environment with pyarrow, zstandard and
safetensors. `cargo test --workspace --test seeds -- --ignored` makes those that only our own writers make."""

import gzip
import io
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import zstandard
from safetensors.numpy import save

HERE = Path(__file__).parent
DATA = HERE.parent / "tests/goldens/data"
DEMO = HERE.parent / "demo"
PART = b"\n=====\n"


def put(target, name, *parts):
    folder = HERE / "corpus" / target
    folder.mkdir(parents=True, exist_ok=True)
    parts = [part.encode() if isinstance(part, str) else part for part in parts]
    (folder / name).write_bytes(PART.join(parts))


def text():
    rows = [{"text": "Once upon\na time"}, {"text": "zo\u00eb \U0001f600", "n": [1, -2.5e3, None]}, {"text": "", "x": {"y": True}}]
    jsonl = "".join(json.dumps(row) + "\n" for row in rows)
    ids = '{"input_ids": [1, 2, 3]}\n{"input_ids": [4294967295]}\n{"input_ids": []}\n'
    put("jsonl", "text", jsonl)
    put("jsonl", "ids", ids)
    put("jsonl", "bad", '\ufeff{"text": 1}\r\n\r\n["text"]\n{"text": "\\ud800"}\n{"text": "a"')
    put("json", "array", json.dumps(rows))
    put("json", "pretty", json.dumps(rows, indent=1))
    put("json", "values", jsonl)
    put("txt", "text", "Once upon a time\n\nzo\u00eb")
    put("txt", "latin", b"zo\xeb\0")
    put("gzip", "text", gzip.compress(jsonl.encode(), mtime=0))
    put("gzip", "members", gzip.compress(ids.encode(), mtime=0) + gzip.compress(ids.encode(), mtime=0))
    put("zstd", "text", zstandard.compress(jsonl.encode()))
    put("zstd", "frames", zstandard.compress(ids.encode()) + zstandard.compress(b"\n"))
    put("zstd", "run", zstandard.compress(b"\n" * 1_000_000))
    table = pa.table({"text": [row["text"] for row in rows], "n": [1, 2, 3]})
    lists = pa.table({"input_ids": pa.array([[1, 2], [3], []], pa.list_(pa.int32()))})
    words = pa.table({"text": pa.array(["a", "b", "a"]).dictionary_encode()})
    for name, of in [("text", table), ("ids", lists), ("dictionary", words)]:
        for compression in ["none", "zstd", "snappy", "gzip", "brotli", "lz4"] if name == "text" else ["none"]:
            out = io.BytesIO()
            pq.write_table(of, out, compression=compression, write_statistics=False, store_schema=False)
            put("parquet", f"{name}-{compression}", out.getvalue())
        for kind, writer in [("stream", pa.ipc.new_stream), ("file", pa.ipc.new_file)]:
            for compression in [None, "zstd", "lz4"]:
                out = io.BytesIO()
                with writer(out, of.schema, options=pa.ipc.IpcWriteOptions(compression=compression)) as sink:
                    sink.write_table(of)
                put("arrow", f"{name}-{kind}-{compression}", out.getvalue())
    put("prompts", "prompts", '{"prompt": "The capital of France is", "answer": " Paris"}\n{"prompt": "a"}\n"plain"\n')
    put("prompts", "pairs", '{"clean": "a", "corrupted": "b", "answer": "c", "wrong": "d"}\n{"prompt": "x", "answers": ["y", "z"]}\n')
    put("prompts", "chat", '{"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": [{"type": "text", "text": "a"}]}]}\n')


def tokens():
    put("token_table", "ids", (DATA / "text/ids.safetensors").read_bytes())
    put("token_table", "i64", save({"tokens": np.arange(6, dtype=np.int64).reshape(2, 3)}, {"sae_lens": '{"context_size": 3}'}))
    vocabulary = {chr(97 + i): i for i in range(16)} | {"ab": 16, "<s>": 17, "\u0120a": 18}
    bpe = {"type": "BPE", "dropout": None, "unk_token": None, "fuse_unk": False, "byte_fallback": False, "vocab": vocabulary, "merges": ["a b"]}
    special = {"id": 17, "content": "<s>", "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    split = {"type": "Split", "pattern": {"Regex": r"\p{L}+|\p{N}{1,3}|\s+(?!\S)|\s+"}, "behavior": "Isolated", "invert": False}
    template = {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
                "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
                "special_tokens": {"<s>": {"id": "<s>", "ids": [17], "tokens": ["<s>"]}}}
    replace = {"type": "Sequence", "normalizers": [{"type": "NFC"}, {"type": "Replace", "pattern": {"String": " "}, "content": "\u2581"}]}
    base = {"version": "1.0", "truncation": None, "padding": None, "added_tokens": [special], "normalizer": None,
            "pre_tokenizer": byte_level, "post_processor": None, "decoder": byte_level, "model": bpe}
    config = json.dumps({"bos_token": "<s>", "eos_token": {"content": "<s>"}, "add_bos_token": True})
    pieces = [["<unk>", 0.0], ["\u2581", -1.0], ["a", -2.0], ["<0x0A>", -3.0]]
    sequence = {"type": "Sequence", "pretokenizers": [split, byte_level | {"use_regex": False}]}
    put("tokenizer", "bpe", json.dumps(base), config)
    put("tokenizer", "split", json.dumps(base | {"pre_tokenizer": sequence, "post_processor": template}), config)
    put("tokenizer", "normalised", json.dumps(base | {"normalizer": replace, "pre_tokenizer": None, "decoder": {"type": "ByteFallback"}}))
    put("tokenizer", "unigram", json.dumps(base | {"model": {"type": "Unigram", "unk_id": 0, "vocab": pieces, "byte_fallback": True}}))
    put("tokenizer", "words", json.dumps(base | {"model": {"type": "WordLevel", "vocab": vocabulary, "unk_token": "a"}}))
    put("tokenizer", "pieces", json.dumps(base | {"model": {"type": "WordPiece", "vocab": vocabulary, "unk_token": "a", "continuing_subword_prefix": "##", "max_input_chars_per_word": 100}}))
    loop = "{% for m in messages %}{% if m['role'] == 'user' %}<|{{ m.role }}|>{{ m.content | trim }}{% else %}{{ m['content'] }}{{ eos_token }}{% endif %}{% endfor %}"
    put("chat_template", "loop", loop + "{% if add_generation_prompt %}<|assistant|>{% endif %}")
    put("chat_template", "macro", "{%- macro f(x, n=2) -%}{{ x[:n] ~ x|upper }}{%- endmacro -%}{% set ns = namespace(i=0) %}{% for m in messages recursive %}{% set ns.i = ns.i + 1 %}{{ f(m.content) }}{% endfor %}{{ ns.i }}{{ raise_exception('no') }}")
    put("chat_template", "tools", "{% generation %}{{ messages | tojson(indent=2) }}{% endgeneration %}{{ strftime_now('%d %b %Y') }}{{ 'a,b'.split(',') | join('-') }}{{ range(3) | list }}{{ {'a': 1}.items() }}{{ messages[::-1] }}")
    put("chat_config", "one", json.dumps({"bos_token": "<s>", "eos_token": {"content": "</s>"}, "chat_template": loop}))
    put("chat_config", "several", json.dumps({"chat_template": [{"name": "default", "template": loop}, {"name": "tool_use", "template": "x"}]}))
    put("chat_config", "own", '{"bos_token": null}', loop)


def hub():
    put("readme", "splits", "---\nconfigs:\n- config_name: default\n  default: true\n  data_files:\n  - split: train\n    path: data/train-*\n  - split: test\n    path: ['data/test-*', \"**/*.jsonl\"]\n---\n# Text\n")
    put("readme", "directory", "---\nconfigs:\n- config_name: en\n  data_dir: en\n- config_name: all\n  data_files: '*.parquet'\n---\n", "data/validation/a.jsonl\nx/test_1.csv.gz\n")
    put("readme", "anchors", "---\na: &a [x, x]\nb: &b [*a, *a]\nconfigs: *b\n---\n")
    sha = "0123456789abcdef0123456789abcdef01234567"

    def answer(body, kind="application/json", more=""):
        body = body.encode() if isinstance(body, str) else body
        return f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\nConnection: close\r\nETag: \"a\"\r\n{more}\r\n".encode() + body

    info = answer(json.dumps({"id": "some/data", "sha": sha, "siblings": [{"rfilename": "README.md"}, {"rfilename": "data/train.jsonl"}]}))
    tree = answer(json.dumps([{"type": "file", "path": "data/train.jsonl", "size": 9, "lfs": {"oid": "ab" * 32, "size": 9}}, {"type": "directory", "path": "data"}]))
    put("hub", "whole", info, tree, answer("---\n---\n", "text/plain"), answer('{"text":1}', "text/plain", "Accept-Ranges: bytes\r\n"))
    put("hub", "pages", info, answer(tree.split(b"\r\n\r\n")[1], more='Link: </api/datasets/some/data/tree/x?cursor=a>; rel="next"\r\n'), tree)
    put("hub", "moved", b"HTTP/1.1 307 Temporary Redirect\r\nLocation: /x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", info, b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: Wed, 21 Oct 2026 07:28:00 GMT\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", tree)
    put("hub", "ranges", info, tree, answer(""), b"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-3/9\r\nContent-Length: 4\r\nConnection: close\r\n\r\n{\"te", b"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 4-8/9\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n5\r\nxt\":1\r\n0\r\n\r\n")

    def post(path, body):
        return f"POST /api/{path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}"

    put("serve", "page", "GET / HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: gzip\r\n\r\n")
    put("serve", "feature", "GET /api/feature/3 HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost\r\n\r\nGET /api/overview HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    put("serve", "prompt", post("prompt", '{"text": "a b", "top": 5}'))
    put("serve", "check", post("check", '{"prompt": "a", "answer": "b"}'))
    put("serve", "activations", post("activations", '{"text": "a", "features": [1, 2]}'))
    put("serve", "generate", post("generate", '{"text": "a", "steer": [{"feature": 1, "kind": "add", "value": 2.0}], "max_new_tokens": 3, "temperature": 0.5, "seed": 1}'))
    put("serve", "attribute", post("attribute", '{"text": "a", "target": "b", "top": 3}'))
    put("serve", "contrast", post("contrast", '{"a": "x", "b": "y", "top": 3}'))
    put("serve", "labels", post("labels", '{"labels": [{"feature": 1, "label": "x", "note": ""}]}'))


def models():
    put("model_config", "demo", (DEMO / "model/config.json").read_bytes())
    put("model_config", "llama3", json.dumps({"architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": 128256, "hidden_size": 2048, "intermediate_size": 8192, "num_hidden_layers": 16, "num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": 64, "rms_norm_eps": 1e-5, "rope_theta": 500000.0, "max_position_embeddings": 131072, "tie_word_embeddings": True, "hidden_act": "silu", "rope_scaling": {"factor": 32.0, "high_freq_factor": 4.0, "low_freq_factor": 1.0, "original_max_position_embeddings": 8192, "rope_type": "llama3"}, "torch_dtype": "bfloat16"}))
    put("generation_config", "demo", (DEMO / "model/generation_config.json").read_bytes())
    put("generation_config", "llama3", '{"bos_token_id": 1, "eos_token_id": [2, 3], "do_sample": true, "temperature": 0.6, "top_p": 0.9, "top_k": 50, "min_p": 0.1, "repetition_penalty": 1.1}')
    put("model_index", "two", '{"metadata": {"total_size": 9}, "weight_map": {"model.norm.weight": "model-00001-of-00002.safetensors", "lm_head.weight": "model-00002-of-00002.safetensors"}}')
    put("model_index", "outside", '{"weight_map": {"a": "../a.safetensors", "b": "/etc/passwd"}}')
    layer = "model.layers.0."
    shapes = {"model.embed_tokens.weight": (4, 4), "model.norm.weight": (4,), layer + "input_layernorm.weight": (4,), layer + "post_attention_layernorm.weight": (4,),
              layer + "self_attn.q_proj.weight": (4, 4), layer + "self_attn.k_proj.weight": (2, 4), layer + "self_attn.v_proj.weight": (2, 4), layer + "self_attn.o_proj.weight": (4, 4),
              layer + "mlp.gate_proj.weight": (4, 4), layer + "mlp.up_proj.weight": (4, 4), layer + "mlp.down_proj.weight": (4, 4)}
    for dtype in [np.float32, np.float16]:
        put("model_weights", np.dtype(dtype).name, save({name: np.ones(shape, dtype) for name, shape in shapes.items()}))
    put("graph", "graph", json.dumps({"metadata": {"slug": "a", "scan": "m", "prompt_tokens": ["a", "b"], "prompt": "ab", "node_threshold": 0.8}, "qParams": {"pinnedIds": [], "supernodes": [], "linkType": "both", "clickedId": "", "sg_pos": ""},
        "nodes": [{"node_id": "0_1_0", "feature": 1, "layer": "0", "ctx_idx": 0, "feature_type": "cross layer transcoder", "token_prob": 0.0, "is_target_logit": False, "run_idx": 0, "reverse_ctx_idx": 0, "jsNodeId": "0_1-0", "clerp": "", "influence": 0.5, "activation": 1.0},
                  {"node_id": "1_2_1", "feature": 2, "layer": "1", "ctx_idx": 1, "feature_type": "logit", "token_prob": 0.5, "is_target_logit": True, "run_idx": 0, "reverse_ctx_idx": 0, "jsNodeId": "L_2-1", "clerp": "x (p=0.5)", "influence": None, "activation": None}],
        "links": [{"source": "0_1_0", "target": "1_2_1", "weight": -0.5}]}))


def autoencoders():
    formats = DATA / "formats"
    shapes = {"W_enc": (4, 8), "b_enc": (8,), "W_dec": (8, 4), "b_dec": (4,)}
    for dtype in [np.float32, np.float16]:
        put("sae_weights", np.dtype(dtype).name, save({name: np.ones(shape, dtype) for name, shape in shapes.items()}))
    for name in ["topk", "jumprelu", "transcoder", "temporal-scalar", "matching-pursuit", "legacy-topk", "legacy-normalized", "standard-hook-z"]:
        put("sae_config", name, (DATA / "sae" / name / "cfg.json").read_bytes())
    put("sae_config", "demo", (DEMO / "run/final_sae/cfg.json").read_bytes())
    config = {"architecture": "standard", "d_in": 4, "d_sae": 8, "dtype": "float32", "device": "cpu", "apply_b_dec_to_input": True, "normalize_activations": "none", "reshape_activations": "none", "metadata": {"hook_name": "blocks.0.hook_resid_post", "model_name": "m"}}
    weights = save({name: np.ones(shape, np.float32) for name, shape in shapes.items()})
    put("sae_folder", "standard", json.dumps(config), weights, save({"sparsity": np.zeros(8, np.float32)}))
    topk = config | {"architecture": "topk", "k": 2, "rescale_acts_by_decoder_norm": True, "normalize_activations": "layer_norm"}
    put("sae_folder", "topk", json.dumps(topk), weights)
    sizes = sorted(formats.glob("dictionary_learning/*/ae.pt"))
    for path in sizes:
        if path.parent.name in ["AutoEncoder", "GatedAutoEncoder", "BatchTopKSAE"]:
            put("sae_pickle", path.parent.name, path.read_bytes(), (path.parent / "config.json").read_bytes())
    put("sae_pickle", "old", b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.\x80\x02}q\x00.\x80\x02]q\x00.")
    put("sae_npz", "gemma_scope", next(formats.glob("gemma_scope/**/params.npz")).read_bytes())
    buffer = io.BytesIO()
    np.savez(buffer, **{name: np.ones(shape, np.float32) for name, shape in (shapes | {"threshold": (8,)}).items()})
    put("sae_npz", "small", buffer.getvalue())


def training():
    settings = {"architecture": "topk", "k": 4, "d_in": 16, "d_sae": 64, "lr": 1e-3, "training_tokens": 4096, "train_batch_size_tokens": 256, "context_size": 32, "hook_name": "blocks.0.hook_resid_post", "model_name": "demo", "dataset_path": "x", "seqpos_slice": [None, -1], "lr_scheduler_name": "cosineannealing"}
    put("train_config", "flat", json.dumps(settings))
    put("train_config", "nested", json.dumps({"sae": {"architecture": "standard", "d_sae": 8, "l1_coefficient": 2.5}, "logger": {"log_to_wandb": False}, "lr": 3}))
    put("train_config", "legacy", json.dumps({"expansion_factor": 8, "l1_coefficient": 1e-3, "mse_loss_normalization": None, "activation_fn": "topk", "activation_fn_kwargs": {"k": 3}, "hook_point": "blocks.{layer}.hook_resid_post", "hook_point_layer": 0}))
    put("train_toml", "flat", 'architecture = "topk"\nk = 4\nd_sae = 64\nlr = 1e-3\nseqpos_slice = [1, -1]\n[sae]\nd_in = 16\n')
    put("labels", "ours", '{"format": "sae labels 1", "subject": {"model": "", "sae": "", "hook_name": "", "d_sae": 64}}\n{"feature": 1, "label": "x", "note": "y"}\n')
    put("labels", "neuronpedia", '{"modelId": "m", "layer": "0-res", "index": "3", "description": "names", "embedding": [0.5]}\n')
    put("labels", "packed", gzip.compress(b'{"feature": 2, "label": "z"}\n', mtime=0))


for make in [text, tokens, hub, models, autoencoders, training]:
    make()
