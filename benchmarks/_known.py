"""What a filled platform has the most of: with these its addresses are measured."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any


@dataclass(frozen=True)
class Known:
    """Ids that the addresses are asked with: those that have the most."""

    run: int
    """With the most responses."""
    busiest: int
    """With the most metrics and events."""
    experiment: int
    step: int
    """A step in the middle of that run."""
    rollout: int
    """A response of the newest step, whose text is on disk."""
    metric: int
    """A step in the middle of the metrics."""
    team: int
    """Of the experiment."""
    user: int
    """An administrator of the team, who asks."""
    filtered: int
    """A filter run with scored documents, the first of them long."""
    documents: int
    """So many, and as many in the corpus."""
    tokens: int
    """Of the long one."""
    corpus: int
    version: int
    """Its version with the documents, the first."""
    open: int
    """The number of its version with the most files, which is not checked."""
    model: int
    """A checkpoint of a run."""
    wording: int
    job: int
    queue: int
    """With the most items."""
    item: int
    """Of it, one that is not reviewed yet."""
    disputed: int
    """Of it, one about which reviewers disagree."""
    label_set: int
    basket: str
    """Two hundred runs, as an address of a comparison has them."""
    kept: int
    """A basket of two hundred evaluated runs that the team keeps."""
    learnt: int
    """A run with many evaluations, at the most positions."""
    compared: int
    """The comparison of its steps."""
    steps: str
    """The evaluations of that, as addresses have them."""
    of_modes: int
    """The comparison of its newest step in two modes."""
    widest: int
    """The comparison of the kept basket."""
    last: int
    """The place of the last of its evaluations."""
    search: int
    report: int
    frozen: int
    secret: str
    """Of a link to the report."""
    places: int
    """A queue of positions."""
    place_item: int
    """Of it, one that is not reviewed yet."""
    labelled: int
    """A position that reviewers have labelled."""
    set: str
    """The position set with the most rows of results."""
    position: int
    """A position with the most groups."""
    place: str
    """Its hash and byte, as an address has them."""


def known_ids() -> Known:
    """What has the most. Raises SystemExit for a platform that an earlier version has filled."""
    from django.db.models import Count, Max

    from rpt_web.compare.models import Basket
    from rpt_web.corpora.models import CorpusVersion, RegisteredModel, ScoredSplit, Wording
    from rpt_web.corpora.token_maps import document_map
    from rpt_web.jobs.models import Job
    from rpt_web.reports.models import ReportLink, TeamReport
    from rpt_web.review.models import ReviewItem
    from rpt_web.runs.models import Run
    from rpt_web.searches.models import Search
    from rpt_web.supervisor.filling.people import filled_people
    from rpt_web.supervisor.filling.results import FILLED_SET
    from rpt_web.traces.models import CorpusPosition, ResponseGroup, Rollout, RolloutShard

    user, split = filled_people().order_by("id").first(), ScoredSplit.objects.order_by("id").first()
    kept, report = Basket.objects.first(), TeamReport.objects.filter(frozen_at=None).first()
    if user is None or split is None or kept is None or report is None:
        raise SystemExit("An earlier version has filled this folder, with fewer things. Name another one.")
    run = (
        RolloutShard.objects.filter(kind="train")
        .values("run_id")
        .annotate(shards=Count("id"))
        .latest("shards")["run_id"]
    )
    newest = RolloutShard.objects.filter(run_id=run, kind="train").aggregate(step=Max("step"))["step"]
    busiest = Run.objects.annotate(rows=Count("metrics")).latest("rows")
    experiment = Run.objects.select_related("experiment").get(pk=run).experiment
    items = ReviewItem.objects.select_related("queue__version").order_by("-number")
    waiting, placed = (items.filter(kind=kind, submitted=0)[0] for kind in ("response", "position"))
    compared = _comparisons()
    _, secret = ReportLink.issue(report, user, timedelta(days=1), is_anonymous=False)
    corpus = CorpusVersion.objects.annotate(files_there=Count("uploads")).latest("files_there")
    place = ResponseGroup.objects.values("position").annotate(groups=Count("id")).latest("groups")["position"]
    position = CorpusPosition.objects.get(pk=place)
    return Known(
        run=run,
        busiest=busiest.pk,
        experiment=experiment.pk,
        step=newest // 2,
        rollout=Rollout.objects.filter(run_id=run, step=newest, kind="train").earliest("id").id,
        metric=busiest.metrics.count() // 2,
        team=experiment.team_id,
        user=user.pk,
        filtered=split.run_id,
        documents=split.documents,
        tokens=document_map(split.run, split.split, 0).tokens,
        corpus=corpus.corpus_id,
        version=CorpusVersion.objects.get(corpus=corpus.corpus_id, number=1).pk,
        open=corpus.number,
        model=RegisteredModel.objects.exclude(run=None).latest("id").pk,
        wording=Wording.objects.annotate(there=Count("versions")).latest("there").pk,
        job=Job.objects.filter(created_by=user).earliest("id").pk,
        queue=waiting.queue_id,
        item=waiting.pk,
        disputed=ReviewItem.objects.get(queue=waiting.queue, number=5).pk,
        label_set=waiting.queue.version.label_set_id,
        basket=",".join(map(str, Run.objects.order_by("-id").values_list("pk", flat=True)[:200])),
        kept=kept.pk,
        **compared,
        search=Search.objects.earliest("id").pk,
        report=report.pk,
        frozen=TeamReport.objects.exclude(frozen_at=None).earliest("id").pk,
        secret=secret,
        places=placed.queue_id,
        place_item=placed.pk,
        labelled=items.filter(queue=placed.queue, number=1).get().place_id,
        set=FILLED_SET,
        position=position.pk,
        place=f"{bytes(position.text_hash).hex()}/{position.byte_offset}",
    )


def _comparisons() -> dict[str, Any]:
    """Those that were made: by the number of their evaluations, and by their modes."""
    from rpt_web.compare.entries import BasketEntry, written
    from rpt_web.compare.models import PositionComparison

    made = list(PositionComparison.objects.exclude(made_at=None).defer("data", "positions").order_by("id"))
    if not made:
        raise SystemExit("No comparison was made. Fill the folder once more.")
    steps, widest = made[0], max(made, key=lambda row: len(row.entries))
    modes = max(made, key=lambda row: len(row.modes))
    entries = written(BasketEntry(run, step) for run, step, _ in steps.entries)
    found = {"learnt": steps.entries[0][0], "compared": steps.pk, "steps": entries}
    return found | {"of_modes": modes.pk, "widest": widest.pk, "last": len(widest.entries) - 1}
