"""The GPU table: is the binary right on this device, how fast is it, and what do the same things cost in PyTorch?

    python benches/gpu/bench.py --sae SAE [--large LARGE] [--device cuda] [--shape 8b] [--scratch /tmp/sae-gpu]

SAE is a `sae` built with `--features cuda` (xz or zstd packed if its name ends so), LARGE the `large` program of benches/ (needed for
the 8b shape). Needs one GPU, CUDA 13 and PyTorch; no network, nothing is built. With `--device cpu --shape small` it is its own test
on a machine without a GPU. Prints one table; paste it into benches/GPU.md with device and date.
"""

import argparse
import json
import lzma
import math
import os
import shutil
import stat
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

import torch
from llama import SHAPES, Llama, Sae

ROOT = Path(__file__).resolve().parents[2]
failures = []


def row(name, value, verdict=""):
    print(f"{name:58} {value:>22}  {verdict}", flush=True)


def check(name, error, tolerance):
    good = error <= tolerance
    row(name, f"{error:.2e} <= {tolerance:.0e}", "ok" if good else "WRONG")
    if not good:
        failures.append(name)


def unpacked(path, scratch):
    path = Path(path)
    if path.suffix not in (".xz", ".zst"):
        return path
    out = scratch / path.stem
    if path.suffix == ".xz":
        with lzma.open(path) as packed, open(out, "wb") as plain:
            shutil.copyfileobj(packed, plain)
    else:
        subprocess.run(["zstd", "-dqf", str(path), "-o", str(out)], check=True)
    out.chmod(out.stat().st_mode | stat.S_IXUSR)
    return out


class Peak:
    """The most memory in use while the block runs: of the GPU by nvidia-smi, of a process on the CPU by its own count."""

    def __init__(self, device):
        self.device, self.mib, self.done = device, 0, threading.Event()

    def __enter__(self):
        if self.device == "cuda":
            self.thread = threading.Thread(target=self.watch)
            self.thread.start()
        return self

    def watch(self):
        query = ["nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader,nounits"]
        while not self.done.wait(0.2):
            used = subprocess.run(query, capture_output=True, text=True).stdout.split()
            self.mib = max([self.mib, *map(int, used)])

    def __exit__(self, *_):
        self.done.set()
        if self.device == "cuda":
            self.thread.join()


def tensors(path):
    """Every tensor of a safetensors file as f32, without a library."""
    kinds = {"F32": torch.float32, "BF16": torch.bfloat16, "F16": torch.float16, "I64": torch.int64, "I32": torch.int32}
    data = Path(path).read_bytes()
    (n,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + n])
    found = {}
    for name, entry in header.items():
        if name != "__metadata__" and entry["dtype"] in kinds:
            start, end = entry["data_offsets"]
            raw = bytearray(data[8 + n + start : 8 + n + end])
            found[name] = torch.frombuffer(raw, dtype=kinds[entry["dtype"]]).float().reshape(entry["shape"])
    return found


def apart(a, b):
    scale = max(b.abs().max().item(), 1e-9)
    return (a - b).abs().max().item() / scale


def timed(work, device, seconds=3.0):
    sync = torch.cuda.synchronize if device == "cuda" else lambda: None
    work(), sync()
    times = []
    while not times or (sum(times) < seconds and len(times) < 20):
        start = time.perf_counter()
        work(), sync()
        times.append(time.perf_counter() - start)
    return sorted(times)[len(times) // 2]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sae", required=True)
    parser.add_argument("--large")
    parser.add_argument("--device", default="cuda", choices=["cuda", "cpu"])
    parser.add_argument("--shape", default="8b", choices=SHAPES)
    parser.add_argument("--latents", type=int, default=16384)
    parser.add_argument("--scratch", default="/tmp/sae-gpu")
    args = parser.parse_args()
    scratch = Path(args.scratch)
    scratch.mkdir(parents=True, exist_ok=True)
    torch.set_grad_enabled(False)
    binary = unpacked(args.sae, scratch)
    device = args.device

    def sae(*words, device=device, dtype=None):
        command = [str(binary), *map(str, words), "--device", device, "--json", "-q"]
        command += ["--dtype", dtype] if dtype else []
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"{' '.join(command)}: exit {done.returncode}\n{done.stderr[-4000:]}")
        return json.loads(done.stdout)

    name = torch.cuda.get_device_name() if device == "cuda" else "CPU"
    print(f"{name}, torch {torch.__version__}, {time.strftime('%Y-%m-%d')}, shape {args.shape}\n")
    correctness(sae, scratch, device)
    training(sae, scratch, device)
    speed(sae, args, scratch, device)
    training_speed(sae, args, scratch, device)
    if failures:
        sys.exit(f"{len(failures)} checks failed: {', '.join(failures)}")


