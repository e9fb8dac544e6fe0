"""Ours and transformers side by side: 128 tokens, the likeliest each time, after prompts of 32; tokens a second and peak memory.

    python benches/peers/generate.py --model DIR [--rows 1 8] [--rounds 3] [--binary target/release/sae]

Needs torch and transformers, and `cargo build --release -p sae-cli`. Each measurement is its own process with two threads, and the sides
alternate. Loading and the prompt are subtracted on both sides: a call with 1 new token is measured beside the call with 129.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).parent
NEW = 128
TEXT = (
    "The lighthouse keeper counted seven ships before the fog rolled in over the harbour, and wrote the number down in the "
    "book that lay open on the table beside the lamp. "
)


def theirs(model_dir: str, prompts: list[str], new: int) -> dict:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    torch.set_num_threads(2)
    tokenizer = AutoTokenizer.from_pretrained(model_dir, padding_side="left")
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
    model = AutoModelForCausalLM.from_pretrained(model_dir, dtype=torch.float32)
    batch = tokenizer(prompts, return_tensors="pt", padding=True)
    start = time.perf_counter()
    with torch.no_grad():
        out = model.generate(**batch, max_new_tokens=new, min_new_tokens=new, do_sample=False, eos_token_id=None)
    return {"seconds": time.perf_counter() - start, "text": tokenizer.decode(out[0, batch["input_ids"].shape[1] :])}


def ours(binary: str, model_dir: str, prompts: list[str], new: int) -> dict:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "prompts.jsonl"
        file.write_text("".join(json.dumps({"text": text}) + "\n" for text in prompts))
        command = [binary, "generate", "--prompts", str(file), "--model", model_dir, "--greedy", "--max-new-tokens", str(new), "--no-bos"]
        command += ["--batch-size", str(len(prompts)), "--threads", "2", "--json", "-q"]
        start = time.perf_counter()
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        seconds = time.perf_counter() - start
        completions = json.loads(done.stdout)["completions"]
        lengths = {len(completion["tokens"]) for completion in completions}
        if lengths != {new}:
            sys.exit(f"rows ended by themselves after {lengths} tokens: choose another model or text")
        return {"seconds": seconds, "text": completions[0]["text"]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--rows", type=int, nargs="+", default=[1, 8])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--binary", default=str(HERE / "../../target/release/sae"))
    parser.add_argument("--one", nargs=3, metavar=("SIDE", "ROWS", "NEW"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        side, rows, new = args.one[0], int(args.one[1]), int(args.one[2])
        prompts = [f"Page {row + 11}. {TEXT}It read: one," for row in range(rows)]
        run = theirs(args.model, prompts, new) if side == "theirs" else ours(args.binary, args.model, prompts, new)
        who = resource.RUSAGE_SELF if side == "theirs" else resource.RUSAGE_CHILDREN
        run["peak_mb"] = resource.getrusage(who).ru_maxrss // 1024
        print(json.dumps(run))
        return

    def one(side: str, rows: int, new: int) -> dict:
        command = [sys.executable, __file__, "--model", args.model, "--binary", args.binary, "--one", side, str(rows), str(new)]
        return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[-1])

    print(f"{'rows':>5}{'ours tok/s':>12}{'theirs tok/s':>14}{'ratio':>8}{'ours MB':>10}{'theirs MB':>11}   same text")
    for rows in args.rows:
        speeds, memory, texts = {"ours": [], "theirs": []}, {"ours": 0, "theirs": 0}, {}
        for _ in range(args.rounds):
            for side in speeds:
                short, long = one(side, rows, 1), one(side, rows, 1 + NEW)
                speeds[side].append(rows * NEW / (long["seconds"] - short["seconds"]))
                memory[side] = max(memory[side], long["peak_mb"])
                texts[side] = long["text"]
        a, b = (statistics.median(speeds[side]) for side in ("ours", "theirs"))
        same = texts["ours"].strip() == texts["theirs"].strip()
        print(f"{rows:5}{a:12.1f}{b:14.1f}{a / b:8.2f}{memory['ours']:10}{memory['theirs']:11}   {same}", flush=True)


if __name__ == "__main__":
    main()
