"""Goldens of several SAEs in one model: the demo's SAE at three hooks at once, each on what those below have left.

Writes data/several/figures.json: rows of tokens, and for each hook alone, for all together and for zeros at all, the mean next-token loss and
the mean KL divergence from the model as it is. Tokens 0 and 1 (BOS, EOS) keep their activation and count in nothing, but zeros are everywhere.
The model is transformers', edited by torch hooks; the SAE is SAELens'; both in f64.

Made with torch 2.11.0, transformers 5.24.0, sae-lens 6.54.12; the rows are drawn with seed 30.
"""

import json
from importlib.metadata import version
from pathlib import Path

import torch
from sae_lens import SAE
from transformers import AutoModelForCausalLM

SEED, ROWS, CONTEXT = 30, 3, 24
MASKED = [0, 1]
HERE = Path(__file__).parent
DEMO, OUT = HERE.parent.parent / "demo", HERE / "data" / "several"
HOOKS = ["blocks.1.hook_resid_pre", "blocks.2.hook_resid_pre", "blocks.3.hook_mlp_out"]


def edited(model, tokens, hooks, edit):
    """Log-probabilities with the activation at each hook replaced by edit(activation)."""
    handles = []
    for name in hooks:
        layer = model.model.layers[int(name.split(".")[1])]
        if name.endswith("resid_pre"):
            handles.append(layer.register_forward_pre_hook(lambda _, args: (edit(args[0]), *args[1:])))
        else:
            handles.append(layer.mlp.register_forward_hook(lambda _, __, output: edit(output)))
    try:
        return model(tokens).logits.log_softmax(-1)
    finally:
        for handle in handles:
            handle.remove()


@torch.no_grad()
def main() -> None:
    model = AutoModelForCausalLM.from_pretrained(DEMO / "model", dtype=torch.float64).eval()
    sae = SAE.load_from_disk(DEMO / "run" / "final_sae").double()
    generator = torch.Generator().manual_seed(SEED)
    tokens = torch.randint(2, model.config.vocab_size, (ROWS, CONTEXT), generator=generator)
    tokens[:, 0] = 0
    tokens[1, 11] = 1
    kept = ~torch.isin(tokens, torch.tensor(MASKED))
    original = model(tokens).logits.log_softmax(-1)

    def figures(log_q):
        ce = -log_q[:, :-1].gather(-1, tokens[:, 1:, None])[..., 0]
        kl = (original.exp() * (original - log_q)).sum(-1)
        return {"ce": ce[kept[:, :-1]].mean().item(), "kl": kl[kept].mean().item()}

    def splice(x):
        return torch.where(kept[..., None], sae.decode(sae.encode(x)), x)

    result = {
        "versions": {name: version(name) for name in ("torch", "transformers", "sae-lens")},
        "tokens": tokens.tolist(),
        "masked": MASKED,
        "hooks": HOOKS,
        "original": figures(original),
        "alone": [figures(edited(model, tokens, [hook], splice)) for hook in HOOKS],
        "together": figures(edited(model, tokens, HOOKS, splice)),
        "zeroed": figures(edited(model, tokens, HOOKS, torch.zeros_like)),
        "only_mlp_zeroed": figures(edited(model, tokens, HOOKS[2:], torch.zeros_like)),
    }
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / "figures.json").write_text(json.dumps(result, indent=1) + "\n")


main()