def correctness(sae, scratch, device):
    reference = json.loads((ROOT / "demo/reference.json").read_text())
    # Products may be rounded to TF32 or bf16 on a GPU: the tolerances are those formats'.
    for dtype, tolerance in (("f32", 1e-4 if device == "cpu" else 2e-3), ("bf16", 2e-2)):
        out = scratch / f"demo-{dtype}"
        report = sae("analyze", "--out", out, dtype=dtype)
        for key in ("original", "reconstruction", "zero_ablation"):
            found, expected = report["loss"][key], reference["loss"][key]
            check(f"demo {dtype} loss {key}", abs(found - expected) / expected, tolerance)
        check(f"demo {dtype} zero ablation is ln 2048", abs(report["loss"]["zero_ablation"] - math.log(2048)), 1e-3)
        found, expected = report["l0"]["mean"], reference["l0"]["mean"]
        check(f"demo {dtype} L0", abs(found - expected) / expected, 5 * tolerance)
    tokens = scratch / "demo-tokens.safetensors"
    model, text = ROOT / "demo/model", ROOT / "demo/text/kjv.jsonl"
    sae("tokenize", "--tokenizer", model, "--dataset", text, "--context-size", 128, "--sequences", 8, "--out", tokens)
    everything = ["blocks.1.hook_resid_pre", "blocks.1.attn.hook_rot_q", "blocks.1.attn.hook_pattern", "blocks.1.hook_mlp_out"]
    call = ["activations", "--model", model, "--tokens", tokens, "--hook", *everything, "--loss", "--out"]
    sae(*call, scratch / "here.safetensors", dtype="f32")
    sae(*call, scratch / "cpu.safetensors", device="cpu", dtype="f32")
    here, cpu = tensors(scratch / "here.safetensors"), tensors(scratch / "cpu.safetensors")
    for name in sorted(cpu):
        check(f"activations f32 {name}", apart(here[name], cpu[name]), 1e-4 if device == "cpu" else 5e-3)
    for case in sorted((ROOT / "tests/goldens/data/sae").iterdir()):
        expected = tensors(case / "expected.safetensors")
        key = next(name for name in ("x", "acts", "input") if name in expected)
        for dtype, tolerance in (("f32", 1e-4 if device == "cpu" else 5e-3), ("bf16", 5e-2)):
            outs = []
            for on in {device, "cpu"}:
                out = scratch / f"encoded-{on}.safetensors"
                sae("encode", "--sae", case, "--input", case / "expected.safetensors", "--key", key, "--out", out,
                    device=on, dtype=dtype if on == device else "f32")
                outs.append(tensors(out)["decoded"])
            if len(outs) == 2:
                check(f"sae {case.name} {dtype}", apart(*outs), tolerance)
            elif dtype == "f32" and "decoded" in expected:
                # That golden was computed in bf16.
                tolerance = 2e-2 if "bfloat16" in case.name else tolerance
                check(f"sae {case.name} {dtype}", apart(outs[0], expected["decoded"].reshape(outs[0].shape)), tolerance)
    print()


