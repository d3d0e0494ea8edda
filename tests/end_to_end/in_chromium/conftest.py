"""What the tests of pages in Chromium share: a browser, and a real web server on rows that are played once.

Each test is marked `django_db`. The mark makes the test database; the rows are committed before a test's own
transaction, which the server cannot see, and are deleted when the last test here has run.
"""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta
from pathlib import Path

import pytest

from tests.end_to_end.chromium import Visitor, chromium, committed
from tests.end_to_end.pages import GPU_FIGURES, GPU_NODE
from tests.web_server import web_server

FOLDER = Path(__file__).parent


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    """Keep these modules together in a random order too: their rows take long to make, and no other test sees them."""
    here = [item for item in items if FOLDER in item.path.parents]
    if here:
        place = items.index(here[0])
        others = [item for item in items if FOLDER not in item.path.parents]
        items[:] = [*others[:place], *here, *others[place:]]


@pytest.fixture(scope="package")
def browser():
    with chromium() as driver:
        yield driver


@pytest.fixture(scope="package")
def rows(django_db_setup, django_db_blocker, tmp_path_factory):
    """What the pages show: a finished experiment, a failed run, a running one, two nodes."""
    from django.conf import settings
    from django.test import Client

    from rpt_core.machine import doctor
    from rpt_web.corpora import wordings
    from rpt_web.corpora.models import Corpus, RegisteredModel, Wording
    from rpt_web.jobs.models import Job
    from rpt_web.reports.models import TeamReport
    from rpt_web.review.models import LabelSet, ReviewQueue
    from rpt_web.runs import nodes
    from rpt_web.runs.models import Experiment, Node
    from rpt_web.teams.models import LoginLink, User
    from tests import evaluated_runs, factories, preset_runs, shown_corpora, suite_runs

    with django_db_blocker.unblock():
        user = factories.make_user("ada")
        finished = preset_runs.finished_experiment(user)
        broken = factories.make_experiment(user, "OmniMATH, first try", preset="", description="Own corpus, R1-Distill")
        failed = preset_runs.failed_run(broken, user)
        running, events = preset_runs.running_rpt(finished, user)
        queued = preset_runs.queued_rpt(finished, user)
        paper = suite_runs.finished_suite(user)
        stopped = suite_runs.stopped_suite(user)
        grace = factories.make_user("grace")
        empty = factories.make_experiment(grace, "Seed 1, nothing yet", seed=1)
        preset_runs.put_real_files(finished, tmp_path_factory.mktemp("real"))
        evaluated_runs.write_found(finished.runs.get(name="rpt"), 80)
        nodes.register("laptop", ["default"], [asdict(found) for found in doctor.examine()])
        nodes.register("gpu-node-1", ["gpu"], GPU_NODE, GPU_FIGURES)
        client = Client()
        client.force_login(user)
        yield {
            "session": client.cookies[settings.SESSION_COOKIE_NAME].value,
            "user": user,
            "finished": finished,
            "rpt": finished.runs.get(name="rpt"),
            "filter": finished.runs.get(name="filter"),
            "hostile": preset_runs.hostile_id(),
            "base": finished.runs.get(name="base"),
            "broken": broken,
            "failed": failed,
            "running": running,
            "events": events,
            "queued": queued,
            "paper": paper,
            "stopped": stopped,
            "empty": empty,
            "grace": grace,
            "reviewed": reviewed_queue(finished.runs.get(name="rpt"), user, grace),
            "placed": position_queue(finished.runs.get(name="rpt"), user, grace),
            "corpus": shown_corpora.checked_version(user, tmp_path_factory.mktemp("texts")),
            "models": registered_models(finished, user),
            "search": searched(finished, user),
            "report": made_report(finished, user),
            "wording": wordings.create(finished.team, "template", "terse", "{context}\n", user),
            "link": LoginLink.issue(user, timedelta(hours=1)),
        }
        TeamReport.objects.all().delete()
        RegisteredModel.objects.all().delete()
        Wording.objects.all().delete()
        ReviewQueue.objects.all().delete()
        LabelSet.objects.all().delete()
        Experiment.objects.all().delete()
        Corpus.objects.all().delete()
        Job.objects.all().delete()
        Node.objects.all().delete()
        User.objects.all().delete()
        forget_trail()


