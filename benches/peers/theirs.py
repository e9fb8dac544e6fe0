"""The peers' side of compare.py: one piece of work on a real model, timed without loading, as one line of JSON.

    theirs.py CASE MODEL RUN TOKENS ROWS        CASE: prefix, full or eval

`prefix` is TransformerLens' run_with_cache(stop_at_layer), `full` its forward pass with the loss per token, `eval` SAELens'
run_evals with everything switched on. f32 on the CPU, two threads. Written for torch 2.11.0, transformers 5.23, transformer-lens
3.9.0, sae-lens 6.54.12.
"""

import json
import os
import resource
import sys
import time
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

import torch
from safetensors.torch import load_file
from transformer_lens import HookedTransformer, HookedTransformerConfig
from transformer_lens.pretrained.weight_conversions import convert_llama_weights
from transformers import AutoModelForCausalLM

BATCH = 8


def hooked(path: str) -> HookedTransformer:
    model = AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32)
    config = model.config
    grouped = config.num_key_value_heads != config.num_attention_heads
    d_head = config.hidden_size // config.num_attention_heads
    cfg = HookedTransformerConfig(
        n_layers=config.num_hidden_layers,
        d_model=config.hidden_size,
        n_ctx=min(config.max_position_embeddings, 2048),
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
        # transformers 5 and before.
        rotary_base=config.rope_parameters["rope_theta"] if hasattr(config, "rope_parameters") else config.rope_theta,
        original_architecture="LlamaForCausalLM",
        device="cpu",
    )
    peer = HookedTransformer(cfg)
    missing = peer.load_state_dict(convert_llama_weights(model, cfg), strict=False)
    assert not missing.unexpected_keys, missing
    return peer.eval()


class Store:
    """As much of an ActivationsStore as run_evals asks for."""

    def __init__(self, tokens: torch.Tensor, batch: int):
        self.tokens, self.at, self.store_batch_size_prompts = tokens, 0, batch
        self.context_size = tokens.shape[1]

    def get_batch_tokens(self, batch_size: int) -> torch.Tensor:
        batch = self.tokens[self.at : self.at + batch_size]
        self.at += batch_size
        return batch

    def reset_input_dataset(self) -> None:
        self.at = 0


def main() -> None:
    case, model_path, run, tokens_path, rows = sys.argv[1:]
    torch.set_num_threads(2)
    torch.set_grad_enabled(False)
    tokens = load_file(tokens_path)["tokens"][: int(rows)].long()
    model = hooked(model_path)
    batches = tokens.split(BATCH)
    hook = json.loads((Path(run) / "final_sae" / "cfg.json").read_text())["metadata"]["hook_name"]
    layer = int(hook.split(".")[1])

    def prefix(batch):
        model.run_with_cache(batch, names_filter=hook, stop_at_layer=layer)

    def full(batch):
        model(batch, return_type="loss", loss_per_token=True)

    if case == "eval":
        from sae_lens import SAE
        from sae_lens.evals import get_eval_everything_config, run_evals
        from sae_lens.training.activation_scaler import ActivationScaler

        sae = SAE.load_from_disk(str(Path(run) / "final_sae"))
        n = len(batches)

        def evaluate(tokens, n):
            config = get_eval_everything_config(min(BATCH, len(tokens)), n, n)
            store = Store(tokens, BATCH)
            return run_evals(sae, store, model, ActivationScaler(), config, exclude_special_tokens=[1, 2])[0]

        evaluate(tokens[:1], 1)
        start = time.perf_counter()
        metrics = evaluate(tokens, n)
        seconds = time.perf_counter() - start
        print(metrics["model_performance_preservation"], file=sys.stderr)
    else:
        work = {"prefix": prefix, "full": full}[case]
        work(batches[0])
        start = time.perf_counter()
        for batch in batches:
            work(batch)
        seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(json.dumps({"seconds": seconds, "tokens": tokens.numel(), "peak_rss_mb": peak}))


if __name__ == "__main__":
    main()
