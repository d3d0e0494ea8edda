"""The numbers of a comparison are those that scipy and statsmodels compute from the exported Parquet."""

from __future__ import annotations

import asyncio
import io

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.regression.linear_model import OLS
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

from rpt_web.jobs import services as jobs
from rpt_web.jobs.models import Job, JobState
from tests.evaluated_runs import evaluate, made_run, random_rights
from tests.factories import make_experiment, make_user
from tests.rpt_web.api_client import ROOT, client_of
from workers import jobs as execution

pytestmark = pytest.mark.django_db(transaction=True)
SHARES = {"base": 0.4, "rpt": 0.6}
SEEDS = range(3)


@pytest.fixture
def call(db):
    return client_of(make_user("ada"))


@pytest.fixture
def runs(db):
    """Two models, three seeds each, at 240 positions in 60 documents."""
    experiment = make_experiment(None)

    def made(name, share, seed, place):
        run = made_run(experiment, f"s{seed}-{name}", seed, copy_seed=seed)
        return evaluate(run, random_rights(share, seed=10 * seed + place))

    return [
        made(name, share, seed, place)
        for place, (name, share) in enumerate(SHARES.items())
        for seed in SEEDS
    ]  # fmt: skip


@pytest.fixture
def numbers(call, runs):
    """The comparison as the API gives it."""
    body = {"entries": [str(run.pk) for run in runs], "mode": "greedy"}
    made = call.post(f"{ROOT}/comparisons", body, content_type="application/json").json()
    for job in Job.objects.filter(state=JobState.QUEUED):
        execution.execute(jobs.claim(job.pk, "a:1"))
    return call.get(f"{ROOT}/comparisons/{made['id']}").json()["numbers"]


@pytest.fixture
def frames(call, runs):
    """The outcomes of each run, as exported."""
    found = [call.get(f"{ROOT}/runs/{run.pk}/outcomes.parquet?step=1") for run in runs]
    return [pd.read_parquet(io.BytesIO(sent(answer))) for answer in found]


def sent(answer):
    async def whole():
        return b"".join([chunk async for chunk in answer.streaming_content])

    return asyncio.run(whole())


def merged(a, b):
    """The hard positions of both."""
    keys = ["document", "byte_offset"]
    return a[a.hard].merge(b[b.hard], on=keys, suffixes=("_a", "_b"))


def test_accuracies_with_their_intervals_and_design_effect(numbers, frames):
    for one, frame in zip(numbers["accuracies"], frames, strict=True):
        found, values = one["hard"], frame[frame.hard].greedy.astype(float)
        low, high = proportion_confint(values.sum(), len(values), method="wilson")
        assert (found["value"], found["low"], found["high"]) == pytest.approx((values.mean(), low, high))
        documents = pd.factorize(frame[frame.hard].document)[0]
        fit = OLS(values, np.ones(len(values)))
        clustered = fit.fit(cov_type="cluster", cov_kwds={"groups": documents, "use_correction": False})
        m = documents.max() + 1
        effect = clustered.bse.iloc[0] ** 2 * m / (m - 1) / (values.var(ddof=1) / len(values))
        assert found["effect"] == pytest.approx(effect)
        effective = len(values) / max(1, effect)
        bounds = proportion_confint(values.mean() * effective, effective, method="wilson")
        assert (found["document_low"], found["document_high"]) == pytest.approx(bounds)


def test_paired_differences_mcnemar_and_holm(numbers, frames):
    pairs = [merged(frames[0], other) for other in frames[1:]]
    tables = [pd.crosstab(pair.greedy_a, pair.greedy_b).reindex([True, False], axis=0).reindex([True, False], axis=1)
              for pair in pairs]  # fmt: skip
    p = [mcnemar(table.fillna(0), exact=True).pvalue for table in tables]
    holm = multipletests(p, method="holm")[1]
    for found, pair, table, alone, adjusted in zip(numbers["with_baseline"], pairs, tables, p, holm, strict=True):
        own = found["levels"]["hard"]
        cells = [own["both"], own["forgotten"], own["gained"], own["neither"]]
        assert cells == table.fillna(0).to_numpy().ravel().tolist()
        assert own["value"] == pytest.approx((pair.greedy_b.astype(float) - pair.greedy_a.astype(float)).mean())
        assert own["p"] == pytest.approx(alone)
        assert own["holm"] == pytest.approx(adjusted)


