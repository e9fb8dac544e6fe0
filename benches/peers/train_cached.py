"""Training by SAELens beside `sae train`, from one and the same folder of activations: does the same budget make the same SAE?

    sae activations --shards --model DIR --tokens TOKENS.safetensors --hook blocks.15.hook_resid_pre --sequences 4300 --out CACHE
    python benches/peers/train_cached.py --cache CACHE --model DIR --held-out ROWS.safetensors --out DIR
        [--architectures standard topk batchtopk jumprelu] [--seeds 1 2 3] [--training-tokens 1000000] [--d-sae 4608]

Run it with SAELens' interpreter, after `cargo build --release -p sae-cli`. SAELens' trainer gets the activations through its own mixing
buffer, so that the model's pass, which is the same for both, is paid once. ROWS are tokens that the cache does not have; `sae eval`
measures every SAE on them. A line a run, and at the end the mean and the spread of the seeds.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

from train_run import BATCH, BUFFER_ROWS, SETTINGS, BINARY, common, evaluate, run_ours


def theirs(args: argparse.Namespace) -> None:
    import torch
    from safetensors import safe_open
    from sae_lens import TrainingSAE
    from sae_lens.config import LoggingConfig, SAETrainerConfig
    from sae_lens.registry import get_sae_training_class
    from sae_lens.training.mixing_buffer import mixing_buffer
    from sae_lens.training.sae_trainer import SAETrainer

    torch.manual_seed(args.seed)
    manifest = json.loads((Path(args.cache) / "manifest.json").read_text())
    context_size = manifest["settings"]["context_size"]

    def batches():
        while True:
            for shard in manifest["shards"]:
                with safe_open(Path(args.cache) / shard["file"], "pt") as file:
                    rows = file.get_slice(args.hook)
                    for at in range(0, shard["tokens"], 16 * context_size):
                        yield rows[at : at + 16 * context_size]

    settings = common(args.training_tokens)
    normalize, n_norm = settings.pop("normalize_activations"), settings.pop("n_batches_for_norm_estimate")
    provider = mixing_buffer(buffer_size=BUFFER_ROWS * context_size, batch_size=BATCH, activations_loader=batches())
    first = next(provider)
    cfg = get_sae_training_class(args.architecture)[1](
        d_in=first.shape[-1], d_sae=args.d_sae, dtype="float32", device="cpu", normalize_activations=normalize, **SETTINGS[args.architecture]
    )
    trainer_cfg = SAETrainerConfig(
        total_training_samples=args.training_tokens, train_batch_size_samples=BATCH, lr_end=settings["lr"] / 10,
        n_batches_for_norm_estimate=n_norm, logger=LoggingConfig(log_to_wandb=False), checkpoint_path=None, **settings,
    )
    trainer = SAETrainer(trainer_cfg, TrainingSAE.from_dict(cfg.to_dict()), provider)
    start = time.perf_counter()
    sae = trainer.fit()
    seconds = time.perf_counter() - start
    sae.cfg.metadata.hook_name, sae.cfg.metadata.context_size = args.hook, context_size
    sae.save_inference_model(str(Path(args.out) / "final_sae"))
    print(json.dumps({"seconds": seconds, "peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--held-out", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--architectures", nargs="+", default=list(SETTINGS), choices=list(SETTINGS))
    parser.add_argument("--hook", default="blocks.15.hook_resid_pre")
    parser.add_argument("--d-sae", type=int, default=4608)
    parser.add_argument("--training-tokens", type=int, default=1_000_000)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--theirs", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--architecture", help=argparse.SUPPRESS)
    parser.add_argument("--seed", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.theirs:
        theirs(args)
        return
    args.eval_tokens = args.held_out
    Path(args.out).mkdir(parents=True, exist_ok=True)
    for architecture in args.architectures:
        all_found = {"ours": [], "peer": []}
        for seed in args.seeds:
            for side, found in all_found.items():
                run = str(Path(args.out) / f"{architecture}-{side}-{seed}")
                one = argparse.Namespace(**vars(args) | {"architecture": architecture, "seed": seed, "out": run})
                if side == "ours":
                    figures = run_ours(one, ["--activations", args.cache])
                else:
                    command = [sys.executable, __file__, "--theirs", "--cache", args.cache, "--model", args.model, "--held-out", args.held_out, "--out", run]
                    command += ["--architecture", architecture, "--seed", str(seed), "--hook", args.hook, "--d-sae", str(args.d_sae)]
                    command += ["--training-tokens", str(args.training_tokens)]
                    done = subprocess.run(command, capture_output=True, text=True)
                    if done.returncode != 0:
                        sys.exit(done.stderr)
                    figures = json.loads(done.stdout.splitlines()[-1])
                figures |= {"tokens/s": round(args.training_tokens / figures["seconds"])} | evaluate(args, run)
                found.append(figures)
                print(architecture, side, seed, json.dumps(figures), flush=True)
        for side, found in all_found.items():
            for key in ("CE score", "explained variance", "L0"):
                values = [figures[key] for figures in found]
                spread = statistics.stdev(values) if len(values) > 1 else float("nan")
                print(f"{architecture:12} {side:5} {key:20} {statistics.mean(values):.4f} ± {spread:.4f}", flush=True)


if __name__ == "__main__":
    main()
