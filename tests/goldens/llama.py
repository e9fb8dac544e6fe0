"""Small random Llamas, one per branch of the configuration, and what transformers and TransformerLens make of them.

Each model is written as a directory in Hugging Face's layout and loaded back from it by transformers. Logits and losses are
transformers'; activations and edits are those of TransformerLens' HookedTransformer with the same weights, whose logits must
agree with transformers' first. Made with torch 2.11.0, transformers 5.23.0, transformer-lens 3.9.0; seeds below.
"""

import json
import math
import shutil
from importlib.metadata import version
from pathlib import Path

import torch
import transformer_lens
from safetensors.torch import save_file
from transformer_lens import HookedTransformer, HookedTransformerConfig
from transformer_lens.pretrained.weight_conversions import convert_llama_weights
from transformers import LlamaConfig, LlamaForCausalLM
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

OUT = Path(__file__).parent / "data" / "llama"
BATCH, POSITIONS = 2, 6
VERSIONS = {name: version(name) for name in ("torch", "transformers", "transformer-lens")}

BASE = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "vocab_size": 101,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 64,
    "rms_norm_eps": 1e-5,
    "hidden_act": "silu",
    "bos_token_id": 1,
    "eos_token_id": 2,
}
LLAMA3 = {
    "rope_type": "llama3",
    "factor": 4.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 16,
}

