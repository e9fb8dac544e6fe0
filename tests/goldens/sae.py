"""Goldens of the SAEs: every SAELens architecture and option on small random weights.

usage: sae.py                 writes data/sae
       sae.py --check DIR     loads with SAELens what our `save` wrote (DIR/<case>) and compares it with data/sae

Each case is a folder as SAELens saves an SAE (cfg.json, sae_weights.safetensors), or as it did before version 6, with
expected.safetensors: input x, features, decoded = decode(encode(x)), forward, and where folding is defined what SAELens has after
fold_W_dec_norm (folded_W_dec, folded_W_enc, folded_features) and after fold_activation_norm_scaling_factor (scaled_forward).

Made with torch 2.11.0, sae-lens 6.54.12; seed 7.
"""

import json
import shutil
import sys
import zlib
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from sae_lens import SAE
from sae_lens.saes.sae import SAEMetadata

SEED = 7
D_IN, D_SAE, D_OUT, BATCH, POSITIONS = 16, 48, 12, 2, 5
FACTOR = 1.75
OUT = Path(__file__).parent / "data" / "sae"

TOPK = {"k": 6}
TEMPORAL = {"n_heads": 4, "bottleneck_factor": 4, "kval_topk": 6}
SCALINGS = ["none", "expected_average_only_in", "constant_norm_rescale", "layer_norm", "covariance_whitening"]

# name: (architecture, options)
CASES: dict[str, tuple[str, dict]] = {
    **{f"standard-{scaling}": ("standard", {"normalize_activations": scaling}) for scaling in SCALINGS},
    "standard-no-b-dec-in": ("standard", {"apply_b_dec_to_input": False}),
    "standard-hook-z": ("standard", {"reshape_activations": "hook_z", "hook_name": "blocks.0.attn.hook_z"}),
    "standard-bfloat16": ("standard", {"dtype": "bfloat16"}),
    "topk": ("topk", TOPK),
    "topk-rescaled": ("topk", {**TOPK, "rescale_acts_by_decoder_norm": True}),
    "topk-few-positive": ("topk", {"k": 40}),
    "topk-layer-norm": ("topk", {**TOPK, "normalize_activations": "layer_norm"}),
    "abstopk": ("abstopk", TOPK),
    "abstopk-rescaled": ("abstopk", {**TOPK, "rescale_acts_by_decoder_norm": True}),
    "jumprelu": ("jumprelu", {}),
    "jumprelu-no-b-dec-in": ("jumprelu", {"apply_b_dec_to_input": False}),
    "gated": ("gated", {}),
    "matching-pursuit": ("matching_pursuit", {}),
    "matching-pursuit-threshold": ("matching_pursuit", {"residual_threshold": 2.0, "stop_on_duplicate_support": False}),
    "matching-pursuit-5-steps": ("matching_pursuit", {"max_iterations": 5, "stop_on_duplicate_support": False}),
    "matching-pursuit-no-b-dec-in": ("matching_pursuit", {"apply_b_dec_to_input": False, "residual_threshold": 0.5}),
    "temporal-tied": ("temporal", TEMPORAL),
    "temporal-untied": ("temporal", {**TEMPORAL, "tied_weights": False}),
    "temporal-2-layers": ("temporal", {**TEMPORAL, "n_attn_layers": 2}),
    "temporal-relu": ("temporal", {**TEMPORAL, "sae_diff_type": "relu", "apply_b_dec_to_input": False}),
    "temporal-scalar": (
        "temporal",
        {**TEMPORAL, "normalize_activations": "constant_scalar_rescale", "activation_normalization_factor": 0.3},
    ),
    **{
        name.replace("_", "-"): (name, {"d_out": D_OUT, "apply_b_dec_to_input": False})
        for name in ["transcoder", "skip_transcoder", "jumprelu_transcoder", "jumprelu_skip_transcoder"]
    },
    "skip-transcoder-layer-norm": (
        "skip_transcoder",
        {"d_out": D_OUT, "apply_b_dec_to_input": False, "normalize_activations": "layer_norm"},
    ),
}

# Flat configurations of before version 6: name: (state of which case, configuration)
LEGACY: dict[str, tuple[str, dict]] = {
    "legacy-standard": ("standard-none", {"hook_point": "blocks.3.hook_resid_pre", "model_name": "tiny", "context_size": 64}),
    "legacy-normalized": ("standard-none", {"hook_name": "blocks.3.hook_resid_pre", "normalize_activations": True}),
    "legacy-topk": ("topk", {"activation_fn_str": "topk", "activation_fn_kwargs": {"k": 6}, "hook_name": "blocks.0.hook_mlp_out"}),
    "legacy-jumprelu-log": ("jumprelu", {"architecture": "jumprelu", "hook_name": "blocks.0.hook_resid_post"}),
    "legacy-hook-z": ("standard-none", {"hook_name": "blocks.2.attn.hook_z", "prepend_bos": False}),
}


