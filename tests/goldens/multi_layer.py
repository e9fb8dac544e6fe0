"""Cross-layer transcoders and crosscoders for the demo's model, for tests/tests/multi_layer_parity.rs.

    python tests/goldens/multi_layer.py     # circuit-tracer 0.5.0, torch 2.11.0, transformers

Seed 31. Each case is a folder of files in data/multi_layer/NAME, and expected/NAME.safetensors with the layers' inputs x, features and outputs,
`[n_layers, n, d]`. The cross-layer transcoder in circuit-tracer's format is saved, loaded and run by circuit-tracer's own class, without and with
thresholds, and in bfloat16 files. Others are run here by their formulas, in float64: Language-Model-SAEs' `clt.py` (commit 033f290) and `crosscoder.py`
(034e0da), Gemma Scope 2's layers as circuit-tracer's `load_gemma_scope_2_clt` takes them, and `CrossCoder` and `BatchTopKCrossCoder` of
`dictionary_learning`'s forks (which are not on PyPI).

figures.json has what the demo's model makes of them: rows of tokens, and the mean next-token loss and KL divergence with each layer replaced by itself (its
features and those of the layers below of the model as it is), with all replaced (features of what the layers below have left; a crosscoder's of the
model as it is), and with zeros. The model is transformers', edited by torch hooks, in float64. Tokens 0 and 1 keep their activation and count in
nothing, but zeros are everywhere. `set` is a set of transcoders with skip connections.
"""

import json
import math
import shutil
from importlib.metadata import version
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from circuit_tracer.transcoder.cross_layer_transcoder import CrossLayerTranscoder, load_clt

assert version("circuit-tracer") == "0.5.0"
HERE = Path(__file__).parent
DEMO, OUT = HERE.parent.parent / "demo", HERE / "data" / "multi_layer"
SEED, ROWS, CONTEXT, MASKED = 31, 3, 12, [0, 1]
L, N = 4, 5
YAML = "model_kind: {}\nmodel_name: demo\nfeature_input_hook: mlp.hook_in\nfeature_output_hook: mlp.hook_out\n"


def rnd(*shape, scale=1.0):
    return torch.randn(*shape, dtype=torch.float32) * scale


def folder(name):
    path = OUT / name
    path.mkdir(parents=True, exist_ok=True)
    return path


def put(name, x, features, out):
    assert (features != 0).any() and (features == 0).any(), name
    (OUT / "expected").mkdir(exist_ok=True)
    tensors = {"x": x, "features": features, "out": out}
    save_file({k: v.to(torch.float32).contiguous() for k, v in tensors.items()}, OUT / "expected" / f"{name}.safetensors")


def clt(name, d, m, *, threshold=False, dtype=torch.float32, n_layers=L):
    """circuit-tracer's own: saved and loaded by it, and run in float32."""
    of = CrossLayerTranscoder(n_layers, m, d, "jump_relu" if threshold else "relu", lazy_decoder=False, dtype=dtype, device=torch.device("cpu"))
    of.W_enc.data = rnd(n_layers, m, d, scale=d**-0.5).to(dtype)
    of.b_enc.data = rnd(n_layers, m, scale=0.3).to(dtype)
    of.b_dec.data = rnd(n_layers, d, scale=0.2).to(dtype)
    for i in range(n_layers):
        of.W_dec[i].data = rnd(m, n_layers - i, d, scale=0.15).to(dtype)
    if threshold:
        of.activation_function.threshold.data = torch.linspace(0.1, 1.5, n_layers * m).reshape(n_layers, 1, m).to(dtype)
    path = folder(name)
    of.to_safetensors(path)
    (path / "config.yaml").write_text(YAML.format("cross_layer_transcoder"))
    of = load_clt(str(path), lazy_decoder=False, device=torch.device("cpu"), dtype=torch.float32)
    x = rnd(n_layers, N, d)
    put(name, x, of.encode(x), of.forward(x))
    return of.double()


def gemma(d, m, n_layers=3):
    files = []
    x, features, out = rnd(n_layers, N, d).double(), [], torch.zeros(n_layers, N, d).double()
    for i in range(n_layers):
        w = {
            "w_enc": rnd(d, m, scale=d**-0.5), "w_dec": rnd(m, n_layers, d, scale=0.2), "b_enc": rnd(m, scale=0.3), "b_dec": rnd(d),
            "threshold": torch.linspace(0.1, 1.0, m), "affine_skip_connection": rnd(d, d, scale=0.2),
        }
        save_file(w, folder("gemma") / f"part_{i}.safetensors")
        files.append(f"part_{i}.safetensors")
        w = {k: v.double() for k, v in w.items()}
        h = x[i] @ w["w_enc"] + w["b_enc"]
        features.append(h * (h > w["threshold"]))
        out[i] += w["b_dec"] + x[i] @ w["affine_skip_connection"]
        for to in range(i, n_layers):
            out[to] += features[i] @ w["w_dec"][:, to]
    listed = "".join(f"  - {name}\n" for name in files)
    (folder("gemma") / "config.yaml").write_text(YAML.format("cross_layer_transcoder") + "transcoders:\n" + listed)
    put("gemma", x, torch.stack(features), out)


