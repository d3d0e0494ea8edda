"""Scaling curves of a run: what they are fitted to, and the tables."""

import numpy as np
import pyarrow as pa
import pytest

from rpt_core.analysis.scaling import fit_power_law
from rpt_core.analysis.scaling_points import hours_until, read_evaluations, tokens_until
from rpt_core.analysis.scaling_tables import resampled_means, scaling_tables
from rpt_core.config import ScalingConfig
from rpt_core.errors import UserError
from rpt_core.evaluation.outcomes import SCHEMA
from rpt_core.run.events import EventLog, EventType, read_events
from rpt_core.run.folder import RunDir
from rpt_core.run.rollout_files import RolloutRow, write_rollouts, write_table
from rpt_core.statistics.intervals import wilson_interval
from tests.rpt_core.stages import events, run_stage

STEPS = [5, 10, 20, 40, 80, 160]
DOCUMENTS, PER_DOCUMENT = 100, 2
POSITIONS = DOCUMENTS * PER_DOCUMENT


def accuracy(step):
    """0.95 - 0.5 (step / 5)^-0.6, rounded down to whole positions."""
    return int((0.95 - 0.5 * (step / 5) ** -0.6) * POSITIONS) / POSITIONS


def write_outcomes(run, step, correct, reverse=False, documents=None):
    """An outcome file whose sampled column says how right each position is; the first half is hard."""
    n = len(correct)
    documents = documents or [f"d{row // PER_DOCUMENT}" for row in range(n)]
    blank = {field.name: pa.nulls(n, field.type) for field in SCHEMA}
    table = pa.table(
        {
            **blank,
            "document": documents,
            "position": range(n),
            "byte_offset": range(n),
            "easy": [True] * n,
            "medium": [False] * n,
            "hard": [row < n / 2 for row in range(n)],
            "sampled": [float(value) for value in correct],
            "samples": [1] * n,
        }
    )
    write_table(run.evaluation(step), table.take(list(range(n))[::-1]) if reverse else table)


def spread_out(share):
    """Which positions are right: in a fixed random order, so that those of an earlier step stay right."""
    order = np.random.default_rng(0).permutation(POSITIONS)
    correct = np.zeros(POSITIONS)
    correct[order[: round(share * POSITIONS)]] = 1
    return correct


@pytest.fixture
def run(tmp_path):
    """A run that was evaluated at six steps and before training."""
    run = RunDir(tmp_path / "rpt")
    run.path.mkdir()
    with EventLog(run.events) as log:
        log.emit(EventType.STARTED, start_step=0, total_steps=160)
        for step in [0, *STEPS]:
            if step:
                values = {"seconds_sampling": 3.0, "seconds_update": 1.0}
                log.emit(EventType.METRICS, step=step, values=values, flops=1e9 * step)
            write_outcomes(run, step, spread_out(accuracy(step) if step else 0.1), reverse=step == 20)
            path = run.relative(run.evaluation(step))
            log.emit(EventType.EVALUATION, step=step, flops=1e9 * step, outcomes=path, results={})
    return run


def config(run, **changes):
    return ScalingConfig(name="RPT, seed 0", run=str(run.path), bootstrap=200, **changes)


def test_evaluations_are_read_position_by_position_whatever_the_order_of_a_file(run):
    found = read_evaluations(config(run))
    assert found.steps == STEPS
    assert found.cost.tolist() == [1e9 * step for step in STEPS]
    assert found.correct.mean(0) == pytest.approx([accuracy(step) for step in STEPS])
    # Who was right once stays right: only then are the files matched by position.
    assert (np.diff(found.correct, axis=1) >= 0).all()
    assert len(found.documents) == POSITIONS


def test_a_step_that_was_evaluated_twice_counts_once(run):
    with EventLog(run.events, attempt=2) as log:
        log.emit(EventType.EVALUATION, step=160, flops=5e9, outcomes="evaluations/step-000160.parquet", results={})
    assert read_evaluations(config(run)).cost.tolist() == [5e9, 1e10, 2e10, 4e10, 8e10, 5e9]


def test_evaluations_of_other_positions_are_refused(run):
    write_outcomes(run, 40, [1.0] * POSITIONS, documents=[f"e{row}" for row in range(POSITIONS)])
    with pytest.raises(UserError, match="evaluated at different positions"):
        read_evaluations(config(run))


def test_a_mode_that_was_not_evaluated_is_refused(run):
    with pytest.raises(UserError, match="greedy"):
        read_evaluations(config(run, mode="greedy"))


