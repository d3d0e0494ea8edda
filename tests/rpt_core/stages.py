"""What the tests of training and evaluation share: a corpus of digits, a model that has learnt to answer, stage runs.

The model is made once a session: a document lists random digits, and the answer boxes one of them, so that some
responses of every group are right and some wrong.
"""

import importlib
import json
import random
from functools import cache

import torch

from rpt_core.config import STAGES, ModelConfig, OptimiserConfig, ScratchConfig
from rpt_core.models.checkpoints import load_model, new_model
from rpt_core.run.context import StageContext, StopRequested
from rpt_core.run.events import EventLog, EventType, read_events
from rpt_core.run.folder import RunDir
from rpt_core.stages import _MODULES
from rpt_core.text.new_tokenizer import train_tokenizer
from rpt_core.text.tokens import encode
from rpt_core.train.loop import make_optimiser
from rpt_core.train.supervised import Example, accumulate_loss

SCRATCH = {"hidden_size": 32, "layers": 1, "intermediate_size": 32, "vocab_size": 280}
OPTIMISER = {"learning_rate": 3e-3, "max_grad_norm": 1.0, "warmup_steps": 2, "schedule": "cosine"}
TIMED = {"tokens_per_second", "seconds_sampling", "seconds_update"}


class StopAfter(EventLog):
    """An event log that asks its stage to stop when a step is done."""

    context = None
    step = None

    def emit(self, type_, **data):
        super().emit(type_, **data)
        if type_ == EventType.METRICS:  # of verl's steps nothing is noted
            self.note(data["step"])

    def note(self, step, total=None, what=None, share=None):
        if step == self.step:
            self.context.request_stop()


def run_stage(folder, config, stop_after=None, allow_changed=()):
    """Run a stage in this process in a new or an old folder; returns its result, or None when it was stopped."""
    run = RunDir(folder)
    validated = STAGES[config["stage"]].model_validate(config)
    run.create(validated)
    with StopAfter(run.events) as log:
        log.context, log.step = StageContext(run, log, allow_changed=allow_changed), stop_after
        try:
            return importlib.import_module(_MODULES[config["stage"]]).run(validated, log.context)
        except StopRequested as stop:
            log.emit(EventType.STOPPED, step=stop.step)
            return None


def events(folder, type_):
    """Data of a run's events of one type."""
    return [event.data for event in read_events(RunDir(folder).events) if event.type == type_]


def metrics(folder):
    """{step: values} without those that depend on the clock."""
    found = events(folder, EventType.METRICS)
    return {data["step"]: {k: v for k, v in data["values"].items() if k not in TIMED} for data in found}


def without_times(folder, type_):
    """All events of a type, repeated ones too, without what depends on the clock."""
    found = events(folder, type_)
    return [
        data | {"values": {k: v for k, v in data["values"].items() if k not in TIMED}} if "values" in data else data
        for data in found
    ]


def weights(folder):
    """Bytes of the newest checkpoint's weights and optimiser."""
    newest = RunDir(folder).newest_checkpoint()
    return [(newest / name).read_bytes() for name in ("model.safetensors", "training/optimiser.safetensors")]


def digits_documents(count, seed=0):
    """Records of the digits corpus."""
    rng = random.Random(seed)
    for number in range(count):
        row = " ".join(str(rng.randrange(4)) for _ in range(rng.randrange(3, 7)))
        yield {"id": f"{seed}-{number}", "text": f"Digits: {row}"}


def write_corpus(path, count=40, seed=0):
    """The digits corpus as JSONL; returns the corpus config."""
    path.write_text("".join(json.dumps(record) + "\n" for record in digits_documents(count, seed)))
    return {"paths": [str(path)], "validation_share": 0.4}


@cache
def taught(architecture="qwen2", hidden_size=32):
    """A tokenizer and the weights of a model that knows the digits corpus and answers in the right form."""
    texts = [record["text"] for record in digits_documents(60)]
    tokenizer = train_tokenizer(texts, SCRATCH["vocab_size"])
    model = new_model(
        ScratchConfig(**SCRATCH | {"hidden_size": hidden_size}, architecture=architecture), tokenizer, seed=0
    )
    optimiser = make_optimiser(list(model.parameters()), OptimiserConfig(learning_rate=1e-2, weight_decay=0))
    rng, end = random.Random(1), tokenizer.eos_token_id
    for _ in range(40):
        rows = []
        for text in rng.sample(texts, 16):
            ids = encode(tokenizer, text)
            prompt = [*encode(tokenizer, text[: 9 + 2 * rng.randrange(3)]), *encode(tokenizer, "<think>")]
            answer = encode(tokenizer, f"hm{' hm' * rng.randrange(2)}</think>\\boxed{{{rng.randrange(4)}}}")
            rows += [Example([*ids, end], 1), Example([*prompt, *answer, end], len(prompt))]
        accumulate_loss(model, rows, 10000)
        optimiser.step()
        optimiser.zero_grad()
    return model, tokenizer


def save_taught(folder, architecture="qwen2", hidden_size=32):
    """The taught model in the Hugging Face layout; returns the model config."""
    model, tokenizer = taught(architecture, hidden_size)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return {"path": str(folder), "device": "cpu"}


def load(config):
    """The model of a config."""
    with torch.random.fork_rng():
        return load_model(ModelConfig(**config))


def make_ground(folder, hidden_size=32):
    """Put the taught model, its corpus, and the positions of a filter run over it into a folder, and return that."""
    model = save_taught(folder / "model", hidden_size=hidden_size)
    corpus = write_corpus(folder / "digits.jsonl")
    run_stage(folder / "filter", {"stage": "filter", "corpus": corpus, "proxy": model, "min_entropy_nats": 0.3})
    return folder


def rpt(ground, **changes):
    """Config of a short RPT run of the taught model."""
    return {
        "stage": "rpt",
        "model": {"path": str(ground / "model"), "device": "cpu"},
        "positions": str(ground / "filter" / "positions"),
        "steps": 7,
        "batch_problems": 5,
        "group_size": 4,
        "prompt": {"template": "plain"},
        "sampling": {"max_response_tokens": 16},
        "grpo": {"batch_rows": 7},
        "optimiser": OPTIMISER,
        **changes,
    }


def expert_iteration(ground, **changes):
    """Config of a short run of expert iteration of the taught model."""
    return {
        "stage": "expert_iteration",
        "model": {"path": str(ground / "model"), "device": "cpu"},
        "positions": str(ground / "filter" / "positions"),
        "budget": {"steps": 7},
        "batch_problems": 5,
        "group_size": 4,
        "batch_responses": 4,
        "prompt": {"template": "plain"},
        "sampling": {"max_response_tokens": 16},
        "optimiser": OPTIMISER,
        **changes,
    }
