"""Goldens of interventions: steering, gradients, logit lens, patching and attribution on a small random Llama with SAEs.

The model (3 blocks, grouped queries, norm weights other than 1) and the SAEs are written in f32, as Hugging Face and SAELens lay them out.
Everything is then computed in f64: the model is TransformerLens' HookedTransformer with these weights, whose logits must agree with
transformers' first; encoding and decoding are SAELens', gradients torch's, patches TransformerLens' hooks.

Made with torch 2.11.0, transformers 5.23.0 or later, transformer-lens 3.9.0, sae-lens 6.54.12; seeds below.
"""

import json
import math
import shutil
import sys
from importlib.metadata import version
from pathlib import Path

import torch
from safetensors.torch import save_file
from sae_lens import SAE
from sae_lens.saes.sae import SAEMetadata
from transformers import LlamaConfig, LlamaForCausalLM

sys.path.insert(0, str(Path(__file__).parent))
from llama import hooked  # noqa: E402

OUT = Path(__file__).parent / "data" / "interventions"
SEED = 11
VERSIONS = {name: version(name) for name in ("torch", "transformers", "transformer-lens", "sae-lens")}
CLEAN = [1, 17, 42, 5, 63, 8, 90]
CORRUPTED = [1, 17, 77, 5, 63, 31, 90]
ANSWER, AGAINST = 33, 58
D_SAE = 48
F64 = torch.float64

CONFIG = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "vocab_size": 101,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 64,
    "rms_norm_eps": 1e-5,
    "hidden_act": "silu",
    "bos_token_id": 1,
    "eos_token_id": 2,
    "tie_word_embeddings": False,
    "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0},
    "dtype": "float32",
}

# name: (architecture, where it reads, options)
SAES = {
    "standard": ("standard", "blocks.1.hook_resid_pre", {}),
    "topk": ("topk", "blocks.2.hook_resid_pre", {"k": 6}),
    "rescaled": ("topk", "blocks.1.hook_resid_mid", {"k": 6, "rescale_acts_by_decoder_norm": True}),
    "jumprelu": ("jumprelu", "blocks.0.hook_resid_post", {}),
    "gated": ("gated", "blocks.1.hook_attn_out", {}),
    "layer-norm": ("standard", "blocks.1.hook_mlp_out", {"normalize_activations": "layer_norm"}),
    "transcoder": (
        "transcoder",
        "blocks.1.ln2.hook_normalized",
        {"d_out": 32, "apply_b_dec_to_input": False, "hook_name_out": "blocks.1.hook_mlp_out"},
    ),
    "z": ("standard", "blocks.1.attn.hook_z", {"reshape_activations": "hook_z"}),
    "head": ("standard", "blocks.0.attn.hook_z", {"d_in": 8, "hook_head_index": 2}),
    "temporal": ("temporal", "blocks.1.hook_resid_pre", {"n_heads": 4, "bottleneck_factor": 4, "kval_topk": 6}),
}


def write_model():
    torch.manual_seed(SEED)
    folder = OUT / "model"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(CONFIG, indent=2) + "\n")
    model = LlamaForCausalLM(LlamaConfig.from_pretrained(folder))
    state = {}
    for key, value in model.state_dict().items():
        if value.dim() == 1:
            tensor = 1 + 0.3 * torch.randn_like(value)
        else:
            tensor = torch.randn_like(value) / (1 if "embed" in key else math.sqrt(value.shape[1]))
        state[key] = tensor
    save_file(state, folder / "model.safetensors", {"format": "pt"})
    model = LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32).double().eval()
    peer = hooked(model, model.config)
    # TransformerLens makes its rotary tables in f32.
    peer = peer.double()
    peer.cfg.dtype = F64
    for block in peer.blocks:
        sin, cos = block.attn.calculate_sin_cos_rotary(8, 64, base=10000.0, dtype=F64)
        block.attn.rotary_sin, block.attn.rotary_cos = sin, cos
    peer.set_ungroup_grouped_query_attention(False)
    with torch.no_grad():
        tokens = torch.tensor([CLEAN])
        error = (peer(tokens) - model(tokens).logits).abs().max().item()
    # transformers' own rotary embedding is f32 whatever the model is in.
    assert error < 1e-5, error
    return peer