# name: (seed, dtype on disk, number of shards, config)
CASES = {
    # The layout of transformers 4, heads that fill the model, no scaling.
    "mha_classic": (1, torch.float32, 1, {"rope_theta": 10000.0, "rope_scaling": None, "torch_dtype": "float32", "tie_word_embeddings": False}),
    # The layout of transformers 5, grouped queries, one matrix for both ends, half precision.
    "gqa_tied": (2, torch.float16, 1, {"num_key_value_heads": 2, "tie_word_embeddings": True, "rope_parameters": {"rope_type": "default", "rope_theta": 100000.0}, "dtype": "float16", "eos_token_id": [2, 3], "pad_token_id": 0}),
    # One key/value head, heads wider than the model divided by them, three blocks in bf16 over three files.
    "mqa_wide_heads": (3, torch.bfloat16, 3, {"num_hidden_layers": 3, "num_key_value_heads": 1, "head_dim": 12, "tie_word_embeddings": False, "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0}, "dtype": "bfloat16", "rms_norm_eps": 1e-6}),
    # Llama 3.1's scaling, in both layouts.
    "llama3_classic": (4, torch.bfloat16, 1, {"num_key_value_heads": 2, "head_dim": 8, "rope_theta": 500.0, "rope_scaling": LLAMA3, "torch_dtype": "bfloat16", "tie_word_embeddings": True}),
    "llama3_parameters": (5, torch.bfloat16, 2, {"num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 24, "rope_parameters": {**LLAMA3, "factor": 8.0, "rope_theta": 1000.0}, "dtype": "bfloat16", "tie_word_embeddings": False}),
}
# Cases whose every block is recorded, and which try the edits; of the others, the last block.
FULL = {"gqa_tied"}


def write_model(name):
    seed, dtype, shards, changes = CASES[name]
    torch.manual_seed(seed)
    folder = OUT / name
    folder.mkdir(parents=True)
    config = {**BASE, **changes}
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    model = LlamaForCausalLM(LlamaConfig.from_pretrained(folder))
    state = {}
    for key, value in model.state_dict().items():
        if key == "lm_head.weight" and config["tie_word_embeddings"]:
            continue
        if value.dim() == 1:
            tensor = 1 + 0.1 * torch.randn_like(value)
        else:
            tensor = torch.randn_like(value) / (1 if "embed" in key else math.sqrt(value.shape[1]))
        state[key] = tensor.to(dtype)
    names = sorted(state)
    if shards == 1:
        save_file(state, folder / "model.safetensors", {"format": "pt"})
        return folder
    weight_map = {}
    for shard in range(shards):
        part = names[shard::shards]
        file = f"model-{shard + 1:05}-of-{shards:05}.safetensors"
        save_file({key: state[key] for key in part}, folder / file, {"format": "pt"})
        weight_map |= {key: file for key in part}
    total = sum(value.numel() * value.element_size() for value in state.values())
    index = {"metadata": {"total_size": total}, "weight_map": weight_map}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=1) + "\n")
    return folder


def hooked(model, config):
    rope = config.rope_parameters
    d_head = config.head_dim
    llama3 = rope["rope_type"] == "llama3"
    grouped = config.num_key_value_heads != config.num_attention_heads
    cfg = HookedTransformerConfig(
        n_layers=config.num_hidden_layers,
        d_model=config.hidden_size,
        n_ctx=config.max_position_embeddings,
        d_head=d_head,
        n_heads=config.num_attention_heads,
        n_key_value_heads=config.num_key_value_heads if grouped else None,
        d_mlp=config.intermediate_size,
        d_vocab=config.vocab_size,
        act_fn="silu",
        normalization_type="RMS",
        final_rms=True,
        gated_mlp=True,
        eps=config.rms_norm_eps,
        positional_embedding_type="rotary",
        rotary_adjacent_pairs=False,
        rotary_dim=d_head,
        rotary_base=rope["rope_theta"],
        original_architecture="LlamaForCausalLM",
        use_NTK_by_parts_rope=llama3,
        **(
            {
                "NTK_by_parts_factor": rope["factor"],
                "NTK_by_parts_low_freq_factor": rope["low_freq_factor"],
                "NTK_by_parts_high_freq_factor": rope["high_freq_factor"],
                "NTK_original_ctx_len": rope["original_max_position_embeddings"],
            }
            if llama3
            else {}
        ),
        device="cpu",
    )
    peer = HookedTransformer(cfg)
    missing = peer.load_state_dict(convert_llama_weights(model, cfg), strict=False)
    assert not missing.unexpected_keys, missing
    return peer.eval()


def at(layer, name):
    return f"blocks.{layer}.{name}"


def edits(layer):
    """Name of the point: what happens to the activation there."""
    return {
        "hook_embed": lambda x: x.flip(1),
        at(layer, "hook_resid_pre"): lambda x: 0.5 * x,
        at(layer, "ln1.hook_scale"): lambda x: 2 * x,
        at(layer, "ln1.hook_normalized"): lambda x: x.clamp(-1, 1),
        at(layer, "attn.hook_q"): lambda x: x.flip(2),
        at(layer, "attn.hook_k"): lambda x: x.flip(1),
        at(layer, "attn.hook_v"): lambda x: x * torch.tensor([0.0, 1.0])[:, None],
        at(layer, "attn.hook_rot_q"): lambda x: -x,
        at(layer, "attn.hook_rot_k"): lambda x: 2 * x,
        at(layer, "attn.hook_attn_scores"): lambda x: 2 * x,
        at(layer, "attn.hook_pattern"): lambda x: 0.5 * x,
        at(layer, "attn.hook_z"): lambda x: x.flip(2),
        at(layer, "hook_attn_out"): lambda x: 0 * x,
        at(layer, "hook_resid_mid"): lambda x: x + 1,
        at(layer, "ln2.hook_scale"): lambda x: x + 1,
        at(layer, "ln2.hook_normalized"): lambda x: 0.5 * x,
        at(layer, "mlp.hook_pre"): lambda x: -x,
        at(layer, "mlp.hook_pre_linear"): lambda x: x + 1,
        at(layer, "mlp.hook_post"): lambda x: x.clamp(min=0),
        at(layer, "hook_mlp_out"): lambda x: -x,
        at(layer, "hook_resid_post"): lambda x: x.flip(1),
        "ln_final.hook_scale": lambda x: 2 * x,
        "ln_final.hook_normalized": lambda x: x.clamp(-1, 1),
    }


def opt_in_edits(layer):
    """One head at a time, where that is the point of the point."""

    def head(factor):
        def edit(x):
            x = x.clone()
            x[:, :, 1] = factor * x[:, :, 1].flip(1)
            return x

        return edit

    return {
        at(layer, "hook_q_input"): head(1.0),
        at(layer, "hook_k_input"): head(1.0),
        at(layer, "hook_v_input"): head(-0.5),
        at(layer, "attn.hook_result"): head(2.0),
        at(layer, "hook_mlp_in"): lambda x: x.flip(1),
    }


def logits_of_edits(peer, tokens, changes):
    def hook(change):
        return lambda x, hook: change(x)

    return {
        f"edit.{point}": peer.run_with_hooks(tokens, fwd_hooks=[(point, hook(change))])[:, -1:]
        for point, change in changes.items()
    }


@torch.no_grad()
def golden(name):
    folder = write_model(name)
    model = LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    config = model.config
    layers = config.num_hidden_layers
    tokens = torch.randint(0, config.vocab_size, (BATCH, POSITIONS), generator=torch.Generator().manual_seed(99))
    logits = model(tokens).logits
    losses = torch.nn.functional.cross_entropy(logits[:, :-1].transpose(1, 2), tokens[:, 1:], reduction="none")
    half = LlamaForCausalLM.from_pretrained(folder, dtype=torch.bfloat16).eval()(tokens).logits
    out = {"tokens": tokens, "logits": logits, "loss": losses, "bf16.logits": half}

    peer = hooked(model, config)
    theirs, cache = peer.run_with_cache(tokens)
    error = (theirs - logits).abs().max().item() / logits.abs().max().item()
    assert error < 1e-5, f"{name}: TransformerLens and transformers differ by {error}"
    kept = range(layers) if name in FULL else [layers - 1]
    prefixes = tuple(f"blocks.{layer}." for layer in kept)
    prefixes += ("hook_embed", "ln_final.")
    out |= {key: value for key, value in cache.items() if key.startswith(prefixes)}

    peer.set_use_attn_result(True)
    peer.set_use_split_qkv_input(True)
    peer.set_use_hook_mlp_in(True)
    opt_in = ["attn.hook_result", "hook_q_input", "hook_k_input", "hook_v_input", "hook_mlp_in"]
    names = [at(layers - 1, point) for point in opt_in]
    _, cache = peer.run_with_cache(tokens[:1], names_filter=names)
    # The others are copies of the residual stream.
    assert all((cache[point].flatten(2)[0, 0].unique().numel() <= config.hidden_size) for point in names[1:])
    out["opt_in." + names[0]] = cache[names[0]]
    if name in FULL:
        out |= logits_of_edits(peer, tokens, opt_in_edits(0))
        peer.set_use_attn_result(False)
        peer.set_use_split_qkv_input(False)
        peer.set_use_hook_mlp_in(False)
        out |= logits_of_edits(peer, tokens, edits(0))
    if name == "mha_classic":
        peer.set_use_split_qkv_input(False)
        peer.set_use_attn_in(True)

        def edit(x):
            x = x.clone()
            x[:, :, 2] = x[:, :, 2].flip(1)
            return x

        out |= logits_of_edits(peer, tokens, {at(0, "hook_attn_in"): edit})
    out = {key: value.contiguous().clone() for key, value in out.items()}
    save_file(out, OUT / f"{name}.safetensors", VERSIONS)
    print(f"{name}: {len(out)} tensors; the peers agree to {error:.1e}")


def frequencies():
    """Llama 3.2 1B's RoPE frequencies, for the unit test of the formula."""
    config = LlamaConfig(
        hidden_size=2048,
        num_attention_heads=32,
        head_dim=64,
        rope_parameters={**LLAMA3, "factor": 32.0, "original_max_position_embeddings": 8192, "rope_theta": 500000.0},
    )
    inv, _ = ROPE_INIT_FUNCTIONS["llama3"](config, "cpu")
    print("llama3 frequencies", {pair: inv[pair].item() for pair in (0, 12, 14, 15, 16, 17, 31)})


if __name__ == "__main__":
    torch.set_num_threads(1)
    shutil.rmtree(OUT, ignore_errors=True)
    for case in CASES:
        golden(case)
    frequencies()
