#!/usr/bin/env python3
"""Train the demo's SAE on blocks.2.hook_resid_pre of the demo's Llama, and measure both on the held-out text.

usage: train_sae.py VERSES.txt [EPOCHS] [L1]       (after train_model.py)
Needs torch 2.11.0, transformers 5.23.0, tokenizers 0.23.3, sae-lens 6.54.12, safetensors.
Writes demo/run in the layout of a SAELens run, and demo/reference.json.
"""

import json
import math
import sys
import time
from pathlib import Path

import torch
from common import ANSWER, CONTEXT, DEMO, PROMPT, SEED, bundled_text, chapters, pack, split
from safetensors.torch import save_file
from tokenizers import Tokenizer
from transformers import LlamaForCausalLM

LAYER, WIDTH, BATCH, LR = 2, 1024, 2048, 2e-3
HOOK = f"blocks.{LAYER}.hook_resid_pre"


class Spliced:
    """The demo's Llama with its residual stream at HOOK recorded, or replaced by `edit` of it."""

    def __init__(self):
        self.model = LlamaForCausalLM.from_pretrained(DEMO / "model", dtype=torch.float32).eval()
        self.edit, self.seen = None, None
        self.model.model.layers[LAYER].register_forward_pre_hook(self._hook, with_kwargs=True)

    def _hook(self, _module, args, kwargs):
        self.seen = args[0]
        return ((self.edit(args[0]), *args[1:]), kwargs) if self.edit is not None else None

    def logits(self, tokens, edit=None):
        self.edit = edit
        return self.model(tokens, use_cache=False).logits


@torch.no_grad()
def activations(spliced: Spliced, rows: torch.Tensor) -> torch.Tensor:
    """[tokens, d_model] of every position but the first of each row (BOS), whose norm is far from the others'."""
    out = []
    for batch in rows.split(64):
        spliced.logits(batch)
        out.append(spliced.seen[:, 1:].flatten(0, 1).clone())
    return torch.cat(out)


def train(x: torch.Tensor, epochs: float, l1: float) -> tuple[dict, torch.Tensor]:
    """A ReLU SAE with an L1 penalty weighted by decoder norms; returns raw-scale, unit-decoder weights and firing counts."""
    d = x.shape[1]
    scale = math.sqrt(d) / x.norm(dim=-1).mean()
    decoder = torch.randn(WIDTH, d)
    decoder = 0.1 * decoder / decoder.norm(dim=1, keepdim=True)
    p = {"W_enc": decoder.T.clone().contiguous(), "b_enc": torch.zeros(WIDTH), "W_dec": decoder, "b_dec": x.mean(0) * scale}
    p = {name: value.requires_grad_() for name, value in p.items()}
    optimizer = torch.optim.Adam(p.values(), lr=LR)
    steps = int(epochs * len(x) / BATCH)
    fires, order, start = torch.zeros(WIDTH), torch.empty(0, dtype=torch.long), time.time()
    for step in range(steps):
        if len(order) < BATCH:
            order = torch.randperm(len(x))
        batch, order = x[order[:BATCH]] * scale, order[BATCH:]
        for group in optimizer.param_groups:
            group["lr"] = LR * min(1, (step + 1) / 50, (steps - step) / (0.2 * steps))
        features = torch.relu((batch - p["b_dec"]) @ p["W_enc"] + p["b_enc"])
        error = (features @ p["W_dec"] + p["b_dec"] - batch).pow(2).sum(-1).mean()
        penalty = (features * p["W_dec"].norm(dim=1)).sum(-1).mean()
        optimizer.zero_grad()
        (error + l1 * min(1, (step + 1) / (0.1 * steps)) * penalty).backward()
        torch.nn.utils.clip_grad_norm_(p.values(), 1.0)
        optimizer.step()
        if step % 200 == 0:
            l0 = (features > 0).sum(-1).float().mean()
            print(f"{step}/{steps} mse {error.item():.2f} l0 {l0:.1f}, {time.time() - start:.0f} s", flush=True)
    with torch.no_grad():
        norm = p["W_dec"].norm(dim=1).clamp(min=1e-8)
        weights = {
            "W_enc": (p["W_enc"] * norm).contiguous(),
            "b_enc": p["b_enc"] * norm / scale,
            "W_dec": p["W_dec"] / norm[:, None],
            "b_dec": p["b_dec"] / scale,
        }
        for batch in x.split(8192):
            fires += (torch.relu((batch - weights["b_dec"]) @ weights["W_enc"] + weights["b_enc"]) > 0).sum(0)
    return {name: value.detach().contiguous() for name, value in weights.items()}, fires


