#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A trainer for tests that really trains: a low-rank adapter of a tiny model of characters.

The base model gives the next character's logits by a fixed matrix that its name determines.  What is
trained is A (characters x rank) and B (rank x characters), which are added to it, on the assistant's
words in a dataset of chats.  Progress goes to standard output as JSON, a line each; the adapter is
written as GGUF and put in place by rename.
"""
import argparse
import json
import math
import os
import random
import struct
import sys
import time

CHARACTERS = 96
RANK = 4


def text_of(line):
    messages = json.loads(line)["messages"]
    return "\n".join(m["content"] for m in messages if m["role"] == "assistant" and m.get("content"))


def symbols(text):
    return [min(max(ord(c) - 32, 0), CHARACTERS - 1) for c in text]


def count_pairs(lines):
    counts = {}
    for line in lines:
        word = symbols(text_of(line))
        for here, after in zip(word, word[1:]):
            row = counts.setdefault(here, {})
            row[after] = row.get(after, 0) + 1
    return counts


def base_matrix(name):
    chance = random.Random("base " + name)
    return [[chance.gauss(0, 0.3) for _ in range(CHARACTERS)] for _ in range(CHARACTERS)]


def probabilities(base, a, b, here):
    logits = base[here][:]
    for k in range(RANK):
        weight = a[here][k]
        if weight:
            logits = [x + weight * y for x, y in zip(logits, b[k])]
    top = max(logits)
    powers = [math.exp(x - top) for x in logits]
    total = sum(powers)
    return [p / total for p in powers]


def loss(base, a, b, counts):
    total = number = 0
    for here, row in counts.items():
        p = probabilities(base, a, b, here)
        for after, count in row.items():
            total -= count * math.log(max(p[after], 1e-12))
            number += count
    return total / max(number, 1)


def train_epoch(base, a, b, counts, rate):
    for here in sorted(counts):
        row = counts[here]
        number = sum(row.values())
        p = probabilities(base, a, b, here)
        slope = [row.get(i, 0) / number - p[i] for i in range(CHARACTERS)]
        for k in range(RANK):
            towards_a = sum(s * y for s, y in zip(slope, b[k]))
            weight = a[here][k]
            b[k] = [y + rate * s * weight for s, y in zip(slope, b[k])]
            a[here][k] += rate * towards_a


def gguf_text(text):
    raw = text.encode()
    return struct.pack("<Q", len(raw)) + raw


def gguf(a, b, base_model):
    """An adapter in GGUF 3: a head of pairs, the tensors' names and shapes, their numbers."""
    pairs = [
        gguf_text("general.type") + struct.pack("<I", 8) + gguf_text("adapter"),
        gguf_text("general.architecture") + struct.pack("<I", 8) + gguf_text("llama"),
        gguf_text("general.base_model.0.name") + struct.pack("<I", 8) + gguf_text(base_model),
        gguf_text("adapter.type") + struct.pack("<I", 8) + gguf_text("lora"),
        gguf_text("adapter.lora.alpha") + struct.pack("<If", 6, float(RANK)),
    ]
    tensors = [
        ("output.weight.lora_a", (CHARACTERS, RANK), [a[c][k] for k in range(RANK) for c in range(CHARACTERS)]),
        ("output.weight.lora_b", (RANK, CHARACTERS), [b[k][c] for c in range(CHARACTERS) for k in range(RANK)]),
    ]
    head = struct.pack("<4sIQQ", b"GGUF", 3, len(tensors), len(pairs)) + b"".join(pairs)
    data = b""
    for name, shape, numbers in tensors:
        head += gguf_text(name) + struct.pack("<I", 2) + struct.pack("<QQ", *shape)
        head += struct.pack("<IQ", 0, len(data))  # 32-bit floats
        data += struct.pack("<%df" % len(numbers), *numbers)
        data += b"\0" * (-len(data) % 32)
    return head + b"\0" * (-len(head) % 32) + data


def say(**what):
    print(json.dumps(what), flush=True)


def wait_for(path):
    """Says that it is there, and trains on when somebody makes the file."""
    if not path:
        return
    say(message="waiting", progress=0)
    while not os.path.exists(path):
        time.sleep(0.02)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--dataset", required=True)
    parser.add_argument("--validation", default="")
    parser.add_argument("--base-model", required=True)
    parser.add_argument("--output", required=True)
    parser.add_argument("--hyperparameters", default="{}")
    parser.add_argument("--journal", default="", help="a line is added to it at each start")
    parser.add_argument("--wait-for", default="", help="trains when this file is there")
    parser.add_argument("--noise", type=int, default=0, help="bytes for standard error")
    parser.add_argument("--fail", default="", help="says so and fails")
    given = parser.parse_args()
    settings = json.loads(given.hyperparameters)
    if given.journal:
        with open(given.journal, "a") as journal:
            journal.write("started\n")
    sys.stderr.write(("x" * 79 + "\n") * (given.noise // 80))
    wait_for(given.wait_for)
    if given.fail:
        sys.exit(given.fail)

    with open(given.dataset, encoding="utf-8") as file:
        lines = [line for line in file if line.strip()]
    if given.validation:
        with open(given.validation, encoding="utf-8") as file:
            held_out = [line for line in file if line.strip()]
    else:
        held_out, lines = lines[::5], [line for i, line in enumerate(lines) if i % 5]
    training, others = count_pairs(lines), count_pairs(held_out)
    base = base_matrix(given.base_model)
    chance = random.Random("adapter")
    a = [[chance.gauss(0, 0.5) for _ in range(RANK)] for _ in range(CHARACTERS)]
    b = [[0.0] * CHARACTERS for _ in range(RANK)]
    untrained = loss(base, a, b, others)
    epochs = int(settings.get("epochs", 20))
    for epoch in range(1, epochs + 1):
        train_epoch(base, a, b, training, float(settings.get("learning_rate", 0.3)))
        say(progress=epoch / epochs, epoch=epoch, loss=round(loss(base, a, b, training), 6))
    say(progress=1, untrained_loss=round(untrained, 6), held_out_loss=round(loss(base, a, b, others), 6))
    with open(given.output + ".new", "wb") as file:
        file.write(gguf(a, b, given.base_model))
    os.rename(given.output + ".new", given.output)


if __name__ == "__main__":
    main()