def build(name: str, architecture: str, options: dict) -> SAE:
    options = dict(options)
    metadata = SAEMetadata(hook_name=options.pop("hook_name", "blocks.0.hook_resid_pre"), sae_lens_version="6.54.12")
    cfg = SAE.from_dict(
        {"architecture": architecture, "d_in": D_IN, "d_sae": D_SAE, "metadata": metadata.to_dict(), **options}
    )
    generator = torch.Generator().manual_seed(SEED + zlib.crc32(name.encode()) % 10_000)
    with torch.no_grad():
        for key, parameter in cfg.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator).to(parameter.dtype)
            if key == "W_dec" and architecture == "matching_pursuit":
                parameter.copy_(noise / noise.norm(dim=1, keepdim=True))
            elif key in ("W_dec", "W_enc"):
                parameter.copy_(noise * (2.0 if architecture == "temporal" else 0.3))
            elif key == "threshold":
                parameter.copy_(0.4 + 0.5 * noise)
            else:
                parameter.copy_(0.2 * noise)
    return cfg.eval()


@torch.no_grad()
def expected(sae: SAE, x: torch.Tensor) -> dict[str, torch.Tensor]:
    out = {"x": x, "features": sae.encode(x)}
    # SAELens keeps the scaling of the last input until it has decoded.
    out["decoded"] = sae.decode(out["features"])
    out["forward"] = sae(x)
    return {key: value.float().contiguous() for key, value in out.items()}


@torch.no_grad()
def folded(folder: Path, x: torch.Tensor) -> dict[str, torch.Tensor]:
    out = {}
    try:
        sae = SAE.load_from_disk(folder, fold_W_dec_norm=True)
        out |= {"folded_W_dec": sae.W_dec, "folded_W_enc": sae.W_enc, "folded_features": sae.encode(x)}
        sae.decode(out["folded_features"])
    except NotImplementedError:
        pass
    sae = SAE.load_from_disk(folder)
    if sae.cfg.architecture() not in ("temporal", "matching_pursuit") and "transcoder" not in sae.cfg.architecture():
        sae.fold_activation_norm_scaling_factor(FACTOR)
        out["scaled_forward"] = sae(x)
    return {key: value.detach().float().contiguous() for key, value in out.items()}


def input_for(options: dict, name: str) -> torch.Tensor:
    generator = torch.Generator().manual_seed(SEED + zlib.crc32(name.encode()) % 7919)
    x = 2 * torch.randn(BATCH, POSITIONS, D_IN, generator=generator) + 0.5
    return x.reshape(BATCH, POSITIONS, 4, D_IN // 4) if "hook_z" in str(options) else x


def write() -> None:
    shutil.rmtree(OUT, ignore_errors=True)
    for name, (architecture, options) in CASES.items():
        folder = OUT / name
        folder.mkdir(parents=True)
        sae, x = build(name, architecture, options), input_for(options, name)
        sae.save_model(folder)
        plain = options.get("normalize_activations", "none") == "none" and "dtype" not in options
        extra = folded(folder, x) if plain and "hook_z" not in str(options) else {}
        save_file(expected(sae, x) | extra, folder / "expected.safetensors")
    for name, (source, cfg) in LEGACY.items():
        folder = OUT / name
        folder.mkdir()
        state = load_file(OUT / source / "sae_weights.safetensors")
        if "threshold" in state:
            state["threshold"] = state["threshold"].abs()
        cfg = {"d_in": D_IN, "d_sae": D_SAE, "dtype": "float32", "lr": 3e-4, **cfg}
        save_file(state, folder / "sae_weights.safetensors")
        (folder / "cfg.json").write_text(json.dumps(cfg))
        save_file(expected(SAE.load_from_disk(folder), input_for(cfg, name)), folder / "expected.safetensors")
        # As the files of the time have them; SAELens 6 loads neither by itself.
        (folder / "cfg.json").write_text(json.dumps(cfg | {"dtype": "torch.float32"}))
        if "threshold" in state:
            state["log_threshold"] = state.pop("threshold").log()
            save_file(state, folder / "sae_weights.safetensors")
    print(f"{len(CASES) + len(LEGACY)} cases in {OUT}")


def check(folder: Path) -> None:
    worst = 0.0
    for case in sorted(OUT.iterdir()):
        golden = load_file(case / "expected.safetensors")
        ours = expected(SAE.load_from_disk(folder / case.name), golden["x"])
        for key in ("features", "decoded", "forward"):
            difference = ((ours[key] - golden[key]).abs().max() / golden[key].abs().max()).item()
            if "bfloat16" in case.name:
                # Saved in f32, as it was loaded: the same weights, another arithmetic.
                assert difference <= 0.02, f"{case.name}: {key} differs by {difference}"
                continue
            worst = max(worst, difference)
            assert difference <= 1e-5, f"{case.name}: {key} differs by {difference}"
    print(f"SAELens loads every case that was saved, largest difference {worst:.2g}")


if __name__ == "__main__":
    torch.set_num_threads(1)
    check(Path(sys.argv[2])) if sys.argv[1:2] == ["--check"] else write()
