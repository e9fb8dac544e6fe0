"""Products x·Wᵀ on one thread of the CPU, by torch and by ours, in f32 and in bf16: billions of operations per second of processor time.

    cargo build --release -p sae-benches --bin products
    python benches/peers/products.py [ROUNDS]

The sides take turns; the least time of each counts. What torch calls is named first: MKL or OpenBLAS for f32, oneDNN for bf16.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"

import torch

torch.set_num_threads(1)
torch.set_grad_enabled(False)
SHAPES = [(512, 576, 192), (512, 576, 576), (512, 576, 1536), (512, 1536, 576), (2048, 576, 3072), (512, 4096, 4096), (2048, 2048, 2048), (64, 576, 1536), (16, 576, 1536), (8, 576, 1536), (1, 576, 1536), (1, 2048, 2048), (8, 2048, 8192)]
binary = Path(os.environ.get("CARGO_TARGET_DIR", Path(__file__).parents[2] / "target")) / "release" / "products"
names = ["x".join(map(str, shape)) for shape in SHAPES]
best = {}


def keep(name, side, seconds):
    best[name, side] = min(best.get((name, side), 1e9), seconds)


for _ in range(int(sys.argv[1]) if len(sys.argv) > 1 else 3):
    for name, (rows, n_in, n_out) in zip(names, SHAPES):
        for side, dtype in [("torch f32", torch.float32), ("torch bf16", torch.bfloat16)]:
            x, w = torch.randn(rows, n_in).to(dtype), torch.randn(n_out, n_in).to(dtype)
            torch.nn.functional.linear(x, w)
            begun = time.process_time()
            while time.process_time() - begun < 0.5:
                start = time.process_time_ns()
                torch.nn.functional.linear(x, w)
                keep(name, side, (time.process_time_ns() - start) / 1e9)
        lines = subprocess.run([binary, name], check=True, capture_output=True, text=True, env={**os.environ, "RAYON_NUM_THREADS": "1"}).stdout
        for line in map(json.loads, lines.splitlines()):
            keep(name, "f32", line["f32"])
            keep(name, "bf16", line["bf16"])
print("torch", torch.__version__, "with", "MKL" if torch.backends.mkl.is_available() else "OpenBLAS", "and oneDNN" if torch.backends.mkldnn.is_available() else "")
print("| rows × in × out | f32 | torch | ratio | bf16 | torch | ratio | bf16 / f32 |\n|---|---|---|---|---|---|---|---|")
for name, (rows, n_in, n_out) in zip(names, SHAPES):
    speed = {side: 2e-9 * rows * n_in * n_out / best[name, side] for side in ("f32", "torch f32", "bf16", "torch bf16")}
    cells = [speed["f32"], speed["torch f32"], speed["f32"] / speed["torch f32"], speed["bf16"], speed["torch bf16"], speed["bf16"] / speed["torch bf16"], speed["bf16"] / speed["f32"]]
    print(f"| {name.replace('x', ' × ')} | " + " | ".join(f"{x:.{2 if i in (2, 5, 6) else 1}f}" for i, x in enumerate(cells)) + " |")
