"""What bf16 costs by PyTorch on the CPU: logits of the demo's model in f32 and in bf16, at some entries of the vocabulary.

Made with torch 2.11.0 and transformers 5.24.0; tokens by the seed below. The test holds our error to PyTorch's.
"""

from importlib.metadata import version
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import LlamaForCausalLM

HERE = Path(__file__).parent
OUT = HERE / "data" / "bf16"
BATCH, POSITIONS, SEED = 3, 40, 11
# Every so many entries of the vocabulary.
STEP = 32


def main():
    torch.manual_seed(SEED)
    torch.set_grad_enabled(False)
    folder = HERE.parent.parent / "demo" / "model"
    tokens = None
    tensors = {}
    for name, dtype in [("f32", torch.float32), ("bf16", torch.bfloat16)]:
        model = LlamaForCausalLM.from_pretrained(folder, dtype=dtype).eval()
        if tokens is None:
            tokens = torch.randint(3, model.config.vocab_size, (BATCH, POSITIONS))
        logits = model(tokens).logits
        assert logits.dtype == dtype
        tensors[f"{name}.logits"] = logits[..., ::STEP].contiguous()
        wide = logits.float()
        losses = torch.nn.functional.cross_entropy(wide[:, :-1].reshape(-1, wide.shape[-1]), tokens[:, 1:].reshape(-1), reduction="none")
        tensors[f"{name}.losses"] = losses.reshape(BATCH, POSITIONS - 1)
    tensors["tokens"] = tokens
    OUT.mkdir(parents=True, exist_ok=True)
    versions = {name: version(name) for name in ("torch", "transformers")}
    save_file(tensors, OUT / "demo.safetensors", metadata={**versions, "seed": str(SEED), "step": str(STEP)})
    error = (tensors["bf16.logits"].float() - tensors["f32.logits"]).square().mean().sqrt()
    print(f"root mean square: logits {tensors['f32.logits'].square().mean().sqrt():.4f}, error of bf16 {error:.5f}")


main()
