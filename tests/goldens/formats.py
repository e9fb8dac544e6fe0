"""SAEs in other people's files, for tests/tests/formats.rs.

    uv pip install "torch==2.11.0" "safetensors" "eai-sparsify==1.3.3" "dictionary-learning==0.1.0" "sae-lens==6.54.12"
    python tests/goldens/formats.py

Seed 0. sparsify's and dictionary_learning's cases are saved and run by their own classes. OpenMOSS' lm-saes, circuit-tracer, Goodfire
and qresearch are run here by their formulas, in float64: `lm_saes/sae.py` (commit 00366e2) for Llama Scope's scales and gates,
circuit-tracer 0.5's `SingleLayerTranscoder` for transcoders. Gemma Scope, Goodfire and qresearch are compared with SAELens' SAE on the
tensors its own loaders make.

Each case is a folder or a file, named in cases.json with the hooks and the architecture that it has; expected/NAME.safetensors has x,
features and out. Features of SAEs with decoder norms in their gate are those of a decoder of unit rows.
"""

import json
import math
import os
import shutil
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

import sae_lens
from sae_lens import SAE

assert sae_lens.__version__ == "6.54.12", sae_lens.__version__
OUT = Path(__file__).parent / "data" / "formats"
D, M, N, E = 8, 24, 6, 6
cases = []


def rnd(*shape, scale=1.0):
    return torch.randn(*shape, dtype=torch.float32) * scale


def folder(name):
    path = OUT / name
    path.mkdir(parents=True, exist_ok=True)
    return path


def put(name, path, x, features, out, *, d_out=None, **said):
    assert (features.abs().sum(-1) > 0).any(), name
    assert (features == 0).any(), name
    (OUT / "expected").mkdir(exist_ok=True)
    tensors = {"x": x, "features": features, "out": out}
    tensors = {k: v.detach().to(torch.float32).reshape(1, N, -1).contiguous() for k, v in tensors.items()}
    save_file(tensors, OUT / "expected" / f"{name}.safetensors")
    cases.append({"name": name, "path": path, **said})


def linear_pair():
    """Encoder [m, d], its bias, decoder [d, m] with rows of many lengths, its bias."""
    return {
        "encoder.weight": rnd(M, D, scale=D**-0.5),
        "encoder.bias": rnd(M, scale=0.3),
        "decoder.weight": rnd(D, M) * torch.linspace(0.2, 1.7, M),
        "decoder.bias": rnd(D, scale=0.5),
    }


def open_moss(w, x, *, norms, gate, include, pre=False, fold_first, k=None, theta=None):
    """lm_saes' encode and decode; with fold_first after standardize_parameters_of_dataset_norm, else scaled and scaled back."""
    W, b, Dw, c = (w[n].double() for n in ("encoder.weight", "encoder.bias", "decoder.weight", "decoder.bias"))
    x = x.double()
    s_in, s_out = (math.sqrt(D) / n for n in norms)
    if fold_first:
        b, c, Dw = b / s_in, c / s_out, Dw * s_in / s_out
        s_in = s_out = 1.0
    h = (x * s_in - (c if pre else 0)) @ W.T + b
    norm = Dw.norm(dim=0)
    score = h * norm if include else h
    if gate == "topk":
        kth = score.clamp(min=0).kthvalue(M - k + 1, dim=-1, keepdim=True).values
        mask = score.clamp(min=0).ge(kth) & (score > 0)
    else:
        mask = score.gt(theta) & (score > 0)
    f = h * mask
    out = (f @ Dw.T + c) / s_out
    # Ours are of the unscaled space, with unit rows if norms are in the gate.
    s_in, s_out = (math.sqrt(D) / n for n in norms) if not fold_first else (1.0, 1.0)
    f = f / s_in
    if include:
        f = f * (Dw * s_in / s_out).norm(dim=0)
    return f, out