ARCHITECTURES = {
    "standard": ["--l1-coefficient", "1"],
    "gated": ["--l1-coefficient", "1"],
    "jumprelu": ["--l0-coefficient", "1"],
    "topk": ["--k", "16"],
    "batchtopk": ["--k", "16"],
    "matryoshka-batchtopk": ["--k", "16", "--matryoshka-widths", "[64,128,256]"],
}


def training(sae, scratch, device):
    """The same run on the device and on the CPU: losses at each step, and the weights at the end."""
    model, text = ROOT / "demo/model", ROOT / "demo/text/kjv.jsonl"
    common = ["--model", model, "--dataset", text, "--hook", "blocks.2.hook_resid_pre", "--d-sae", 256, "--training-tokens", 50 * 512,
              "--train-batch-size-tokens", 512, "--n-batches-in-buffer", 16, "--store-batch-size-prompts", 8, "--lr", 0.001,
              "--exclude-special-tokens", "true", "--eval-sequences", 0, "--checkpoint-every", 0, "--seed", 7]
    runs = [("f32", device, []), ("autocast", device, ["--autocast", "true"])]
    for architecture, settings in ARCHITECTURES.items():
        found = {}
        for name, on, more in [("cpu", "cpu", []), *runs]:
            if device == "cpu" and more:
                continue
            out = scratch / f"train-{architecture}-{name}"
            shutil.rmtree(out, ignore_errors=True)
            sae("train", *common, "--architecture", architecture, *settings, *more, "--out", out, device=on, dtype="f32")
            lines = (out / "metrics.jsonl").read_text().splitlines()
            log = [json.loads(line) for line in lines]
            losses = torch.tensor([line["losses/overall_loss"] for line in log if "losses/overall_loss" in line])
            found[name] = losses, tensors(out / "final_sae" / "sae_weights.safetensors")
        cpu_losses, cpu_weights = found.pop("cpu")
        for name, (losses, weights) in found.items():
            # A feature whose sign of activation tips over makes a step of another size: losses are compared on the whole, weights by norm.
            tolerance = {"f32": 1e-6 if device == "cpu" else 5e-3, "autocast": 5e-2}[name]
            check(f"train {architecture} {name} losses", ((losses - cpu_losses).abs() / cpu_losses.abs()).max().item(), tolerance)
            apart = max(((weights[k] - cpu_weights[k]).norm() / cpu_weights[k].norm().clamp(min=1e-6)).item() for k in cpu_weights)
            check(f"train {architecture} {name} weights", apart, 10 * tolerance)
    print()


def training_speed(sae, args, scratch, device):
    """Tokens a second of a whole run, and of SAELens' own step where it is installed."""
    large = args.shape == "8b"
    folder = scratch / args.shape
    model, tokens = (folder / "model", folder / "tokens.safetensors") if large else (ROOT / "demo/model", scratch / "demo-tokens.safetensors")
    layer, d_sae, batch = (15, args.latents, 4096) if large else (2, 256, 512)
    # As many as the file has after the norms and the evaluation are taken care of; rows are read again where it is short.
    n_tokens = 60 * batch
    for architecture in ("topk", "standard"):
        for more in ([], ["--autocast", "true"]) if device == "cuda" else ([],):
            out = scratch / f"speed-{architecture}"
            shutil.rmtree(out, ignore_errors=True)
            words = ["train", "--model", model, "--tokens", tokens, "--hook", f"blocks.{layer}.hook_resid_pre", "--architecture", architecture,
                     "--d-sae", d_sae, "--training-tokens", n_tokens, "--train-batch-size-tokens", batch, "--n-batches-in-buffer", 32,
                     "--store-batch-size-prompts", 16, "--lr", 0.0003, "--eval-sequences", 0, "--checkpoint-every", 0, "--out", out,
                     *ARCHITECTURES[architecture], *more]
            with Peak(device) as memory:
                result = sae(*words)
            planned = result["plan"]["total_bytes"] >> 20
            name = f"sae train {architecture}{' autocast' if more else ''}"
            row(name, f"{n_tokens / result['timings']['train_s']:,.0f} tok/s", f"peak {memory.mib} MiB, planned {planned} MiB")