def write_sae(name):
    architecture, hook, options = SAES[name]
    options = dict(options)
    metadata = {"hook_name": hook, "sae_lens_version": version("sae-lens"), "prepend_bos": True, "context_size": 64}
    for key in ("hook_name_out", "hook_head_index"):
        if key in options:
            metadata[key] = options.pop(key)
    d_in = options.pop("d_in", 32)
    sae = SAE.from_dict(
        {"architecture": architecture, "d_in": d_in, "d_sae": D_SAE, "metadata": SAEMetadata(**metadata).to_dict(), **options}
    )
    generator = torch.Generator().manual_seed(SEED + len(name) * 7 + ord(name[0]))
    with torch.no_grad():
        for key, parameter in sae.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            if key in ("W_dec", "W_enc"):
                parameter.copy_(noise * (2.0 if architecture == "temporal" else 0.3))
            elif key == "threshold":
                parameter.copy_(0.4 + 0.3 * noise)
            else:
                parameter.copy_(0.2 * noise)
    folder = OUT / "saes" / name
    folder.mkdir(parents=True)
    sae.save_model(folder)
    sae = SAE.load_from_disk(folder).double().eval()
    sae.dtype = F64
    return sae


class Placed:
    """An SAE in its place: what it reads, and a hook that writes."""

    def __init__(self, name, sae):
        self.name, self.sae = name, sae
        metadata = sae.cfg.metadata
        self.read = metadata.hook_name
        self.write = metadata.hook_name_out if name == "transcoder" else self.read
        self.head = 2 if name == "head" else None

    def take(self, x):
        return x if self.head is None else x[:, :, self.head]

    def put(self, x, output):
        if self.head is None:
            return output
        x = x.clone()
        x[:, :, self.head] = output
        return x

    def hooks(self, edit):
        """Hooks for a function of (what is read, what is at the write point)."""
        seen = {}

        def read(x, hook):
            seen["x"] = self.take(x)

        def write(x, hook):
            target = self.take(x)
            return self.put(x, edit(seen.get("x", target), target))

        return ([(self.read, read)] if self.read != self.write else []) + [(self.write, write)]


def steering(sae, edits, error_term, positions=None):
    """x' as the library defines it, by SAELens' encode and decode."""

    def edit(x, target):
        f = sae.encode(x)
        changed = f.clone()
        for feature, text in edits:
            name, _, number = text.partition(":")
            column = changed[..., feature]
            value = float(number) if number else None
            if name == "add-raw":
                changed[..., feature] = column + value
            elif name in ("clamp", "mean"):
                changed[..., feature] = torch.full_like(column, value)
            elif name == "min-clamp":
                changed[..., feature] = column.clamp(min=value)
            elif name == "scale":
                changed[..., feature] = value * column
            elif name == "ablate":
                changed[..., feature] = 0 * column
        after = sae.decode(changed)
        sae.encode(x)
        before = sae.decode(f)
        out = target + after - before if error_term else after
        flat = out.reshape(*out.shape[:2], -1)
        for feature, text in edits:
            name, _, number = text.partition(":")
            u = sae.W_dec[feature] / sae.W_dec[feature].norm()
            along = (flat @ u)[..., None]
            if name == "add":
                flat = flat + float(number) * u
            elif name == "orthogonal":
                flat = flat + (float(number or 0) - 1) * along * u
            elif name == "cap":
                flat = flat - (along - float(number)).clamp(min=0) * u
        out = flat.reshape(out.shape)
        if positions is not None:
            kept = target.clone()
            kept[:, positions] = out[:, positions]
            return kept
        return out

    return edit