def save(weights: dict, fires: torch.Tensor, n_tokens: int):
    from sae_lens.saes import StandardSAE, StandardSAEConfig
    from sae_lens.saes.sae import SAEMetadata

    metadata = SAEMetadata(
        model_name="demo/model", model_class_name="HookedTransformer", hook_name=HOOK, hook_head_index=None,
        context_size=CONTEXT, prepend_bos=True, dataset_path="demo/text", exclude_special_tokens=True,
        model_from_pretrained_kwargs={"center_writing_weights": False},
        sae_lens_version="6.54.12", sae_lens_training_version="6.54.12",
    )  # fmt: skip
    sae = StandardSAE(
        StandardSAEConfig(d_in=weights["b_dec"].numel(), d_sae=WIDTH, apply_b_dec_to_input=True, dtype="float32", metadata=metadata)
    )
    sae.load_state_dict(weights)
    (DEMO / "run/final_sae").mkdir(parents=True, exist_ok=True)
    sae.save_model(DEMO / "run/final_sae")
    save_file({"sparsity": torch.log10(fires / n_tokens + 1e-10)}, DEMO / "run/sparsity.safetensors")
    return sae


@torch.no_grad()
def measure(spliced: Spliced, sae, tokenizer: Tokenizer, n_rows: int = 32) -> dict:
    """The notebook's numbers by torch in f32, on the first rows of the bundled text."""
    rows = torch.tensor(pack(bundled_text(), tokenizer)[:n_rows])
    edits = {"original": None, "reconstruction": sae, "zero_ablation": torch.zeros_like}
    losses = {}
    for name, edit in edits.items():
        log_probs = spliced.logits(rows, edit)[:, :-1].log_softmax(-1)
        losses[name] = -log_probs.gather(-1, rows[:, 1:, None]).double().mean().item()
    spliced.logits(rows)
    x = spliced.seen[:, 1:]
    l0 = (sae.encode(x) > 0).sum(-1).double().flatten()
    variance = 1 - ((x - sae(x)) ** 2).sum(-1).mean() / ((x - x.mean((0, 1))) ** 2).sum(-1).mean()
    ids = torch.tensor([[tokenizer.token_to_id("<|begin_of_text|>"), *tokenizer.encode(PROMPT).ids]])
    answer = tokenizer.encode(ANSWER).ids
    assert len(answer) == 1, answer
    prompt = {}
    for name, edit in {"baseline": None, "with_sae": sae}.items():
        p = spliced.logits(ids, edit)[0, -1].softmax(-1)
        prompt[name] = {"rank": int((p > p[answer[0]]).sum()), "prob": p[answer[0]].item()}
    return {
        "rows": n_rows,
        "l0": {"mean": l0.mean().item(), "std": l0.std().item()},
        "loss": losses,
        "recovered": (losses["zero_ablation"] - losses["reconstruction"]) / (losses["zero_ablation"] - losses["original"]),
        "explained_variance_without_bos": variance.item(),
        "prompt": prompt,
    }


def main() -> None:
    torch.manual_seed(SEED)
    epochs = float(sys.argv[2]) if len(sys.argv) > 2 else 4.0
    l1 = float(sys.argv[3]) if len(sys.argv) > 3 else 1.0
    tokenizer = Tokenizer.from_file(str(DEMO / "model/tokenizer.json"))
    spliced = Spliced()
    rows = torch.tensor(pack(split(chapters(Path(sys.argv[1])))[0], tokenizer))
    x = activations(spliced, rows)
    print(f"{len(x):,} training activations, mean norm {x.norm(dim=-1).mean():.2f}", flush=True)
    weights, fires = train(x, epochs, l1)
    sae = save(weights, fires, len(x))
    print(f"dead {(fires == 0).float().mean():.4f}")
    reference = measure(spliced, sae, tokenizer)
    (DEMO / "reference.json").write_text(json.dumps(reference, indent=2) + "\n")
    (DEMO / "demo.json").write_text(json.dumps({"prompt": PROMPT, "answer": ANSWER}, indent=2) + "\n")
    print(json.dumps(reference, indent=2))


if __name__ == "__main__":
    torch.set_num_threads(2)
    main()
