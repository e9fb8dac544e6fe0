"""Writes data/llama.json anew: every release for a Llama in SAELens' table of published SAEs.

    python releases/make/table.py [pretrained_saes.yaml]

Needs PyYAML, and, where no file is given, sae-lens. Written with sae-lens 6.54.12. What each line holds, README.md says.
"""

import importlib.metadata
import importlib.resources
import json
import re
import sys
from pathlib import Path

import yaml

# SAELens' names of its own loaders, and the formats they load.
FORMATS = {
    None: "saelens",
    "llama_scope": "llama_scope",
    "llama_scope_r1_distill": "open_moss",
    "dictionary_learning_1": "dictionary_learning",
    "goodfire": "goodfire",
    "deepseek_r1": "qresearch",
    "temporal": "temporal",
}


def natural(text: str) -> list:
    """Layer 2 before layer 10."""
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", text)]


def main() -> None:
    if len(sys.argv) > 1:
        source, text = Path(sys.argv[1]).name, Path(sys.argv[1]).read_text()
    else:
        source = f"pretrained_saes.yaml of sae-lens {importlib.metadata.version('sae-lens')}"
        text = (importlib.resources.files("sae_lens") / "pretrained_saes.yaml").read_text()
    releases = []
    for name, release in sorted(yaml.safe_load(text).items(), key=lambda item: natural(item[0])):
        if "llama" not in f"{name} {release['model']}".lower():
            continue
        saes = []
        for sae in sorted(release["saes"], key=lambda sae: natural(sae["id"])):
            entry = {"id": sae["id"], "path": sae["path"]}
            for key, ours in (("neuronpedia", "neuronpedia"), ("l0", "l0"), ("variance_explained", "explained_variance")):
                if sae.get(key) is not None:
                    entry[ours] = sae[key]
            saes.append(entry)
        releases.append(
            {
                "release": name,
                "repo_id": release["repo_id"],
                "model": release["model"],
                "format": FORMATS[release["conversion_func"]],
                "saes": saes,
            }
        )
    # A line an SAE, so that what changes can be read.
    n_saes = sum(len(release["saes"]) for release in releases)
    lines = [f'{{"source": {json.dumps(source)}, "releases": [']
    for at, release in enumerate(releases):
        saes = release.pop("saes")
        lines.append(json.dumps(release)[:-1] + ', "saes": [')
        lines += [json.dumps(sae) + ("," if i + 1 < len(saes) else "") for i, sae in enumerate(saes)]
        lines.append("]}" + ("," if at + 1 < len(releases) else ""))
    lines.append("]}")
    out = Path(__file__).parent.parent / "data" / "llama.json"
    out.write_text("\n".join(lines) + "\n")
    print(f"{len(releases)} releases, {n_saes} SAEs: {out}")


if __name__ == "__main__":
    main()