# name: (SAEs with their edits, error term, positions)
STEERED = {
    "add": ([("standard", [[3, "add:4"]])], True, None),
    "add-raw": ([("standard", [[3, "add-raw:2.5"]])], True, None),
    "clamp": ([("standard", [[7, "clamp:3"], [12, "clamp:0.5"]])], True, None),
    "min-clamp": ([("standard", [[7, "min-clamp:0.4"]])], True, None),
    "scale": ([("standard", [[5, "scale:-2"]])], True, None),
    "ablate": ([("standard", [[i, "ablate"] for i in range(0, 40)])], True, None),
    "mean": ([("standard", [[9, "mean:0.7"]])], True, None),
    "orthogonal": ([("standard", [[4, "orthogonal"], [6, "orthogonal:3"]])], True, None),
    "cap": ([("standard", [[i, "cap:0.3"] for i in range(10)])], True, None),
    "mixed": ([("standard", [[4, "orthogonal"], [3, "add:2"], [7, "clamp:2"], [8, "ablate"]])], True, None),
    "spliced": ([("standard", [])], False, None),
    "without-error": ([("standard", [[7, "clamp:3"], [2, "ablate"], [3, "add:1"]])], False, None),
    "topk": ([("topk", [[1, "clamp:2"], [2, "scale:3"], [3, "ablate"]])], True, None),
    "topk-without-error": ([("topk", [[1, "clamp:2"]])], False, None),
    "rescaled": ([("rescaled", [[1, "clamp:2"], [2, "add-raw:1"], [5, "scale:0.5"]])], True, None),
    "jumprelu": ([("jumprelu", [[i, "scale:1.5"] for i in range(48)])], True, None),
    "gated": ([("gated", [[i, "scale:0"] for i in range(48)])], True, None),
    "layer-norm": ([("layer-norm", [[2, "clamp:1.5"], [3, "add:2"], [30, "add-raw:1"]])], True, None),
    "layer-norm-without-error": ([("layer-norm", [[2, "clamp:1.5"]])], False, None),
    "transcoder": ([("transcoder", [[2, "clamp:2"], [40, "scale:4"]])], True, None),
    "transcoder-without-error": ([("transcoder", [[2, "clamp:2"]])], False, None),
    "z": ([("z", [[2, "clamp:2"], [40, "scale:4"]])], True, None),
    "head": ([("head", [[2, "clamp:2"], [40, "scale:4"], [7, "add:1"]])], True, None),
    "head-without-error": ([("head", [[2, "clamp:2"]])], False, None),
    "temporal": ([("temporal", [[2, "clamp:2"], [40, "scale:4"]])], True, None),
    "positions": ([("standard", [[7, "clamp:3"], [3, "add:2"]])], True, [2, 3, 5]),
    "positions-without-error": ([("standard", [[7, "clamp:3"], [3, "add:2"]])], False, [2, 3, 5]),
    "several": (
        [("jumprelu", [[3, "add:2"]]), ("standard", [[7, "clamp:3"]]), ("transcoder", [[2, "scale:3"]]), ("topk", [[1, "ablate"]])],
        True,
        None,
    ),
    "several-without-error": ([("standard", [[7, "clamp:3"]]), ("topk", [])], False, None),
}


def metric(logits):
    return logits[:, -1, ANSWER] - logits[:, -1, AGAINST]


@torch.no_grad()
def steered(peer, placed, out):
    tokens = torch.tensor([CLEAN])
    for name, (saes, error_term, positions) in STEERED.items():
        hooks = []
        for sae, edits in saes:
            hooks += placed[sae].hooks(steering(placed[sae].sae, edits, error_term, positions))
        out[f"steer.{name}"] = peer.run_with_hooks(tokens, fwd_hooks=hooks)[0]


SITES = ["hook_resid_pre", "hook_attn_out", "hook_mlp_out", "attn.hook_z", "hook_resid_post"]


def gradients(peer, tokens, points, of):
    """The gradient of the summed metric at each point."""
    held = {}

    def keep(x, hook):
        x = x.detach().requires_grad_(True) if not x.requires_grad else x
        x.retain_grad()
        held[hook.name] = x
        return x

    logits = peer.run_with_hooks(torch.tensor([tokens]), fwd_hooks=[(point, keep) for point in points])
    of(logits).sum().backward()
    return {point: held[point].grad[0].detach().clone() for point in points}


