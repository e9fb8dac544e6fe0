"""Goldens for dataset-stream: tokenizers, packing, file formats.

Peers: tokenizers 0.23.3, sae-lens 6.54.12, transformer-lens 3.9.0, transformers 5.24.0, datasets 5.2.0, torch 2.11.0, pyarrow 26.0.1,
safetensors 0.8.0. Seeds: 20 (strings), 21 (packing).

Writes data/text/:
  <name>/tokenizer.json, tokenizer_config.json   four small vocabularies, trained here on the sentences below
  encodings.json     strings, their ids (special tokens parsed, and taken literally), and what the ids decode to
  packing.json       documents and the rows that SAELens makes of them, for many settings
  notebook.json      texts, empty ones among them, and the rows that TransformerLens' tokenize_and_concatenate makes of them
  rows.parquet, dictionary.parquet, ids.parquet, ids.safetensors, rows.json.gz, rows-expected.json
                     the same few rows as the writers that people use lay them out
"""

import gzip
import json
import random
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import torch
from sae_lens.tokenization_and_batching import concat_and_batch_sequences
from safetensors.torch import save_file
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

OUT = Path(__file__).parent / "data" / "text"

SENTENCES = [
    "The lighthouse keeper counted seven ships before the fog rolled in over the harbour.",
    "When John and Mary went to the market, John gave the basket to Mary, and Mary thanked him.",
    "def area(width, height):\n    return width * height\n\nprint(area(3, 4))  # 12\n",
    "In 1969 the river rose by 2.5 metres; in 1970, by 3.75 metres, and nobody was ready.",
    "A baker's dozen isn't twelve, it's thirteen, they'd say, and we'll take their word for it.",
    "Wind and water shape the coast: the sand moves, the cliffs fall, the dunes wander inland.",
    "Größe, naïveté, façade, jalapeño, Überraschung: accents are letters too.",
    "Снег идёт над рекой, и город молчит до утра.",
    "猫は窓のそばで眠っている。雨が静かに降る。",
    "She wrote: \"a map is not the place\", and underlined it twice.",
    "The the the and and of of to to in in that that was was with with over over.",
]

SPECIALS = ["<|begin|>", "<|end|>", "<|pad|>"]

LLAMA3_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def byte_level(pre_tokenizer, *, whole_alphabet: bool = True, ignore_merges: bool = False) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE(ignore_merges=ignore_merges))
    tokenizer.pre_tokenizer = pre_tokenizer
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=600,
        special_tokens=SPECIALS,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet() if whole_alphabet else [],
        show_progress=False,
    )
    tokenizer.train_from_iterator(SENTENCES * 3, trainer)
    # One token that is found in text without being special.
    tokenizer.add_tokens([AddedToken("<tab>", normalized=False)])
    return tokenizer


