"""`manage.py fill`: as much as was asked for, on pages that work; not among other people's things; removed wholly."""

from __future__ import annotations

import re
from collections import Counter
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db.models import Sum

from rpt_core.run.metrics import METRICS
from rpt_core.text.document_files import part_of
from rpt_web.comments.models import Comment
from rpt_web.compare.models import Basket, PositionComparison
from rpt_web.corpora.models import Corpus, CorpusVersion, RegisteredModel, ScoredSplit, Wording, WordingVersion
from rpt_web.jobs import services
from rpt_web.jobs.models import Job
from rpt_web.reports.models import TeamReport
from rpt_web.results.models import EvaluatedSet, Evaluation
from rpt_web.review.models import ReviewItem
from rpt_web.runs.models import Experiment, Run, StepMetrics
from rpt_web.searches.models import Search
from rpt_web.supervisor.filling.people import filled_people
from rpt_web.supervisor.filling.shape import MARK
from rpt_web.teams.models import Invitation, User
from rpt_web.traces.models import ResponseGroup, Rollout, RolloutShard
from tests.factories import make_experiment
from workers.jobs import execute

pytestmark = pytest.mark.django_db


def told_of(told, what):
    """The number that the command gave of something."""
    return int(re.search(rf"([0-9,]+) {what}\b", told)[1].replace(",", ""))


def fill(**options):
    told = StringIO()
    call_command("fill", stdout=told, stderr=StringIO(), **{"documents": 300} | options)
    return told.getvalue()


def test_as_many_are_made_as_were_asked_for(page):
    told = fill(responses=1000, runs=31, steps=300)
    assert "3 experiments, 31 runs, " in told
    assert "1,000 responses, " in told
    assert Comment.objects.exclude(rollout=None).exists()
    assert (Run.objects.count(), Rollout.objects.count()) == (31, 1000)
    assert StepMetrics.objects.filter(run=Run.objects.earliest("id")).count() == 300
    named = {name for values in StepMetrics.objects.values_list("values", flat=True) for name in values}
    assert "reward_mean" in named
    assert named <= METRICS.keys(), "a real run has no others"
    assert not Run.objects.filter(status__in=["queued", "running"]).exists()  # a worker would take them
    assert ResponseGroup.objects.aggregate(responses=Sum("samples"), right=Sum("rewarded")) == {
        "responses": 1000,
        "right": Rollout.objects.filter(reward__gt=0).count(),
    }
    for shard in RolloutShard.objects.all():
        own = Rollout.objects.filter(run_id=shard.run_id, step=shard.step, kind=shard.kind)
        assert (own.count(), own.filter(reward__gt=0).count()) == (shard.rows, shard.rewarded)


def test_the_pages_of_what_was_made_work(page):
    fill(responses=1000, runs=14, steps=300)
    run = Run.objects.get(name="rpt")
    text = page(f"/runs/{run.pk}/rollouts/")
    newest = Rollout.objects.filter(run_id=run.pk, kind="train").order_by("-step", "id").first()
    assert f"/runs/{run.pk}/rollouts/{newest.id}/" in page(f"/runs/{run.pk}/rollouts/?step={newest.step}")
    assert "match" in text
    assert "The cards are A, B and C." in page(f"/runs/{run.pk}/rollouts/{newest.id}/")
    assert "“rpt”" in page(f"/experiments/{run.experiment_id}/results/")
    assert "Nothing here ever ran" in page(f"/experiments/{run.experiment_id}/")


def test_the_pages_of_corpora_models_wordings_jobs_and_people_are_full(client):
    fill(responses=100, runs=140, steps=100)
    somebody = filled_people().earliest("id")  # an administrator
    client.force_login(somebody)

    def page(address):
        answer = client.get(address)
        assert answer.status_code == 200, address
        return answer.content.decode()

    corpus, team = Corpus.objects.earliest("id"), somebody.memberships.get().team_id
    assert page(f"/corpora/{corpus.pk}/").count("/versions/") >= 50
    assert page(f"/corpora/{corpus.pk}/?after=11").count("/versions/") >= 10
    documents = f"/corpora/{corpus.pk}/versions/1/documents/"
    assert f"{documents}49/" in page(documents)
    assert "The cards are A, B and C" in page(f"{documents}299/")
    assert "cards-00199.jsonl" in page(f"/corpora/{corpus.pk}/versions/60/")
    split = ScoredSplit.objects.get()
    assert (split.documents, split.run.stage) == (300, "filter")
    assert "card-000049" in page(f"/runs/{split.run_id}/documents/")
    assert page("/models/").count("cannot be used") == 10
    wording = Wording.objects.earliest("id")
    assert "version=59" in page(f"/wordings/{wording.pk}/")
    job = Job.objects.filter(created_by=somebody).earliest("id")
    assert "Done</span> finished" in page(f"/jobs/{job.pk}/")
    assert page(f"/teams/{team}/").count("Withdraw</button>") == 30
    assert "Cards, trial 1, draft" in page(f"/teams/{team}/trail/?kind=experiment")
    assert "Queued" not in page(f"/teams/{team}/trail/")  # what workers did is left out unless it is asked for
    for version in CorpusVersion.objects.exclude(checked_at=None).exclude(corpus=corpus)[:1]:
        page(f"/corpora/{version.corpus_id}/versions/{version.number}/")


