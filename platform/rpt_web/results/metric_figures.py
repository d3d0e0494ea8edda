"""Charts of a run's metrics: which metrics go together, with what title, unit and caption.

In: a run's metric series. Out: `Figure`s whose traces name the metric that extends them live. A metric that no chart
knows gets one of its own, so nothing a stage reports stays unseen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from rpt_web.results.figures import EVALUATION, Axis, Figure, layout, line
from rpt_web.runs.queries import MetricSeries

STEP = Axis("optimiser step", integer=True)


@dataclass(frozen=True)
class MetricChart:
    """One chart: its metrics with their names in the legend."""

    id: str
    group: str
    title: str
    caption: str
    y: Axis
    metrics: dict[str, str]


LEARNING, RESPONSES, COLLAPSE, UPDATE, COST = "Learning", "Responses", "Signs of collapse", "Update", "Cost"
SAMPLING, OTHER = "Dynamic sampling", "Other measurements"
GROUP_ORDER = (LEARNING, EVALUATION, RESPONSES, COLLAPSE, SAMPLING, UPDATE, COST)
GROUPS_OF = {
    "share_all_zero": "solved=none",
    "share_all_one": "solved=all",
    "share_matched": "reason=match",
    "share_cut": "finish=length",
    "share_no_box": "reason=no_box",
    "share_several_boxes": "boxes=2",
    "share_right_but_blanks": "white_space=1",
    "dropped_all_zero": "solved=none",
    "dropped_all_one": "solved=all",
    "dropped_band": "solved=some",
    "response_tokens_mean": "order=length",
}
"""Of a step's groups, those that a metric counts: part of the query of a list of traces."""
SHARE = Axis("share of responses", percent=True)
FROM_ZERO = {"rangemode": "tozero"}