def sentencepiece() -> Tokenizer:
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    trainer = trainers.BpeTrainer(
        vocab_size=700,
        special_tokens=["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))],
        limit_alphabet=60,
        show_progress=False,
    )
    # The trainer has no word boundaries to go by without a pre-tokenizer: train on words.
    tokenizer.train_from_iterator([word for s in SENTENCES * 3 for word in s.split()], trainer)
    state = json.loads(tokenizer.to_str())
    # The bytes are ordinary entries of the vocabulary, as in converted SentencePiece files.
    state["added_tokens"] = [t for t in state["added_tokens"] if not t["content"].startswith("<0x")]
    return Tokenizer.from_str(json.dumps(state))


def tokenizers() -> dict[str, Tokenizer]:
    gpt2 = byte_level(pre_tokenizers.ByteLevel(add_prefix_space=False))
    llama3 = byte_level(
        pre_tokenizers.Sequence(
            [
                pre_tokenizers.Split(Regex(LLAMA3_SPLIT), behavior="isolated"),
                pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
            ]
        ),
        ignore_merges=True,
    )
    # As SmolLM2's: digits alone, and bytes that the corpus did not have are not in the vocabulary.
    gaps = byte_level(
        pre_tokenizers.Sequence(
            [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
        ),
        whole_alphabet=False,
    )
    return {"gpt2": gpt2, "llama3": llama3, "sentencepiece": sentencepiece(), "gaps": gaps}


def fuzz(rng: random.Random, n: int) -> list[str]:
    """Strings made to hurt: pieces of everything that pre-tokenizers treat differently."""
    words = sorted({word for s in SENTENCES for word in s.split()})
    pieces = [
        *words,
        *SPECIALS, "<s>", "</s>", "<unk>", "<tab>", "<|begin", "|>", "<0x41>", "<0x", "▁", "Ġ",
        " ", "  ", "     ", "\n", "\n\n", "\r\n", "\t", "\u00a0", "\u2003", "\u3000", "\u200b", "\u200d", "\ufeff", "\x00", "\x04", "\x13", "\x7f", "\U00040000", "\U00080001",
        "'s", "'LL", "don't", "I'VE", "1", "12", "123", "1234", "3.14", "½", "٣", "Ⅷ", "１２",
        "é", "e\u0301", "ﬁ", "ß", "İ", "ı", "ñ", "Ω", "ж", "的", "한국어", "العربية", "עברית", "हिन्दी", "ไทย",
        "😀", "👩‍👩‍👧‍👦", "🇩🇪", "🏳️‍🌈", "👍🏽", "\U0010ffff", "\ud7ff", "\ue000", "\ufffd",
        "{", "}", "[]", "()", "...", "—", "“", "”", "!=", "->", "//", "\\n", "\"", "'", "`", "~", "^", "$", "€", "_", "__init__",
    ]
    out = []
    for _ in range(n):
        out.append("".join(rng.choice(pieces) + rng.choice(["", "", " "]) for _ in range(rng.randint(1, 12))))
    return out


def encodings(all_tokenizers: dict[str, Tokenizer], texts: list[str]) -> dict:
    out = {"texts": texts, "tokenizers": {}}
    for name, tokenizer in all_tokenizers.items():
        tokenizer.encode_special_tokens = False
        parsed = [tokenizer.encode(text, add_special_tokens=False).ids for text in texts]
        decoded = [tokenizer.decode(ids, skip_special_tokens=False) for ids in parsed]
        tokenizer.encode_special_tokens = True
        literal = [tokenizer.encode(text, add_special_tokens=False).ids for text in texts]
        out["tokenizers"][name] = {
            "vocab_size": tokenizer.get_vocab_size(),
            "parsed": parsed,
            # Only where it differs: most strings hold no special token.
            "literal": {i: ids for i, ids in enumerate(literal) if ids != parsed[i]},
            "decoded": {i: text for i, text in enumerate(decoded) if text != texts[i]},
        }
    return out


def packing(rng: random.Random) -> list[dict]:
    cases = []
    for _ in range(120):
        # Few distinct ids, so that documents often start with what would be put before them.
        documents = [
            [rng.randint(1, 6) for _ in range(rng.choice([0, 1, 2, 3, 5, 8, 13, 40]))] for _ in range(rng.randint(1, 12))
        ]
        token = lambda: rng.choice([None, None, 1, 2, 9])  # noqa: E731
        settings = {
            "context_size": rng.choice([2, 3, 4, 5, 7, 16]),
            "begin_batch_token_id": token(),
            "begin_sequence_token_id": token(),
            "sequence_separator_token_id": token(),
            "disable_concat_sequences": rng.random() < 0.25,
        }
        rows = concat_and_batch_sequences(iter([torch.tensor(d, dtype=torch.long) for d in documents]), **settings)
        cases.append({"documents": documents, "settings": settings, "rows": [row.tolist() for row in rows]})
    return cases


def notebook() -> list[dict]:
    """The notebook's packing where documents are empty: at the start, at the end, several in a row, all of them."""
    # Here, so that the other goldens can be made without TransformerLens.
    from datasets import Dataset
    from transformer_lens.utilities.tokenize_utils import tokenize_and_concatenate
    from transformers import PreTrainedTokenizerFast

    a, b, c = SENTENCES[0], SENTENCES[3], SENTENCES[9]
    sets = {
        "none": [a, b, c],
        "in the middle": [a, "", b],
        "at the start": ["", a, b],
        "at the end": [a, b, ""],
        "several in a row": ["", "", a, "", "", "", b, "", ""],
        "all": [""] * 24,
        "text that is the BOS token": [f"<|begin|>{a}", "", f"<|begin|>{b}"],
    }
    cases = []
    for name, texts in sets.items():
        for max_length, add_bos in [(4, True), (5, False), (16, True)]:
            tokenizer = PreTrainedTokenizerFast(
                tokenizer_file=str(OUT / "gpt2" / "tokenizer.json"),
                bos_token="<|begin|>", eos_token="<|end|>", pad_token="<|pad|>",
            )
            rows = tokenize_and_concatenate(
                Dataset.from_dict({"text": texts}), tokenizer, max_length=max_length, add_bos_token=add_bos, num_proc=None
            )
            rows = [row.tolist() for row in rows["tokens"]]
            cases.append({"name": name, "texts": texts, "context_size": max_length, "prepend_bos": add_bos, "rows": rows})
    return cases


def files() -> None:
    texts = [*SENTENCES, "", "line\nbreak and \"quotes\" and \\ and \u00e9 \U0001f600"]
    plain = pa.table({"id": list(range(len(texts))), "text": texts, "meta": [{"n": i} for i in range(len(texts))]})
    pq.write_table(plain, OUT / "rows.parquet", row_group_size=5, compression="zstd")
    # What pandas' categories and polars' strings become.
    encoded = pa.table({"text": pa.array(texts).dictionary_encode(), "content": pa.array(texts, pa.large_string())})
    pq.write_table(encoded, OUT / "dictionary.parquet", compression="snappy")
    ids = [[(7 * row + 3 * column) % 500 for column in range(16)] for row in range(9)]
    pq.write_table(pa.table({"input_ids": pa.array(ids, pa.list_(pa.int64()))}), OUT / "ids.parquet")
    save_file({"tokens": torch.tensor(ids, dtype=torch.long)}, OUT / "ids.safetensors")
    (OUT / "rows.json.gz").write_bytes(
        # Two members, cut in the middle of a line, as C4-like files come out of parallel compressors.
        b"".join(
            gzip.compress(part, mtime=0)
            for part in split_in_two("".join(json.dumps({"text": t}) + "\n" for t in texts).encode())
        )
    )
    write("rows-expected.json", {"texts": texts, "ids": ids})


def split_in_two(data: bytes) -> tuple[bytes, bytes]:
    middle = len(data) // 2
    return data[:middle], data[middle:]


def write(name: str, value) -> None:
    (OUT / name).write_text(json.dumps(value, ensure_ascii=False, separators=(",", ":")) + "\n", encoding="utf-8")


def main() -> None:
    OUT.mkdir(parents=True, exist_ok=True)
    trained = tokenizers()
    for name, tokenizer in trained.items():
        folder = OUT / name
        folder.mkdir(exist_ok=True)
        (folder / "tokenizer.json").write_text(tokenizer.to_str() + "\n", encoding="utf-8")
    roles = {"bos_token": "<|begin|>", "eos_token": "<|end|>", "pad_token": {"content": "<|pad|>", "special": True}}
    write("gpt2/tokenizer_config.json", roles)
    write("llama3/tokenizer_config.json", {"tokenizer_class": "PreTrainedTokenizerFast"})
    write("llama3/special_tokens_map.json", roles)
    write("gaps/tokenizer_config.json", roles)
    write("sentencepiece/config.json", {"bos_token_id": 1, "eos_token_id": [2]})
    write("encodings.json", encodings(trained, ["", *SENTENCES, *fuzz(random.Random(20), 500)]))
    write("packing.json", packing(random.Random(21)))
    write("notebook.json", notebook())
    files()
    for path in sorted(OUT.rglob("*")):
        if path.is_file():
            print(f"{path.stat().st_size:8} {path.relative_to(OUT)}")


if __name__ == "__main__":
    main()