@pytest.mark.django_db(transaction=True)  # jobs renew their leases on connections of their own
def test_what_was_evaluated_compared_and_sought_leads_to_its_positions(client):
    told = fill(responses=2000, runs=26, steps=100)
    measured = Evaluation.objects.values("run", "step").distinct()
    assert told_of(told, "outcomes") == measured.count() > 12
    somebody = filled_people().earliest("id")
    client.force_login(somebody)

    def page(address):
        answer = client.get(address)
        assert answer.status_code == 200, address
        return answer.content.decode()

    learnt = Run.objects.filter(name="rpt").earliest("id")
    cell = Evaluation.objects.get(run=learnt, step=80, mode="greedy", difficulty="hard")
    assert cell.n == EvaluatedSet.objects.get().positions == 700
    assert "over positions), n 700." in page(f"/runs/{learnt.pk}/evaluations/80/?difficulty=all")
    kept = Basket.objects.get()
    assert page(f"/compare/{kept.pk}/?view=positions").count("rpt-eval") >= 2
    for job in Job.objects.filter(state="queued").order_by("id"):
        execute(services.claim(job.pk, "w"))
        job.refresh_from_db()
        assert job.state == "succeeded", job.error
    steps = PositionComparison.objects.earliest("id")
    assert [run for run, *_ in steps.entries] == [learnt.pk] * 6
    gained = f"/compare/made/{steps.pk}/positions/?a=0&b=5&difficulty=hard&cell=gained"
    assert f"/traces/?at={learnt.pk}@5,{learnt.pk}@80" in page(gained)
    assert PositionComparison.objects.exclude(made_at=None).count() == told_of(told, "comparisons") == 3
    assert Search.objects.get().hits.filter(match__icontains="cards").exists()
    assert "<mark>cards</mark>" in page(f"/searches/{Search.objects.get().pk}/")
    fill(remove=True)
    assert not PositionComparison.objects.exists()


def test_both_reports_show_figures_tables_and_responses(client):
    fill(responses=2000, runs=26, steps=100)
    client.force_login(filled_people().earliest("id"))
    live, frozen = TeamReport.objects.order_by("id")
    assert frozen.frozen_at
    for report in (live, frozen):
        kinds = Counter(report.parts.values_list("kind", flat=True))
        assert kinds["exhibit"] >= 12
        assert kinds["response"] == 2
        text = client.get(f"/reports/{report.pk}/").content.decode()
        assert "Made up, as all here." in text
        assert "no longer there" not in text


def test_positions_are_reviewed_as_responses_are(client):
    fill(responses=2000, runs=13, steps=100)
    client.force_login(filled_people().earliest("id"))
    item = ReviewItem.objects.filter(kind="position").earliest("number")
    assert item.reviews.count() == 2
    assert "Broken arithmetic" in client.get(f"/review/positions/{item.place_id}/").content.decode()
    assert client.get(f"/review/queues/{item.queue_id}/").status_code == 200


def test_a_corpus_has_as_many_documents_as_its_version_says():
    fill(responses=100, runs=3, documents=700)
    version = CorpusVersion.objects.earliest("id")
    assert part_of(version.documents_file, 698).total == version.documents == 700
    sides = [found.side for found in part_of(version.documents_file, limit=700).documents]
    assert sides.count("validation") == version.validation_documents


def test_a_database_with_others_experiments_is_refused_and_theirs_stay(ada):
    own = make_experiment(ada)
    with pytest.raises(CommandError, match="holds 1 experiment that `fill` has not made"):
        fill(responses=100, runs=3)
    assert Experiment.objects.get() == own
    fill(responses=100, runs=6, among_others=True)
    folders = [run.directory for run in Run.objects.all()]
    assert any(folder.exists() for folder in folders)
    version, text = (
        CorpusVersion.objects.earliest("id"),
        WordingVersion.objects.select_related("wording").earliest("id"),
    )
    folders += [version.folder.parent, text.path.parent]
    assert all(folder.exists() for folder in folders[-2:])
    told = "Removed: 1 experiments, 6 runs, 3 corpora, 5 models, 3 wordings, 72 jobs, 2 queues, 1 label sets, "
    told += "1 baskets, 1 searches, 2 reports, 3 people.\n"
    assert fill(remove=True) == told
    assert Experiment.objects.get() == own
    assert User.objects.get() == ada
    for model in (Corpus, RegisteredModel, Wording, Job, Invitation):
        assert not model.objects.exists()
    assert not Rollout.objects.exists()
    assert not any(folder.exists() for folder in folders)


def test_an_experiment_of_somebody_with_that_description_is_not_removed(ada):
    own = make_experiment(ada, description=MARK)
    fill(remove=True)
    assert Experiment.objects.get() == own


def test_an_amount_that_cannot_be_is_refused():
    with pytest.raises(CommandError, match=r"--runs 0 is not allowed\. Give a whole number from 1 to 100000"):
        fill(runs=0)
