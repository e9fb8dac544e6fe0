"""Training steps by SAELens, for tests/tests/training_parity.rs.

    uv pip install "torch==2.11.0" "sae-lens==6.54.12"
    python tests/goldens/training.py

Each variant trains a small SAE for 100 steps on batches that both sides make from the same integers (see `Batches`), and keeps
the initial weights, every loss, and weights, gradients (clipped) and Adam's moments after 1, 10 and 100 steps.
"""

import json
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

import sae_lens
from sae_lens import (
    BatchTopKTrainingSAEConfig,
    GatedTrainingSAEConfig,
    JumpReLUTrainingSAEConfig,
    MatchingPursuitTrainingSAEConfig,
    MatryoshkaBatchTopKTrainingSAEConfig,
    StandardTrainingSAEConfig,
    TopKTrainingSAEConfig,
    TrainingSAE,
)
from sae_lens.config import LoggingConfig, SAETrainerConfig
from sae_lens.saes.abstopk_sae import AbsTopKTrainingSAEConfig
from sae_lens.training.sae_trainer import SAETrainer

assert sae_lens.__version__ == "6.54.12", sae_lens.__version__
OUT = Path(__file__).parent / "data" / "training"
D, S, B, STEPS, KEPT = 16, 64, 64, 100, (1, 10, 100)
SCALE = 1.7  # the norm scaling factor that is folded at the end
MASK = (1 << 64) - 1


class Batches:
    """Sums of three of 80 directions and some noise, from splitmix64; in f64 and in one order, so that every language agrees."""

    def __init__(self, seed):
        self.state = seed
        self.directions = 2 * self.uniform(80 * D).reshape(80, D) - 1

    def uniform(self, n):
        out = np.empty(n)
        for i in range(n):
            self.state = (self.state + 0x9E3779B97F4A7C15) & MASK
            z = self.state
            z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
            z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
            out[i] = ((z ^ (z >> 31)) >> 40) / (1 << 24)
        return out

    def next(self):
        which = (self.uniform(B * 3) * 80).astype(int).reshape(B, 3)
        weight = self.uniform(B * 3).reshape(B, 3, 1)
        noise = self.uniform(B * D).reshape(B, D)
        parts = weight * self.directions[which]
        x = ((parts[:, 0] + parts[:, 1]) + parts[:, 2]) + 0.1 * (noise - 0.5)
        return torch.from_numpy(x.astype(np.float32))


COMMON = dict(d_in=D, d_sae=S, dtype="float32", device="cpu")
VARIANTS = {
    "standard": StandardTrainingSAEConfig(**COMMON, l1_coefficient=0.3, l1_warm_up_steps=5),
    "standard_lp": StandardTrainingSAEConfig(**COMMON, l1_coefficient=0.2, lp_norm=1.5, apply_b_dec_to_input=False),
    "gated": GatedTrainingSAEConfig(**COMMON, l1_coefficient=0.2, l1_warm_up_steps=3),
    "topk": TopKTrainingSAEConfig(**COMMON, k=4),
    "topk_plain": TopKTrainingSAEConfig(**COMMON, k=4, rescale_acts_by_decoder_norm=False, aux_loss_coefficient=0.03125),
    "abstopk": AbsTopKTrainingSAEConfig(**COMMON, k=4),
    "batchtopk": BatchTopKTrainingSAEConfig(**COMMON, k=3.5),
    "matryoshka": MatryoshkaBatchTopKTrainingSAEConfig(**COMMON, k=4, matryoshka_widths=[12, 40, S]),
    "matryoshka_aux": MatryoshkaBatchTopKTrainingSAEConfig(
        **COMMON, k=4, matryoshka_widths=[12, 40, S], use_matryoshka_aux_loss=True
    ),
    "jumprelu": JumpReLUTrainingSAEConfig(**COMMON, l0_coefficient=0.05, l0_warm_up_steps=10),
    "jumprelu_tanh": JumpReLUTrainingSAEConfig(
        **COMMON,
        jumprelu_sparsity_loss_mode="tanh",
        l0_coefficient=0.05,
        jumprelu_init_threshold=0.1,
        jumprelu_bandwidth=2.0,
        jumprelu_ste_to_input=True,
        pre_act_loss_coefficient=3e-3,
    ),
    "jumprelu_quadratic": JumpReLUTrainingSAEConfig(
        **COMMON, jumprelu_sparsity_loss_mode="quadratic", target_l0=6.0, l0_coefficient=0.05
    ),
    "matching_pursuit": MatchingPursuitTrainingSAEConfig(**COMMON, decoder_init_norm=1.0, max_iterations=6),
}
SCHEDULES = {
    "gated": dict(lr_scheduler_name="cosineannealing"),
    "topk": dict(lr_scheduler_name="cosineannealingwarmrestarts", n_restart_cycles=3),
    "batchtopk": dict(lr_scheduler_name="cosineannealing", lr_decay_steps=0, lr_end=1e-4),
}


