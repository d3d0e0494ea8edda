"""How far an evaluation is, for pages and terminals."""

import re

import pytest

from rpt_core.evaluation.countdown import Countdown
from rpt_core.run.context import StageContext
from rpt_core.run.events import EventLog, EventType
from rpt_core.run.folder import RunDir
from rpt_core.run.progress import Progress
from tests.rpt_core import stages


class Heard(EventLog):
    """A log that shows as a terminal does."""

    progress = None

    def emit(self, type_, **data):
        super().emit(type_, **data)
        self.progress.hear(type_, data)

    def note(self, step, total=None, what=None, share=None):
        self.progress.note(step, total, what, share)


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def context(tmp_path, clock):
    run = RunDir(tmp_path)
    with Heard(run.events) as log:
        log.progress = Progress(clock)
        context = StageContext(run, log)
        context.started(0, None)
        yield context


def told(context):
    return [event["what"] for event in stages.events(context.run.path, EventType.PROGRESS)]


def test_the_time_left_follows_from_the_responses_so_far(context, clock):
    countdown = Countdown(context, 400, clock=clock)
    countdown.begin(300, "evaluating: standard", is_measured=False)
    clock.now = 600.0  # which says nothing about responses
    countdown.begin(300, "evaluating: sampled")
    clock.now = 602.0
    countdown.add(10)  # too soon to be told
    clock.now = 660.0
    countdown.add(90)
    assert "evaluating: sampled, 100 of 400 responses" in context.log.progress.line()
    clock.now = 720.0
    countdown.add(100)
    countdown.begin(300, "evaluating: greedy")
    assert told(context) == [
        "evaluating: standard",
        "evaluating: sampled, 0 of 400 responses",
        "evaluating: sampled, 100 of 400 responses, about 3 min left",
        "evaluating: sampled, 200 of 400 responses, about 2 min left",
        "evaluating: greedy, 200 of 400 responses, about 2 min left",
    ]
    assert re.search("left$", context.log.progress.line())


def test_an_evaluation_within_a_training_says_whose_time_it_is(context, clock):
    context.progress(20, 80, "sampling responses")
    countdown = Countdown(context, 10, steps=80, is_whole_stage=False, clock=clock)
    countdown.begin(20, "evaluating: greedy")
    clock.now = 300.0
    countdown.add(5)
    assert told(context)[-1] == "evaluating: greedy, 5 of 10 responses, about 5 min left of this evaluation"
    assert "step 20 of 80" in context.log.progress.line()
