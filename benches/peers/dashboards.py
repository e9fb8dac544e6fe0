"""SAEDashboard's time for the feature data that `sae dashboard` collects, on the same model, SAE and tokens.

    dashboards.py MODEL RUN TOKENS ROWS FEATURES

Runs SaeVisRunner with its defaults (256 features and 64 sequences at a time) on the first FEATURES features and ROWS rows, f32 on the CPU, two
threads; prints seconds without loading, features a minute and peak memory as one line of JSON. The page it would draw is not counted. Written
for sae-dashboard 0.8.0, torch 2.11.0, sae-lens 6.54.12, transformer-lens 2.x, transformers 4.56.
"""

import json
import os
import resource
import sys
import time
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

import torch
from sae_dashboard.sae_vis_data import SaeVisConfig
from sae_dashboard.sae_vis_runner import SaeVisRunner
from sae_lens import SAE
from safetensors.torch import load_file
from theirs import hooked
from transformer_lens import HookedTransformer
from transformers import PreTrainedTokenizerFast


def with_tokenizer(path: str) -> HookedTransformer:
    names = json.loads((Path(path) / "tokenizer_config.json").read_text())
    special = {key: names[key] for key in ("bos_token", "eos_token", "pad_token") if isinstance(names.get(key), str)}
    peer = hooked(path)
    # Its own way of taking a tokenizer would look it up on the Hub.
    peer.tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(Path(path) / "tokenizer.json"), **special)
    return peer


def main() -> None:
    model_path, run, tokens_path, rows, features = sys.argv[1:6]
    torch.set_num_threads(2)
    model = with_tokenizer(model_path)
    sae = SAE.load_from_disk(str(Path(run) / "final_sae"))
    sae.fold_W_dec_norm()
    tokens = load_file(tokens_path)["tokens"][: int(rows)].long()
    config = SaeVisConfig(
        hook_point=sae.cfg.metadata.hook_name,
        features=list(range(int(features))),
        ignore_tokens={1, 2},
        device="cpu",
        dtype="float32",
    )
    start = time.perf_counter()
    with torch.no_grad():
        data = SaeVisRunner(config).run(encoder=sae, model=model, tokens=tokens)
    seconds = time.perf_counter() - start
    found = len(data.feature_data_dict)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    figures = {"seconds": seconds, "features": found, "tokens": tokens.numel(), "features_per_minute": 60 * found / seconds, "peak_rss_mb": peak}
    print(json.dumps(figures))


main()
