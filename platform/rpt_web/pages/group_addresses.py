"""Addresses of what is behind numbers on other pages: lists of groups, and of positions where nothing was written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache, lru_cache
from urllib.parse import parse_qsl, urlencode

from django.urls import reverse

from rpt_web.traces.group_filters import write_steps

ANY_STEP = "{x}"
"""Stands in an address for the step of a point that is pressed."""
KINDS_OF_MODES = {"sampled": "sampled", "majority": "sampled", "greedy": "greedy"}
"""Modes of an evaluation -> the kind of the responses that it rests on; without thinking there are none."""
WITHOUT_THINKING = "standard"
GROUPS_OF_ROWS = {
    "ledger": {
        "rewards differ, learnt from": "solved=some",
        "all 0": "solved=none",
        "all 1": "solved=all",
        "pass rate outside the band": "solved=some",
        "surplus, the batch was full": "solved=some",
        "together": "",
    },
    "solved_positions": {
        "no response": "solved=none",
        "some responses": "solved=some",
        "every response": "solved=all",
    },
}
"""Of a table's rows by their first cell: which groups they are about."""


def address_of_list(run: int, kind: str = "", step: int | str | None = None, more: str = "", **also: str) -> str:
    """A run's groups of a kind, at a step, that fulfil more: part of a query."""
    return address_of_lists([run], kind, step, more, **also)


def address_of_lists(
    runs: Sequence[int], kind: str = "", step: int | str | None = None, more: str = "", **also: str
) -> str:
    """The same of several runs."""
    query: dict[str, object] = {"run": ",".join(map(str, runs))}
    query |= {"kind": kind} if kind else {}
    query |= {} if step is None else {"step_from": step, "step_to": step}
    query |= dict(parse_qsl(more)) | also
    return f"{_list()}?{_written(query, '{},')}"


def address_of_evaluations(at: Iterable[tuple[int, int]], kind: str, more: str = "", **also: str) -> str:
    """The groups that several evaluations rest on, each of a run at a step of its own."""
    steps = list(at)
    if len({step for _, step in steps}) == 1:
        return address_of_lists([run for run, _ in steps], kind, steps[0][1], more, **also)
    query = {"at": write_steps(steps), "kind": kind} | dict(parse_qsl(more)) | also
    return f"{_list()}?{_written(query, '@,')}"


def address_of_positions(run: int, step: int, mode: str, difficulty: str = "", **more: str) -> str:
    """What an evaluation found at each position, in a mode without responses, too."""
    query = {"mode": mode} | ({"difficulty": difficulty} if difficulty else {}) | more
    return f"{_positions(run, step)}?{_written(query)}"


@lru_cache(10_000)
def run_page(run: int) -> str:
    """A run's page: tables name hundreds."""
    return reverse("runs:run_detail", args=[run])


@lru_cache(1000)
def experiment_page(experiment: int) -> str:
    """An experiment's page, likewise."""
    return reverse("experiments:experiment_detail", args=[experiment])


@cache
def _list() -> str:
    """A page may have hundreds of such links."""
    return reverse("traces:group_list")


@lru_cache(1000)
def _positions(run: int, step: int) -> str:
    """One for each cell of an evaluation, likewise."""
    return reverse("runs:evaluated_positions", args=[run, step])


def _written(query: Mapping[str, object], safe: str = "") -> str:
    return _query(tuple((name, str(value)) for name, value in query.items()), safe)  # as texts: 1 and True are one key


@lru_cache(10_000)
def _query(named: tuple[tuple[str, str], ...], safe: str) -> str:
    """The links of a page are written again whenever it is asked for."""
    return urlencode(named, safe=safe)
