"""Reads what `sae dashboard --format delphi,questions --work WORK --out OUT` wrote, by delphi's own code (eai-delphi 0.1.1), and compares.

    python tests/goldens/delphi_cache.py WORK/log OUT TOKENIZER

Needs delphi's sources on PYTHONPATH, with torch, transformers, safetensors, faiss-cpu, asyncer, simple_parsing, jaxtyping, blobfile and orjson. Neither vLLM nor a GPU:
what delphi imports for its other parts is left empty below.

- `LatentDataset` reads the cache; locations and activations of each latent are those of the activation log, which is read here by its description in docs/formats.md.
- Its constructor makes windows of them; each true question is one of these, of the same quantile, and each false one is none of them.
- Its scorers mark texts; the texts of fuzzing's true questions are the same.
"""

import json
import sys
import types
from collections import defaultdict
from pathlib import Path

import numpy as np
import torch

for name, given in {"sentence_transformers": "SentenceTransformer", "sparsify": "Sae"}.items():
    try:
        __import__(name)
    except ImportError:
        module = types.ModuleType(name)
        setattr(module, given, type(given, (), {}))
        sys.modules[name] = module

import delphi  # noqa: E402

# The folders' own modules import clients of language models.
for name in ["delphi.scorers", "delphi.scorers.classifier"]:
    module = types.ModuleType(name)
    module.__path__ = [str(Path(delphi.__file__).parent.joinpath(*name.split(".")[1:]))]
    sys.modules[name] = module

from delphi.config import ConstructorConfig, SamplerConfig  # noqa: E402
from delphi.latents import LatentDataset  # noqa: E402
from delphi.latents.latents import ActivatingExample  # noqa: E402
from transformers import AutoTokenizer  # noqa: E402

WINDOW = 32
N_QUANTILES = 10
LEAST = 1e-5


def read_log(path):
    """Latent -> (row, position, value)."""
    state = json.loads((path / "log.json").read_text())
    size = state["info"]["context_size"]
    ends = np.fromfile(path / "tokens.bin", "<u4").reshape(-1, size) & 0x7FFFFFFF
    entries = np.fromfile(path / "entries.bin", "<u4").reshape(-1, 2)
    contexts = np.fromfile(path / "contexts.bin", "<u8").reshape(-1, 2)
    values = entries[:, 1].view("<f4")
    found = defaultdict(list)
    for row, (_, first) in enumerate(contexts):
        start = 0
        for position, end in enumerate(ends[row]):
            for at in range(int(first) + start, int(first) + int(end)):
                if values[at] > LEAST:
                    found[int(entries[at, 0])].append((row, position, float(values[at])))
            start = int(end)
    return found


def check_cache(dataset, log):
    read = 0
    for buffer in dataset.buffers:
        for data in buffer:
            locations = data.activation_data.locations.tolist()
            values = data.activation_data.activations.float().tolist()
            expected = log[data.latent.latent_index]
            assert [(row, position) for row, position, _ in locations] == [(r, p) for r, p, _ in expected], data.latent
            # Half a unit in the last place of f16: relative, and below its smallest normal number absolute.
            np.testing.assert_allclose(values, [value for _, _, value in expected], rtol=2**-11, atol=2**-25)
            read += 1
    assert read == len(log), (read, len(log))
    return read


def marked(tokens, activations, tokenizer):
    from delphi.scorers.classifier.sample import examples_to_samples

    example = ActivatingExample(tokens=tokens, activations=activations, str_tokens=[tokenizer.decode([token]) for token in tokens.tolist()])
    return examples_to_samples([example], highlighted=True)[0].text


def check_questions(out, dataset, log, tokenizer):
    questions = [json.loads(line) for line in (out / "questions" / "questions.jsonl").open()]
    examples = [json.loads(line) for line in (out / "questions" / "examples.jsonl").open()]
    context_size = dataset.tokens.shape[1]
    per_row = context_size // WINDOW
    assert context_size % WINDOW == 0, "delphi cuts windows across rows where they do not divide them"
    asked = defaultdict(list)
    for line in questions:
        asked[line["feature"]].append(line)
    shown = defaultdict(set)
    for line in examples:
        shown[line["feature"]].add((line["row"], line["position"]))
    records = {record.latent.latent_index: record for record in dataset}
    compared = texts = 0
    for feature, lines in asked.items():
        maxima = [example.max_activation for example in records[feature].examples]
        of_quantile = len(maxima) // N_QUANTILES
        windows = defaultdict(lambda: torch.zeros(WINDOW))
        for row, position, value in log[feature]:
            if position < per_row * WINDOW:
                windows[row, position // WINDOW * WINDOW][position % WINDOW] = value
        assert len(windows) == len(maxima), feature
        for line in lines:
            place = (line["row"], line["position"])
            assert line["label"] == (place in windows), line
            compared += 1
            if not line["label"]:
                continue
            assert place not in shown[feature], line
            at = line["quantile"]
            most, least = maxima[at * of_quantile], maxima[(at + 1) * of_quantile - 1]
            value = float(windows[place].half().max())
            assert least <= value <= most, (line, least, value, most)
            if line["kind"] == "fuzzing":
                tokens = dataset.tokens[place[0], place[1] : place[1] + WINDOW]
                text = marked(tokens, windows[place], tokenizer)
                if "\ufffd" not in text and "\ufffd" not in line["text"]:
                    assert text == line["text"], (text, line["text"])
                    texts += 1
    return len(asked), compared, texts


def main():
    log_path, out, tokenizer = Path(sys.argv[1]), Path(sys.argv[2]), AutoTokenizer.from_pretrained(sys.argv[3])
    constructor = ConstructorConfig(min_examples=2, n_non_activating=5, example_ctx_len=WINDOW)
    sampler = SamplerConfig(n_examples_train=N_QUANTILES, n_examples_test=N_QUANTILES, n_quantiles=N_QUANTILES)
    dataset = LatentDataset(out / "delphi", sampler, constructor, tokenizer=tokenizer)
    log = read_log(log_path)
    print("latents as in the log:", check_cache(dataset, log))
    print("features asked about, questions, texts of fuzzing as delphi marks them:", *check_questions(out, dataset, log, tokenizer))


if __name__ == "__main__":
    main()