def speed(sae, args, scratch, device):
    shape, dtype = SHAPES[args.shape], torch.bfloat16 if device == "cuda" else torch.float32
    rows, context, layer = (32, 256, 15) if args.shape == "8b" else (8, 64, 2)
    n_tokens = rows * context
    d, m, kv = shape["d"], shape["d_mlp"], shape["kv"] * (shape["d"] // shape["heads"])
    block = 2 * (2 * d * (d + kv) + 3 * d * m)
    unembed = 2 * d * shape["vocab"]
    full = shape["layers"] * block + unembed
    n = 8192 if device == "cuda" else 1024
    a = torch.randn(n, n, device=device, dtype=dtype)
    peak = 2 * n**3 / timed(lambda: a @ a, device, 1.0)
    del a
    row(f"matmul {n}^3 by torch, {str(dtype)[6:]}", f"{peak / 1e12:.1f} TFLOP/s")

    folder = scratch / args.shape
    if args.shape == "8b":
        if not (folder / "tokens.safetensors").exists():
            if not args.large:
                sys.exit("--shape 8b needs --large, the program that writes the model")
            subprocess.run([str(unpacked(args.large, scratch)), str(folder), "8b", str(args.latents)], check=True, stdout=subprocess.DEVNULL)
        model, run, tokens = folder / "model", folder / "l15", folder / "tokens.safetensors"
    else:
        model, run, tokens = ROOT / "demo/model", ROOT / "demo/run", scratch / "demo-tokens.safetensors"
    out = scratch / "out.safetensors"
    cases = {
        "prefix": ["activations", "--model", model, "--tokens", tokens, "--hook", f"blocks.{layer}.hook_resid_pre",
                   "--stop-at-layer", layer + 1, "--positions", "-1", "--out", out],
        "full": ["activations", "--model", model, "--tokens", tokens, "--loss", "--out", out],
        "eval": ["eval", "--sae", run, "--model", model, "--tokens", tokens, "--keep-all-tokens"],
    }
    ours = {}
    for case, words in cases.items():
        sae(*words)  # compiles and tunes kernels, fills the page cache
        with Peak(device) as memory:
            result = sae(*words)
        timings = result["timings"]
        seconds = timings.get("evaluate_s", timings.get("forward_s"))
        counted = result["eval_cfg"]["n_sequences"] if case == "eval" else result["rows"]
        width = context if args.shape == "8b" else 128
        ours[case] = counted * width / seconds
        row(f"sae {case}: load", f"{timings['load_s']:.1f} s")
        row(f"sae {case}", f"{ours[case]:,.0f} tok/s", f"peak {memory.mib} MiB" if memory.mib else "")
    if args.shape == "8b":
        print(f"{'':58} (rows of the written token file: raise its ROWS for longer runs)")
        row("sae full: MFU", f"{ours['full'] * full / peak:.0%}")

    ids = torch.randint(0, shape["vocab"], (rows, context), device=device)
    for attention in ("sdpa", "eager"):
        peer = Llama(shape, device, dtype, attention)
        peer_sae = Sae(d, args.latents if args.shape == "8b" else 128, device, dtype)
        works = {
            "prefix": lambda: peer.prefix(ids, layer + 1),
            "full": lambda: peer.losses(peer.run(peer.embedding[ids], slice(None)), ids),
            "eval": lambda: peer.evaluate(ids, layer, peer_sae),
        }
        for case, work in works.items():
            if device == "cuda":
                torch.cuda.reset_peak_memory_stats()
            speed = n_tokens / timed(work, device)
            used = f"peak {torch.cuda.max_memory_allocated() >> 20} MiB" if device == "cuda" else ""
            # The small shape runs another model on each side: a ratio would say nothing.
            ratio = f"ours x{ours[case] / speed:.2f}  " if args.shape == "8b" else ""
            row(f"torch {attention} {case}", f"{speed:,.0f} tok/s", ratio + used)
        del peer, peer_sae
        if device == "cuda":
            torch.cuda.empty_cache()


if __name__ == "__main__":
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    main()
