"""A contrast of two sets of prompts as it is done by hand: TransformerLens, SAELens, numpy and scipy. Beside `sae contrast` on the same files.

    contrast.py MODEL RUN A.txt B.txt [CONTRAST.csv]

Means, frequencies, Cohen's d, AUROC, Welch's t with q, and a permutation p of every feature that fires; prompts go through the model 16 at a time,
padded at the right, up to the SAE's hook; the BOS at position 0 and padding are left out of the maximum. Prints one line of JSON: seconds from start to
finish, and peak memory. With `contrast.csv` of `sae contrast`, also the largest differences of its figures, relative to the largest value of a column.

f32 on the CPU, two threads. Written for torch 2.11.0, transformers 5.24, transformer-lens 3.9.0, sae-lens 6.54.12, scipy 1.17.
"""

import time

BEGIN = time.perf_counter()
import csv
import json
import resource
import sys
from pathlib import Path

import numpy as np
import torch
from sae_lens import SAE
from scipy import stats
from transformers import AutoTokenizer

from theirs import hooked

BATCH, PERMUTATIONS, MIN_FIRED = 16, 1000, 5
torch.set_num_threads(2)


def lines(path):
    return [line for line in open(path, encoding="utf-8").read().split("\n") if line.strip()]


@torch.no_grad()
def maxima(model, sae, tokenizer, prompts):
    """The maximum of each feature over each prompt, `[prompts, d_sae]`."""
    hook = sae.cfg.metadata.hook_name
    layer = int(hook.split(".")[1]) + 1
    ids = [[tokenizer.bos_token_id, *tokenizer(p, add_special_tokens=False)["input_ids"]] for p in prompts]
    found = []
    for start in range(0, len(ids), BATCH):
        batch = ids[start : start + BATCH]
        longest = max(map(len, batch))
        tokens = torch.tensor([row + [0] * (longest - len(row)) for row in batch])
        _, cache = model.run_with_cache(tokens, names_filter=hook, stop_at_layer=layer, return_type=None, prepend_bos=False)
        features = sae.encode(cache[hook])
        for row, length in enumerate(map(len, batch)):
            found.append(features[row, 1:length].max(dim=0).values.numpy())
    return np.stack(found)


def statistics(x, n_a):
    n_b = len(x) - n_a
    a, b = x[:n_a].astype(np.float64), x[n_a:].astype(np.float64)
    fires = (x != 0).any(axis=0)
    pooled = np.sqrt(((n_a - 1) * a.var(0, ddof=1) + (n_b - 1) * b.var(0, ddof=1)) / (n_a + n_b - 2))
    with np.errstate(all="ignore"):
        d = (a.mean(0) - b.mean(0)) / pooled
        t, p = stats.ttest_ind(a, b, equal_var=False)
    ranks = stats.rankdata(x, axis=0)
    auroc = (ranks[:n_a].sum(0) - n_a * (n_a + 1) / 2) / (n_a * n_b)
    tested = fires & ((x != 0).sum(0) >= MIN_FIRED) & np.isfinite(p)
    q = np.full(x.shape[1], np.nan)
    q[tested] = stats.false_discovery_control(p[tested])
    rng = np.random.default_rng(0)
    wide, reach = x.astype(np.float64), np.abs(a.mean(0) - b.mean(0)) * (1 - 1e-12)
    as_far = np.zeros(x.shape[1])
    for _ in range(PERMUTATIONS):
        order = rng.permutation(len(x))
        as_far += np.abs(wide[order[:n_a]].mean(0) - wide[order[n_a:]].mean(0)) >= reach
    figures = {
        "mean_a": a.mean(0), "mean_b": b.mean(0), "freq_a": (a != 0).mean(0), "freq_b": (b != 0).mean(0),
        "cohens_d": d, "auroc": auroc, "t": t, "p": p, "q": q,
    }  # fmt: skip
    return figures, fires, (1 + as_far) / (1 + PERMUTATIONS)


def differences(path, figures, fires, permuted):
    rows = list(csv.DictReader(open(path, encoding="utf-8", newline="")))
    at = np.array([int(row["feature"]) for row in rows])
    result = {"features_ours": len(rows), "features_theirs": int(fires.sum()), "in_both": int(fires[at].sum())}
    both = fires[at]
    for name, theirs in figures.items():
        ours = np.array([float(row[name]) if row[name] else np.nan for row in rows])[both]
        theirs = theirs[at][both]
        known = np.isfinite(ours) & np.isfinite(theirs)
        result[name] = float(np.abs(ours - theirs)[known].max() / np.abs(theirs[known]).max())
    ours = np.array([float(row["p_permutation"]) for row in rows])[both]
    result["p_permutation (other draws)"] = float(np.abs(ours - permuted[at][both]).max())
    return result


def main():
    model_path, run, file_a, file_b, *table = sys.argv[1:]
    prompts_a, prompts_b = lines(file_a), lines(file_b)
    tokenizer = AutoTokenizer.from_pretrained(model_path)
    model, sae = hooked(model_path), SAE.load_from_disk(run if (Path(run) / "cfg.json").exists() else str(Path(run) / "final_sae"), device="cpu")
    loaded = time.perf_counter()
    x = maxima(model, sae, tokenizer, prompts_a + prompts_b)
    ran = time.perf_counter()
    figures, fires, permuted = statistics(x, len(prompts_a))
    end = time.perf_counter()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    result = {"seconds": end - BEGIN, "load_s": loaded - BEGIN, "run_s": ran - loaded, "statistics_s": end - ran, "peak_mb": peak / 1e6}
    if table:
        result["differences"] = differences(table[0], figures, fires, permuted)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