CHARTS = (
    MetricChart(
        "reward",
        LEARNING,
        "Reward",
        "Mean over the step's responses. With the prefix reward: the share whose prediction is a true beginning of the "
        "text. It should rise; a jump to the top within a few steps suggests that the reward is being gamed.",
        Axis("mean reward", extra=FROM_ZERO),
        {"reward_mean": "mean reward"},
    ),
    MetricChart(
        "outcomes",
        LEARNING,
        "What became of the responses",
        "With a closed box after the thought; matching the text; cut by the length limit.",
        SHARE,
        {"share_boxed": "boxed", "share_matched": "matched", "share_cut": "cut"},
    ),
    MetricChart(
        "groups",
        LEARNING,
        "Groups that teach nothing",
        "Groups whose responses all earn the same have no advantage. If both lines rise together, that is a warning.",
        Axis("share of groups", percent=True),
        {"share_all_zero": "nothing earned", "share_all_one": "all the same, above 0"},
    ),
    MetricChart(
        "loss",
        LEARNING,
        "Loss",
        "Supervised: nats for each token. RPT: the clipped policy loss, which hovers near 0 and says little by itself.",
        Axis("loss"),
        {"loss": "loss"},
    ),
    MetricChart(
        "response-length",
        RESPONSES,
        "Response length",
        "A steep fall to short, formulaic responses is a sign of collapse.",
        Axis("tokens for each response", extra=FROM_ZERO),
        {"response_tokens_mean": "mean tokens"},
    ),
    MetricChart(
        "predicted-bytes",
        RESPONSES,
        "Length of predictions",
        "Any prefix on a token boundary pays, so predictions may drift towards one cheap token.",
        Axis("bytes for each prediction", extra=FROM_ZERO),
        {"predicted_bytes_mean": "mean bytes"},
    ),
    MetricChart(
        "surprise",
        RESPONSES,
        "Surprise of the sampled tokens",
        "Mean negative log-probability, an estimate of the policy's entropy. Near 0 it no longer explores.",
        Axis("nats for each token", extra=FROM_ZERO),
        {"mean_negative_log_prob": "mean surprise"},
    ),
    MetricChart(
        "entropy",
        RESPONSES,
        "Entropy of the policy",
        "Mean over the tokens that were learnt from, at the sampling temperature. A fall towards 0 ends exploration.",
        Axis("nats for each token", extra=FROM_ZERO),
        {"entropy_nats": "mean entropy"},
    ),
    MetricChart(
        "form",
        COLLAPSE,
        "Answers that break the format",
        "Without a box, with several boxes, with nothing but white space in the box. Each should stay near 0; a rise "
        "means that the policy forgets the format, or is gaming the reward.",
        SHARE,
        {
            "share_no_box": "no box",
            "share_several_boxes": "several boxes",
            "share_blank_prediction": "white space only",
        },
    ),
    MetricChart(
        "right-but-blanks",
        COLLAPSE,
        "Right except for white space",
        "Wrong only because of white space at the ends. A high share loses whole groups to formatting: look at the "
        "template.",
        SHARE,
        {"share_right_but_blanks": "right except for white space"},
    ),
    MetricChart(
        "first-token-gap",
        COLLAPSE,
        "First token right, prediction wrong",
        "Share whose prediction begins with the true first token, minus the share that is rewarded. A rise means that "
        "predictions are too long; a fall to 0 while they get shorter means that they shrink to one token.",
        Axis("difference of shares", percent=True),
        {"first_token_gap": "first token minus match"},
    ),
    MetricChart(
        "target-quoted",
        COLLAPSE,
        "Target appears in the thought",
        "The true next token appears in the chain of thought, sometimes by chance. A steep rise while thoughts get "
        "shorter means that they only state the answer.",
        SHARE,
        {"share_target_quoted": "target in the thought"},
    ),
    MetricChart(
        "groups-sampled",
        SAMPLING,
        "Groups of a step",
        "Sampled in total, and dropped because they teach nothing. Drops that grow with each step mean that the "
        "positions "
        "are used up: too easy by now, or never solved.",
        Axis("groups", extra=FROM_ZERO),
        {
            "groups_sampled": "sampled",
            "dropped_all_zero": "dropped, nothing earned",
            "dropped_all_one": "dropped, all the same above 0",
            "dropped_band": "dropped, outside the band",
            "groups_surplus": "surplus",
        },
    ),
    MetricChart(
        "share-dropped",
        SAMPLING,
        "Share of groups dropped",
        "Near 100 %, nearly all sampling is wasted.",
        Axis("share of groups", percent=True),
        {"share_dropped": "dropped"},
    ),
    MetricChart(
        "extra-batches",
        SAMPLING,
        "Further batches sampled",
        "To replace what was dropped. At the cap, the step continues with fewer groups than it should have.",
        Axis("batches", extra=FROM_ZERO),
        {"extra_batches": "further batches"},
    ),
    MetricChart(
        "tokens-dropped",
        SAMPLING,
        "Tokens of dropped responses",
        "Sampled in the step but not learnt from. A steady rise means that more and more sampling is wasted.",
        Axis("tokens", extra=FROM_ZERO),
        {"tokens_dropped": "dropped"},
    ),
    MetricChart(
        "flops-dropped",
        SAMPLING,
        "Compute of dropped responses",
        "What the dropped rollouts cost. Compare it with the compute of a step below.",
        Axis("FLOPs", extra=FROM_ZERO | {"exponentformat": "SI"}),
        {"flops_dropped": "dropped"},
    ),
    MetricChart(
        "kl",
        UPDATE,
        "Divergence from the first policy",
        "KL divergence to the model that training started from (k3 estimator). A steep rise means that the policy is "
        "drifting away from it.",
        Axis("nats for each token", extra=FROM_ZERO),
        {"kl": "KL divergence"},
    ),
    MetricChart(
        "clipped",
        UPDATE,
        "Clipped tokens",
        "Tokens whose probability ratio lies outside the clip range. On-policy, none. Far above 20 %, there are too "
        "many mini-batches or the learning rate is too high.",
        Axis("share of tokens", percent=True),
        {"share_clipped": "clipped"},
    ),
    MetricChart(
        "ratio",
        UPDATE,
        "Probability ratio",
        "New policy against the one that sampled, mean over tokens. It should stay near 1.",
        Axis("mean ratio"),
        {"ratio_mean": "mean ratio"},
    ),
    MetricChart(
        "gradient",
        UPDATE,
        "Gradient norm",
        "Before it is clipped.",
        Axis("gradient norm", extra=FROM_ZERO),
        {"gradient_norm": "gradient norm"},
    ),
    MetricChart(
        "learning-rate",
        UPDATE,
        "Learning rate",
        "Set by the schedule.",
        Axis("learning rate", extra=FROM_ZERO | {"exponentformat": "e"}),
        {"learning_rate": "learning rate"},
    ),
    MetricChart(
        "sampler-gap",
        UPDATE,
        "Sampler against trainer",
        "How far apart the two are in the log-probability of the same tokens. On-policy it stays near 0.",
        Axis("mean difference (nats)", extra=FROM_ZERO | {"exponentformat": "e"}),
        {"sampler_log_prob_gap": "difference"},
    ),
    MetricChart(
        "rollout-probabilities",
        UPDATE,
        "Rollout against trainer, probabilities",
        "How far apart verl's trainer and its sampler are in the probability of the same tokens. A rise means that the "
        "policy learns from responses that it would not have written.",
        Axis("difference of probabilities", extra=FROM_ZERO | {"exponentformat": "e"}),
        {"rollout_probability_gap_mean": "mean", "rollout_probability_gap_max": "largest"},
    ),
    MetricChart(
        "responses-learnt",
        UPDATE,
        "Right responses learnt from",
        "Distinct right responses of a round (expert iteration). Without any, nothing is learnt.",
        Axis("responses", extra=FROM_ZERO),
        {"responses_learnt": "responses"},
    ),
    MetricChart(
        "updates",
        UPDATE,
        "Updates of a round",
        "Optimiser updates on the right responses of a round (expert iteration).",
        Axis("updates", extra=FROM_ZERO),
        {"updates": "updates"},
    ),
    MetricChart(
        "steps-skipped",
        UPDATE,
        "Steps skipped",
        "So far, because a number was not finite. A steady rise means that training has become unstable.",
        Axis("steps", extra=FROM_ZERO),
        {"steps_skipped": "skipped"},
    ),
    MetricChart(
        "answers-given-up",
        COLLAPSE,
        "Comparisons given up",
        "Answers whose comparison with the reference took too long; they count as wrong. Many of them suggest that the "
        "reward is being gamed.",
        Axis("answers", extra=FROM_ZERO),
        {"answers_given_up": "given up"},
    ),
    MetricChart(
        "seconds",
        COST,
        "Time of a step",
        "Sampling responses, and learning from them.",
        Axis("seconds", extra=FROM_ZERO),
        {"seconds_sampling": "sampling", "seconds_update": "update", "seconds": "step"},
    ),
    MetricChart(
        "speed",
        COST,
        "Speed",
        "Tokens read, written and trained on.",
        Axis("tokens for each second", extra=FROM_ZERO),
        {"tokens_per_second": "tokens a second"},
    ),
    MetricChart(
        "compute",
        COST,
        "Compute of a step",
        "Counted from the tokens processed (docs/method.md).",
        Axis("FLOPs", extra=FROM_ZERO | {"exponentformat": "SI"}),
        {"flops": "FLOPs"},
    ),
)