def llama_scope():
    def case(name, *, hook_in, hook_out=None, norms, theta=0.0, k=None, include=True, pre=False, act="jumprelu", **extra):
        w, x = linear_pair(), rnd(N, D, scale=norms[0] / math.sqrt(D))
        hyper = {
            "d_model": D, "d_sae": M, "expansion_factor": M // D, "hook_point_in": hook_in, "hook_point_out": hook_out or hook_in,
            "use_decoder_bias": True, "apply_decoder_bias_to_pre_encoder": pre, "norm_activation": "dataset-wise",
            "dataset_average_activation_norm": {"in": norms[0], "out": norms[1]}, "act_fn": act, "top_k": k or 50,
            "jump_relu_threshold": theta, "sparsity_include_decoder_norm": include, "use_glu_encoder": False, **extra,
        }
        path = folder(f"llama_scope/{name}")
        (path / "checkpoints").mkdir()
        (path / "hyperparams.json").write_text(json.dumps(hyper))
        (path / "lm_config.json").write_text(json.dumps({"model_name": "meta-llama/Llama-3.1-8B"}))
        save_file(w, path / "checkpoints" / "final.safetensors")
        gate = "topk" if theta == 0 else "jumprelu"
        f, out = open_moss(w, x, norms=norms, gate=gate, include=include, pre=pre, fold_first=True, k=k, theta=theta)
        put(
            f"llama_scope_{name}", f"llama_scope/{name}", x, f, out, format="llama_scope", hook=hook_in,
            hook_out=hook_out, architecture={True: "topk", False: "jumprelu"}[theta == 0] + ("_transcoder" if hook_out else ""),
            model="meta-llama/Llama-3.1-8B",
        )

    case("residual", hook_in="blocks.15.hook_resid_post", norms=(9.6, 9.6), theta=0.9)
    case("mlp", hook_in="blocks.3.hook_mlp_out", norms=(1.3, 1.3), theta=0.2, include=False)
    case("attention", hook_in="blocks.7.hook_attn_out", norms=(2.2, 2.2), theta=0.3, pre=True)
    case("topk", hook_in="blocks.15.hook_resid_post", norms=(9.6, 9.6), k=5, act="topk")
    case("transcoder", hook_in="blocks.9.ln2.hook_normalized", hook_out="blocks.9.hook_mlp_out", norms=(2.8, 0.7), theta=0.1)
    case("topk_transcoder", hook_in="blocks.9.ln2.hook_normalized", hook_out="blocks.9.hook_mlp_out", norms=(2.8, 0.7), k=4)


def r1_distill():
    w, norms = linear_pair(), (7.0, 7.0)
    x = rnd(N, D, scale=norms[0] / math.sqrt(D))
    theta = torch.linspace(0.05, 1.2, M)
    path = folder("r1/L5R")
    cfg = {
        "sae_pretrained_name_or_path": None, "d_model": D, "expansion_factor": M // D, "hook_point_in": "blocks.5.hook_resid_post",
        "hook_point_out": "blocks.5.hook_resid_post", "act_fn": "jumprelu", "norm_activation": "dataset-wise", "top_k": 50,
        "sparsity_include_decoder_norm": True, "use_decoder_bias": True, "apply_decoder_bias_to_pre_encoder": False,
    }
    (path / "config.json").write_text(json.dumps(cfg))
    hook = cfg["hook_point_in"]
    save_file(
        w | {"log_jumprelu_threshold": theta.log(), f"dataset_average_activation_norm.{hook}": torch.tensor(norms[0])},
        path / "sae_weights.safetensors",
    )
    f, out = open_moss(w, x, norms=norms, gate="jumprelu", include=True, fold_first=False, theta=theta.double())
    put("r1_distill", "r1/L5R", x, f, out, format="open_moss", hook=hook, architecture="jumprelu")


