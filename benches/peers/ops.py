"""torch's times for what `cargo bench -p sae-benches --bench ops` measures: f32, two threads, medians in milliseconds.

    python benches/peers/ops.py
"""

import statistics
import time

import torch

torch.set_num_threads(2)
torch.set_grad_enabled(False)
TOKENS, D, D_MLP, VOCAB, D_SAE = 1024, 576, 1536, 49152, 4608


def measure(name, work):
    work()
    times = []
    while len(times) < 10 or sum(times) < 2:
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    print(f"{name:24} {1e3 * statistics.median(times):8.3f} ms", flush=True)


for name, n_in, n_out in [
    ("attention_576x576", D, D),
    ("up_576x1536", D, D_MLP),
    ("down_1536x576", D_MLP, D),
    ("unembed_576x3072", D, 3072),
    ("encode_576x4608", D, D_SAE),
]:
    x, w = torch.randn(TOKENS, n_in), torch.randn(n_out, n_in)
    measure(f"linear/{name}", lambda: torch.nn.functional.linear(x, w))
gate, up = torch.randn(TOKENS, D_MLP), torch.randn(TOKENS, D_MLP)
measure("silu_mul", lambda: torch.nn.functional.silu(gate) * up)
x, w = torch.randn(TOKENS, D), torch.randn(D)
measure("rms_norm", lambda: w * (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-5)))
q, k, v = (torch.randn(4, heads, 256, 64) for heads in (9, 3, 3))
measure(
    "attention",
    lambda: torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True),
)
normed, unembedding, targets = torch.randn(TOKENS, D), torch.randn(VOCAB, D) / 24, torch.arange(TOKENS)
measure("cross_entropy", lambda: torch.nn.functional.cross_entropy(normed @ unembedding.T, targets, reduction="none"))
features, w_dec = torch.relu(torch.randn(TOKENS, D_SAE)), torch.randn(D_SAE, D)
measure("decode_60_of_4608", lambda: features @ w_dec)