def metric_figures(series: MetricSeries, keep: Callable[[MetricChart], bool] = lambda chart: True) -> list[Figure]:
    """The charts of a run that have at least one point, of those that are to be kept."""
    known = {name for chart in CHARTS for name in chart.metrics}
    charts = [chart for chart in CHARTS if any(name in series.values for name in chart.metrics)]
    charts += [_own_chart(name) for name in series.values if name not in known]
    return [_figure(chart, series) for chart in charts if keep(chart)]


def metrics_of(keep: Callable[[MetricChart], bool]) -> list[str]:
    """The metrics of the charts that are to be kept."""
    return [name for chart in CHARTS if keep(chart) for name in chart.metrics]


def group_order(figures: Iterable[Figure]) -> list[str]:
    """The groups of some figures in the order of the page; unknown ones last."""
    found = list(dict.fromkeys(figure.group for figure in figures))
    return sorted(found, key=lambda group: GROUP_ORDER.index(group) if group in GROUP_ORDER else len(GROUP_ORDER))


def _figure(chart: MetricChart, series: MetricSeries) -> Figure:
    present = {name: label for name, label in chart.metrics.items() if name in series.values}
    few = len(series.steps) < 40
    traces = [
        line(
            label,
            f"series-{number}",
            series.steps,
            series.values[name],
            meta={"metric": name, **({"query": GROUPS_OF[name]} if name in GROUPS_OF else {})},
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


def _own_chart(name: str) -> MetricChart:
    words = name.replace("_", " ").replace("/", ", ")
    return MetricChart(
        f"metric-{name}",
        OTHER,
        words.capitalize(),
        "As the stage reported it.",
        Axis(words),
        {name: words},
    )
