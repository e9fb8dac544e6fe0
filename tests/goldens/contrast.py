"""Goldens of contrasts: scipy's tests, statsmodels' correction, scikit-learn's logistic regression and AUROC, on made-up sparse values.

Writes data/contrast/golden.json: for each case the values of each feature in each prompt that are not zero, and the statistics of each feature;
p-values of t over a wide range; and fits of logistic regressions. The values are f32, the statistics f64.

Made with numpy, scipy, statsmodels and scikit-learn of the versions that it writes into the file; seed 11.
"""

import json
from importlib.metadata import version
from pathlib import Path

import numpy as np
from scipy import stats
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from statsmodels.stats.multitest import multipletests

SEED = 11
OUT = Path(__file__).parent / "data" / "contrast"
rng = np.random.default_rng(SEED)


def number(x):
    return float(x) if np.isfinite(x) else None


def values(n_a, n_b, features):
    """Sparse columns: some shifted, some alike, some rounded so that there are ties, one negative, one constant, one in a only."""
    x = np.zeros((n_a + n_b, features), dtype=np.float32)
    for f in range(features):
        share = rng.uniform(0.05, 1.0)
        on = rng.random(n_a + n_b) < share
        column = rng.gamma(2.0, 1.0, n_a + n_b) + (f % 5 == 0) * np.r_[np.full(n_a, 1.5), np.zeros(n_b)]
        x[:, f] = np.where(on, column, 0)
        if f % 4 == 1:
            x[:, f] = np.round(x[:, f])
    x[:, 2] *= -1
    x[:, 3] = 1.25
    x[n_a:, 4] = 0
    x[:, 6] = 0
    x[1, 6] = 0.5
    x[:, 7] = 0
    return x


def case(name, n_a, n_b, paired, min_fired):
    x = values(n_a, n_b, 40)
    rows = []
    for f in range(x.shape[1]):
        a, b = x[:n_a, f].astype(np.float64), x[n_a:, f].astype(np.float64)
        if not a.any() and not b.any():
            continue
        pooled = np.sqrt(((n_a - 1) * a.var(ddof=1) + (n_b - 1) * b.var(ddof=1)) / (n_a + n_b - 2))
        d = (a.mean() - b.mean()) / pooled if pooled > 0 else np.nan
        if paired:
            difference = a - b
            sd = difference.std(ddof=1)
            test = stats.ttest_rel(a, b) if sd > 0 else None
            d_z = difference.mean() / sd if sd > 0 else np.nan
        else:
            varies = a.var() > 0 or b.var() > 0
            test, d_z = (stats.ttest_ind(a, b, equal_var=False) if varies else None), np.nan
        rows.append({
            "feature": f, "mean_a": a.mean(), "mean_b": b.mean(), "sd_a": a.std(ddof=1), "sd_b": b.std(ddof=1),
            "freq_a": (a != 0).mean(), "freq_b": (b != 0).mean(),
            "cohens_d": number(d), "hedges_g": number(d * (1 - 3 / (4 * (n_a + n_b) - 9))), "d_z": number(d_z),
            "auroc": roc_auc_score(np.r_[np.ones(n_a), np.zeros(n_b)], np.r_[a, b]),
            "t": number(test.statistic) if test else None, "df": number(test.df) if test else None,
            "p": number(test.pvalue) if test else None,
        })  # fmt: skip
    tested = [row for row in rows if row["p"] is not None and (x[:, row["feature"]] != 0).sum() >= min_fired]
    for row, q in zip(tested, multipletests([row["p"] for row in tested], method="fdr_bh")[1]):
        row["q"] = float(q)
    prompts = [[[int(f), float(row[f])] for f in np.flatnonzero(row)] for row in x]
    return {"name": name, "n_a": n_a, "n_b": n_b, "paired": paired, "min_fired": min_fired, "d_sae": x.shape[1],
            "n_tested": len(tested), "prompts": prompts, "features": rows}  # fmt: skip


def tails():
    grid = []
    for df in [0.7, 1.0, 2.5, 7.0, 30.3, 198.0, 5000.5, 2e5, 1e7]:
        for t in [1e-6, 0.03, 0.7, 1.96, 5.0, 12.0, 37.0]:
            p = 2 * stats.t.sf(t, df)
            if p > 1e-250:
                grid.append([t, df, float(p)])
    return grid


def permutation():
    """scipy's permutation p with many permutations, as ours draws others: they agree within their spread."""
    x = values(14, 11, 12)
    found = []
    for f in (0, 5, 8, 9, 10):
        a, b = x[:14, f].astype(np.float64), x[14:, f].astype(np.float64)
        test = stats.permutation_test((a, b), lambda a, b, axis: a.mean(axis=axis) - b.mean(axis=axis),
                                      vectorized=True, n_resamples=100_000, rng=np.random.default_rng(SEED))  # fmt: skip
        # Two-sided as |T*| >= |T|, where scipy doubles the smaller tail.
        null = np.abs(test.null_distribution)
        p = (1 + (null >= abs(test.statistic) * (1 - 1e-12)).sum()) / 100_001
        found.append([f, float(p)])
    prompts = [[[int(f), float(row[f])] for f in np.flatnonzero(row)] for row in x]
    return {"n_a": 14, "n_b": 11, "prompts": prompts, "p": found}


def fits():
    found = []
    for n, k, c in [(40, 1, 1.0), (60, 2, 1.0), (80, 5, 1.0), (50, 3, 0.1), (30, 4, 10.0)]:
        x = values(n // 2, n - n // 2, 24)[:, [0, 5, 9, 10, 15][:k]].astype(np.float64)
        y = np.r_[np.ones(n // 2), np.zeros(n - n // 2)]
        fit = LogisticRegression(C=c, tol=1e-10, max_iter=100_000).fit(x, y)
        found.append({"k": k, "c": c, "x": x.tolist(), "y": y.tolist(), "weights": fit.coef_[0].tolist(),
                      "intercept": float(fit.intercept_[0]), "accuracy": float(fit.score(x, y))})  # fmt: skip
    return found


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    golden = {
        "versions": {name: version(name) for name in ["numpy", "scipy", "statsmodels", "scikit-learn"]},
        "seed": SEED,
        "cases": [case("unequal sets", 23, 17, False, 5), case("pairs", 20, 20, True, 4), case("few", 3, 4, False, 1)],
        "tails": tails(),
        "permutation": permutation(),
        "fits": fits(),
    }
    (OUT / "golden.json").write_text(json.dumps(golden, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