def made_report(experiment, user):
    """A report with a text, a curve, a table and a response."""
    from rpt_web.reports import services
    from rpt_web.traces.models import Rollout

    rpt = experiment.runs.get(name="rpt")
    report = services.create(experiment.team, "RPT on cards", user)
    services.add_text(report, "# What we found\n\nThe reward **rises** while `p > 0.5`.")
    services.add_ref(report, f"run/{rpt.pk}/metric/reward", "Mean over the step.")
    services.add_ref(report, f"experiment/{experiment.pk}/accuracy")
    services.add_ref(report, f"run/{rpt.pk}/response/{Rollout.objects.filter(run_id=rpt.pk).earliest('id').id}")
    return report


def forget_trail():
    """The audit trail outlives what it is about. The first team stays, and what it was called when it began."""
    from pghistory.core import event_models

    from rpt_web.teams.audit import STOOD

    for model in event_models():
        model.objects.exclude(pgh_label=STOOD).delete()


def searched(experiment, user):
    """A search in the responses of a run that has been carried out."""
    from rpt_core.run.rollout_search import SoughtText
    from rpt_web.jobs import services as jobs
    from rpt_web.searches import services
    from workers.jobs import execute

    run = experiment.runs.get(name="rpt")
    made = services.start(
        experiment.team, user, SoughtText(r"maybe \d+", "expression"), [run], services.SearchFilters()
    )
    execute(jobs.claim(made.job.pk, "laptop:1"))
    return made


def reviewed_queue(run, user, other):
    """A queue whose first items two people have reviewed, with and without agreement; more wait for them."""
    from rpt_web.review import reviews
    from tests.rpt_web.review_rows import make_queue

    people = {"reviewers": [user, other], "reviewers_per_item": 2}
    words = "Read the thought first.\nA guess that happens to be right is a lucky guess."
    queue = make_queue(run, user, "kind=train&step=1", name="Sums, first look", sample=8, instructions=words, **people)
    for person, labels in ((user, ["sound", "lucky_guess", "loops"]), (other, ["sound", "sound", "loops"])):
        for label in labels:
            review = reviews.take_next(queue, person)
            reviews.submit(review, reviews.Draft(0, {"thought": label, "sure": 2}, note="Adds up.", seconds=21))
    return queue


def position_queue(run, user, other):
    """A queue of positions that one person reviews; who made it sees them as they are."""
    from django.http import QueryDict

    from rpt_web.review import group_queues, label_sets
    from rpt_web.review.models import ItemKind
    from rpt_web.review.queues import QueuePlan
    from rpt_web.runs.models import Run
    from rpt_web.traces.group_filters import GroupFilters

    filters = GroupFilters.from_query(QueryDict(f"run={run.pk}&kind=sampled"))
    team = run.experiment.team
    plan = QueuePlan("Places", label_sets.built_in(team, user), sample=2, reviewers=[other])
    return group_queues.create_from_traces(team, Run.objects.all(), filters, ItemKind.POSITION, plan, user)


def registered_models(experiment, user):
    """A checkpoint that is fit, and the same of another run that is not."""
    from rpt_core.preflight.model_card import card_of
    from rpt_web.corpora import registry
    from rpt_web.jobs.models import Job
    from rpt_web.runs.models import Checkpoint

    found = []
    for name in ("cold", "base"):
        checkpoint = Checkpoint.objects.filter(run__experiment=experiment, run__name=name).latest("step")
        model = registry.register_checkpoint(checkpoint, "", user)
        registry.store_card(model.pk, model.job, asdict(card_of(model.path)))
        Job.objects.filter(pk=model.job.pk).update(state="succeeded")
        found.append(model)
    return found


@pytest.fixture(scope="package")
def site(rows):
    """The address of a real web server on these rows."""
    with web_server() as port:
        yield f"http://127.0.0.1:{port}"


@pytest.fixture(scope="package")
def live(rows, django_db_blocker):
    """A second, small experiment with an RPT run under way, for tests that change it."""
    from tests import preset_runs

    def make():
        experiment = preset_runs.finished_experiment(rows["user"], "Live", steps=2, groups=1)
        return preset_runs.running_rpt(experiment, rows["user"], done=5, groups=1)

    return committed(make)


@pytest.fixture
def visit(browser, site, rows):
    """visit(path, theme, width, anonymous=False) opens a page and waits for its charts; checks run on leaving."""
    return Visitor(browser, site, rows["session"])
