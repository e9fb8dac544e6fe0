"""Attribution graphs by circuit-tracer itself: a small random Llama with random per-layer transcoders, and what its `attribute`,
`prune_graph` and `compute_graph_scores` make of them.

The model is written in Hugging Face's layout, the transcoders in SAELens'. Everything is computed in float64 and written as float32.
Made with torch 2.11.0, circuit-tracer 0.5.0 (TransformerLens 3.2.1, transformers 4.57.3); seeds below. It wants an environment of its own:
`pip install torch==2.11.0 circuit-tracer==0.5.0`.
"""

import json
import shutil
from importlib.metadata import version
from pathlib import Path

import torch
from circuit_tracer.attribution.attribute import attribute
from circuit_tracer.graph import compute_graph_scores, compute_node_influence, prune_graph
from circuit_tracer.replacement_model import replacement_model_transformerlens as replacement
from circuit_tracer.transcoder.activation_functions import JumpReLU
from circuit_tracer.transcoder.single_layer_transcoder import SingleLayerTranscoder, TranscoderSet
from safetensors.torch import save_file
from torch import nn
from transformer_lens import HookedTransformerConfig
from transformer_lens.pretrained.weight_conversions import convert_llama_weights
from transformers import LlamaConfig, LlamaForCausalLM

OUT = Path(__file__).parent / "data" / "attribution_graph"
VERSIONS = {name: version(name) for name in ("torch", "circuit-tracer", "transformer-lens", "transformers")}
D, D_SAE, LAYERS = 32, 32, 3
TOKENS = [1, 17, 44, 5, 90, 17, 23]

# name: (seed, where it reads, skip, threshold, feature nodes, features of a ranking, positions left out, thresholds of pruning)
CASES = {
    "mlp_in": (11, "mlp.hook_in", False, False, None, 2048, 1, (0.8, 0.98)),
    "resid_mid_skip": (12, "hook_resid_mid", True, False, None, 2048, 0, (0.7, 0.9)),
    "jumprelu_selected": (13, "ln2.hook_normalized", False, True, 50, 8, 1, (0.8, 0.98)),
}


class Tokenizer:
    """As much of one as `attribute` asks for."""

    all_special_ids, bos_token_id, pad_token_id, eos_token_id, vocab_size, padding_side = [1], 1, 1, 1, 101, "right"

    def decode(self, ids):
        return str(ids)


def hf_model(seed):
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=101, hidden_size=D, intermediate_size=48, num_hidden_layers=LAYERS, num_attention_heads=4, num_key_value_heads=2,
        head_dim=8, max_position_embeddings=64, rms_norm_eps=1e-5, rope_theta=10000.0, tie_word_embeddings=False, bos_token_id=1, eos_token_id=2,
    )
    model = LlamaForCausalLM(config).eval()
    for name, weight in model.named_parameters():
        if weight.ndim == 1:
            weight.data = 1 + 0.3 * torch.randn_like(weight)
        else:
            weight.data = torch.randn_like(weight) * (1.0 if "embed" in name else weight.shape[1] ** -0.5)
    return model


def hooked(model, transcoders, zeroed):
    cfg = HookedTransformerConfig(
        n_layers=LAYERS, d_model=D, n_ctx=64, d_head=8, n_heads=4, n_key_value_heads=2, d_mlp=48, d_vocab=101, act_fn="silu", eps=1e-5,
        normalization_type="RMS", positional_embedding_type="rotary", rotary_dim=8, rotary_adjacent_pairs=False, rotary_base=10000,
        final_rms=True, gated_mlp=True, dtype=torch.float64, model_name="random", device="cpu",
    )
    ours = replacement.TransformerLensReplacementModel(cfg)
    ours.load_state_dict(convert_llama_weights(model.double(), cfg), strict=False)
    ours._configure_replacement_model(transcoders)
    ours.zero_positions = slice(0, zeroed)
    ours.tokenizer = Tokenizer()
    return ours


def transcoder(layer, skip, jump):
    activation = JumpReLU(0.5 + 0.1 * torch.rand(D_SAE).double()) if jump else nn.ReLU()
    it = SingleLayerTranscoder(D, D_SAE, activation, layer, skip_connection=skip, dtype=torch.float64, device=torch.device("cpu"))
    for weight, deviation in ((it.W_enc, 0.25), (it.W_dec, 0.15), (it.b_enc, 0.2), (it.b_dec, 0.3), (it.W_skip, 0.1)):
        if weight is not None:
            weight.data = (deviation * torch.randn(weight.shape)).double()
    # Files have float32: what is computed with must be what is written.
    for weight in it.parameters():
        weight.data = weight.data.float().double()
        weight.requires_grad = False
    return it