def v2():
    def case(name, *, kind, norm, norms, hook_out, pickled=False, act="jumprelu", k=4):
        w, hook = linear_pair(), "blocks.2.ln2.hook_normalized" if hook_out else "blocks.2.hook_resid_post"
        x, theta = rnd(N, D, scale=norms[0] / math.sqrt(D)), torch.linspace(0.05, 1.2, M)
        path = folder(f"v2/{name}")
        cfg = {
            "sae_type": kind, "d_model": D, "expansion_factor": M // D, "hook_point_in": hook, "hook_point_out": hook_out or hook,
            "act_fn": act, "norm_activation": norm, "top_k": k, "sparsity_include_decoder_norm": True, "use_decoder_bias": True,
        }
        (path / "config.json").write_text(json.dumps(cfg))
        tensors = {"W_E": w["encoder.weight"].T.contiguous(), "b_E": w["encoder.bias"], "W_D": w["decoder.weight"].T.contiguous(), "b_D": w["decoder.bias"]}
        if act == "jumprelu":
            tensors["activation_function.log_jumprelu_threshold"] = theta.log()
        if norm == "dataset-wise":
            tensors |= {
                f"dataset_average_activation_norm.{hook}": torch.tensor(norms[0]),
                f"dataset_average_activation_norm.{hook_out or hook}": torch.tensor(norms[1]),
            }
        if pickled:
            torch.save({"sae": tensors, "version": "2.0.0"}, path / "sae_weights.pt")
        else:
            save_file(tensors, path / "sae_weights.safetensors")
        one = math.sqrt(D)
        f, out = open_moss(
            w, x, norms=norms if norm == "dataset-wise" else (one, one), gate=act, include=True, fold_first=False, theta=theta.double(), k=k
        )
        arch = {"jumprelu": "jumprelu", "topk": "topk"}[act] + ("_transcoder" if hook_out else "")
        put(f"v2_{name}", f"v2/{name}", x, f, out, format="open_moss", hook=hook, hook_out=hook_out, architecture=arch)

    case("inference", kind="sae", norm="inference", norms=(2.8, 2.8), hook_out=None)
    case("scaled", kind="sae", norm="dataset-wise", norms=(7.0, 7.0), hook_out=None, pickled=True)
    case("transcoder", kind="sae", norm="dataset-wise", norms=(2.8, 0.7), hook_out="blocks.2.hook_mlp_out")
    case("topk", kind="sae", norm="dataset-wise", norms=(7.0, 7.0), hook_out=None, act="topk")


