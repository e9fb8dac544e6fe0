"""Goldens of the crate sae-bench: SAEBench's sparse probing, TPP and SCR on small random activations, by SAEBench's own functions.

Writes data/saebench/probes.json: of each class of texts the means over tokens that SAEBench makes of activations and features, the SAE's decoder and its
features of zeros, SAEBench's results, and every draw that torch made on the way, in order: `["p", permutation]` of torch.randperm and `["u", weights, bias]`
of a new probe. A test that repeats the draws must get the same.

Made with sae-bench 0.6.0, torch 2.11.0, sae-lens 6.54.12, scikit-learn 1.9.1; seed 61.
"""

import json
import os
from importlib.metadata import version
from pathlib import Path

# Its checks of shapes mix up the two sets of a probe with the versions below.
os.environ["JAXTYPING_DISABLE"] = "1"

import torch
from sae_bench.evals.scr_and_tpp import main as perturbation
from sae_bench.evals.sparse_probing import probe_training
from sae_bench.sae_bench_utils import activation_collection as collection
from sae_lens import StandardSAE, StandardSAEConfig

SEED = 61
N_TRAIN, N_TEST, LENGTH, D_MODEL, D_SAE = 40, 24, 6, 8, 64
KS, NS = [1, 2, 5], [2, 5, 10]
# SAEBench's is 0.001, with which so few texts teach a probe nothing.
LR = 2e-2
OUT = Path(__file__).parent / "data" / "saebench"
DRAWS: list = []


def record() -> None:
    """Keeps what torch draws."""
    randperm, begin = torch.randperm, probe_training.Probe.__init__

    def recorded(n, *args, **kwargs):
        drawn = randperm(n, *args, **kwargs)
        DRAWS.append(["p", drawn.tolist()])
        return drawn

    def begun(self, *args, **kwargs):
        begin(self, *args, **kwargs)
        DRAWS.append(["u", self.net.weight.detach().flatten().tolist(), self.net.bias.detach().tolist()])

    torch.randperm, probe_training.Probe.__init__ = recorded, begun


def watch_margins() -> None:
    """sklearn stops where its gradient is 1e-4, so that a text on the border may fall on either side; there must be none."""
    fit = probe_training.train_sklearn_probe

    def watched(train_inputs, train_labels, test_inputs, test_labels, **kwargs):
        probe, accuracy = fit(train_inputs, train_labels, test_inputs, test_labels, **kwargs)
        margin = abs(probe.decision_function(test_inputs.numpy())).min()
        assert margin > 1e-3, f"another seed: a text has a score of {margin}"
        return probe, accuracy

    probe_training.train_sklearn_probe = watched


def drawn() -> list:
    taken = DRAWS.copy()
    DRAWS.clear()
    return taken


def small_sae(generator) -> StandardSAE:
    sae = StandardSAE(StandardSAEConfig(d_in=D_MODEL, d_sae=D_SAE, dtype="float32", device="cpu"))
    with torch.no_grad():
        directions = torch.nn.functional.normalize(torch.randn(D_SAE, D_MODEL, generator=generator), dim=1)
        sae.W_dec.copy_(directions)
        sae.W_enc.copy_(directions.T + 0.1 * torch.randn(D_MODEL, D_SAE, generator=generator))
        # Some features fire on zeros.
        sae.b_enc.copy_(0.4 * torch.randn(D_SAE, generator=generator))
        sae.b_dec.copy_(0.1 * torch.randn(D_MODEL, generator=generator))
    return sae.eval()


def texts(n, centre, generator):
    acts = centre + 0.8 * torch.randn(n, 1, D_MODEL, generator=generator) + 0.5 * torch.randn(n, LENGTH, D_MODEL, generator=generator)
    # The first position is BOS; some texts are shorter.
    acts[:, 0] = 0
    for row, length in enumerate(torch.randint(3, LENGTH + 1, (n,), generator=generator)):
        acts[row, length:] = 0
    return acts


def pooled(acts, sae):
    """What the crate is given of the texts of each class."""
    means = collection.create_meaned_model_activations(acts)
    features = collection.get_sae_meaned_activations(acts, sae, 16)
    counted = {name: (of.sum(-1) != 0).sum(-1) for name, of in acts.items()}
    return {
        name: {
            "activations": means[name].tolist(),
            "features": [[[i, v] for i, v in enumerate(row) if v != 0] for row in features[name].tolist()],
            "left_out": ((LENGTH - counted[name]) / counted[name]).tolist(),
        }
        for name in acts
    }


def probing(train, test, sae):
    """As `run_eval_single_dataset` of sparse probing goes on, once it has activations."""
    train_means, test_means = map(collection.create_meaned_model_activations, (train, test))
    on_all = {"select_top_k": None, "use_sklearn": False, "batch_size": 250, "epochs": 100, "lr": 1e-2}
    results = {"llm_test_accuracy": probe_training.train_probe_on_activations(train_means, test_means, **on_all)[1]}
    fitted = {}
    for k in KS:
        _, results[f"llm_top_{k}"] = probe_training.train_probe_on_activations(train_means, test_means, select_top_k=k)
    train_f, test_f = (collection.get_sae_meaned_activations(acts, sae, 16) for acts in (train, test))
    results["sae_test_accuracy"] = probe_training.train_probe_on_activations(train_f, test_f, **on_all)[1]
    for k in KS:
        probes, results[f"sae_top_{k}"] = probe_training.train_probe_on_activations(train_f, test_f, select_top_k=k)
        # Of one class, the coefficients as well, in the order of the features.
        fitted[str(k)] = {"weights": probes["a"].coef_[0].tolist(), "intercept": probes["a"].intercept_.tolist()}
    return {"results": results, "fitted": fitted, "draws": drawn()}


