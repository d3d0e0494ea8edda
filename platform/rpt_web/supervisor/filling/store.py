"""Filled things into the database and out of it again, by COPY: two million responses take minutes.

filled = fill(Amounts(2_000_000, 2_500, 100_000, 100_000), print)    # what was made, by name
remove()                                                             # all that was ever filled, and nothing else
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from itertools import chain
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Model, QuerySet
from django.utils import timezone
from psycopg import sql

from rpt_core.files import write_whole
from rpt_core.run.rollout_files import write_rollouts
from rpt_web.compare.models import Basket, PositionComparison
from rpt_web.corpora import registry, services
from rpt_web.corpora.models import Corpus, CorpusVersion, RegisteredModel, Wording
from rpt_web.corpora.uploads import MOST_FILES
from rpt_web.jobs.models import Job
from rpt_web.reports.models import TeamReport
from rpt_web.review import group_queues, label_sets, queues
from rpt_web.review.models import ItemKind, LabelSet, ReviewItem, ReviewQueue
from rpt_web.runs import parents, summaries
from rpt_web.runs.models import Experiment, Run, Status
from rpt_web.searches.models import Search
from rpt_web.supervisor.filling import (
    analyses,
    comments,
    documents,
    groups,
    library,
    outcomes,
    people,
    reports,
    results,
    reviews,
    rows,
)
from rpt_web.supervisor.filling.library import Makers
from rpt_web.supervisor.filling.shape import MARK, Amounts, FilledRun, experiment_of, experiments_needed, filled_runs
from rpt_web.teams.membership import first_team
from rpt_web.teams.models import Invitation, User
from rpt_web.traces.groups import mark, position_ids
from rpt_web.traces.models import ResponseGroup, Rollout, RolloutShard
from rpt_web.traces.partitions import PARENT, ensure_partition

Counts = dict[str, int]
"""What was made or removed -> how many."""
SHARDS_ON_DISK = 2
"""Of each run: the newest of training and the evaluation, or the newest evaluations."""
QUOTED = 2
"""Responses in a report."""


def filled_experiments() -> QuerySet[Experiment]:
    """Those that `fill` has made."""
    return Experiment.objects.filter(description=MARK, created_by=None)


def fill(amounts: Amounts, say: Callable[[str], None]) -> Counts:
    """Make it all. What is interrupted stays, and `remove` takes it away."""
    now, team = timezone.now(), first_team()
    keys = _new_keys(Experiment, experiments_needed(amounts.runs))
    experiments = [experiment_of(pk, number, now, team) for number, pk in enumerate(keys)]
    filled = filled_runs(experiments, _new_keys(Run, amounts.runs), amounts, now)
    counts = {"experiments": _copy(experiments), "runs": _copy(found.run for found in filled)}
    with transaction.atomic():
        parents.record([found.run for found in filled if found.run.config])
    runs = [found.run for found in filled]
    makers = Makers(_copy_people(experiments, runs, now), team, now)
    counts |= _copy_library(makers, runs, amounts)
    say(f"{counts['experiments']:,} experiments and {counts['runs']:,} runs are there; now what they wrote.")
    counts |= _copy_records(filled, amounts.evaluated)
    counts["rows of results"] = results.rank(experiments, amounts.evaluated)
    counts["scored documents"] = _score_documents(runs, amounts.documents)
    counts["responses"] = sum(_copy_responses(found) for found in filled)
    largest = max(filled, key=lambda found: found.responses)
    counts |= {"reviews": _copy_reviews(filled, makers), "comments": _copy_comments(largest.run, makers)}
    _analyse()
    return counts | _ask(filled, makers) | {"parts of reports": _make_reports(runs, largest.run, makers)}


def remove() -> Counts:
    """Take away all that was filled: each experiment with its runs, its rows and its files at once, then the rest."""
    counts = {"experiments": 0, "runs": 0}
    for experiment in filled_experiments().order_by("id"):
        folders = [run.directory for run in experiment.runs.only("id")]
        with transaction.atomic():
            experiment.delete()
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)
        counts = {"experiments": counts["experiments"] + 1, "runs": counts["runs"] + len(folders)}
    results.forget()
    return counts | _remove_library()


def _remove_library() -> Counts:
    """What filled people have made, and these people; then the files of all that."""
    made: dict[str, type[Model]] = {
        "corpora": Corpus,
        "models": RegisteredModel,
        "wordings": Wording,
        "jobs": Job,
        "queues": ReviewQueue,
        "label sets": LabelSet,
        "baskets": Basket,
        "searches": Search,
        "reports": TeamReport,
    }
    by_them = people.filled_people()
    with transaction.atomic():
        PositionComparison.objects.filter(job__created_by__in=by_them).delete()
        rows = {what: model._default_manager.filter(created_by__in=by_them) for what, model in made.items()}
        keys = {what: list(found.values_list("pk", flat=True)) for what, found in rows.items()}
        for found in (*rows.values(), Invitation.objects.filter(invited_by__in=by_them)):
            found.delete()
        number = by_them.count()
        by_them.delete()
    for what in ("corpora", "wordings"):
        for key in keys[what]:
            shutil.rmtree(settings.RPT_DATA_DIR / what / str(key), ignore_errors=True)
    return {what: len(found) for what, found in keys.items()} | {"people": number}


def _copy_people(experiments: Sequence[Experiment], runs: Sequence[Run], now: datetime) -> list[User]:
    """People of the experiments' team, their invitations, and what the audit trail has of them and of workers."""
    team = experiments[0].team
    found = list(people.people_of(_new_keys(User, people.people_needed(len(runs))), now))
    _copy(found)
    _copy(people.memberships_of(found, team))
    _copy(people.invitations_of(found, team, now))
    _copy(people.renames_of(experiments, found))
    _copy(people.run_changes_of(runs))
    _copy(people.notices_of(found[0], runs))
    return found