def gradient_goldens(peer, out):
    points = [f"blocks.{layer}.{site}" for layer in range(3) for site in SITES]
    for point, gradient in gradients(peer, CORRUPTED, points, metric).items():
        out[f"gradient.{point}"] = gradient

    def log_prob(logits):
        return logits[:, -1].log_softmax(-1)[:, ANSWER]

    with torch.no_grad():
        target = peer(torch.tensor([CLEAN]))[:, -1].log_softmax(-1)

    def kl(logits):
        return (target.exp() * (target - logits[:, -1].log_softmax(-1))).sum(-1)

    at = ["blocks.1.hook_resid_pre"]
    out["gradient.log_prob"] = gradients(peer, CORRUPTED, at, log_prob)[at[0]]
    out["gradient.kl"] = gradients(peer, CORRUPTED, at, kl)[at[0]]


@torch.no_grad()
def cached(peer, tokens):
    return peer.run_with_cache(torch.tensor([tokens]))


@torch.no_grad()
def patches(peer, out):
    _, clean = cached(peer, CLEAN)
    tokens = torch.tensor([CORRUPTED])
    p = len(CLEAN)
    for site in ["hook_resid_pre", "hook_attn_out", "hook_mlp_out"]:
        grid = torch.zeros(3, p, dtype=F64)
        for layer in range(3):
            point = f"blocks.{layer}.{site}"
            for position in range(p):

                def patch(x, hook):
                    x = x.clone()
                    x[:, position] = clean[point][:, position]
                    return x

                grid[layer, position] = metric(peer.run_with_hooks(tokens, fwd_hooks=[(point, patch)]))[0]
        out[f"patch.{site}"] = grid
    heads = torch.zeros(3, 4, dtype=F64)
    for layer in range(3):
        point = f"blocks.{layer}.attn.hook_z"
        for head in range(4):

            def patch(x, hook):
                x = x.clone()
                x[:, :, head] = clean[point][:, :, head]
                return x

            heads[layer, head] = metric(peer.run_with_hooks(tokens, fwd_hooks=[(point, patch)]))[0]
    out["patch.heads"] = heads


def features(peer, placed, out):
    """Of the standard SAE: patching, attribution patching, integrated gradients, ablation by gradient and exactly."""
    at = placed["standard"]
    sae, point = at.sae, at.read
    with torch.no_grad():
        clean_logits, clean = cached(peer, CLEAN)
        corrupted_logits, corrupted = cached(peer, CORRUPTED)
        x, y = clean[point], corrupted[point]
        f, g = sae.encode(x), sae.encode(y)
        error_x, error_y = x - sae.decode(f), y - sae.decode(g)
        out["metric"] = torch.stack([metric(clean_logits)[0], metric(corrupted_logits)[0]])
        out["log_probs"] = torch.stack([clean_logits[0, -1].log_softmax(-1), corrupted_logits[0, -1].log_softmax(-1)])
        patched = torch.zeros(D_SAE, dtype=F64)
        ablated = torch.zeros(len(CLEAN), D_SAE, dtype=F64)
        for i in range(D_SAE):

            def patch(z, hook):
                return z + (f - g)[..., i : i + 1] * sae.W_dec[i]

            patched[i] = metric(peer.run_with_hooks(torch.tensor([CORRUPTED]), fwd_hooks=[(point, patch)]))[0]
            for position in range(len(CLEAN)):
                if f[0, position, i] == 0:
                    continue

                def ablate(z, hook):
                    z = z.clone()
                    z[:, position] = z[:, position] - f[0, position, i] * sae.W_dec[i]
                    return z

                logits = peer.run_with_hooks(torch.tensor([CLEAN]), fwd_hooks=[(point, ablate)])
                ablated[position, i] = metric(clean_logits)[0] - metric(logits)[0]
        out["feature.patched"] = patched
        out["feature.ablated"] = ablated
        out["feature.clean"], out["feature.corrupted"] = f[0], g[0]
    gradient = gradients(peer, CORRUPTED, [point], metric)[point]
    out["feature.atp"] = (f - g)[0] * (gradient @ sae.W_dec.T)
    out["feature.atp_error"] = ((error_x - error_y)[0] * gradient).sum(-1)
    gradient = gradients(peer, CLEAN, [point], metric)[point]
    out["feature.gradient"] = f[0] * (gradient @ sae.W_dec.T)
    out["feature.gradient_error"] = (error_x[0] * gradient).sum(-1)
    for n in (8, 32):
        for name, start in (("corrupted", y), ("zero", torch.zeros_like(x))):
            total = 0
            for k in range(n):
                alpha = (k + 0.5) / n
                z = (start + alpha * (x - start)).detach().requires_grad_(True)
                logits = peer.run_with_hooks(torch.tensor([CLEAN]), fwd_hooks=[(point, lambda _, hook, z=z: z)])
                metric(logits).sum().backward()
                total = total + z.grad[0] / n
            base = g if name == "corrupted" else torch.zeros_like(g)
            base_error = error_y if name == "corrupted" else -sae.b_dec.expand_as(error_x) * 0
            out[f"feature.ig{n}.{name}"] = (f - base)[0] * (total @ sae.W_dec.T)
            out[f"feature.ig{n}.{name}_error"] = ((error_x - base_error)[0] * total).sum(-1)
            out[f"feature.ig{n}.{name}_total"] = ((x - start)[0] * total).sum(-1)
            with torch.no_grad():
                there = peer.run_with_hooks(torch.tensor([CLEAN]), fwd_hooks=[(point, lambda _, hook: start)])
                out[f"feature.ig.{name}_start"] = metric(there)