HOW = {
    "select_top_k": None, "use_sklearn": False, "batch_size": 16, "epochs": 20, "lr": LR, "early_stopping_patience": 20, "l1_penalty": 1e-3,
}  # fmt: skip


def tpp(train, test, sae):
    classes = list(train)
    train_means, test_means = map(collection.create_meaned_model_activations, (train, test))
    probes, _ = probe_training.train_probe_on_activations(train_means, test_means, **HOW)
    torch.set_grad_enabled(False)
    clean = perturbation.get_probe_test_accuracy(probes, classes, test_means, 500, False)
    effects = perturbation.get_all_node_effects_for_one_sae(sae, probes, classes, False, train, 16)
    # Of effects of 0 torch takes any; there must be enough others.
    assert all((of > 0).sum() >= max(NS) for of in effects.values())
    ablated = perturbation.perform_feature_ablations(probes, sae, 16, test, effects, NS, classes, 500, False)
    overall, per_class = perturbation.create_tpp_plotting_dict(ablated, clean)
    torch.set_grad_enabled(True)
    return {
        "clean": clean, "overall": overall, "classes": per_class, "draws": drawn(),
        "probes": {name: probes[name].net.weight.flatten().tolist() for name in classes},
    }  # fmt: skip


def scr(train, test, sae):
    names = list(perturbation.dataset_info.PAIRED_CLASS_KEYS)
    train_means, test_means = map(collection.create_meaned_model_activations, (train, test))
    probes = {}
    for name in names:
        # As `train_probe_on_activations` does, for the three that are used later.
        fit, fit_labels = probe_training.prepare_probe_data(train_means, name, True)
        held, held_labels = probe_training.prepare_probe_data(test_means, name, True)
        probes[name], _ = probe_training.train_probe_gpu(
            fit, fit_labels, held, held_labels, dim=D_MODEL, batch_size=16, epochs=20, lr=LR, early_stopping_patience=20, l1_penalty=1e-3
        )
    draws = drawn()
    torch.set_grad_enabled(False)
    clean = perturbation.get_probe_test_accuracy(probes, names, test_means, 500, True)
    effects = perturbation.get_all_node_effects_for_one_sae(sae, probes, names, True, train, 16)
    ablated = perturbation.perform_feature_ablations(probes, sae, 16, test, effects, NS, names, 500, True)
    torch.set_grad_enabled(True)
    # What is drawn after training changes the order of texts alone.
    drawn()
    return {"clean": clean, "results": perturbation.get_scr_plotting_dict(ablated, clean), "draws": draws}


def main() -> None:
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(SEED)
    sae = small_sae(generator)
    centres = 0.7 * torch.randn(3, D_MODEL, generator=generator)
    classes = {
        split: {name: texts(n, centre, generator) for name, centre in zip("abc", centres)}
        for split, n in (("train", N_TRAIN), ("test", N_TEST))
    }
    # Two properties: a direction for each, the second the stronger.
    first, second = 0.5 * torch.randn(D_MODEL, generator=generator), 0.8 * torch.randn(D_MODEL, generator=generator)
    paired = {}
    for split, n in (("train", N_TRAIN), ("test", N_TEST)):
        both = lambda a, b, n=n: texts(n, a * first + b * second, generator)
        paired[split] = {
            "male / female": torch.cat([both(1, 1, n // 2), both(-1, 1, n // 2)]),
            "female_data_only": torch.cat([both(1, -1, n // 2), both(-1, -1, n // 2)]),
            "professor / nurse": torch.cat([both(1, 1, n // 2), both(1, -1, n // 2)]),
            "nurse_data_only": torch.cat([both(-1, 1, n // 2), both(-1, -1, n // 2)]),
            "male_professor / female_nurse": both(1, 1),
            "female_nurse_data_only": both(-1, -1),
        }
    torch.manual_seed(SEED)
    record()
    watch_margins()
    golden = {
        "versions": {name: version(name) for name in ("sae-bench", "torch", "sae-lens", "scikit-learn")},
        "d_model": D_MODEL,
        "d_sae": D_SAE,
        "w_dec": sae.W_dec.tolist(),
        "at_zero": sae.encode(torch.zeros(1, D_MODEL))[0].tolist(),
        "ks": KS,
        "ns": NS,
        "lr": LR,
        "classes": {split: pooled(of, sae) for split, of in classes.items()},
        "paired": {split: pooled(of, sae) for split, of in paired.items()},
        "sparse_probing": probing(classes["train"], classes["test"], sae),
        "tpp": tpp(classes["train"], classes["test"], sae),
        "scr": scr(paired["train"], paired["test"], sae),
    }
    OUT.mkdir(parents=True, exist_ok=True)
    # Nine digits are all that an f32 has.
    golden = json.loads(json.dumps(golden), parse_float=lambda text: float(f"{float(text):.9g}"))
    assert len(set(golden["scr"]["results"].values())) > 4, "another seed: SCR has nothing to say"
    (OUT / "probes.json").write_text(json.dumps(golden, separators=(",", ":")) + "\n")


main()
