#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The test trainer trains: what it does is measured on lines that it has not seen."""
import json
import pathlib
import struct
import subprocess
import sys
import tempfile
import unittest

TRAINER = pathlib.Path(__file__).with_name("trainer.py")
ANIMALS = ["the cat sat on the mat", "the dog sat on the log", "a cat and a dog", "the mat and the log"]
NUMBERS = ["11 22 33 44", "22 33 44 55", "33 44 55 66", "44 55 66 77"]


def dataset(words):
    return "".join(json.dumps({"messages": [{"role": "user", "content": "q%d" % i},
                                            {"role": "assistant", "content": words[i % len(words)]}]}) + "\n"
                   for i in range(20))


class TrainerTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def train(self, words, **more):
        folder = pathlib.Path(self.folder.name)
        (folder / "dataset.jsonl").write_text(dataset(words))
        options = {"dataset": folder / "dataset.jsonl", "base-model": "mistral", "output": folder / "adapter", **more}
        run = subprocess.run([sys.executable, TRAINER] + [f"--{name}={value}" for name, value in options.items()],
                             capture_output=True, text=True, check=True)
        return [json.loads(line) for line in run.stdout.splitlines()], (folder / "adapter").read_bytes()

    def test_the_loss_on_held_out_lines_falls(self):
        lines, _ = self.train(ANIMALS)
        self.assertLess(lines[-1]["held_out_loss"], 0.6 * lines[-1]["untrained_loss"])
        self.assertEqual([line["progress"] for line in lines], sorted(line["progress"] for line in lines))

    def test_nothing_is_learnt_without_training(self):
        lines, _ = self.train(ANIMALS, hyperparameters='{"epochs": 0}')
        self.assertEqual(lines[-1]["held_out_loss"], lines[-1]["untrained_loss"])

    def test_what_is_learnt_is_of_this_data(self):
        (pathlib.Path(self.folder.name) / "other.jsonl").write_text(dataset(NUMBERS))
        other = pathlib.Path(self.folder.name) / "other.jsonl"
        _, animals = self.train(ANIMALS)
        lines, _ = self.train(ANIMALS, validation=other)
        mine, numbers = self.train(NUMBERS, validation=other)
        self.assertNotEqual(animals, numbers)
        self.assertLess(mine[-1]["held_out_loss"], lines[-1]["held_out_loss"])
        self.assertEqual(self.train(ANIMALS)[1], animals)
        self.assertNotEqual(self.train(ANIMALS, **{"base-model": "llama3.2"})[1], animals)

    def test_the_adapter_is_gguf(self):
        _, adapter = self.train(ANIMALS)
        magic, version, tensors, pairs = struct.unpack_from("<4sIQQ", adapter)
        self.assertEqual((magic, version, tensors, pairs), (b"GGUF", 3, 2, 5))
        self.assertIn(b"general.type\x08\x00\x00\x00\x07\x00\x00\x00\x00\x00\x00\x00adapter", adapter)
        self.assertEqual(len(adapter) % 32, 0)


if __name__ == "__main__":
    unittest.main()
