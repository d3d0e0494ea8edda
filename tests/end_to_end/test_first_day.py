"""A team's first day by the browser alone, from a fresh data folder: own text and an own model to an evaluated RPT run.

The model is a random Qwen2 with a vocabulary of the real size, so it learns nothing; that each step can be done, and
that none needs a shell, is what is tested.
"""

from __future__ import annotations

import itertools
import json
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from tests.databases import give_database
from tests.end_to_end.chromium import Visitor, chromium, press
from tests.end_to_end.in_chromium.steps import HEADING
from tests.up import ROOT, Up

pytestmark = [pytest.mark.slow, pytest.mark.browser]
PATIENCE_SECONDS = 240
PASSWORD = "a long and unusual password"
NOUNS = ("harbour", "river", "captain", "engine", "village", "doctor", "winter", "garden")
VERBS = ("crossed", "watched", "remembered", "repaired", "followed", "described", "measured")
FILTER = {
    "proxy.dtype": "float32",
    "corpus.validation_share": "0.2",
    "max_positions_per_document": "10",
    "chunk_positions": "128",
}
RPT = {
    "model.dtype": "float32",
    "steps": "2",
    "batch_problems": "2",
    "group_size": "2",
    "sampling.max_response_tokens": "16",
    "prompt.template": "plain",
    "prompt.max_prompt_tokens": "256",
    "dynamic_sampling.from_step": "",
    "evaluation.position_set": "",
    "evaluation.positions_per_difficulty": "3",
    "evaluate_at_steps": "0, 2",
    "checkpoint_every_steps": "2",
}
MAKE_MODEL = """
import sys
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

pieces = sys.stdin.read().split()
vocabulary = {piece: number for number, piece in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
merges = []
for piece in pieces:
    left, right = piece.split(":")
    vocabulary[left + right] = len(vocabulary)
    merges.append((left, right))
tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
tokenizer.decoder = decoders.ByteLevel()
fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|endoftext|>")
torch.manual_seed(0)
model = Qwen2ForCausalLM(Qwen2Config(
    vocab_size=151_936, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
    num_key_value_heads=1, max_position_embeddings=1024, tie_word_embeddings=True, eos_token_id=fast.eos_token_id,
    bos_token_id=None, pad_token_id=None,
))
model.save_pretrained(sys.argv[1])
fast.save_pretrained(sys.argv[1])
"""