def train(name, cfg):
    torch.manual_seed(0)
    sae = TrainingSAE.from_dict(cfg.to_dict())
    schedule = dict(lr_warm_up_steps=10, lr_decay_steps=20) | SCHEDULES.get(name, {})
    schedule["lr_end"] = schedule.get("lr_end", 3e-4)
    trainer_cfg = SAETrainerConfig(
        total_training_samples=STEPS * B,
        train_batch_size_samples=B,
        lr=3e-3,
        dead_feature_window=3,
        feature_sampling_window=40,
        logger=LoggingConfig(log_to_wandb=False),
        **schedule,
    )
    trainer = SAETrainer(trainer_cfg, sae, data_provider=iter(()))
    kept = {f"init.{n}": p.detach().clone() for n, p in sae.named_parameters()}
    grads = {}
    step = trainer.optimizer.step

    def keep_gradients(*args, **kwargs):
        for n, p in sae.named_parameters():
            grads[n] = p.grad.detach().clone()
        return step(*args, **kwargs)

    trainer.optimizer.step = keep_gradients
    batches = Batches(7)
    series = {"lr": [], "dead": []}
    for i in range(STEPS):
        trainer.maybe_reset_sparsity()
        series["lr"].append(trainer.optimizer.param_groups[0]["lr"])
        series["dead"].append(int(trainer.dead_neurons.sum()))
        for c, value in trainer.get_coefficients().items():
            series.setdefault(f"coefficient.{c}", []).append(value)
        out = trainer.step(batches.next())
        trainer.n_training_steps += 1
        series.setdefault("loss.overall_loss", []).append(out.loss.item())
        for n, value in out.losses.items():
            series.setdefault(f"loss.{n}", []).append(float(value))
        series.setdefault("l0", []).append(out.feature_acts.bool().float().sum(-1).mean().item())
        if i + 1 in KEPT:
            for n, p in sae.named_parameters():
                at = f"{i + 1}.{{}}.{n}"
                state = trainer.optimizer.state[p]
                kept[at.format("param")] = p.detach().clone()
                kept[at.format("grad")] = grads[n]
                kept[at.format("m")] = state["exp_avg"].clone()
                kept[at.format("v")] = state["exp_avg_sq"].clone()
            kept[f"{i + 1}.since"] = trainer.n_forward_passes_since_fired.clone()
            kept[f"{i + 1}.freq"] = trainer.act_freq_scores.clone()
            if hasattr(sae, "topk_threshold"):
                kept[f"{i + 1}.topk_threshold"] = sae.topk_threshold.clone().reshape(1)
    kept["log_sparsity"] = trainer.log_feature_sparsity.clone()
    for n, values in series.items():
        kept[f"series.{n}"] = torch.tensor(values, dtype=torch.float64)
    sae.fold_activation_norm_scaling_factor(SCALE)
    trainer.set_final_sae_metadata()
    folder = OUT / "saved"
    weights, cfg_path = sae.save_inference_model(folder)
    from safetensors.torch import load_file

    for n, value in load_file(weights).items():
        kept[f"final.{n}"] = value.clone()
    final = json.loads(cfg_path.read_text())
    weights.unlink(), cfg_path.unlink(), folder.rmdir()
    save_file({n: t.contiguous() for n, t in kept.items()}, OUT / f"{name}.safetensors")
    return {"sae": {k: v for k, v in cfg.to_dict().items() if k != "metadata"}, "schedule": schedule, "final": final}


if __name__ == "__main__":
    OUT.mkdir(parents=True, exist_ok=True)
    made = {name: train(name, cfg) for name, cfg in VARIANTS.items()}
    (OUT / "variants.json").write_text(json.dumps(made, indent=1) + "\n")
    # The order in which a mixing buffer serves its rows, with the permutations that it drew.
    from sae_lens.training.mixing_buffer import mixing_buffer

    drawn, randperm = [], torch.randperm
    torch.randperm = lambda n: drawn.append(randperm(n)) or drawn[-1]
    rows = torch.arange(20 * 7, dtype=torch.float32).reshape(20, 7, 1)
    served = [b.flatten() for b in mixing_buffer(30, 8, iter(rows), 0.5)]
    torch.randperm = randperm
    order = {f"permutation.{i}": p for i, p in enumerate(drawn)} | {"served": torch.cat(served).long()}
    save_file(order, OUT / "buffer.safetensors")
