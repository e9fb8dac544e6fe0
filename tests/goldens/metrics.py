"""Goldens of the metrics: SAELens' `run_evals`, everything switched on, on a tiny random Llama in TransformerLens.

Writes data/metrics/{recorded.safetensors,figures.json}. `recorded` holds what the model and the SAE computed on the way, so
that the Rust test needs neither: tokens, the activation at the hook, the residual stream that SAELens spliced in, the final
norm's output of each run, the unembedding and the SAE's weights. `figures` holds SAELens' answers, and in f64 by numpy those
that it does not give or gives depending on the batch size.

Made with torch 2.11.0, transformer-lens 3.9.0, sae-lens 6.54.12, numpy 2.4.6; seed 20.
"""

import json
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from sae_lens import StandardSAE, StandardSAEConfig
from sae_lens.evals import get_eval_everything_config, run_evals
from sae_lens.saes.sae import SAEMetadata
from sae_lens.training.activation_scaler import ActivationScaler
from transformer_lens import HookedTransformer, HookedTransformerConfig

SEED = 20
ROWS, CONTEXT, D_MODEL, D_SAE, VOCAB = 6, 14, 24, 48, 61
HOOK = "blocks.1.hook_resid_pre"
EXCLUDED = [1, 7, 30]
OUT = Path(__file__).parent / "data" / "metrics"


def tiny_llama() -> HookedTransformer:
    cfg = HookedTransformerConfig(
        n_layers=3, d_model=D_MODEL, n_ctx=CONTEXT, d_head=6, n_heads=4, n_key_value_heads=2, d_mlp=32, d_vocab=VOCAB,
        act_fn="silu", gated_mlp=True, normalization_type="RMS", final_rms=True, eps=1e-5,
        positional_embedding_type="rotary", rotary_dim=6, rotary_adjacent_pairs=False, seed=SEED, device="cpu",
    )  # fmt: skip
    model = HookedTransformer(cfg)
    generator = torch.Generator().manual_seed(SEED)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith(".w"):
                parameter.copy_(1 + 0.2 * torch.randn(parameter.shape, generator=generator))
            elif "b_" not in name:
                parameter.copy_(0.25 * torch.randn(parameter.shape, generator=generator))
        # A mean that matters, so that the three explained variances differ.
        model.W_E.mul_(4).add_(0.8 * torch.randn(D_MODEL, generator=generator))
    return model.eval()


def small_sae() -> StandardSAE:
    sae = StandardSAE(
        StandardSAEConfig(d_in=D_MODEL, d_sae=D_SAE, dtype="float32", device="cpu", metadata=SAEMetadata(hook_name=HOOK))
    )
    generator = torch.Generator().manual_seed(SEED + 1)
    with torch.no_grad():
        axes = torch.linalg.qr(torch.randn(D_MODEL, D_MODEL, generator=generator))[0]
        directions = torch.cat([axes, -axes])
        sae.W_dec.copy_(directions + 0.05 * torch.randn(D_SAE, D_MODEL, generator=generator))
        sae.W_enc.copy_(directions.T + 0.05 * torch.randn(D_MODEL, D_SAE, generator=generator))
        # Shrinking a little to a lot, and a few features dead.
        sae.b_enc.copy_(torch.linspace(0.3, -1.0, D_SAE)[torch.randperm(D_SAE, generator=generator)])
        sae.b_enc[::11] = -50.0
        sae.b_dec.copy_(0.1 * torch.randn(D_MODEL, generator=generator))
    return sae.eval()


def text_of(model: HookedTransformer) -> torch.Tensor:
    """Rows that begin with token 1 and go on as the model predicts, so that it is better than chance at them."""
    generator = torch.Generator().manual_seed(SEED + 2)
    tokens = torch.ones(ROWS, 1, dtype=torch.long)
    while tokens.shape[1] < CONTEXT:
        probabilities = model(tokens)[:, -1].softmax(-1)
        tokens = torch.cat([tokens, torch.multinomial(probabilities, 1, generator=generator)], dim=1)
    return tokens


class Store:
    """As much of an ActivationsStore as `run_evals` asks for."""

    context_size = CONTEXT

    def __init__(self, tokens: torch.Tensor):
        self.tokens, self.at, self.store_batch_size_prompts = tokens, 0, len(tokens)

    def get_batch_tokens(self, batch_size: int) -> torch.Tensor:
        batch = self.tokens[self.at : self.at + batch_size]
        assert len(batch) == batch_size, "the rows ran out"
        self.at += batch_size
        return batch

    def reset_input_dataset(self) -> None:
        self.at = 0


