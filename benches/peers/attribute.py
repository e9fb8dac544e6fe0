"""Attribution of features by TransformerLens, SAELens and torch's autograd, beside `sae attribute`: the same prompt, the same numbers.

    python benches/peers/attribute.py --model DIR --sae RUN [--tokens N] [--steps N] [--rounds N] [--binary PATH]

Effects of every feature at every position on logit(answer) − logit(against) at the last position: by one gradient, and by integrated gradients
with N midpoints from the activation of a corrupted prompt, both without heads and MLPs. Each side is its own process, in turn: seconds without
loading, peak memory with it, and the largest difference between both lists of the strongest features. f32 on the CPU, two threads. Written for
torch 2.11.0, transformer-lens 3.9.0, sae-lens 6.54.12.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent
WORDS = "The quick brown fox jumps over the lazy dog and the small cat sleeps under the warm sun while a child sings in the garden"


def prompts(n: int) -> tuple[str, str]:
    words = (WORDS.split() * (n // 20 + 2))[: n - 8]
    clean = words + "and the capital of France is".split()
    corrupted = words + "and the capital of Italy is".split()
    return " ".join(clean), " ".join(corrupted)


def theirs(args: argparse.Namespace) -> dict:
    os.environ["HF_HUB_OFFLINE"] = "1"
    import torch
    from sae_lens import SAE
    from tokenizers import Tokenizer

    sys.argv = ["theirs.py"]
    source = (HERE / "theirs.py").read_text().split("class Store")[0]
    scope: dict = {"__file__": str(HERE / "theirs.py"), "__name__": "loader"}
    exec(compile(source, "theirs.py", "exec"), scope)
    torch.set_num_threads(2)
    model = scope["hooked"](args.model)
    # What is asked for is the gradient of an activation, not of the weights.
    model.requires_grad_(False)
    sae = SAE.load_from_disk(str(Path(args.sae) / "final_sae")).requires_grad_(False)
    point = sae.cfg.metadata.hook_name
    tokenizer = Tokenizer.from_file(str(Path(args.model) / "tokenizer.json"))
    bos = json.loads((Path(args.model) / "config.json").read_text())["bos_token_id"]

    def ids(text: str) -> list[int]:
        return [bos, *tokenizer.encode(text, add_special_tokens=False).ids]

    clean, corrupted = map(ids, prompts(args.tokens))
    assert len(clean) == len(corrupted)
    answer, against = (tokenizer.encode(text, add_special_tokens=False).ids[0] for text in (" Paris", " Rome"))

    def metric(logits: torch.Tensor) -> torch.Tensor:
        return logits[:, -1, answer] - logits[:, -1, against]

    begin = time.perf_counter()
    held = {}

    def keep(name):
        def hook(x, hook):
            held[name] = x
            return x

        return hook

    def leaf(x, hook):
        held["leaf"] = x.detach().requires_grad_(True)
        return held["leaf"]

    if args.steps == 0:
        logits = model.run_with_hooks(torch.tensor([clean]), fwd_hooks=[(point, leaf)])
        metric(logits).sum().backward()
        with torch.no_grad():
            f = sae.encode(held["leaf"])
            effects = f * (held["leaf"].grad @ sae.W_dec.T)
    else:
        layer = int(point.split(".")[1])
        with torch.no_grad():
            for name, tokens in (("clean", clean), ("corrupted", corrupted)):
                model.run_with_hooks(torch.tensor([tokens]), fwd_hooks=[(point, keep(name))], stop_at_layer=layer + 1)
        x, y = held["clean"], held["corrupted"]
        total = 0
        for k in range(args.steps):
            z = (y + (k + 0.5) / args.steps * (x - y)).detach().requires_grad_(True)
            logits = model(z, start_at_layer=layer)
            metric(logits).sum().backward()
            total = total + z.grad / args.steps
        with torch.no_grad():
            effects = (sae.encode(x) - sae.encode(y)) * (total @ sae.W_dec.T)
    best = effects[0].flatten().abs().topk(20).indices
    seconds = time.perf_counter() - begin
    width = effects.shape[-1]
    top = {f"{i % width}@{i // width}": effects[0].flatten()[i].item() for i in best.tolist()}
    return {"seconds": seconds, "peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024, "top": top, "n": len(clean)}


def ours(args: argparse.Namespace) -> dict:
    clean, corrupted = prompts(args.tokens)
    method = ["--method", f"integrated:{args.steps}", "--corrupted", corrupted] if args.steps else []
    command = [args.binary, "attribute", clean, "--answer", "Paris", "--against", "Rome", "--model", args.model, "--sae", args.sae]
    command += ["--no-components", "--threads", "2", "--json=-", *method]
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    assert before <= peak
    found = json.loads(done.stdout)
    top = {f"{f['feature']}@{f['position']}": f["effect"] for f in found["saes"][0]["features"]}
    return {"seconds": found["timings"]["attribute_s"], "peak_rss_mb": peak // 1024, "top": top, "n": len(found["prompt_tokens"])}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--sae", required=True)
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--steps", type=int, nargs="+", default=[0, 32], help="0 is one gradient")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--binary", default=str(HERE / "../../target/release/sae"))
    parser.add_argument("--side", choices=["ours", "theirs"])
    args = parser.parse_args()
    if args.side:
        args.steps = args.steps[0]
        print(json.dumps({"ours": ours, "theirs": theirs}[args.side](args)))
        return
    print(f"{'':16}{'ours s':>9}{'peer s':>9}{'ratio':>8}{'ours MB':>10}{'peer MB':>10}{'ratio':>8}{'difference':>12}")
    for steps in args.steps:
        found = {"ours": [], "theirs": []}
        for _ in range(args.rounds):
            for side in found:
                rest = ["--model", args.model, "--sae", args.sae, "--tokens", str(args.tokens), "--binary", args.binary]
                command = [sys.executable, __file__, "--side", side, "--steps", str(steps), *rest]
                done = subprocess.run(command, capture_output=True, text=True)
                if done.returncode != 0:
                    sys.exit(done.stderr)
                found[side].append(json.loads(done.stdout.splitlines()[-1]))
        seconds = {side: statistics.median(m["seconds"] for m in all) for side, all in found.items()}
        memory = {side: max(m["peak_rss_mb"] for m in all) for side, all in found.items()}
        a, b = found["ours"][0], found["theirs"][0]
        assert a["n"] == b["n"], "both have the same tokens"
        both = a["top"].keys() & b["top"].keys()
        scale = max(abs(x) for x in b["top"].values())
        assert len(both) >= 18, f"only {len(both)} of the 20 strongest are the same"
        difference = max(abs(a["top"][key] - b["top"][key]) for key in both) / scale
        name = f"integrated:{steps}" if steps else "gradient"
        print(
            f"{name:16}{seconds['ours']:9.2f}{seconds['theirs']:9.2f}{seconds['theirs'] / seconds['ours']:8.2f}"
            f"{memory['ours']:10}{memory['theirs']:10}{memory['ours'] / memory['theirs']:8.2f}{difference:12.1e}",
            flush=True,
        )


main()
