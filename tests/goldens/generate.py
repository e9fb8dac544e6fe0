"""Goldens for llama_hooked::generate: what transformers generates and how it processes logits.

Peer: transformers 5.24.0, torch 2.11.0, in f32. Seed: 17 (prompts and logits). The models are those of llama.py and the demo's.

Writes data/generate/:
  greedy.json       for each model prompts of unequal length, which transformers pads on the left, and the 128 ids that follow each; a row ends
                    where the two likeliest logits are closer than 1e-4 of the largest, so that rounding cannot decide
  processed.json    logits, ids that came before, settings, and the logits after each of transformers' processors and after all of them; null
                    stands for -inf
"""

import json
import random
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM
from transformers.generation.logits_process import (
    LogitsProcessorList,
    MinPLogitsWarper,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

HERE = Path(__file__).parent
OUT = HERE / "data" / "generate"
MODELS = {name: HERE / "data" / "llama" / name for name in ("mha_classic", "gqa_tied", "mqa_wide_heads", "llama3_classic", "llama3_parameters")}
MODELS["demo"] = HERE.parent.parent / "demo" / "model"
NEW = 128
# Those that are tried with a repetition penalty, for 40 tokens.
PENALISED = {"gqa_tied", "demo"}


def greedy(name, folder, rng):
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    vocab = model.config.vocab_size
    cases = []
    for penalty in (1.0, 1.3) if name in PENALISED else (1.0,):
        prompts = [[rng.randrange(3, vocab) for _ in range(n)] for n in (9, 1, 4, 17)]
        longest = max(map(len, prompts))
        ids = torch.tensor([[0] * (longest - len(p)) + p for p in prompts])
        mask = torch.tensor([[0] * (longest - len(p)) + [1] * len(p) for p in prompts])
        # The penalty would see the padding: rows by themselves where there is one.
        batches = [(ids, mask)] if penalty == 1.0 else [(torch.tensor([p]), torch.ones(1, len(p), dtype=torch.long)) for p in prompts]
        rows = []
        for batch, its_mask in batches:
            out = model.generate(
                batch, attention_mask=its_mask, max_new_tokens=NEW if penalty == 1.0 else 40, do_sample=False, repetition_penalty=penalty, eos_token_id=None,
                pad_token_id=0, return_dict_in_generate=True, output_scores=True,
            )  # fmt: skip
            for row in range(batch.shape[0]):
                new = out.sequences[row, batch.shape[1] :].tolist()
                for step, scores in enumerate(out.scores):
                    best, second = scores[row].topk(2).values.tolist()
                    if best - second < 1e-4 * scores[row].abs().max().item():
                        new = new[:step]
                        break
                rows.append(new)
        cases.append({"prompts": prompts, "repetition_penalty": penalty, "new": rows})
    return {"model": name, "cases": cases}


def processed(rng):
    generator = torch.Generator().manual_seed(17)
    cases = []
    for vocab in (30, 500):
        for spread in (0.5, 3.0):
            logits = torch.randn(1, vocab, generator=generator) * spread
            seen = [rng.randrange(vocab) for _ in range(12)]
            for settings in (
                {"repetition_penalty": 1.3},
                {"repetition_penalty": 0.8},
                {"temperature": 0.6},
                {"temperature": 2.5},
                {"top_k": 1},
                {"top_k": 50},
                {"top_k": 10000},
                {"top_p": 0.9},
                {"top_p": 0.3},
                {"top_p": 0.01},
                {"min_p": 0.1},
                {"min_p": 0.9},
                {"repetition_penalty": 1.2, "temperature": 0.7, "top_k": 40, "top_p": 0.8, "min_p": 0.05},
                {"temperature": 1.5, "top_k": 20, "top_p": 0.95},
            ):
                make = {
                    "repetition_penalty": RepetitionPenaltyLogitsProcessor,
                    "temperature": TemperatureLogitsWarper,
                    "top_k": TopKLogitsWarper,
                    "top_p": TopPLogitsWarper,
                    "min_p": MinPLogitsWarper,
                }
                processors = LogitsProcessorList([make[key](value) for key, value in settings.items()])
                out = processors(torch.tensor([seen]), logits.clone())[0]
                values = [None if x == float("-inf") else x for x in out.tolist()]
                cases.append({"logits": logits[0].tolist(), "seen": seen, "settings": settings, "processed": values})
    return cases


def main():
    torch.set_num_threads(1)
    rng = random.Random(17)
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / "processed.json").write_text(json.dumps(processed(rng)) + "\n")
    rows = [greedy(name, folder, rng) for name, folder in MODELS.items()]
    (OUT / "greedy.json").write_text(json.dumps(rows) + "\n")


if __name__ == "__main__":
    main()