def saelens(model, sae, tokens, excluded, batch_size):
    n_batches = len(tokens) // batch_size
    config = get_eval_everything_config(
        batch_size_prompts=batch_size,
        n_eval_reconstruction_batches=n_batches,
        n_eval_sparsity_variance_batches=n_batches,
    )
    metrics, features = run_evals(
        sae, Store(tokens), model, ActivationScaler(), config, exclude_special_tokens=excluded or False
    )
    nan_to_none = lambda values: [None if value != value else value for value in values]
    return {"metrics": metrics, "feature_metrics": {name: nan_to_none(values) for name, values in features.items()}}


def truth(x, decoded, features):
    """In f64, over all kept tokens: x, decoded [n, d], features [n, d_sae]."""
    x, decoded = x.double().numpy(), decoded.double().numpy()
    error, mean = ((x - decoded) ** 2).sum(1), x.mean(0)
    variance = (x**2).sum(1).mean() - (mean**2).sum()
    l0 = (features != 0).sum(1).numpy()
    density = (features != 0).double().mean(0).numpy()
    return {
        "relative_reconstruction_bias": (decoded**2).sum(1).mean() / (x * decoded).sum(1).mean(),
        "explained_variance": 1 - error.mean() / variance,
        "explained_variance_legacy": (1 - error / ((x - mean) ** 2).sum(1)).mean(),
        "explained_variance_uncentered": 1 - error.mean() / (x**2).sum(1).mean(),
        "fvu": error.mean() / variance,
        "l0_std": float(torch.tensor(l0).float().std()),
        "l0_min": int(l0.min()),
        "l0_max": int(l0.max()),
        "l0_counts": np.bincount(l0).tolist(),
        "frac_alive": (density > 0).mean(),
        "freq_over_1_percent": (density > 0.01).mean(),
        "freq_over_10_percent": (density > 0.1).mean(),
    }


@torch.no_grad()
def main() -> None:
    torch.set_num_threads(1)
    model, sae = tiny_llama(), small_sae()
    tokens = text_of(model)

    normed = []
    model.ln_final.register_forward_hook(lambda module, args, output: normed.append(output.clone()))

    x = model.run_with_cache(tokens, names_filter=[HOOK])[1][HOOK]
    features = sae.encode(x)
    decoded = sae.decode(features)
    recorded = {
        "tokens": tokens, "x": x, "W_U": model.W_U, "W_enc": sae.W_enc, "b_enc": sae.b_enc, "W_dec": sae.W_dec,
        "b_dec": sae.b_dec,
    }  # fmt: skip
    figures = {
        "made_with": {name: version(name) for name in ["torch", "transformer-lens", "sae-lens", "numpy"]} | {"seed": SEED},
        "hook": HOOK,
    }
    for case, excluded in {"plain": [], "masked": EXCLUDED}.items():
        normed.clear()
        answer = saelens(model, sae, tokens, excluded, batch_size=ROWS)
        # The order of `get_recons_loss`: original, with the SAE, ablated. The hook that edits fires inside the block, so the
        # spliced stream is rebuilt here; that the run with it gives the recorded norms is checked.
        kept = ~torch.isin(tokens, torch.tensor(excluded, dtype=tokens.dtype))
        edit = torch.where(kept[..., None], decoded, x)
        recorded |= {f"{case}.original": normed[0], f"{case}.reconstructed": normed[1], f"{case}.ablated": normed[2]}
        recorded[f"{case}.edit"] = edit
        model.run_with_hooks(tokens, fwd_hooks=[(HOOK, lambda activation, hook: edit)], return_type=None)
        torch.testing.assert_close(normed[-1], normed[1])
        figures[case] = {
            "excluded": excluded,
            "saelens": answer,
            "saelens_in_batches_of_2": saelens(model, sae, tokens, excluded, batch_size=2),
            "truth": truth(x[kept], decoded[kept], features[kept]),
        }
    # The notebook's way: nothing masked in the losses, position 0 left out of L0.
    l0 = (features > 0).sum(-1).float()[:, 1:].flatten()
    figures["notebook"] = {"l0_mean": l0.mean().item(), "l0_std": l0.std().item()}

    OUT.mkdir(parents=True, exist_ok=True)
    recorded = {name: tensor.detach().clone().contiguous() for name, tensor in recorded.items()}
    save_file(recorded, OUT / "recorded.safetensors")
    (OUT / "figures.json").write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
