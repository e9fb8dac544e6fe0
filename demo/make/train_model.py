#!/usr/bin/env python3
"""Train the demo's Llama: about a million parameters, on the King James Bible.

usage: train_model.py VERSES.txt [EPOCHS]
VERSES.txt is what `bible -f "Gen1:1-Rev22:21"` prints (Debian packages bible-kjv and bible-kjv-text).
Needs torch 2.11.0, transformers 5.23.0, tokenizers 0.23.3. Writes demo/model and demo/text.
"""

import json
import math
import random
import sys
import time
from collections import Counter

import torch
from common import ANSWER, BOS, CONTEXT, DEMO, EOS, PROMPT, SEED, chapters, pack, split
from pathlib import Path
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM

VOCABULARY, BATCH, PEAK_LR, WEIGHT_DECAY = 2048, 32, 3e-3, 0.1


def train_tokenizer(documents: list[dict]) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(
        (d["text"] for d in documents),
        trainers.BpeTrainer(
            vocab_size=VOCABULARY,
            special_tokens=[BOS, EOS],
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    return tokenizer


def bigram_loss(train: list[list[int]], test: list[list[int]], k: float = 0.02) -> float:
    """Cross-entropy of an add-k bigram model, at the positions at which the Llama is measured."""
    pairs, firsts = Counter(), Counter()
    for row in train:
        pairs.update(zip(row, row[1:]))
        firsts.update(row[:-1])
    terms = [-math.log((pairs[a, b] + k) / (firsts[a] + k * VOCABULARY)) for row in test for a, b in zip(row, row[1:])]
    return sum(terms) / len(terms)


@torch.no_grad()
def loss(model, rows: torch.Tensor) -> float:
    sums = [model(b, labels=b, use_cache=False).loss.item() * len(b) for b in rows.split(64)]
    return sum(sums) / len(rows)


def main() -> None:
    torch.manual_seed(SEED)
    epochs = float(sys.argv[2]) if len(sys.argv) > 2 else 4.0
    train_documents, held_out = split(chapters(Path(sys.argv[1])))
    (DEMO / "text").mkdir(parents=True, exist_ok=True)
    with open(DEMO / "text/kjv.jsonl", "w", encoding="utf-8") as out:
        out.writelines(json.dumps(d, ensure_ascii=False) + "\n" for d in held_out)

    tokenizer = train_tokenizer(train_documents)
    bos, eos = tokenizer.token_to_id(BOS), tokenizer.token_to_id(EOS)
    train, test = pack(train_documents, tokenizer), pack(held_out, tokenizer)
    print(f"{len(train)} training rows, {len(test)} held-out rows, bigram {bigram_loss(train, test):.4f}", flush=True)

    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=VOCABULARY, hidden_size=128, intermediate_size=384, num_hidden_layers=4, num_attention_heads=4,
            num_key_value_heads=2, max_position_embeddings=CONTEXT, rms_norm_eps=1e-5, tie_word_embeddings=True,
            rope_theta=10_000.0, bos_token_id=bos, eos_token_id=eos, attn_implementation="sdpa",
        )
    )  # fmt: skip
    print(f"{sum(p.numel() for p in model.parameters()):,} parameters", flush=True)
    rows, held = torch.tensor(train), torch.tensor(test)
    steps = int(epochs * len(rows) / BATCH)
    optimizer = torch.optim.AdamW(model.parameters(), lr=PEAK_LR, betas=(0.9, 0.98), weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, PEAK_LR, total_steps=steps, pct_start=0.05)
    order, random_order, start = [], random.Random(SEED), time.time()
    for step in range(steps):
        if len(order) < BATCH:
            order = random_order.sample(range(len(rows)), len(rows))
        batch, order = rows[order[:BATCH]], order[BATCH:]
        with torch.autocast("cpu", torch.bfloat16):
            value = model(batch, labels=batch, use_cache=False).loss
        value.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad(set_to_none=True)
        if step % 100 == 0:
            print(f"{step}/{steps} loss {value.item():.4f}, {time.time() - start:.0f} s", flush=True)

    model.eval()
    in_f32 = loss(model, held)
    model.to(torch.bfloat16).save_pretrained(DEMO / "model")
    model.float()
    print(f"held-out loss {in_f32:.4f} as trained, {loss(model, held):.4f} with weights rounded to bf16")
    tokenizer.save(str(DEMO / "model/tokenizer.json"))
    (DEMO / "model/tokenizer_config.json").write_text(
        json.dumps(
            {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": BOS, "eos_token": EOS, "model_max_length": CONTEXT},
            indent=2,
        )
        + "\n"
    )
    ids = torch.tensor([[bos, *tokenizer.encode(PROMPT).ids]])
    p = model(ids).logits[0, -1].softmax(-1)[tokenizer.token_to_id(ANSWER.replace(" ", "Ġ"))]
    print(f"P({ANSWER!r} | {PROMPT!r}) = {p.item():.4f}")


if __name__ == "__main__":
    torch.set_num_threads(2)
    main()