def moss_clt(name, d, m, *, act, norm, include, n_layers=3):
    hooks = [[f"blocks.{i}.ln2.hook_normalized" for i in range(n_layers)], [f"blocks.{i}.hook_mlp_out" for i in range(n_layers)]]
    norms = {hook: 1.5 + 0.3 * i for i, hook in enumerate(hooks[0] + hooks[1])}
    w = {"W_E": rnd(n_layers, d, m, scale=d**-0.5), "b_E": rnd(n_layers, m, scale=0.3)}
    w |= {f"W_D.{to}": rnd(to + 1, m, d, scale=0.3) for to in range(n_layers)} | {f"b_D.{to}": rnd(d) for to in range(n_layers)}
    theta = torch.linspace(0.2, 1.4, n_layers * m).reshape(n_layers, m)
    if act == "jumprelu":
        w["activation_function.log_jumprelu_threshold"] = theta.log()
    tensors = dict(w)
    if norm == "dataset-wise":
        tensors |= {f"dataset_average_activation_norm.{hook}": torch.tensor(x) for hook, x in norms.items()}
    save_file(tensors, folder(name) / "sae_weights.safetensors")
    cfg = {
        "sae_type": "clt", "d_model": d, "expansion_factor": m // d, "hook_points_in": hooks[0], "hook_points_out": hooks[1], "act_fn": act,
        "norm_activation": norm, "sparsity_include_decoder_norm": include, "use_decoder_bias": True,
    }
    (folder(name) / "config.json").write_text(json.dumps(cfg))
    w = {k: v.double() for k, v in w.items()}
    scale = [[math.sqrt(d) / norms[hook] if norm == "dataset-wise" else 1.0 for hook in some] for some in hooks]
    x = rnd(n_layers, N, d).double()
    features, out = [], []
    for i in range(n_layers):
        h = scale[0][i] * x[i] @ w["W_E"][i] + w["b_E"][i]
        length = sum(w[f"W_D.{to}"][i].square().sum(-1) for to in range(i, n_layers)).sqrt() if include else 1.0
        features.append(h * (h * length > theta[i].double()) if act == "jumprelu" else h.relu())
    for to in range(n_layers):
        y = sum(features[i] @ w[f"W_D.{to}"][i] for i in range(to + 1)) + w[f"b_D.{to}"]
        out.append(y / scale[1][to])
    # Ours are of activations as they are.
    put(name, x, torch.stack([f / scale[0][i] for i, f in enumerate(features)]), torch.stack(out))


def crosscoder_run(w, x, theta=None):
    """Features of each layer, [L, n, m], and outputs."""
    f = (torch.einsum("lnd,ldm->nm", x, w["encoder.weight"]) + w["encoder.bias"]).relu()
    f = f.expand(len(x), *f.shape)
    if theta is not None:
        f = f * (f > theta)
    return f, torch.einsum("lnm,lmd->lnd", f, w["decoder.weight"]) + w["decoder.bias"][:, None]


def crosscoder(name, d, m, *, batch_topk=None, n_layers=3, layers=None):
    w = {
        "encoder.weight": rnd(n_layers, d, m, scale=(n_layers * d) ** -0.5), "encoder.bias": rnd(m, scale=0.3),
        "decoder.weight": rnd(n_layers, m, d, scale=0.3), "decoder.bias": rnd(n_layers, d, scale=0.3),
    }
    trainer = {"dict_class": "CrossCoder", "activation_dim": d, "dict_size": m, "lm_name": "demo"}
    if layers:
        trainer |= {"layer": layers, "submodule_name": "resid_post"}
    state, theta = dict(w), None
    w = {k: v.double() for k, v in w.items()}
    if batch_topk:
        trainer["dict_class"] = "BatchTopKCrossCoder"
        length = w["decoder.weight"].norm(dim=2).sum(0) if batch_topk == 1 else w["decoder.weight"].norm(dim=(0, 2))
        theta = 1.1 / length
        nan = torch.full((n_layers, d), torch.nan)
        state |= {"k": torch.tensor(4), "threshold": torch.tensor(1.1), "code_normalization_id": torch.tensor(batch_topk), "activation_mean": nan, "activation_std": nan, "target_rms": torch.tensor(1.0)}
    path = folder(name)
    (path / "config.json").write_text(json.dumps({"trainer": trainer}))
    torch.save(state, path / "ae.pt")
    x = rnd(n_layers, N, d).double()
    put(name, x, *crosscoder_run(w, x, theta))
    return w, theta


