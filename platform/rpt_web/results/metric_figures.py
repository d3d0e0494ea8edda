"""Charts of a run's metrics: which metrics go together, with what title, unit and caption.

In: a run's metric series. Out: `Figure`s whose traces name the metric that extends them live. A metric that no chart
knows gets one of its own, so nothing a stage reports stays unseen.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from rpt_web.results.figures import EVALUATION, Axis, Figure, layout, line
from rpt_web.runs.queries import Series

STEP = Axis("optimiser step", integer=True)


@dataclass(frozen=True)
class Chart:
    """One chart: its metrics with their names in the legend."""

    id: str
    group: str
    title: str
    caption: str
    y: Axis
    metrics: dict[str, str]


LEARNING, RESPONSES, UPDATE, COST = "Learning", "Responses", "Update", "Cost"
GROUP_ORDER = (LEARNING, EVALUATION, RESPONSES, UPDATE, COST)
SHARE = Axis("share of responses", percent=True)

CHARTS = (
    Chart(
        "reward",
        LEARNING,
        "Reward",
        "Mean reward of the step's responses: the share whose prediction is a true beginning of the text.",
        Axis("mean reward", percent=True),
        {"reward_mean": "mean reward"},
    ),
    Chart(
        "outcomes",
        LEARNING,
        "What became of the responses",
        "With a closed box after the thought; matching the text; cut by the length limit.",
        SHARE,
        {"share_boxed": "boxed", "share_matched": "matched", "share_cut": "cut"},
    ),
    Chart(
        "groups",
        LEARNING,
        "Groups that teach nothing",
        "Groups whose responses are all wrong or all right have no advantage. Both rising together is a warning.",
        Axis("share of groups", percent=True),
        {"share_all_zero": "all wrong", "share_all_one": "all right"},
    ),
    Chart(
        "loss",
        LEARNING,
        "Loss",
        "Supervised: nats for each token. RPT: the clipped policy loss, which hovers near 0 and says little by itself.",
        Axis("loss"),
        {"loss": "loss"},
    ),
    Chart(
        "response-length",
        RESPONSES,
        "Response length",
        "A steep fall into short templates is a sign of collapse.",
        Axis("tokens for each response", extra={"rangemode": "tozero"}),
        {"response_tokens_mean": "mean tokens"},
    ),
    Chart(
        "predicted-bytes",
        RESPONSES,
        "Length of predictions",
        "Any prefix on a token boundary pays, so predictions may drift towards one cheap token.",
        Axis("bytes for each prediction", extra={"rangemode": "tozero"}),
        {"predicted_bytes_mean": "mean bytes"},
    ),
    Chart(
        "surprise",
        RESPONSES,
        "Surprise of the sampled tokens",
        "Mean negative log-probability, an estimate of the policy's entropy. Near 0 it no longer explores.",
        Axis("nats for each token", extra={"rangemode": "tozero"}),
        {"mean_negative_log_prob": "mean surprise"},
    ),
    Chart(
        "gradient",
        UPDATE,
        "Gradient norm",
        "Before it is clipped.",
        Axis("gradient norm", extra={"rangemode": "tozero"}),
        {"gradient_norm": "gradient norm"},
    ),
    Chart(
        "learning-rate",
        UPDATE,
        "Learning rate",
        "As the schedule set it.",
        Axis("learning rate", extra={"rangemode": "tozero", "exponentformat": "e"}),
        {"learning_rate": "learning rate"},
    ),
    Chart(
        "sampler-gap",
        UPDATE,
        "Sampler against trainer",
        "How far the two are apart in the log-probability of the same tokens. On-policy it stays near 0.",
        Axis("mean difference (nats)", extra={"rangemode": "tozero", "exponentformat": "e"}),
        {"sampler_log_prob_gap": "difference"},
    ),
    Chart(
        "seconds",
        COST,
        "Time of a step",
        "Sampling responses, and learning from them.",
        Axis("seconds", extra={"rangemode": "tozero"}),
        {"seconds_sampling": "sampling", "seconds_update": "update", "seconds": "step"},
    ),
    Chart(
        "speed",
        COST,
        "Speed",
        "Tokens read, written and trained on.",
        Axis("tokens for each second", extra={"rangemode": "tozero"}),
        {"tokens_per_second": "tokens a second"},
    ),
    Chart(
        "compute",
        COST,
        "Compute of a step",
        "Counted from the tokens really processed (docs/method.md).",
        Axis("FLOPs", extra={"rangemode": "tozero", "exponentformat": "SI"}),
        {"flops": "FLOPs"},
    ),
)


def metric_figures(series: Series) -> list[Figure]:
    """All charts of a run that have at least one point."""
    known = {name for chart in CHARTS for name in chart.metrics}
    charts = [chart for chart in CHARTS if any(name in series.values for name in chart.metrics)]
    charts += [_own_chart(name) for name in series.values if name not in known]
    return [_figure(chart, series) for chart in charts]


def group_order(figures: Iterable[Figure]) -> list[str]:
    """The groups of some figures in the order of the page; unknown ones last."""
    found = list(dict.fromkeys(figure.group for figure in figures))
    return sorted(found, key=lambda group: GROUP_ORDER.index(group) if group in GROUP_ORDER else len(GROUP_ORDER))


def _figure(chart: Chart, series: Series) -> Figure:
    present = {name: label for name, label in chart.metrics.items() if name in series.values}
    few = len(series.steps) < 40
    traces = [
        line(
            label,
            f"series-{number}",
            series.steps,
            series.values[name],
            meta={"metric": name},
            mode="lines+markers" if few else "lines",
        )
        for number, (name, label) in enumerate(present.items(), start=1)
    ]
    thinned = f" Every {series.every}th step is drawn." if series.every > 1 else ""
    return Figure(
        id=chart.id,
        title=chart.title,
        caption=chart.caption + thinned,
        data=traces,
        layout=layout(STEP, chart.y, legend=len(traces) > 1),
        group=chart.group,
    )


def _own_chart(name: str) -> Chart:
    words = name.replace("_", " ").replace("/", ", ")
    return Chart(
        f"metric-{name}",
        "Other measurements",
        words.capitalize(),
        "As the stage reported it.",
        Axis(words),
        {name: words},
    )