def _copy_library(makers: Makers, runs: Sequence[Run], amounts: Amounts) -> Counts:
    """Corpora, models, wordings and their jobs."""
    corpora = list(library.corpora_of(_new_keys(Corpus, 2 + amounts.runs // 4), makers))
    jobs = _jobs(services.CHECK, sum(library.versions_needed(len(corpora))), makers)
    keys = iter(_new_keys(CorpusVersion, len(jobs)))
    versions = list(library.corpus_versions_of(corpora, keys, iter(jobs), amounts.documents, makers))
    model_keys = _new_keys(RegisteredModel, 2 + amounts.runs // 2)
    model_jobs = _jobs(registry.CHECK, len(model_keys), makers)
    counts = {"corpora": _copy(corpora), "jobs": _copy(chain(jobs, model_jobs)), "versions": _copy(versions)}
    counts["uploads"] = _copy(library.uploads_of(versions, min(10 * amounts.runs, MOST_FILES)))
    counts["models"] = _copy(library.models_of(model_keys, runs, iter(model_jobs), makers))
    documents.write_documents(versions[0], amounts.documents)
    return counts | {"corpus documents": amounts.documents} | _copy_wordings(makers, 2 + amounts.runs // 5)


def _copy_wordings(makers: Makers, number: int) -> Counts:
    """Wordings and the files of their versions."""
    wordings = list(library.wordings_of(_new_keys(Wording, number), makers))
    versions = list(library.wording_versions_of(wordings, makers))
    counts = {"wordings": _copy(wordings)}
    _copy(versions)
    for version in versions:
        write_whole(version.path, version.text.encode())
    return counts


def _jobs(kind: str, number: int, makers: Makers) -> list[Job]:
    return list(library.jobs_of(_new_keys(Job, number), kind, makers))


def _score_documents(runs: Sequence[Run], number: int) -> int:
    """The newest filter run that has ended well has scored documents."""
    filters = [run for run in runs if run.stage == "filter" and run.status == Status.SUCCEEDED]
    if not filters:
        return 0
    _copy([documents.score_documents(filters[-1], number)])
    return number


def _copy_records(filled: Sequence[FilledRun], positions: int) -> Counts:
    """All but responses; every evaluation is at so many positions."""
    ran = [found for found in filled if found.run.started_at]
    runs = [found.run for found in ran]
    made: dict[str, Iterable[Iterable[Model]]] = {
        "metrics": map(rows.metrics_of, ran),
        "events": map(rows.events_of, ran),
        "evaluations": (rows.evaluations_of(run, positions) for run in runs),
        "tables": map(rows.tables_of, runs),
        "checkpoints": map(rows.checkpoints_of, runs),
        "alarms": map(rows.alarms_of, runs),
        "corpora": map(rows.corpora_of, runs),
        "shards": map(rows.shards_of, ran),
        "prompts": map(rows.prompts_of, ran),
    }
    counts = {what: _copy(chain.from_iterable(many)) for what, many in made.items()}
    counts["outcomes"] = sum(outcomes.write_outcomes(run, positions) for run in runs)
    summaries.sum_up([run.pk for run in runs])
    return counts


def _copy_responses(filled: FilledRun) -> int:
    """The responses of a run into its partition; those of the newest step with their texts on disk."""
    shards = rows.shards_of(filled)
    if not shards:
        return 0
    ensure_partition(filled.run.pk)
    number = _copy_rows(PARENT, rows.ROLLOUT_COLUMNS, chain.from_iterable(map(rows.rollouts_of, shards)))
    _copy_groups(filled.run, shards)
    for shard in shards[-SHARDS_ON_DISK:]:
        write_rollouts(filled.run.directory / shard.path, rows.full_rows(shard))
    return number


def _copy_reviews(filled: Sequence[FilledRun], makers: Makers) -> int:
    """A queue of responses and one of positions, each of the run that has the most, and what was said of them."""
    run, measured = (max(filled, key=size).run.pk for size in (_responses_of, _positions_of))
    rollouts = Rollout.objects.filter(run_id=run).order_by("id")[: queues.MOST_ITEMS]
    found = ResponseGroup.objects.filter(run_id=measured).order_by("position", "id").distinct("position")
    places = group_queues.items_of(ItemKind.POSITION, list(found[: queues.MOST_ITEMS]), 0)
    responses = list(reviews.responses_of(list(rollouts)))
    said = _copy_queue({"run": run, "query": "", "found": len(responses)}, responses, makers)
    return said + _copy_queue({"traces": f"run={measured}"}, places, makers)


def _copy_queue(source: dict[str, Any], items: list[ReviewItem], makers: Makers) -> int:
    """A queue of these items, most of them reviewed."""
    if not items:
        return 0
    queue = ReviewQueue.objects.create(
        team=makers.team,
        name=f"Filled: {ItemKind(items[0].kind).label.lower()}",
        version=label_sets.built_in(makers.team, makers.people[0]),
        kind=items[0].kind,
        reviewers_per_item=reviews.REVIEWERS,
        source=source | {"seed": 0, "sample": None},
        created_by=makers.people[0],
    )
    placed = reviews.in_queue(queue, items, _new_keys(ReviewItem, len(items)))
    _copy(placed)
    return _copy(reviews.reviews_of(placed, makers))


def _responses_of(filled: FilledRun) -> int:
    return filled.responses


def _positions_of(filled: FilledRun) -> tuple[int, int]:
    return filled.positions * filled.checkpoints, filled.responses


def _ask(filled: Sequence[FilledRun], makers: Makers) -> Counts:
    """Comparisons of what was evaluated, and a search in what was written; workers carry them out."""
    evaluated = [found for found in filled if found.run.started_at and rows.evaluated_steps(found.run)]
    runs = [found.run for found in evaluated]
    counts = {"baskets": analyses.keep_basket(runs, makers), "comparisons": 0, "searches": 0}
    if len(runs) > 1:
        learnt = max((found for found in evaluated if found.run.stage == "rpt"), key=_positions_of).run
        counts["comparisons"] = analyses.compare(learnt, runs, makers)
    largest = max(filled, key=_positions_of).run
    if shards := list(RolloutShard.objects.filter(run=largest).order_by("-step")[:SHARDS_ON_DISK]):
        analyses.search(shards, largest, makers)
        counts["searches"] = 1
    return counts


def _make_reports(runs: Sequence[Run], largest: Run, makers: Makers) -> int:
    """Reports of these runs, with responses of the largest."""
    newest = Rollout.objects.filter(run_id=largest.pk).order_by("-id")
    return reports.make_reports(runs, list(newest[:QUOTED]), makers)


def _copy_comments(run: Run, makers: Makers) -> int:
    """What people wrote on the run and its first responses."""
    rollouts = Rollout.objects.filter(run_id=run.pk).only("run", "id").order_by("id")
    return _copy(comments.comments_of(run, list(rollouts[: queues.MOST_ITEMS]), makers))


def _copy_groups(run: Run, shards: Sequence[RolloutShard]) -> None:
    """The groups of these responses, and their positions."""
    places = {rows.place_of(*place) for shard in shards for place in rows.places_of(shard)}
    with transaction.atomic():
        ids = position_ids(places)
    found = (groups.groups_of(run.experiment_id, rows.rollouts_of(shard), ids) for shard in shards)
    _copy_rows(ResponseGroup._meta.db_table, groups.GROUP_COLUMNS, chain.from_iterable(found))
    mark(run.pk)


def _copy(objects: Iterable[Model]) -> int:
    """Objects into their table; the database gives a key that they lack, and what else it has a default for."""
    several = iter(objects)
    first = next(several, None)
    if first is None:
        return 0
    ours = (field for field in first._meta.concrete_fields if not field.has_db_default())
    fields = [field for field in ours if not field.primary_key or first.pk is not None]
    values = (
        [field.get_db_prep_save(getattr(row, field.attname), connection) for field in fields]
        for row in chain([first], several)
    )
    return _copy_rows(first._meta.db_table, [str(field.column) for field in fields], values)


def _copy_rows(table: str, columns: Sequence[str], values: Iterable[Sequence[Any]]) -> int:
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(
        sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, columns))
    )
    number = 0
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for row in values:
            copy.write_row(row)
            number += 1
    return number


def _new_keys(model: type[Model], number: int) -> list[int]:
    """Keys that nobody else gets."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT nextval(pg_get_serial_sequence(%s, 'id')) FROM generate_series(1, %s)",
            [model._meta.db_table, number],
        )
        return [key for (key,) in cursor.fetchall()]


def _analyse() -> None:
    """Let Postgres know what it has now; by itself it would look some minutes later."""
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
