"""Goldens of `sae eval --saebench`: SAEBench's own evaluation `core` of the demo's SAE in the demo's model, in TransformerLens.

Writes data/saebench/{tokens.safetensors,core.json}: rows of tokens, and the file of results that SAEBench writes for them, less its per-feature
lines but every 16th, with the keys that its classes want under "keys".

    python saebench_core.py          makes them
    python saebench_core.py FILE..   parses files of core, sparse_probing or tpp with SAEBench's classes, and fails if they refuse one

Made with sae-bench 0.6.0, torch 2.11.0, transformer-lens 3.9.0, sae-lens 6.54.12, transformers 5.24.0; the rows are drawn with seed 40.
"""

import json
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace

import torch
from pydantic import TypeAdapter
from safetensors.torch import save_file
from sae_bench.evals.core import main as core
from sae_bench.evals.core.eval_config import CoreEvalConfig
from sae_bench.evals.core.eval_output import CoreEvalOutput
from sae_bench.evals.scr_and_tpp.eval_output import TppEvalOutput
from sae_bench.evals.sparse_probing.eval_output import SparseProbingEvalOutput
from sae_lens import SAE
from transformer_lens import HookedTransformer, HookedTransformerConfig
from transformer_lens.pretrained.weight_conversions import convert_llama_weights
from transformers import AutoModelForCausalLM

SEED, ROWS, CONTEXT, BATCH = 40, 8, 32, 4
HERE = Path(__file__).parent
DEMO, OUT = HERE.parent.parent / "demo", HERE / "data" / "saebench"
SPECIAL = {0, 1}


CLASSES = {"core": CoreEvalOutput, "sparse_probing": SparseProbingEvalOutput, "tpp": TppEvalOutput}


def parse(text: str) -> None:
    TypeAdapter(CLASSES[json.loads(text)["eval_type_id"]]).validate_json(text)


def demo_model() -> HookedTransformer:
    hf = AutoModelForCausalLM.from_pretrained(DEMO / "model", dtype=torch.float32).eval()
    c = hf.config
    head = c.hidden_size // c.num_attention_heads
    cfg = HookedTransformerConfig(
        n_layers=c.num_hidden_layers, d_model=c.hidden_size, n_ctx=CONTEXT, d_head=head, n_heads=c.num_attention_heads,
        n_key_value_heads=c.num_key_value_heads, d_mlp=c.intermediate_size, d_vocab=c.vocab_size, act_fn="silu", gated_mlp=True,
        normalization_type="RMS", final_rms=True, eps=c.rms_norm_eps, positional_embedding_type="rotary", rotary_dim=head,
        rotary_adjacent_pairs=False, rotary_base=c.rope_parameters["rope_theta"], device="cpu", original_architecture="LlamaForCausalLM",
    )  # fmt: skip
    model = HookedTransformer(cfg)
    model.load_state_dict(convert_llama_weights(hf, cfg), strict=False)
    tokens = torch.arange(2, 12)[None]
    assert torch.allclose(model(tokens), hf(tokens).logits, atol=1e-3), "the two libraries' models differ"
    return model.eval()


class Store:
    """As much of an ActivationsStore as `run_evals` asks for."""

    context_size, store_batch_size_prompts = CONTEXT, BATCH

    def __init__(self, tokens):
        self.tokens, self.at = tokens, 0

    def get_batch_tokens(self, n):
        self.at += n
        return self.tokens[self.at - n : self.at]

    def reset_input_dataset(self):
        self.at = 0


@torch.no_grad()
def main() -> None:
    torch.set_num_threads(1)
    model = demo_model()
    sae = SAE.load_from_disk(DEMO / "run" / "final_sae")
    hook = sae.cfg.metadata.hook_name
    # SAEBench reads these of the configuration, where SAELens had them before its version 6.
    values = {"hook_name": hook, "hook_layer": int(hook.split(".")[1]), "hook_head_index": None, "architecture_str": sae.cfg.architecture()}
    sae.cfg = SimpleNamespace(**vars(sae.cfg), **values, to_dict=sae.cfg.to_dict)
    generator = torch.Generator().manual_seed(SEED)
    tokens = torch.randint(2, model.cfg.d_vocab, (ROWS, 2), generator=generator)
    tokens[:, 0] = 0
    while tokens.shape[1] < CONTEXT:
        following = model(tokens)[:, -1].softmax(-1)
        tokens = torch.cat([tokens, torch.multinomial(following, 1, generator=generator)], dim=1)
    # The same number of tokens that count in both batches.
    tokens[1, 11] = tokens[6, 20] = 1
    n = ROWS // BATCH
    config = CoreEvalConfig(
        model_name="demo", batch_size_prompts=BATCH, n_eval_reconstruction_batches=n, n_eval_sparsity_variance_batches=n,
        exclude_special_tokens_from_reconstruction=True, dataset="rows", context_size=CONTEXT, compute_kl=True, compute_ce_loss=True,
        compute_l2_norms=True, compute_sparsity_metrics=True, compute_variance_metrics=True,
        compute_featurewise_density_statistics=True, compute_featurewise_weight_based_metrics=True,
    )  # fmt: skip
    metrics, features = core.run_evals(sae, Store(tokens), model, config, ignore_tokens=SPECIAL)
    metrics["misc_metrics"] = core.calculate_misc_metrics(features)
    result = {"sae_set": "demo/run", "sae_id": "custom_sae", "eval_cfg": config, "metrics": metrics, "feature_metrics": features}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "core.json"
        core.save_single_eval_result(core.replace_nans_with_negative_one(result), "id", version("sae_lens"), "0.6.0", str(path), sae)
        text = path.read_text()
    parse(text)
    golden = json.loads(text)
    golden["keys"] = {
        "detail": sorted(golden["eval_result_details"][0]),
        "config": sorted(golden["eval_config"]),
        "metrics": {group: sorted(of) for group, of in golden["eval_result_metrics"].items()},
        "top": sorted(json.loads(text)),
    }
    golden["eval_result_details"] = golden["eval_result_details"][::16]
    del golden["sae_cfg_dict"], golden["datetime_epoch_millis"]
    OUT.mkdir(parents=True, exist_ok=True)
    save_file({"tokens": tokens.to(torch.int32)}, OUT / "tokens.safetensors")
    (OUT / "core.json").write_text(json.dumps(golden, indent=1) + "\n")


if len(sys.argv) > 1:
    for path in sys.argv[1:]:
        parse(Path(path).read_text())
    print("SAEBench's classes take them")
else:
    main()
