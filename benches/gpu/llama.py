"""A plain Llama and a plain SAE in PyTorch, with random weights: what the binary is measured against on a GPU.

`attention` is "sdpa" (the fused kernel, as transformers runs it) or "eager" (scores and pattern as tensors, as TransformerLens does).
"""

import torch
from torch.nn.functional import cross_entropy, linear, scaled_dot_product_attention, silu

SHAPES = {
    "8b": dict(vocab=128256, d=4096, d_mlp=14336, layers=32, heads=32, kv=8),
    "small": dict(vocab=512, d=64, d_mlp=128, layers=4, heads=4, kv=2),
}
EPS, THETA = 1e-5, 500_000.0


def norm(x, w):
    x32 = x.float()
    return (x32 * torch.rsqrt(x32.pow(2).mean(-1, keepdim=True) + EPS)).to(x.dtype) * w


class Llama:
    def __init__(self, shape, device, dtype, attention):
        self.shape, self.attention = shape, attention
        d, m, dh = shape["d"], shape["d_mlp"], shape["d"] // shape["heads"]
        q, kv = shape["heads"] * dh, shape["kv"] * dh
        generator = torch.Generator(device).manual_seed(0)

        def matrix(out, n_in, scale=None):
            w = torch.empty(out, n_in, device=device, dtype=dtype)
            return w.normal_(0, scale or n_in**-0.5, generator=generator)

        ones = lambda: torch.ones(d, device=device, dtype=dtype)
        self.embedding = matrix(shape["vocab"], d, 1.0)
        self.unembedding = matrix(shape["vocab"], d)
        self.ln = ones()
        self.blocks = [
            dict(ln1=ones(), ln2=ones(), q=matrix(q, d), k=matrix(kv, d), v=matrix(kv, d), o=matrix(d, q),
                 gate=matrix(m, d), up=matrix(m, d), down=matrix(d, m))
            for _ in range(shape["layers"])
        ]
        self.dh = dh

    def rotary(self, p, device):
        inv = THETA ** (-torch.arange(0, self.dh, 2, device=device).float() / self.dh)
        angle = torch.arange(p, device=device).float()[:, None] * inv
        angle = torch.cat([angle, angle], -1)
        return angle.cos(), angle.sin()

    def turn(self, x, cos, sin):
        first, second = x.float().chunk(2, -1)
        return (x.float() * cos + torch.cat([-second, first], -1) * sin).to(x.dtype)

    def attend(self, q, k, v):
        if self.attention == "sdpa":
            return scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
        group = q.shape[1] // k.shape[1]
        k, v = k.repeat_interleave(group, 1), v.repeat_interleave(group, 1)
        scores = (q @ k.transpose(-1, -2)).float() / self.dh**0.5
        future = torch.ones(scores.shape[-2:], device=q.device, dtype=torch.bool).triu(1)
        return scores.masked_fill(future, float("-inf")).softmax(-1).to(q.dtype) @ v

    def run(self, x, layers):
        b, p, _ = x.shape
        cos, sin = self.rotary(p, x.device)
        for w in self.blocks[layers]:
            n = norm(x, w["ln1"])
            q, k, v = (linear(n, w[name]).view(b, p, -1, self.dh).transpose(1, 2) for name in "qkv")
            z = self.attend(self.turn(q, cos, sin), self.turn(k, cos, sin), v)
            x = x + linear(z.transpose(1, 2).reshape(b, p, -1), w["o"])
            n = norm(x, w["ln2"])
            x = x + linear(silu(linear(n, w["gate"])) * linear(n, w["up"]), w["down"])
        return x

    def prefix(self, tokens, layer):
        return self.run(self.embedding[tokens], slice(0, layer))

    def logits(self, x):
        return linear(norm(x, self.ln), self.unembedding)

    def losses(self, x, tokens, rows=1):
        """Row by row: the float32 logits of a batch do not fit beside the model."""
        out = []
        for x, tokens in zip(x.split(rows), tokens.split(rows)):
            out.append(cross_entropy(self.logits(x)[:, :-1].float().flatten(0, 1), tokens[:, 1:].flatten(), reduction="none"))
        return torch.cat(out)

    def evaluate(self, tokens, layer, sae):
        """Losses and KL of the three runs, each from the whole model, as SAELens makes them, a batch at a time."""
        results = []
        for edit in (None, sae, torch.zeros_like):
            x = self.prefix(tokens, layer)
            x = self.run(x if edit is None else edit(x), slice(layer, None))
            results.append(x)
        sums = torch.zeros(5, device=tokens.device, dtype=torch.float64)
        for i in range(len(tokens)):
            logp = [self.logits(x[i : i + 1]).float().log_softmax(-1) for x in results]
            for j, lp in enumerate(logp):
                sums[j] -= lp[:, :-1].gather(-1, tokens[i : i + 1, 1:, None]).double().sum()
            for j, lp in enumerate(logp[1:]):
                sums[3 + j] += (logp[0].exp() * (logp[0] - lp)).double().sum()
        return sums / tokens.numel()


class Sae:
    def __init__(self, d, d_sae, device, dtype):
        self.w_dec = torch.nn.functional.normalize(torch.randn(d_sae, d, device=device), dim=-1).to(dtype)
        self.w_enc = self.w_dec.T.contiguous()

    def __call__(self, x):
        return torch.relu(x @ self.w_enc) @ self.w_dec
