"""A whole training run by SAELens beside `sae train`: model, rows, settings and budget the same, in turn on this machine.

    python benches/peers/train_run.py --model DIR --tokens TOKENS.safetensors --out DIR [--architecture topk] [--training-tokens N]
        [--hook blocks.15.hook_resid_pre] [--d-sae 4608] [--seeds 1 2 3] [--rounds 1]

Run it with SAELens' interpreter, after `cargo build --release -p sae-cli`. TOKENS is what `sae tokenize` writes. Both train without
evaluations on the way; then `sae eval` measures every SAE on rows that neither has seen. Loading counts in the peak memory, not in the
time.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent
BINARY = HERE / "../../target/release/sae"
SETTINGS = {
    "standard": {"l1_coefficient": 5.0},
    "topk": {"k": 64},
    "batchtopk": {"k": 64},
    "jumprelu": {"l0_coefficient": 5.0},
}
COMMON = {"lr": 1e-3, "normalize_activations": "expected_average_only_in", "n_batches_for_norm_estimate": 4}
BATCH, BUFFER_ROWS, AT_ONCE, HELD_OUT = 4096, 64, 16, 32


def common(training_tokens: int) -> dict:
    steps = training_tokens // BATCH
    return COMMON | {"lr_warm_up_steps": steps // 10, "lr_decay_steps": steps // 10}


def theirs(args: argparse.Namespace) -> None:
    os.environ["HF_HUB_OFFLINE"] = "1"
    import torch
    from datasets import Dataset
    from safetensors.torch import load_file
    from sae_lens import LanguageModelSAERunnerConfig, LanguageModelSAETrainingRunner
    from sae_lens.config import LoggingConfig
    from sae_lens.registry import get_sae_training_class

    sys.path.insert(0, str(HERE))
    from theirs import hooked

    torch.manual_seed(args.seed)
    rows = next(t for t in load_file(args.tokens).values() if t.ndim == 2)[:-HELD_OUT]
    model = hooked(args.model)
    d_in = model.cfg.d_model
    sae_cfg = {key: value for key, value in common(args.training_tokens).items() if key == "normalize_activations"} | SETTINGS[args.architecture]
    trainer_cfg = {key: value for key, value in common(args.training_tokens).items() if key != "normalize_activations"}
    cfg = LanguageModelSAERunnerConfig(
        sae=get_sae_training_class(args.architecture)[1](d_in=d_in, d_sae=args.d_sae, dtype="float32", device="cpu", **sae_cfg),
        model_name="local", hook_name=args.hook, dataset_path="local", is_dataset_tokenized=True, context_size=rows.shape[1],
        n_batches_in_buffer=BUFFER_ROWS, training_tokens=args.training_tokens, store_batch_size_prompts=AT_ONCE, device="cpu",
        train_batch_size_tokens=BATCH, seed=args.seed, dtype="float32", checkpoint_path=None, output_path=args.out, verbose=False,
        logger=LoggingConfig(log_to_wandb=False), **trainer_cfg,
    )
    dataset = Dataset.from_dict({"input_ids": rows.tolist()})
    runner = LanguageModelSAETrainingRunner(cfg, override_dataset=dataset, override_model=model)
    start = time.perf_counter()
    runner.run()
    print(json.dumps({"seconds": time.perf_counter() - start, "peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024}))


def run_ours(args: argparse.Namespace, source: list[str]) -> dict:
    settings = common(args.training_tokens) | SETTINGS[args.architecture]
    flags = [part for key, value in settings.items() for part in (f"--{key.replace('_', '-')}", str(value))]
    command = [
        str(BINARY), "train", *source, "--hook", args.hook, "--architecture", args.architecture,
        "--d-sae", str(args.d_sae), "--training-tokens", str(args.training_tokens), "--train-batch-size-tokens", str(BATCH),
        "--n-batches-in-buffer", str(BUFFER_ROWS), "--store-batch-size-prompts", str(AT_ONCE), "--seed", str(args.seed),
        "--eval-sequences", "0", "--checkpoint-every", "0", "--out", args.out, "--json", "--quiet", *flags,
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        printed = process.stdout.read()
        # The usage of this child alone; RUSAGE_CHILDREN would be the largest of all so far.
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        sys.exit(process.returncode)
    seconds = json.loads(printed)["timings"]["train_s"]
    return {"seconds": seconds, "peak_rss_mb": usage.ru_maxrss // 1024}


def evaluate(args: argparse.Namespace, run: str) -> dict:
    command = [str(BINARY), "eval", "--sae", run, "--model", args.model, "--hook", args.hook, "--tokens", args.eval_tokens, "--json", "--quiet"]
    metrics = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)["metrics"]
    return {
        "CE score": metrics["model_performance_preservation"]["ce_loss_score"],
        "explained variance": metrics["reconstruction_quality"]["explained_variance"],
        "L0": metrics["sparsity"]["l0"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--tokens", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--architecture", default="topk", choices=list(SETTINGS))
    parser.add_argument("--hook", default="blocks.15.hook_resid_pre")
    parser.add_argument("--d-sae", type=int, default=4608)
    parser.add_argument("--training-tokens", type=int, default=200_000)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--sides", nargs="+", default=["ours", "peer"])
    parser.add_argument("--seed", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--theirs", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.theirs:
        theirs(args)
        return
    from safetensors.torch import load_file, save_file

    out = Path(args.out)
    out.mkdir(parents=True, exist_ok=True)
    rows = next(t for t in load_file(args.tokens).values() if t.ndim == 2)
    args.eval_tokens = str(out / "held_out.safetensors")
    save_file({"tokens": rows[-HELD_OUT:].contiguous()}, args.eval_tokens)
    train_tokens = str(out / "tokens.safetensors")
    save_file({"tokens": rows[:-HELD_OUT].contiguous()}, train_tokens)
    for seed in args.seeds:
        for side in args.sides:
            run = str(out / f"{args.architecture}-{side}-{seed}")
            if side == "ours":
                one = argparse.Namespace(**vars(args) | {"seed": seed, "out": run})
                found = run_ours(one, ["--model", args.model, "--tokens", train_tokens])
            else:
                command = [sys.executable, __file__, "--theirs", "--model", args.model, "--tokens", args.tokens, "--out", run, "--seed", str(seed)]
                command += ["--architecture", args.architecture, "--hook", args.hook, "--d-sae", str(args.d_sae), "--training-tokens", str(args.training_tokens)]
                done = subprocess.run(command, capture_output=True, text=True)
                if done.returncode != 0:
                    sys.exit(done.stderr)
                found = json.loads(done.stdout.splitlines()[-1])
            found |= {"tokens/s": round(args.training_tokens / found["seconds"])} | evaluate(args, run)
            print(side, seed, json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