def write_transcoder(it, layer, read, folder):
    folder.mkdir(parents=True)
    jump, skip = isinstance(it.activation_function, JumpReLU), it.W_skip is not None
    tensors = {"W_enc": it.W_enc.T, "W_dec": it.W_dec, "b_enc": it.b_enc, "b_dec": it.b_dec}
    if jump:
        tensors["threshold"] = it.activation_function.threshold
    if skip:
        tensors["W_skip"] = it.W_skip
    save_file({name: t.detach().float().contiguous() for name, t in tensors.items()}, folder / "sae_weights.safetensors")
    name = "_".join(word for word in ("jumprelu" if jump else "", "skip" if skip else "", "transcoder") if word)
    cfg = {
        "architecture": name, "d_in": D, "d_out": D, "d_sae": D_SAE, "dtype": "float32", "apply_b_dec_to_input": False,
        "normalize_activations": "none", "reshape_activations": "none",
        "metadata": {
            "sae_lens_version": "6.54.12", "hook_name": f"blocks.{layer}.{read}", "hook_name_out": f"blocks.{layer}.hook_mlp_out",
        },
    }
    (folder / "cfg.json").write_text(json.dumps(cfg, indent=1) + "\n")


def write_model(model, folder):
    folder.mkdir(parents=True)
    save_file({name: t.float().contiguous() for name, t in model.state_dict().items()}, folder / "model.safetensors")
    config = {
        "model_type": "llama", "vocab_size": 101, "hidden_size": D, "intermediate_size": 48, "num_hidden_layers": LAYERS,
        "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8, "max_position_embeddings": 64, "rms_norm_eps": 1e-5,
        "rope_theta": 10000.0, "tie_word_embeddings": False, "hidden_act": "silu",
    }
    (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n")


def main():
    shutil.rmtree(OUT, ignore_errors=True)
    torch.set_default_dtype(torch.float64)
    for name, (seed, read, skip, jump, most, ranking, zeroed, thresholds) in CASES.items():
        torch.set_default_dtype(torch.float32)
        model = hf_model(seed)
        write_model(model, OUT / name / "model")
        transcoders = {layer: transcoder(layer, skip, jump) for layer in range(LAYERS)}
        for layer, it in transcoders.items():
            write_transcoder(it, layer, read, OUT / name / f"layer_{layer}")
        torch.set_default_dtype(torch.float64)
        ours = hooked(model, TranscoderSet(transcoders, read, "hook_mlp_out"), zeroed)
        tokens = torch.tensor(TOKENS)
        with torch.no_grad():
            theirs = model(tokens[None]).logits
            differs = (ours(tokens[None]) - theirs).abs().max().item()
        # transformers' norms and rotary embedding are in float32.
        assert differs < 1e-4, f"the models differ by {differs}"
        batch = 4 if most else 512
        graph = attribute(tokens, ours, max_feature_nodes=most, batch_size=batch, update_interval=ranking // batch if most else 4)
        nodes, edges, cumulative = prune_graph(graph, *thresholds)
        replacement_score, completeness = compute_graph_scores(graph)
        weights = torch.zeros(len(cumulative))
        weights[-len(graph.logit_targets):] = graph.logit_probabilities
        save_file(
            {
                "active": graph.active_features.int().contiguous(),
                "activations": graph.activation_values.float(),
                "selected": graph.selected_features.int(),
                "adjacency": graph.adjacency_matrix.float(),
                "logits": torch.tensor([t.vocab_idx for t in graph.logit_targets]).int(),
                "probabilities": graph.logit_probabilities.float(),
                "influence": compute_node_influence(graph.adjacency_matrix, weights).float(),
                "nodes": nodes.to(torch.uint8),
                "edges": edges.to(torch.uint8),
                "cumulative": cumulative.float(),
                "scores": torch.tensor([replacement_score, completeness]).float(),
            },
            OUT / name / "expected.safetensors",
        )
        facts = {
            "versions": VERSIONS, "seed": seed, "tokens": TOKENS, "zero_positions": zeroed, "max_feature_nodes": most,
            "features_per_ranking": ranking, "node_threshold": thresholds[0], "edge_threshold": thresholds[1],
        }
        (OUT / name / "case.json").write_text(json.dumps(facts, indent=1) + "\n")
        print(name, tuple(graph.adjacency_matrix.shape), f"{len(graph.active_features)} active", f"{nodes.sum()} nodes", f"{edges.sum()} edges",
              f"scores {replacement_score:.3f} {completeness:.3f}")


if __name__ == "__main__":
    main()