def test_hours_are_those_of_the_steps_that_led_there():
    log = [
        ("started", {"start_step": 0}),
        ("metrics", {"step": 2, "values": {"seconds_sampling": 10.0, "seconds_update": 5.0}}),  # means of 2 steps
        ("metrics", {"step": 4, "values": {"seconds_sampling": 1e6}}),  # lost: the next attempt continues from step 2
        ("started", {"start_step": 2}),
        ("metrics", {"step": 4, "values": {"seconds_sampling": 40.0, "seconds_update": 20.0}}),
    ]
    until = hours_until([_event(type_, data) for type_, data in log])
    assert [3600 * until(step) for step in (0, 1, 2, 3, 4)] == pytest.approx([0, 15, 30, 90, 150])


def test_hours_that_were_not_measured_are_refused():
    with pytest.raises(UserError, match="no seconds of sampling and update"):
        hours_until([_event("metrics", {"step": 1, "values": {"loss": 1.0}})])


def _event(type_, data):
    from rpt_core.run.events import Event

    return Event(1, 1, 0.0, EventType(type_), data, 0)


def test_tokens_are_prompts_once_for_their_group_and_all_responses(tmp_path):
    run = RunDir(tmp_path)
    for step, prompt in ((1, 100), (2, 50)):
        rows = [_rollout(step, group, sample, prompt, 7) for group in range(2) for sample in range(3)]
        write_rollouts(run.rollout_shard("train", step), rows)
    until = tokens_until(run, 2)
    assert [until(step) for step in (0, 1, 2)] == [0, 2 * 100 + 6 * 7, 2 * 100 + 2 * 50 + 12 * 7]
    with pytest.raises(UserError, match=r"train-000003.parquet does not exist"):
        tokens_until(run, 3)


def _rollout(step, group, sample, prompt_tokens, response_tokens):
    return RolloutRow(
        step, group, sample, "d", 1, 1.0, "p", "r", None, b"x", [1], 0.0, "no_box", None, "stop", prompt_tokens,
        response_tokens, None, None,
    )  # fmt: skip


def test_documents_are_drawn_with_all_their_positions_and_the_same_ones_at_every_step():
    # Document a: three positions, right at both steps; document b: one position, right at the first step only.
    values = np.array([[1.0, 1.0], [1.0, 1.0], [1.0, 1.0], [1.0, 0.0]])
    draws = resampled_means(values, ["a", "a", "a", "b"], 2000, seed=0)
    assert draws[:, 0].tolist() == [1.0] * 2000
    found, counts = np.unique(draws[:, 1], return_counts=True)
    assert found.tolist() == [0.0, 0.75, 1.0]
    assert counts / 2000 == pytest.approx([0.25, 0.5, 0.25], abs=0.04)


def test_the_seed_decides_the_draws():
    values, documents = np.eye(5)[:, :2], list("abcde")
    draws = [resampled_means(values, documents, 700, seed).tolist() for seed in (1, 1, 2)]
    assert draws[0] == draws[1] != draws[2]


def test_the_fit_comes_with_its_band_its_error_at_the_last_point_and_the_way_ahead(run):
    fits, points, curve, forms = scaling_tables(config(run), seed=0)
    assert [table.name for table in (fits, points, curve, forms)] == [
        "scaling_rpt_seed_0", "scaling_points_rpt_seed_0", "scaling_curve_rpt_seed_0", "forms_rpt_seed_0",
    ]  # fmt: skip
    easy, hard = fits.rows
    assert (easy["difficulty"], easy["points"], easy["positions"]) == ("easy", 6, 200)
    assert (hard["difficulty"], hard["positions"]) == ("hard", 100)
    measured = [accuracy(step) for step in STEPS]
    alone = fit_power_law(1e9 * np.array(STEPS), measured)
    assert (easy["a"], easy["r2"]) == (alone.A, alone.r2)
    assert easy["alpha"].value == alone.alpha == pytest.approx(0.6, abs=0.05)
    assert easy["alpha"].low < easy["alpha"].value < easy["alpha"].high
    assert easy["p_star"].low < 0.95 < easy["p_star"].high
    before = fit_power_law(1e9 * np.array(STEPS[:-1]), measured[:-1])
    assert easy["error"].value == pytest.approx(float(before.predict(160e9)) - measured[-1])
    assert easy["error"].low < 0 < easy["error"].high
    assert easy["ahead"].value == pytest.approx(float(alone.predict(320e9)))
    low, high = easy["p_star"].low, easy["p_star"].high
    doubted = f"P*: other documents could give {low:.3f} to {high:.3f}: it is not determined."
    often = f"The points do not determine the curve in {easy['at_bound']:.0%} of the resamplings."
    assert easy["note"].split(" alpha: ")[0] in (doubted, f"{doubted} {often}")
    assert 0 < easy["at_bound"] < 0.3  # the limit of 95 % is near enough to its bound for some draws