@torch.no_grad()
def direct(peer, placed, out):
    logits, cache = cached(peer, CLEAN)
    final = cache["blocks.2.hook_resid_post"][0, -1]
    scale = (final.pow(2).mean() + peer.cfg.eps).sqrt()
    direction = peer.ln_final.w * (peer.W_U[:, ANSWER] - peer.W_U[:, AGAINST]) / scale
    parts = [cache["hook_embed"][0, -1]]
    for layer in range(3):
        parts += [cache[f"blocks.{layer}.hook_attn_out"][0, -1], cache[f"blocks.{layer}.hook_mlp_out"][0, -1]]
    out["dla"] = torch.stack(parts) @ direction
    assert abs(out["dla"].sum() - metric(logits)[0]) < 1e-9
    out["dla.heads"] = torch.stack(
        [
            torch.einsum("hd,hdm->hm", cache[f"blocks.{layer}.attn.hook_z"][0, -1], peer.W_O[layer]) @ direction
            for layer in range(3)
        ]
    )
    at = placed["standard"]
    f = at.sae.encode(cache[at.read])[0, -1]
    out["dla.features"] = f * (at.sae.W_dec @ direction)
    error = cache[at.read][0, -1] - at.sae.decode(f[None, None])[0, 0]
    out["dla.error"] = (error @ direction)[None]
    out["dla.b_dec"] = (at.sae.b_dec @ direction)[None]


@torch.no_grad()
def lens(peer, out):
    logits, cache = cached(peer, CLEAN)
    rows = [cache[f"blocks.{layer}.hook_resid_pre"][0] for layer in range(3)] + [cache["blocks.2.hook_resid_post"][0]]
    rows = torch.stack(rows)
    normed = rows / (rows.pow(2).mean(-1, keepdim=True) + peer.cfg.eps).sqrt() * peer.ln_final.w
    out["lens"] = (normed @ peer.W_U).log_softmax(-1)
    assert (out["lens"][-1] - logits[0].log_softmax(-1)).abs().max() < 1e-9


def main():
    shutil.rmtree(OUT, ignore_errors=True)
    peer = write_model()
    placed = {name: Placed(name, write_sae(name)) for name in SAES}
    out = {}
    steered(peer, placed, out)
    gradient_goldens(peer, out)
    patches(peer, out)
    features(peer, placed, out)
    direct(peer, placed, out)
    lens(peer, out)
    save_file({key: value.detach().float().contiguous() for key, value in out.items()}, OUT / "expected.safetensors")
    cases = {
        name: {"saes": [{"sae": sae, "edits": edits} for sae, edits in saes], "error_term": error_term, "positions": positions}
        for name, (saes, error_term, positions) in STEERED.items()
    }
    settings = {"clean": CLEAN, "corrupted": CORRUPTED, "answer": ANSWER, "against": AGAINST, "steered": cases, "versions": VERSIONS}
    (OUT / "settings.json").write_text(json.dumps(settings, indent=1) + "\n")


if __name__ == "__main__":
    main()