def sparsify():
    os.environ["SPARSIFY_DISABLE_TRITON"] = "1"  # its decoder wants a GPU otherwise
    from sparsify import SparseCoder, SparseCoderConfig

    def case(name, module, *, hook, hook_out=None, arch, num_latents=M, **settings):
        cfg = SparseCoderConfig(num_latents=num_latents, expansion_factor=M // D, k=4, **settings)
        sae = SparseCoder(D, cfg)
        for p in sae.parameters():
            p.data = rnd(*p.shape, scale=0.4)
        path = OUT / "sparsify" / name / module
        sae.save_to_disk(path)
        (path.parent / "config.json").write_text(json.dumps({"model": "HuggingFaceTB/SmolLM2-135M", "dataset": "x/y", "ctx_len": 2048}))
        x = rnd(N, D)
        acts, indices, _ = sae.encode(x)
        features = torch.zeros(N, M).scatter(1, indices, acts)
        put(
            f"sparsify_{name}", f"sparsify/{name}/{module}", x, features, sae(x).sae_out, format="sparsify", hook=hook,
            hook_out=hook_out, architecture=arch, model="HuggingFaceTB/SmolLM2-135M",
        )

    case("topk", "layers.15", hook="blocks.15.hook_resid_post", arch="topk")
    case("factor", "layers.0.mlp", hook="blocks.0.hook_mlp_out", arch="topk", num_latents=0, normalize_decoder=False)
    case("groupmax", "h.3.attn", hook="blocks.3.hook_attn_out", arch="groupmax", activation="groupmax")
    case("transcode", "layers.4.mlp", hook="blocks.4.mlp.hook_in", hook_out="blocks.4.hook_mlp_out", arch="topk_transcoder", transcode=True)
    case(
        "skip", "layers.4.mlp", hook="blocks.4.mlp.hook_in", hook_out="blocks.4.hook_mlp_out", arch="topk_skip_transcoder",
        transcode=True, skip_connection=True,
    )
    case(
        "skip_sae", "layers.1", hook="blocks.1.hook_resid_post", hook_out="blocks.1.hook_resid_post", arch="groupmax_skip_transcoder",
        skip_connection=True, activation="groupmax",
    )


def dictionary_learning():
    from dictionary_learning.dictionary import AutoEncoder, AutoEncoderNew, GatedAutoEncoder, JumpReluAutoEncoder
    from dictionary_learning.trainers.batch_top_k import BatchTopKSAE
    from dictionary_learning.trainers.matryoshka_batch_top_k import MatryoshkaBatchTopKSAE
    from dictionary_learning.trainers.top_k import AutoEncoderTopK

    def case(ae, arch, *, submodule="resid_post_layer_5", hook="blocks.5.hook_resid_post", threshold=None, k=None):
        name = type(ae).__name__
        for p in ae.parameters():
            p.data = rnd(*p.shape, scale=0.4)
        if threshold is not None:
            ae.threshold.data.fill_(threshold)
        if name == "JumpReluAutoEncoder":
            ae.threshold.data = torch.linspace(0.01, 1.0, M)
        path = folder(f"dictionary_learning/{name}")
        trainer = {"dict_class": name, "activation_dim": D, "dict_size": M, "layer": 5, "lm_name": "meta-llama/Llama-3.2-1B", "submodule_name": submodule}
        if k:
            trainer["k"] = k
        (path / "config.json").write_text(json.dumps({"trainer": trainer, "buffer": {"ctx_len": 128}}))
        torch.save(ae.state_dict(), path / "ae.pt")
        x = rnd(N, D)
        f = ae.encode(x)
        put(
            name, f"dictionary_learning/{name}", x, f, ae.decode(f), format="dictionary_learning", hook=hook, architecture=arch,
            model="meta-llama/Llama-3.2-1B",
        )

    case(AutoEncoder(D, M), "standard")
    case(AutoEncoderNew(D, M), "standard", submodule="mlp_out_layer_5", hook="blocks.5.hook_mlp_out")
    case(GatedAutoEncoder(D, M), "gated", submodule="attn_out_layer_5", hook="blocks.5.hook_attn_out")
    case(JumpReluAutoEncoder(D, M), "jumprelu")
    case(AutoEncoderTopK(D, M, 4), "topk", threshold=0.5, k=4)
    case(BatchTopKSAE(D, M, 4), "jumprelu", threshold=0.6, k=4)
    case(MatryoshkaBatchTopKSAE(D, M, 4, [8, 16]), "jumprelu", threshold=0.6, k=4)


def bare():
    def run(name, path, state, **said):
        x = rnd(N, D)
        relu = torch.relu(x @ state["W_enc"] + state["b_enc"])
        put(name, path, x, relu, relu @ state["W_dec"] + state["b_dec"], architecture="standard", **said)

    def names(w, e, d):
        return {f"{e}.weight": w["encoder.weight"], f"{e}.bias": w["encoder.bias"], f"{d}.weight": w["decoder.weight"], f"{d}.bias": w["decoder.bias"]}

    def ours(w):
        return {"W_enc": w["encoder.weight"].T, "b_enc": w["encoder.bias"], "W_dec": w["decoder.weight"].T, "b_dec": w["decoder.bias"]}

    w = linear_pair()
    folder("goodfire")
    torch.save(names(w, "encoder_linear", "decoder_linear"), OUT / "goodfire" / "Llama-3.1-8B-Instruct-SAE-l19.pth")
    run("goodfire", "goodfire", ours(w), format="goodfire", hook="blocks.19.hook_resid_post", model="meta-llama/Llama-3.1-8B-Instruct")
    w = {k: v.to(torch.bfloat16) for k, v in linear_pair().items()}
    folder("qresearch")
    path = "qresearch/DeepSeek-R1-Distill-Llama-8B-SAE-l19.pt"
    torch.save(names(w, "encoder", "decoder"), OUT / path)
    w = {k: v.float() for k, v in w.items()}
    run("qresearch", path, ours(w), format="qresearch", hook="blocks.19.hook_resid_post", model="deepseek-ai/DeepSeek-R1-Distill-Llama-8B")

    # SAELens' own tensors, pickled: transposed views, a wrapper, float64.
    w = linear_pair()
    state = ours(w) | {"threshold": torch.linspace(0.1, 1.0, M)}
    sae = SAE.from_dict({"architecture": "jumprelu", "d_in": D, "d_sae": M, "dtype": "float32", "device": "cpu"})
    sae.load_state_dict(state)
    folder("state_dict")
    torch.save({"state_dict": {k: v.double() for k, v in state.items()}}, OUT / "state_dict" / "sae_weights.pt")
    x = rnd(N, D)
    put("state_dict", "state_dict", x, sae.encode(x), sae(x), format="state_dict", hook=None, architecture="jumprelu")

    # Gemma Scope: SAELens' SAE on what its gemma_2 loader makes of params.npz.
    w = linear_pair()
    state = ours(w) | {"threshold": torch.linspace(0.1, 1.0, M)}
    sae = SAE.from_dict({"architecture": "jumprelu", "d_in": D, "d_sae": M, "dtype": "float32", "device": "cpu", "apply_b_dec_to_input": False})
    sae.load_state_dict(state)
    np.savez(folder("gemma_scope/layer_20/width_24/average_l0_9") / "params.npz", **{k: v.contiguous().numpy() for k, v in state.items()})
    x = rnd(N, D)
    put(
        "gemma_scope", "gemma_scope/layer_20/width_24/average_l0_9", x, sae.encode(x), sae(x), format="gemma_scope",
        hook="blocks.20.hook_resid_post", architecture="jumprelu",
    )


def gemma_scope_2():
    """SAELens' SAE on what its gemma_3 loader makes of params.safetensors."""
    def case(name, hf_in, hf_out, hook, hook_out, arch, skip=False):
        w = {"w_enc": rnd(D, M, scale=0.4), "w_dec": rnd(M, D), "b_enc": rnd(M, scale=0.3), "b_dec": rnd(D), "threshold": torch.linspace(0.1, 1.0, M)}
        ours = {"W_enc": w["w_enc"], "W_dec": w["w_dec"], "b_enc": w["b_enc"], "b_dec": w["b_dec"], "threshold": w["threshold"]}
        if skip:
            w["affine_skip_connection"] = rnd(D, D)
            ours["W_skip"] = w["affine_skip_connection"].T.contiguous()
        path = folder(f"gemma_scope_2/{name}")
        cfg = {"architecture": "jump_relu", "model_name": "google/gemma-3-1b-pt", "hf_hook_point_in": hf_in, "hf_hook_point_out": hf_out}
        (path / "config.json").write_text(json.dumps(cfg))
        save_file(w, path / "params.safetensors")
        settings = {"architecture": arch, "d_in": D, "d_sae": M, "dtype": "float32", "device": "cpu", "apply_b_dec_to_input": False}
        sae = SAE.from_dict(settings | ({"d_out": D} if hook_out else {}))
        sae.load_state_dict(ours)
        x = rnd(N, D)
        put(f"gemma_scope_2_{name}", f"gemma_scope_2/{name}", x, sae.encode(x), sae(x), format="gemma_scope_2", hook=hook, hook_out=hook_out, architecture=arch, model="google/gemma-3-1b-pt")

    case("resid", "model.layers.12.output", None, "blocks.12.hook_resid_post", None, "jumprelu")
    mlp = ("model.layers.3.pre_feedforward_layernorm.output", "model.layers.3.post_feedforward_layernorm.output", "blocks.3.mlp.hook_in", "blocks.3.hook_mlp_out")
    case("transcoder", *mlp, "jumprelu_transcoder")
    case("affine", *mlp, "jumprelu_skip_transcoder", skip=True)


def temporal():
    """SAELens' TemporalSAE on what its temporal loader makes of the release's files."""
    for name, tied in (("tied", True), ("untied", False)):
        settings = {"n_heads": 2, "n_attn_layers": 1, "bottleneck_factor": 4, "sae_diff_type": "topk", "kval_topk": 4, "tied_weights": tied}
        sae = SAE.from_dict({
            "architecture": "temporal", "d_in": D, "d_sae": M, "dtype": "float32", "device": "cpu", "apply_b_dec_to_input": True,
            "normalize_activations": "constant_scalar_rescale", "activation_normalization_factor": 0.7, **settings,
        })
        for p in sae.parameters():
            p.data = rnd(*p.shape, scale=0.5)
        state = {k: v.contiguous() for k, v in sae.state_dict().items()}
        names = {"W_dec": "D", "b_dec": "b", "W_enc": "E"}
        path = folder(f"temporal/{name}/layer_15/temporal")
        save_file({names.get(k, k): v for k, v in state.items()}, path / "latest_ckpt.safetensors")
        lines = "".join(f"  {k}: {json.dumps(v)}\n" for k, v in (settings | {"exp_factor": M / D, "scaling_factor": 0.7}).items())
        (path / "conf.yaml").write_text(f"llm:\n  dimin: {D}\nsae:\n{lines}data:\n  dtype: float32\n")
        x = rnd(1, N, D)
        put(f"temporal_{name}", f"temporal/{name}/layer_15/temporal", x, sae.encode(x), sae(x), format="temporal", hook="blocks.15.hook_resid_post", architecture="temporal")


def circuit_tracer():
    path = folder("circuit_tracer")
    (path / "config.yaml").write_text(
        "model_kind: transcoder_set\nmodel_name: meta-llama/Llama-3.2-1B\nfeature_input_hook: mlp.hook_in\nfeature_output_hook: mlp.hook_out\n"
    )
    kinds = [("transcoder", None, False), ("jumprelu_transcoder", torch.linspace(0.1, 1.0, M), False), ("jumprelu_skip_transcoder", torch.tensor([0.4]), True)]
    for layer, (arch, theta, skip) in enumerate(kinds):
        w = {"W_enc": rnd(M, D, scale=0.4), "b_enc": rnd(M, scale=0.3), "W_dec": rnd(M, D), "b_dec": rnd(D)}
        if theta is not None:
            w["activation_function.threshold"] = theta
        if skip:
            w["W_skip"] = rnd(D, D)
        save_file(w, path / f"layer_{layer}.safetensors")
        x = rnd(N, D)
        h = x @ w["W_enc"].T + w["b_enc"]
        f = torch.relu(h) if theta is None else torch.relu(h) * (h > theta)
        out = f @ w["W_dec"] + w["b_dec"] + (x @ w["W_skip"].T if skip else 0)
        put(
            f"circuit_tracer_{layer}", f"circuit_tracer/layer_{layer}.safetensors", x, f, out, format="circuit_tracer",
            hook=f"blocks.{layer}.mlp.hook_in", hook_out=f"blocks.{layer}.hook_mlp_out", architecture=arch, model="meta-llama/Llama-3.2-1B",
        )


if __name__ == "__main__":
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir(parents=True)
    torch.manual_seed(0)
    with torch.no_grad():
        for make in (llama_scope, r1_distill, v2, sparsify, dictionary_learning, bare, circuit_tracer, gemma_scope_2, temporal):
            make()
    (OUT / "cases.json").write_text(json.dumps(cases, indent=1) + "\n")
