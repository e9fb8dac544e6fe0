"""A model in f32 and in bf16 on one thread of the CPU, by torch and by ours: processor time of a forward pass with losses, and what bf16 costs.

    cargo build --release -p sae-benches --bin half
    python benches/peers/half.py --model DIR [--tokens 512] [--rounds 3]

The sides take turns; the least time of each counts. Errors are those of logits and of losses against torch's in f32.
"""

import argparse
import json
import os
import subprocess
import tempfile
import time
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"

import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

parser = argparse.ArgumentParser()
parser.add_argument("--model", required=True)
parser.add_argument("--tokens", type=int, default=512)
parser.add_argument("--rounds", type=int, default=3)
parser.add_argument("--text", default=str(Path(__file__).parents[2] / "README.md"))
args = parser.parse_args()
torch.set_num_threads(1)
torch.set_grad_enabled(False)
binary = Path(os.environ.get("CARGO_TARGET_DIR", Path(__file__).parents[2] / "target")) / "release" / "half"

ids = AutoTokenizer.from_pretrained(args.model)(Path(args.text).read_text())["input_ids"][: args.tokens]
tokens = torch.tensor([ids])
models = {
    "f32": AutoModelForCausalLM.from_pretrained(args.model, dtype=torch.float32).eval(),
    "bf16": AutoModelForCausalLM.from_pretrained(args.model, dtype=torch.bfloat16).eval(),
}


def losses(logits):
    return torch.nn.functional.cross_entropy(logits[0, :-1].float(), tokens[0, 1:], reduction="none")


def rms(x):
    return x.double().square().mean().sqrt().item()


best, ours = {}, {}
with tempfile.TemporaryDirectory() as work:
    (Path(work) / "ids").write_text(" ".join(map(str, ids)))
    found = Path(work) / "logits.safetensors"
    for turn in range(args.rounds):
        for name, model in models.items():
            for _ in range(2):
                start = time.process_time()
                losses(model(tokens).logits)
                best[name] = min(best.get(name, 1e9), time.process_time() - start)
        call = [binary, args.model, Path(work) / "ids"] + ([found] if turn == 0 else [])
        lines = subprocess.run(call, check=True, capture_output=True, text=True, env={**os.environ, "RAYON_NUM_THREADS": "1"}).stdout
        for line in map(json.loads, lines.splitlines()):
            for name in models:
                key = (line["name"], name)
                ours[key] = min(ours.get(key, 1e9), line[name])
    logits = load_file(found)
exact = models["f32"](tokens).logits
theirs = models["bf16"](tokens).logits.float()
print(f"torch, {len(ids)} tokens: f32 {best['f32']:.3f} s, bf16 {best['bf16']:.3f} s, ratio {best['f32'] / best['bf16']:.2f}")
for case in dict.fromkeys(name for name, _ in ours):
    wide, half = ours[case, "f32"], ours[case, "bf16"]
    print(f"ours, {case}: f32 {1e3 * wide:.1f} ms, bf16 {1e3 * half:.1f} ms, ratio {wide / half:.2f}")
print(f"logits: root mean square {rms(exact):.3f}; error of torch's bf16 {rms(theirs - exact):.4f}, of ours {rms(logits['bf16'] - exact):.4f}, of our f32 {rms(logits['f32'] - exact):.6f}")
at = losses(exact)
print(f"losses: mean {at.mean():.5f}; error of torch's bf16 {rms(losses(theirs) - at):.5f}, of ours {rms(losses(logits['bf16']) - at):.5f}; of the mean {abs(losses(theirs).mean() - at.mean()):.5f} and {abs(losses(logits['bf16']).mean() - at.mean()):.5f}")