def test_bootstrap_intervals_over_positions_and_over_documents(numbers, frames):
    pair = merged(frames[0], frames[3])
    differences = pair.greedy_b.astype(float) - pair.greedy_a.astype(float)
    own = numbers["with_baseline"][2]["levels"]["hard"]
    plain = stats.bootstrap((differences,), np.mean, method="percentile", rng=1, n_resamples=4000)
    assert (own["low"], own["high"]) == pytest.approx(tuple(plain.confidence_interval), abs=0.02)
    by_document = differences.groupby(pair.document).mean().to_numpy()  # all have as many positions
    drawn = stats.bootstrap((by_document,), np.mean, method="percentile", rng=1, n_resamples=4000)
    assert (own["document_low"], own["document_high"]) == pytest.approx(tuple(drawn.confidence_interval), abs=0.02)
    assert own["documents"] == len(by_document)


def test_the_matrix_has_every_two_with_holm_over_all(numbers, frames):
    rows = numbers["matrix"]["hard"]
    p = []
    for first, second, n, value, *_ in rows:
        pair = merged(frames[first], frames[second])
        assert n == len(pair)
        assert value == pytest.approx((pair.greedy_b.astype(float) - pair.greedy_a.astype(float)).mean())
        changed = [(pair.greedy_b & ~pair.greedy_a).sum(), (pair.greedy_a & ~pair.greedy_b).sum()]
        p.append(stats.binomtest(int(changed[0]), int(sum(changed))).pvalue if sum(changed) else 1.0)
    assert [row[4] for row in rows] == pytest.approx(p)
    assert [row[5] for row in rows] == pytest.approx(multipletests(p, method="holm")[1].tolist())
    assert len(rows) == 15


def test_seeds_by_students_t(numbers, frames):
    base, rpt = numbers["groups"]["hard"]
    means = [frame[frame.hard].greedy.mean() for frame in frames]
    for group, own in ((base, means[:3]), (rpt, means[3:])):
        low, high = stats.t.interval(0.95, 2, np.mean(own), stats.sem(own))
        assert (group["value"], group["low"], group["high"]) == pytest.approx((np.mean(own), max(0, low), min(1, high)))
    gaps = [merged(a, b).pipe(lambda pair: pair.greedy_b.mean() - pair.greedy_a.mean())
            for a, b in zip(frames[:3], frames[3:], strict=True)]  # fmt: skip
    low, high = stats.t.interval(0.95, 2, np.mean(gaps), stats.sem(gaps))
    found = rpt["difference"]
    assert found["each"] == pytest.approx(gaps)
    assert (found["value"], found["low"], found["high"]) == pytest.approx((np.mean(gaps), max(-1, low), min(1, high)))
    assert found["bootstrap_low"] < found["value"] < found["bootstrap_high"]


def test_the_positions_of_a_cell_are_those_of_the_files(call, numbers, frames):
    from rpt_web.compare.models import PositionComparison

    key = PositionComparison.objects.get().pk
    answer = call.get(f"{ROOT}/comparisons/{key}/positions?a=0&b=3&difficulty=hard&cell=gained&limit=500").json()
    pair = merged(frames[0], frames[3])
    expected = pair[pair.greedy_b & ~pair.greedy_a]
    found = {(one["document"], one["byte_offset"]) for one in answer["items"]}
    assert found == set(zip(expected.document, expected.byte_offset, strict=True))
