"""circuit-tracer's attribution graph beside ours: the same model, transcoders, prompt and limits in turn on this machine, and the ratio.

    python benches/peers/attribution_graph.py --model DIR --work DIR [--d-sae 2048] [--l0 32] [--max-feature-nodes 1000] [--sae target/release/sae]

Run it with circuit-tracer's interpreter (`tests/goldens/attribution_graph.py` says which versions), after `cargo build --release -p sae-cli`. The
transcoders have random unit directions and biases such that --l0 features fire on a token of the prompt; they are written to --work once.
Each measurement is its own process, on all cores: whole programs, from start to end, f32, on the CPU.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path

PROMPT = "The capital of the state containing Dallas is"


def hf(model):
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedTokenizerFast

    # The file itself: the name of the class beside it may be a later version's.
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(model / "tokenizer.json"))
    config = json.loads((model / "config.json").read_text())
    bos = config["bos_token_id"]
    tokenizer.bos_token = tokenizer.convert_ids_to_tokens(bos)
    ids = [bos, *tokenizer(PROMPT, add_special_tokens=False).input_ids]
    # transformers 4 does not read where transformers 5 writes it.
    theta = config.get("rope_theta") or config["rope_parameters"]["rope_theta"]
    settings = AutoConfig.from_pretrained(model, rope_theta=theta)
    return AutoModelForCausalLM.from_pretrained(model, config=settings, dtype=torch.float32).eval(), tokenizer, ids


def make(args):
    import torch
    from safetensors.torch import save_file

    model, _, ids = hf(args.model)
    seen = {}
    for layer, block in enumerate(model.model.layers):
        block.mlp.register_forward_pre_hook(lambda _, x, layer=layer: seen.__setitem__(layer, x[0][0]))
    with torch.no_grad():
        model(torch.tensor([ids]))
    torch.manual_seed(0)
    d = model.config.hidden_size
    for layer, x in seen.items():
        folder = args.work / f"layer_{layer}"
        folder.mkdir(parents=True, exist_ok=True)
        w = torch.nn.functional.normalize(torch.randn(args.d_sae, d), dim=1)
        h = x[1:] @ w.T
        bias = -torch.quantile(h.flatten()[:1_000_000], 1 - args.l0 / args.d_sae)
        save_file(
            {"W_enc": w.T.contiguous(), "W_dec": (0.1 * w).contiguous(), "b_enc": bias.repeat(args.d_sae), "b_dec": torch.zeros(d)},
            folder / "sae_weights.safetensors",
        )
        cfg = {
            "architecture": "transcoder", "d_in": d, "d_out": d, "d_sae": args.d_sae, "dtype": "float32", "apply_b_dec_to_input": False,
            "normalize_activations": "none", "reshape_activations": "none",
            "metadata": {
                "sae_lens_version": "6.54.12", "hook_name": f"blocks.{layer}.mlp.hook_in", "hook_name_out": f"blocks.{layer}.hook_mlp_out",
            },
        }
        (folder / "cfg.json").write_text(json.dumps(cfg))


def theirs(args):
    import torch
    from circuit_tracer.attribution.attribute import attribute
    from circuit_tracer.graph import compute_graph_scores, prune_graph
    from circuit_tracer.replacement_model import replacement_model_transformerlens as replacement
    from circuit_tracer.transcoder.single_layer_transcoder import SingleLayerTranscoder, TranscoderSet
    from safetensors.torch import load_file
    from transformer_lens import HookedTransformerConfig
    from transformer_lens.pretrained.weight_conversions import convert_llama_weights

    model, tokenizer, ids = hf(args.model)
    c = model.config
    d_head = c.hidden_size // c.num_attention_heads
    cfg = HookedTransformerConfig(
        n_layers=c.num_hidden_layers, d_model=c.hidden_size, n_ctx=512, d_head=d_head, n_heads=c.num_attention_heads,
        n_key_value_heads=c.num_key_value_heads, d_mlp=c.intermediate_size, d_vocab=c.vocab_size, act_fn="silu", eps=c.rms_norm_eps,
        normalization_type="RMS", positional_embedding_type="rotary", rotary_dim=d_head, rotary_adjacent_pairs=False, rotary_base=int(c.rope_theta),
        final_rms=True, gated_mlp=True, dtype=torch.float32, model_name="peer", device="cpu", init_weights=False,
    )
    ours = replacement.TransformerLensReplacementModel(cfg)
    ours.load_state_dict(convert_llama_weights(model, cfg), strict=False)
    del model
    transcoders = {}
    for layer in range(c.num_hidden_layers):
        weights = load_file(args.work / f"layer_{layer}" / "sae_weights.safetensors")
        it = SingleLayerTranscoder(c.hidden_size, args.d_sae, torch.nn.functional.relu, layer, dtype=torch.float32, device=torch.device("cpu"))
        weights["W_enc"] = weights["W_enc"].T.contiguous()
        it.load_state_dict(weights)
        transcoders[layer] = it.requires_grad_(False)
    ours._configure_replacement_model(TranscoderSet(transcoders, "mlp.hook_in", "hook_mlp_out"))
    ours.tokenizer = tokenizer
    begun = time.perf_counter()
    graph = attribute(torch.tensor(ids), ours, max_feature_nodes=args.max_feature_nodes, batch_size=args.batch)
    prune_graph(graph)
    scores = compute_graph_scores(graph)
    print(json.dumps({"attribute_s": time.perf_counter() - begun, "n_active": len(graph.active_features), "scores": scores,
                      "peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024}))


def measured(command):
    begun = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    out = process.stdout.read()
    _, status, usage = __import__("os").wait4(process.pid, 0)
    if status:
        sys.exit(f"{command[0]} failed; run it by itself: {' '.join(map(str, command))}")
    found = json.loads(out[out.index("{"):])
    return {"seconds": time.perf_counter() - begun, "cpu_s": usage.ru_utime + usage.ru_stime, "peak_mb": usage.ru_maxrss // 1024, **found}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--d-sae", type=int, default=2048)
    parser.add_argument("--l0", type=float, default=32)
    parser.add_argument("--max-feature-nodes", type=int, default=1000)
    parser.add_argument("--batch", type=int, default=256, help="circuit-tracer's batch_size")
    parser.add_argument("--sae", default=str(Path(__file__).parent / "../../target/release/sae"))
    parser.add_argument("--theirs", action="store_true", help="one run of circuit-tracer, in this process")
    args = parser.parse_args()
    if args.theirs:
        return theirs(args)
    if not (args.work / "layer_0").exists():
        make(args)
    same = ["--model", str(args.model), "--max-feature-nodes", str(args.max_feature_nodes)]
    ours = measured([args.sae, "graph", PROMPT, *same, "--sae", f"{args.work}/layer_{{layer}}", "--out", str(args.work / "graphs"), "--json"])
    peer = measured([sys.executable, __file__, "--theirs", *same, "--work", str(args.work), "--d-sae", str(args.d_sae), "--batch", str(args.batch)])
    print(f"active features: ours {ours['n_active']}, circuit-tracer {peer['n_active']}")
    print(f"scores: ours {ours['scores']}, circuit-tracer {peer['scores']}")
    print(f"seconds, start to end: ours {ours['seconds']:.1f}, circuit-tracer {peer['seconds']:.1f} (of these attribute and prune {peer['attribute_s']:.1f})")
    print(f"seconds of all cores together: ours {ours['cpu_s']:.1f}, circuit-tracer {peer['cpu_s']:.1f}")
    print(f"peak MB: ours {ours['peak_mb']}, circuit-tracer {peer['peak_mb']}")


if __name__ == "__main__":
    main()
