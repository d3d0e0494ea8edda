"""What people of a filled platform have asked of it: a basket that they keep, comparisons, a search.

In: who asks, and runs with outcomes or responses. Out: rows. Comparisons and the search are jobs of the quick lane: a
worker of the platform carries them out, as it does others.
"""

from __future__ import annotations

from collections.abc import Sequence

from rpt_core.run.rollout_search import SoughtText
from rpt_web.compare import baskets, comparisons
from rpt_web.compare.comparisons import MOST_IN_MATRIX, to_compare
from rpt_web.compare.entries import BasketEntry, written
from rpt_web.runs.models import Run
from rpt_web.searches import services as searches
from rpt_web.searches.models import Search
from rpt_web.searches.services import SearchFilters
from rpt_web.supervisor.filling.library import Makers
from rpt_web.supervisor.filling.rows import EVALUATED
from rpt_web.traces.models import RolloutShard

MOST_COMPARED = 200
SOUGHT = "cards sum"


def keep_basket(runs: Sequence[Run], makers: Makers) -> int:
    """The newest evaluated runs under a name. Gives how many baskets were made."""
    chosen = runs[-MOST_COMPARED:]
    if not chosen:
        return 0
    name = f"Cards, runs {chosen[0].pk} to {chosen[-1].pk}"
    baskets.create(makers.team, name, written(BasketEntry(run.pk) for run in chosen), makers.people[0])
    return 1


def compare(learnt: Run, runs: Sequence[Run], makers: Makers) -> int:
    """A policy as it learns; as many as have every two compared; very many; one policy in two modes. Gives how many."""
    steps = [(BasketEntry(learnt.pk, step), learnt) for step in EVALUATED[1:]]
    modes = [(BasketEntry(learnt.pk, EVALUATED[-1], mode), learnt) for mode in ("standard", "sampled")]
    newest = [(BasketEntry(run.pk), run) for run in runs[-MOST_COMPARED:]]
    first, second = makers.people[0], makers.people[1]
    asked = [(steps, first), (newest[-MOST_IN_MATRIX:], first), (newest, first), (modes, second)]
    made = {comparisons.start(to_compare(entries, "sampled"), person).pk for entries, person in asked}
    return len(made)


def search(shards: Sequence[RolloutShard], run: Run, makers: Makers) -> Search:
    """What the responses of these shards say; they are the newest of the run."""
    newest = SearchFilters(first_step=min(shard.step for shard in shards))
    return searches.start(makers.team, makers.people[0], SoughtText(SOUGHT), [run], newest)
