"""Checkpoints of training by SAELens, for tests/tests/training_checkpoints.rs.

    uv pip install "torch==2.11.0" "sae-lens==6.54.12"
    python tests/goldens/training_checkpoints.py

Each case is a folder that SAELens' trainer saved in the middle of a run (without trainer_state.pt), with expected.safetensors: an
input x in the units of the model, and features and reconstruction of the SAE that SAELens would have saved for use at that point,
its scaling factor folded.
"""

import shutil
from pathlib import Path

import torch
from safetensors.torch import save_file

import sae_lens
from sae_lens import (
    SAE,
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
from sae_lens.saes.sae import SAEMetadata
from sae_lens.training.sae_trainer import SAETrainer

assert sae_lens.__version__ == "6.54.12", sae_lens.__version__
OUT = Path(__file__).parent / "data" / "training_checkpoints"
D, S, B, STEPS = 12, 32, 64, 40

SCALED = dict(d_in=D, d_sae=S, dtype="float32", device="cpu", normalize_activations="expected_average_only_in")
PLAIN = SCALED | {"normalize_activations": "none"}
CASES = {
    "standard": StandardTrainingSAEConfig(**SCALED, l1_coefficient=0.05),
    "standard_unscaled": StandardTrainingSAEConfig(**PLAIN, l1_coefficient=0.05, decoder_init_norm=None),
    "gated": GatedTrainingSAEConfig(**SCALED, l1_coefficient=0.05),
    "topk": TopKTrainingSAEConfig(**SCALED, k=4),
    "topk_no_rescale": TopKTrainingSAEConfig(**SCALED, k=4, rescale_acts_by_decoder_norm=False),
    "abstopk": AbsTopKTrainingSAEConfig(**SCALED, k=4),
    "batchtopk": BatchTopKTrainingSAEConfig(**SCALED, k=3.5, topk_threshold_lr=0.1),
    "batchtopk_no_rescale": BatchTopKTrainingSAEConfig(
        **SCALED, k=4, topk_threshold_lr=0.1, rescale_acts_by_decoder_norm=False
    ),
    "batchtopk_unscaled": BatchTopKTrainingSAEConfig(**PLAIN, k=4, topk_threshold_lr=0.1),
    "matryoshka": MatryoshkaBatchTopKTrainingSAEConfig(
        **SCALED, k=4, topk_threshold_lr=0.1, matryoshka_widths=[8, 20, S]
    ),
    "jumprelu": JumpReLUTrainingSAEConfig(
        **SCALED, l0_coefficient=0.05, jumprelu_init_threshold=0.002, jumprelu_bandwidth=0.5
    ),
    "matching_pursuit": MatchingPursuitTrainingSAEConfig(
        **SCALED, decoder_init_norm=1.0, max_iterations=5, residual_threshold=1.5, stop_on_duplicate_support=False
    ),
}


def data(seed):
    """Sums of three of 40 directions, around a mean; endless."""
    generator = torch.Generator().manual_seed(seed)
    directions = torch.randn(40, D, generator=generator)
    while True:
        which = torch.randint(40, (B, 3), generator=generator)
        weight = torch.rand(B, 3, 1, generator=generator)
        yield 5 * ((weight * directions[which]).sum(1) + 0.4)


def make(name, cfg):
    folder = OUT / name
    torch.manual_seed(0)
    cfg.metadata = SAEMetadata(hook_name="blocks.0.hook_resid_pre", model_name="tiny", context_size=16)
    sae = TrainingSAE.from_dict(cfg.to_dict())
    trainer_cfg = SAETrainerConfig(
        total_training_samples=10 * STEPS * B,
        train_batch_size_samples=B,
        lr=3e-3,
        lr_end=3e-4,
        lr_warm_up_steps=0,
        lr_decay_steps=0,
        dead_feature_window=10,
        feature_sampling_window=1000,
        logger=LoggingConfig(log_to_wandb=False),
    )
    provider = data(3)
    trainer = SAETrainer(trainer_cfg, sae, data_provider=provider)
    if cfg.normalize_activations == "expected_average_only_in":
        trainer.activation_scaler.estimate_scaling_factor(D, provider, 10)
    for _ in range(STEPS):
        trainer.step(next(provider))
        trainer.n_training_steps += 1
    if name == "jumprelu":
        # As they may be saved: the next step would have made them 0.
        with torch.no_grad():
            sae.threshold[::5] = -0.01
    trainer.save_checkpoint(name, OUT)
    (folder / "trainer_state.pt").unlink()
    if (factor := trainer.activation_scaler.scaling_factor) is not None:
        sae.fold_activation_norm_scaling_factor(factor)
    used = folder / "used"
    sae.save_inference_model(used)
    used_sae = SAE.load_from_disk(used).eval()
    shutil.rmtree(used)
    x = next(data(8))[:10].reshape(2, 5, D)
    with torch.no_grad():
        features = used_sae.encode(x)
        expected = {"x": x, "features": features, "decoded": used_sae.decode(features)}
    active = (features != 0).float().sum(-1).mean().item()
    print(f"{name}: factor {factor}, {active} active, {used_sae.cfg.architecture()}", sorted(p.name for p in folder.iterdir()))
    save_file({n: t.contiguous() for n, t in expected.items()}, folder / "expected.safetensors")


if __name__ == "__main__":
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir(parents=True)
    for name, cfg in CASES.items():
        make(name, cfg)
