"""SAELens' training step beside ours: the same activations, settings and batches in turn on this machine, and the ratio.

    python benches/peers/train.py ACTIVATIONS.safetensors [--d-sae 4608] [--batch 4096] [--steps 8] [--architectures standard topk ..]

Run it with SAELens' interpreter, after `cargo build --release -p sae-benches --bin train_step`. ACTIVATIONS is what
`sae activations --hook NAME` writes, f32. Each measurement is its own process, on all cores; the first three steps are not timed.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

BINARY = Path(__file__).parent / "../../target/release/train_step"
SETTINGS = {
    "standard": {"l1_coefficient": 2.5},
    "topk": {"k": 64},
    "batchtopk": {"k": 64},
    "jumprelu": {"l0_coefficient": 1.0},
    "gated": {"l1_coefficient": 1.0},
    "matryoshka_batchtopk": {"k": 64, "matryoshka_widths": [512, 1536, 4608]},
}
WARM_UP = 3


def theirs(architecture: str, path: str, d_sae: int, batch: int, steps: int, settings: dict) -> None:
    import torch
    from sae_lens import TrainingSAE
    from sae_lens.config import LoggingConfig, SAETrainerConfig
    from sae_lens.registry import get_sae_training_class
    from sae_lens.training.sae_trainer import SAETrainer
    from safetensors.torch import load_file

    x = next(iter(load_file(path).values()))
    x = x.reshape(-1, x.shape[-1])
    d_in = x.shape[-1]
    cfg = get_sae_training_class(architecture)[1](d_in=d_in, d_sae=d_sae, dtype="float32", device="cpu", **settings)
    sae = TrainingSAE.from_dict(cfg.to_dict())
    trainer_cfg = SAETrainerConfig(
        total_training_samples=batch * (steps + WARM_UP), train_batch_size_samples=batch, lr_end=3e-5,
        logger=LoggingConfig(log_to_wandb=False),
    )
    trainer = SAETrainer(trainer_cfg, sae, iter(()))
    trainer.activation_scaler.scaling_factor = d_in**0.5 / x.norm(dim=-1).mean().item()
    n = len(x) // batch
    for step in range(steps + WARM_UP):
        if step == WARM_UP:
            start = time.perf_counter()
        at = step % n * batch
        out = trainer.step(x[at : at + batch])
        trainer.n_training_steps += 1
    print(json.dumps({
        "tokens": batch * steps, "seconds": time.perf_counter() - start, "loss": out.loss.item(),
        "l0": out.feature_acts.bool().sum(-1).float().mean().item(),
        "peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }))


def measure(command: list[str]) -> dict:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)} failed:\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("activations")
    parser.add_argument("--d-sae", type=int, default=4608)
    parser.add_argument("--batch", type=int, default=4096)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--architectures", nargs="+", default=list(SETTINGS), choices=list(SETTINGS))
    parser.add_argument("--theirs", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.theirs:
        theirs(args.theirs, args.activations, args.d_sae, args.batch, args.steps, SETTINGS[args.theirs])
        return
    print(f"{'':22}{'ours tok/s':>12}{'peer tok/s':>12}{'ratio':>8}{'ours MB':>10}{'peer MB':>10}{'ratio':>8}{'ours L0':>9}{'peer L0':>9}")
    sizes = [str(args.d_sae), str(args.batch), str(args.steps)]
    for name in args.architectures:
        settings = [f"{key}={json.dumps(value)}" for key, value in SETTINGS[name].items()]
        commands = {
            "ours": [str(BINARY), name, args.activations, *sizes, *settings],
            "peer": [sys.executable, __file__, args.activations, "--theirs", name, "--d-sae", sizes[0], "--batch", sizes[1], "--steps", sizes[2]],
        }
        found = {side: [] for side in commands}
        for _ in range(args.rounds):
            for side, command in commands.items():
                found[side].append(measure(command))
        speed = {side: statistics.median(m["tokens"] / m["seconds"] for m in all) for side, all in found.items()}
        memory = {side: max(m["peak_rss_mb"] for m in all) for side, all in found.items()}
        print(
            f"{name:22}{speed['ours']:12.0f}{speed['peer']:12.0f}{speed['ours'] / speed['peer']:8.2f}"
            f"{memory['ours']:10}{memory['peer']:10}{memory['ours'] / memory['peer']:8.2f}"
            f"{found['ours'][-1]['l0']:9.1f}{found['peer'][-1]['l0']:9.1f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