def make_model(folder):
    """A random Qwen2 of Qwen2.5's vocabulary size: its tokens are bytes and pieces of two and four letters."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    pairs = [a + b for a, b in itertools.product(letters, repeat=2)]
    small = [f"{a}:{b}" for a, b in pairs]
    large = [f"{a}:{b}" for a, b in itertools.product(pairs, repeat=2)]
    random.Random(0).shuffle(large)
    pieces = " ".join([*small, *large[: 151_643 - 256 - len(small)]])
    subprocess.run([sys.executable, "-c", MAKE_MODEL, str(folder)], input=pieces, text=True, check=True)


def write_text(path):
    """Thirty documents of a few sentences, in a field of its own name."""
    rng = random.Random(1)
    sentences = (
        f"The {rng.choice(NOUNS)} {rng.choice(VERBS)} the {rng.choice(NOUNS)} and {rng.choice(VERBS)} nothing."
        for _ in itertools.count()
    )
    lines = (json.dumps({"body": " ".join(itertools.islice(sentences, 5))}) + "\n" for _ in range(30))
    path.write_text("".join(lines))


class Person:
    """Somebody at a browser: fills in fields, presses buttons, reads."""

    def __init__(self, visit, browser):
        self.visit, self.browser = visit, browser

    def open(self, path, heading):
        self.browser.get(self.visit.site + path)
        self.sees(heading)

    def sees(self, heading):
        self.visit.wait(HEADING, heading)

    def fill(self, name, value):
        """Into a field, wherever it is folded away; the form may come again when others depend on it."""
        self.browser.execute_script(
            "const [name, value] = arguments; const field = document.getElementsByName(name)[0];"
            "field.value = value; field.dispatchEvent(new Event('change', { bubbles: true }))",
            name,
            value,
        )

    def choose_model(self, name, label):
        """From the list; positions and the like are then shown as they fit."""
        self.browser.execute_script("document.getElementById('settings').dataset.before = 'yes'")
        value = self.browser.execute_script(
            "return [...document.getElementsByName(arguments[0])[0].options]"
            ".find((option) => option.textContent.includes(arguments[1])).value",
            name,
            label,
        )
        self.fill(name, value)
        self.visit.wait("return document.getElementById('settings')?.dataset.before === undefined")

    def submit_run(self):
        """Submit, and say that it is meant where the page asks."""
        press(self.browser, "#settings .card-foot button.btn-primary")
        asked_or_there = (
            "return document.querySelector('button[name=anyway], .note.red[role=alert], [data-run-stream]')"
        )
        self.visit.wait(f"{asked_or_there} !== null")
        if self.browser.execute_script("return document.querySelector('button[name=anyway]') !== null"):
            press(self.browser, "button[name=anyway]")
            self.visit.wait("return document.querySelector('[data-run-stream]') !== null")
        assert "/runs/new" not in self.browser.current_url, self.text()

    def succeeds(self):
        """The page of the run shows its end by itself."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while (state := self.browser.execute_script("return document.querySelector('.page-head .chip').innerText")) in (
            "Queued",
            "Running",
        ):
            assert time.monotonic() < deadline, self.text()
            time.sleep(0.2)
        assert state == "Succeeded", self.text()

    def reads(self, words):
        """The page says so, now or as soon as a worker has done its part."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while words not in (text := self.text()):
            assert time.monotonic() < deadline, text
            time.sleep(0.2)

    def text(self):
        return self.browser.execute_script("return document.querySelector('main').innerText")


@pytest.fixture
def platform():
    """A platform that nobody has used, with a model where models belong."""
    folder = Path(tempfile.mkdtemp(prefix="rpt-first-day-"))
    give_database(folder)  # migrated and empty; tests of `up` begin without one
    make_model(folder / "models" / "qwen2-random")
    up = Up(folder, OMP_NUM_THREADS="1", PYTHONPATH=f"{ROOT}:{ROOT / 'platform'}")
    del up.environment["RPT_READ_ROOTS"], up.environment["RPT_HUB_MODELS"]  # those of the tests
    yield up.start().until_ready()
    up.stop(signal.SIGTERM)
    shutil.rmtree(folder, ignore_errors=True)
    up.output_path.unlink(missing_ok=True)


def test_own_text_and_an_own_model_become_an_evaluated_run_without_a_shell(platform, tmp_path):
    write_text(tmp_path / "own.jsonl")
    with chromium() as browser:
        visit = Visitor(browser, f"http://127.0.0.1:{platform.port}", "")
        person = Person(visit, browser)
        make_the_first_account(person, re.search(r"http://\S+(/first/\S+)", platform.output)[1])
        register_the_model(person, platform.data_dir / "models" / "qwen2-random")
        bring_the_text(person, tmp_path / "own.jsonl")
        choose_positions(person)
        train(person)
        read_the_result(person)


def make_the_first_account(person, path):
    person.open(path, "Make the first account")
    for name, value in {"username": "ada", "new_password": PASSWORD, "again": PASSWORD}.items():
        person.fill(name, value)
    press(person.browser, "button.btn-primary")
    person.sees("Home")


def register_the_model(person, folder):
    person.open("/models/", "Models")
    person.fill("path", str(folder))
    press(person.browser, "form[method=post].card button.btn-primary")
    person.sees("qwen2-random")
    person.reads("can be used")


def bring_the_text(person, file):
    from selenium.webdriver.common.by import By

    person.open("/corpora/new/", "New corpus")
    person.fill("name", "Own text")
    press(person.browser, "form[method=post].card button.btn-primary")
    person.sees("Version 1")
    person.browser.find_element(By.ID, "upload-files").send_keys(str(file))
    person.visit.wait("return document.querySelectorAll('#files .chip.green').length === 1")
    press(person.browser, "form[action$='/look'] button")
    person.visit.wait("return document.querySelector('#mapping [name=text]')?.value === 'body'")
    press(person.browser, "#mapping button[type=submit]")
    person.visit.wait("return document.querySelector('.page-actions .btn-primary') !== null")
    press(person.browser, ".page-actions .btn-primary")
    person.sees("New run")


def choose_positions(person):
    press(person.browser, "a[href^='/experiments/empty/']")
    person.sees("New experiment")
    person.fill("name", "Own text, random model")
    press(person.browser, "form[method=post].card button.btn-primary")
    person.sees("New run")
    person.choose_model("proxy.path", "qwen2-random")
    for name, value in FILTER.items():
        person.fill(name, value)
    person.submit_run()
    person.succeeds()
    person.visit.axe()


def train(person):
    experiment = re.search(r"/experiments/(\d+)/", person.browser.page_source)[1]
    person.open(f"/runs/new/?preset=small&run=rpt&experiment={experiment}", "New run")
    person.choose_model("model.path", "qwen2-random")
    for name, value in RPT.items():
        person.fill(name, value)
    person.submit_run()
    person.succeeds()
    person.visit.axe()


def read_the_result(person):
    """Its evaluations, one of its responses, and the results of the experiment."""
    press(person.browser, "a[href$='/evaluations/']")
    person.reads("reasoning, greedy")
    assert ", n 3" in person.text()
    press(person.browser, "a[href$='/rollouts/']")
    person.visit.wait("return document.querySelectorAll('#rollouts tbody tr').length > 3")