def moss_crosscoder(d, m, n_layers=3):
    hooks = [f"blocks.{i}.hook_resid_post" for i in range(n_layers)]
    norms = {hook: 2.0 + 0.5 * i for i, hook in enumerate(hooks)}
    w = {"W_E": rnd(n_layers, d, m, scale=0.2), "b_E": rnd(n_layers, m, scale=0.2), "W_D": rnd(n_layers, m, d, scale=0.3), "b_D": rnd(n_layers, d)}
    theta = torch.linspace(0.2, 1.4, n_layers * m).reshape(n_layers, m)
    tensors = w | {"activation_function.log_jumprelu_threshold": theta.log()}
    tensors |= {f"dataset_average_activation_norm.{hook}": torch.tensor(x) for hook, x in norms.items()}
    save_file(tensors, folder("moss_crosscoder") / "sae_weights.safetensors")
    cfg = {
        "sae_type": "crosscoder", "d_model": d, "expansion_factor": m // d, "hook_points": hooks, "act_fn": "jumprelu", "norm_activation": "dataset-wise",
        "sparsity_include_decoder_norm": True, "use_decoder_bias": True,
    }
    (folder("moss_crosscoder") / "config.json").write_text(json.dumps(cfg))
    w = {k: v.double() for k, v in w.items()}
    scale = torch.tensor([math.sqrt(d) / norms[hook] for hook in hooks]).double()[:, None, None]
    x = rnd(n_layers, N, d).double()
    h = (torch.einsum("lnd,ldm->nlm", x * scale, w["W_E"]) + w["b_E"]).sum(1)
    length = w["W_D"].norm(dim=2)[:, None]
    f = h * (h * length > theta.double()[:, None])
    out = (torch.einsum("lnm,lmd->lnd", f, w["W_D"]) + w["b_D"][:, None]) / scale
    put("moss_crosscoder", x, f, out)


def transcoder_set(d, m):
    path = folder("set")
    (path / "config.yaml").write_text(YAML.format("transcoder_set"))
    layers = []
    for i in range(L):
        w = {"W_enc": rnd(m, d, scale=d**-0.5), "b_enc": rnd(m, scale=0.3), "W_dec": rnd(m, d, scale=0.2), "b_dec": rnd(d, scale=0.2), "W_skip": rnd(d, d, scale=0.05)}
        save_file(w, path / f"layer_{i}.safetensors")
        layers.append({k: v.double() for k, v in w.items()})
    return layers


class Measured:
    """The demo's model, run with some hooks replaced."""

    def __init__(self):
        self.model = AutoModelForCausalLM.from_pretrained(DEMO / "model", dtype=torch.float64).eval()
        generator = torch.Generator().manual_seed(SEED)
        self.tokens = torch.randint(2, self.model.config.vocab_size, (ROWS, CONTEXT), generator=generator)
        self.tokens[:, 0] = 0
        self.tokens[1, 7] = 1
        self.kept = ~torch.isin(self.tokens, torch.tensor(MASKED))
        self.inputs = {}
        self.original = self.run(lambda layer, x, y: None, lambda layer, y: None)

    def run(self, mlp, resid):
        """mlp(layer, input, output) and resid(layer, output) give replacements, or None."""
        handles = []
        for i, block in enumerate(self.model.model.layers):
            handles.append(block.mlp.register_forward_hook(lambda _, args, y, i=i: mlp(i, args[0], y)))
            handles.append(block.register_forward_hook(lambda _, __, y, i=i: resid(i, y)))
        try:
            return self.model(self.tokens).logits.log_softmax(-1)
        finally:
            for handle in handles:
                handle.remove()

    def figures(self, log_q):
        ce = -log_q[:, :-1].gather(-1, self.tokens[:, 1:, None])[..., 0]
        kl = (self.original.exp() * (self.original - log_q)).sum(-1)
        return {"ce": ce[self.kept[:, :-1]].mean().item(), "kl": kl[self.kept].mean().item()}

    def splice(self, made, x):
        return torch.where(self.kept[..., None], made, x)

    def explained(self, made, x):
        """SAELens' explained variance, over tokens that count."""
        x, made = x[self.kept], made[self.kept]
        return (1 - (x - made).square().sum() / (x - x.mean(0)).square().sum()).item()


