"""What the demo's scripts share: the corpus, its split, and the notebook's packing."""

import json
import random
import re
from pathlib import Path

SEED = 20260101
CONTEXT = 128
BOS, EOS = "<|begin_of_text|>", "<|end_of_text|>"
PROMPT, ANSWER = "And the LORD spake unto", " Moses"
DEMO = Path(__file__).resolve().parent.parent


def chapters(verses: Path) -> list[dict]:
    """One document a chapter, from the output of `bible -f "Gen1:1-Rev22:21"`: a verse a line, its reference first."""
    found: dict[str, list[str]] = {}
    for line in verses.read_text(encoding="utf-8").splitlines():
        if match := re.match(r"(\w+?)(\d+):\d+ (.*)", line):
            found.setdefault(f"{match[1]} {match[2]}", []).append(match[3])
    return [{"text": "\n".join(text), "reference": reference} for reference, text in found.items()]


def split(documents: list[dict], held_out_bytes: int = 330_000) -> tuple[list[dict], list[dict]]:
    """Whole chapters held out at random; the first of all is always trained on."""
    order = list(range(1, len(documents)))
    random.Random(SEED).shuffle(order)
    held, size = set(), 0
    for i in order:
        size += len(documents[i]["text"].encode())
        if size > held_out_bytes:
            break
        held.add(i)
    return [d for i, d in enumerate(documents) if i not in held], [d for i, d in enumerate(documents) if i in held]


def pack(documents: list[dict], tokenizer) -> list[list[int]]:
    """The notebook's packing: EOS between documents, one continuous stream, BOS first in each row, the tail dropped."""
    bos, eos = tokenizer.token_to_id(BOS), tokenizer.token_to_id(EOS)
    stream: list[int] = []
    for i, document in enumerate(documents):
        stream += [eos] if i else []
        stream += tokenizer.encode(document["text"], add_special_tokens=False).ids
    step = CONTEXT - 1
    return [[bos, *stream[i : i + step]] for i in range(0, len(stream) - step + 1, step)]


def bundled_text() -> list[dict]:
    return [json.loads(line) for line in (DEMO / "text/kjv.jsonl").read_text(encoding="utf-8").splitlines()]
