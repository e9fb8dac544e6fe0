"""What SAEDashboard makes of a few features of the demo's SAE: `batch-0.json` of its Neuronpedia converter.

The demo's model and SAE (demo/model, demo/run), and the first rows of the demo's text as the demo's SAE was trained on it. SAEDashboard's
NeuronpediaRunner takes models and data sets by their names on the Hub only, so its parts are put together here as it does: HookedTransformer
with processed weights, the SAE with directions of length one, SaeVisRunner, NeuronpediaConverter.

Writes data/dashboards: rows.json (the rows of ids), batch-0.json.

SAEDashboard wants older libraries than the other scripts; it has an environment of its own:
    pip install "sae-dashboard==0.8.0" "sae-lens==6.54.12" "torch==2.11.0" "transformer-lens==2.17.0" "transformers==4.56.2" "pyarrow==20.0.0"
Made with these; seed 0.
"""

import json
import os
import sys
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace

os.environ["HF_HUB_OFFLINE"] = "1"

import torch
from sae_dashboard.components_config import (
    ActsHistogramConfig,
    Column,
    FeatureTablesConfig,
    LogitsHistogramConfig,
    LogitsTableConfig,
    SequencesConfig,
)
from sae_dashboard.layout import SaeVisLayoutConfig
from sae_dashboard.neuronpedia.neuronpedia_converter import NeuronpediaConverter
from sae_dashboard.neuronpedia.neuronpedia_runner import NeuronpediaRunner
from sae_dashboard.neuronpedia.neuronpedia_runner_config import NeuronpediaRunnerConfig
from sae_dashboard.sae_vis_data import SaeVisConfig
from sae_dashboard.sae_vis_runner import SaeVisRunner
from sae_lens import SAE, HookedSAETransformer
from tokenizers import Tokenizer
from transformer_lens import HookedTransformerConfig
from transformer_lens.pretrained.weight_conversions import convert_llama_weights
from transformers import AutoTokenizer, LlamaForCausalLM

OUT = Path(__file__).parent / "data" / "dashboards"
DEMO = Path(__file__).parents[2] / "demo"
sys.path.insert(0, str(DEMO / "make"))
from common import bundled_text, pack  # noqa: E402

ROWS, CONTEXT, FEATURES = 96, 48, 7


def peer() -> HookedSAETransformer:
    model = LlamaForCausalLM.from_pretrained(DEMO / "model", dtype=torch.float32)
    config = model.config
    cfg = HookedTransformerConfig(
        n_layers=config.num_hidden_layers, d_model=config.hidden_size, n_ctx=config.max_position_embeddings,
        d_head=config.head_dim, n_heads=config.num_attention_heads, n_key_value_heads=config.num_key_value_heads,
        d_mlp=config.intermediate_size, d_vocab=config.vocab_size, act_fn="silu", gated_mlp=True, normalization_type="RMS",
        final_rms=True, eps=config.rms_norm_eps, positional_embedding_type="rotary", rotary_dim=config.head_dim,
        rotary_adjacent_pairs=False, rotary_base=10000, device="cpu",
    )  # fmt: skip
    assert config.rope_theta == cfg.rotary_base
    hooked = HookedSAETransformer(cfg, tokenizer=AutoTokenizer.from_pretrained(DEMO / "model"))
    # As the configuration of the SAE asks for: model_from_pretrained_kwargs.
    hooked.load_and_process_state_dict(convert_llama_weights(model, cfg), center_writing_weights=False)
    return hooked.eval()


def choose(sae: SAE, model: HookedSAETransformer, rows: torch.Tensor, hook: str) -> list[int]:
    """Features from frequent to rare."""
    _, cache = model.run_with_cache(rows, names_filter=hook)
    fired = (sae.encode(cache[hook])[:, 1:] > 0).sum((0, 1))
    order = fired.argsort(descending=True, stable=True)
    alive = order[: int((fired >= 40).sum())]
    places = torch.linspace(0, len(alive) - 1, FEATURES).round().long()
    return sorted(alive[places].tolist())


@torch.no_grad()
def main() -> None:
    tokenizer = Tokenizer.from_file(str(DEMO / "model/tokenizer.json"))
    rows = torch.tensor([row[:CONTEXT] for row in pack(bundled_text(), tokenizer)[:ROWS]])
    model = peer()
    sae = SAE.load_from_disk(DEMO / "run/final_sae")
    hook = sae.cfg.metadata.hook_name
    sae.fold_W_dec_norm()
    features = choose(sae, model, rows, hook)
    np_cfg = NeuronpediaRunnerConfig(
        sae_set="demo", sae_path="demo/run", outputs_dir="", huggingface_dataset_path="kjv.jsonl", n_prompts_total=ROWS,
        n_tokens_in_prompt=CONTEXT, n_features_at_a_time=len(features),
    )  # fmt: skip
    np_cfg.model_id, np_cfg.layer = "demo", int(hook.split(".")[1])
    sequences = SequencesConfig(
        stack_mode="stack-all", buffer=None, compute_buffer=True, n_quantiles=np_cfg.n_quantiles,
        top_acts_group_size=np_cfg.top_acts_group_size, quantile_group_size=np_cfg.quantile_group_size,
    )  # fmt: skip
    columns = [sequences, ActsHistogramConfig(), LogitsHistogramConfig(), LogitsTableConfig(), FeatureTablesConfig(n_rows=3)]
    cfg = SaeVisConfig(
        hook_point=hook, features=features, minibatch_size_features=len(features), minibatch_size_tokens=32, device="cpu",
        feature_centric_layout=SaeVisLayoutConfig(columns=[Column(*columns)]), dtype="float32",
        ignore_tokens={model.tokenizer.bos_token_id, model.tokenizer.eos_token_id},
    )  # fmt: skip
    data = SaeVisRunner(cfg).run(encoder=sae, model=model, tokens=rows)
    vocabulary = NeuronpediaRunner.get_vocab_dict(SimpleNamespace(model=model))
    batch = json.loads(NeuronpediaConverter.convert_to_np_json(model, data, np_cfg, vocabulary))
    OUT.mkdir(parents=True, exist_ok=True)
    write(OUT / "rows.json", rows.tolist())
    write(OUT / "batch-0.json", batch)
    versions = {name: version(name) for name in ("sae-dashboard", "sae-lens", "torch", "transformer-lens", "transformers")}
    print(f"features {features} in {OUT}, with {versions}")


def write(path: Path, value) -> None:
    path.write_text(json.dumps(value, separators=(",", ":"), ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