def test_points_have_wilson_intervals_and_the_curve_its_band(run):
    _, points, curve, _ = scaling_tables(config(run), seed=0)
    first = points.rows[0]
    assert (first["difficulty"], first["step"], first["cost"]) == ("easy", 5, 5e9)
    low, high = wilson_interval(accuracy(5) * POSITIONS, POSITIONS)
    assert (first["accuracy"].low, first["accuracy"].high) == pytest.approx((low, high))
    assert first["accuracy"].n == POSITIONS
    easy = [row for row in curve.rows if row["difficulty"] == "easy"]
    assert [easy[0]["cost"], easy[-1]["cost"]] == pytest.approx([5e9, 320e9])
    assert all(row["accuracy"].low < row["accuracy"].value < row["accuracy"].high for row in easy)


def test_the_same_seed_gives_the_same_tables(run):
    a, b, c = (scaling_tables(config(run), seed) for seed in (0, 0, 1))
    assert [table.rows for table in a] == [table.rows for table in b]
    assert a[0].rows != c[0].rows


def test_what_the_points_do_not_determine_is_left_out_with_its_reason(run):
    for step in STEPS:  # linear in log C without an end in sight
        write_outcomes(run, step, spread_out(0.2 + 0.14 * np.log2(step / 5)))
    fits, _, curve, _ = scaling_tables(config(run), seed=0)
    easy = fits.rows[0]
    assert easy["error"] is easy["ahead"] is None
    assert easy["note"].startswith("P*: the points do not determine this curve: P* lies at its bound of 100%; P* from ")
    assert "Error at the last point: This scaling curve cannot be extrapolated: P* lies at" in easy["note"]
    assert "At 2 times the cost: " in easy["note"]
    assert easy["at_bound"] > 0.9
    ends = {row["cost"] for row in curve.rows if row["difficulty"] == "easy"}
    assert max(ends) == pytest.approx(160e9)


def test_resamplings_that_end_at_a_bound_cast_doubt_on_a_fit_whatever_the_points_say(run):
    for step in STEPS:
        write_outcomes(run, step, spread_out(0.2 + 0.14 * np.log2(step / 5)))
    easy = scaling_tables(config(run), seed=0)[0].rows[0]
    assert f"The points do not determine the curve in {easy['at_bound']:.0%} of the resamplings." in easy["note"]


def test_a_known_ceiling_is_drawn_and_a_limit_above_it_pointed_out(run):
    fits, _, curve, _ = scaling_tables(config(run, ceiling=0.9), seed=0)
    assert "P*: above the known ceiling of 0.900." in fits.rows[0]["note"]
    line = [row for row in curve.rows if row["difficulty"] == "known ceiling"]
    assert [row["accuracy"] for row in line] == [0.9, 0.9]
    assert [row["cost"] for row in line] == pytest.approx([5e9, 320e9])


def test_forms_are_compared_by_what_they_predict_of_the_last_point(run):
    easy = scaling_tables(config(run), seed=0)[3].rows[:3]
    assert [row["form"] for row in easy] == ["power law", "saturating exponential", "log-linear"]
    power, exponential, linear = easy
    assert power["nearest"] == "nearest"  # the points were drawn from one
    assert exponential["nearest"] is linear["nearest"] is None
    assert linear["error"].value > 0.05  # it knows no limit
    assert exponential["error"].value < 0  # it reaches its limit too soon
    assert power["fit"] > exponential["fit"]


def test_hours_are_called_device_hours(run):
    fits, points, *_ = scaling_tables(config(run, x="gpu_hours"), seed=0)
    assert [row["cost"] for row in points.rows[:6]] == pytest.approx([4 * step / 3600 for step in STEPS])
    assert points.columns[2].label == "Device hours"
    assert "hours of the CPU without" in fits.caption


def test_the_stage_emits_the_tables(run, tmp_path):
    run_stage(tmp_path / "analyse", {"stage": "analyse", "scaling": [config(run).model_dump()]})
    names = [table["name"] for table in events(tmp_path / "analyse", EventType.TABLE)]
    assert names == [
        *("scaling_rpt_seed_0", "scaling_points_rpt_seed_0", "scaling_curve_rpt_seed_0", "forms_rpt_seed_0"),
    ]


def test_a_run_with_too_few_evaluations_is_refused(run):
    kept = [event for event in read_events(run.events) if event.data.get("step", 0) <= 20]
    lines = run.events.read_text().splitlines(keepends=True)
    run.events.write_text("".join(lines[event.seq - 1] for event in kept))
    with pytest.raises(UserError, match="evaluated at 3 steps with a cost above 0"):
        scaling_tables(config(run), seed=0)
    run.events.write_text("")
    with pytest.raises(UserError, match="was not evaluated"):
        scaling_tables(config(run), seed=0)
