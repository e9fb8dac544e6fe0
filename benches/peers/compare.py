"""Ours and the Python peers side by side: the same work in turn on this machine, and the ratio of the medians.

    python benches/peers/compare.py --model DIR --sae RUN --tokens TOKENS.safetensors [--rows 16] [--rounds 3]

Run it with the peers' interpreter (see theirs.py), after `cargo build --release -p sae-benches --bin peer`. MODEL is in Hugging Face's
layout, RUN in the notebook's, TOKENS as `sae tokenize` writes them. Each measurement is its own process; loading is not timed, but
counts in the peak memory.
"""

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
CASES = ["prefix", "full", "eval"]


def measure(command: list[str]) -> dict:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)} failed:\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--sae", required=True)
    parser.add_argument("--tokens", required=True)
    parser.add_argument("--rows", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--cases", nargs="+", default=CASES, choices=CASES)
    parser.add_argument("--binary", default=str(HERE / "../../target/release/peer"))
    args = parser.parse_args()

    rest = [args.model, args.sae, args.tokens, str(args.rows)]
    sides = {"ours": [args.binary], "peer": [sys.executable, str(HERE / "theirs.py")]}
    print(f"{'':8}{'ours tok/s':>12}{'peer tok/s':>12}{'ratio':>8}{'ours MB':>10}{'peer MB':>10}{'ratio':>8}")
    for case in args.cases:
        found = {side: [] for side in sides}
        for _ in range(args.rounds):
            for side, command in sides.items():
                found[side].append(measure([*command, case, *rest]))
        speed = {side: statistics.median(m["tokens"] / m["seconds"] for m in all) for side, all in found.items()}
        memory = {side: max(m["peak_rss_mb"] for m in all) for side, all in found.items()}
        print(
            f"{case:8}{speed['ours']:12.0f}{speed['peer']:12.0f}{speed['ours'] / speed['peer']:8.2f}"
            f"{memory['ours']:10}{memory['peer']:10}{memory['ours'] / memory['peer']:8.2f}",
            flush=True,
        )
    floor = measure([args.binary, "floor", *rest])
    print(
        f"matrix products by the gemm crate {floor['gemm_gflops']:.0f} GFLOP/s, the whole forward pass with losses "
        f"{floor['forward_gflops']:.0f}: {100 * floor['share']:.0f} %"
    )


main()