def mlps(of, encode, decode):
    """Figures of transcoders: encode(layer, x) gives features, decode(layer, features of layers 0 to layer, x) an output."""
    true_x, true_y = {}, {}
    of.run(lambda i, x, y: (true_x.__setitem__(i, x), true_y.__setitem__(i, y), None)[-1], lambda i, y: None)
    true_f = [encode(i, true_x[i]) for i in range(L)]
    made = [decode(i, true_f[: i + 1], true_x[i]) for i in range(L)]
    alone = []
    for layer in range(L):
        run = of.run(lambda i, x, y: of.splice(made[i], y) if i == layer else None, lambda i, y: None)
        zeroed = of.run(lambda i, x, y: torch.zeros_like(y) if i == layer else None, lambda i, y: None)
        alone.append(of.figures(run) | {
            "zeroed": of.figures(zeroed), "l0": (true_f[layer] != 0).sum(-1)[of.kept].double().mean().item(), "ev": of.explained(made[layer], true_y[layer]),
        })
    f = []

    def chain(i, x, y):
        f.append(encode(i, x))
        return of.splice(decode(i, f, x), y)

    together = of.figures(of.run(chain, lambda i, y: None))
    return {"alone": alone, "together": together, "zeroed": of.figures(of.run(lambda i, x, y: torch.zeros_like(y), lambda i, y: None))}


def crossed(of, w, theta, layers):
    """Figures of a crosscoder at the outputs of blocks."""
    true = {}
    of.run(lambda i, x, y: None, lambda i, y: (true.__setitem__(i, y), None)[-1])
    x = torch.stack([true[layer] for layer in layers])
    flat = x.reshape(len(layers), ROWS * CONTEXT, -1)
    f, out = crosscoder_run(w, flat, theta)
    out, f = out.reshape(x.shape), f.reshape(len(layers), ROWS, CONTEXT, -1)
    alone = []
    for at, layer in enumerate(layers):
        run = of.run(lambda i, x, y: None, lambda i, y: of.splice(out[at], y) if i == layer else None)
        zeroed = of.run(lambda i, x, y: None, lambda i, y: torch.zeros_like(y) if i == layer else None)
        alone.append(of.figures(run) | {
            "zeroed": of.figures(zeroed), "l0": (f[at] != 0).sum(-1)[of.kept].double().mean().item(), "ev": of.explained(out[at], x[at]),
        })
    made = dict(zip(layers, out))
    every = of.run(lambda i, x, y: None, lambda i, y: of.splice(made[i], y) if i in made else None)
    zeros = of.run(lambda i, x, y: None, lambda i, y: torch.zeros_like(y) if i in made else None)
    return {"alone": alone, "together": of.figures(every), "zeroed": of.figures(zeros)}


@torch.no_grad()
def main():
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir(parents=True)
    torch.manual_seed(SEED)
    clt("relu", 8, 24)
    clt("jumprelu", 8, 24, threshold=True)
    clt("bfloat16", 8, 24, threshold=True, dtype=torch.bfloat16, n_layers=3)
    gemma(8, 24)
    moss_clt("moss_relu", 8, 24, act="relu", norm="inference", include=True)
    moss_clt("moss_jumprelu", 8, 24, act="jumprelu", norm="dataset-wise", include=True)
    moss_clt("moss_plain", 8, 24, act="jumprelu", norm="dataset-wise", include=False)
    crosscoder("crosscoder", 8, 24)
    crosscoder("batch_topk", 8, 24, batch_topk=1)
    crosscoder("batch_topk_sae", 8, 24, batch_topk=2, n_layers=2)
    moss_crosscoder(8, 24)

    of = Measured()
    d = of.model.config.hidden_size
    demo_clt = clt("demo_clt", d, 32, threshold=True)
    theta = demo_clt.activation_function.threshold[:, 0]
    demo_set = transcoder_set(d, 32)
    layers = [0, 1, 3]
    demo_crosscoder, gate = crosscoder("demo_crosscoder", d, 32, batch_topk=1, layers=layers)

    def encode(i, x):
        h = x @ demo_clt.W_enc[i].T + demo_clt.b_enc[i]
        return h * (h > theta[i])

    def decode(i, f, x):
        return sum(f[j] @ demo_clt.W_dec[j][:, i - j] for j in range(i + 1)) + demo_clt.b_dec[i]

    def set_encode(i, x):
        return (x @ demo_set[i]["W_enc"].T + demo_set[i]["b_enc"]).relu()

    def set_decode(i, f, x):
        w = demo_set[i]
        return f[i] @ w["W_dec"] + w["b_dec"] + x @ w["W_skip"].T

    result = {
        "versions": {name: version(name) for name in ("torch", "transformers", "circuit-tracer")},
        "tokens": of.tokens.tolist(), "masked": MASKED, "original": of.figures(of.original),
        "clt": mlps(of, encode, decode), "set": mlps(of, set_encode, set_decode),
        "crosscoder": crossed(of, demo_crosscoder, gate, layers) | {"layers": layers},
    }
    (OUT / "figures.json").write_text(json.dumps(result, indent=1) + "\n")


main()
