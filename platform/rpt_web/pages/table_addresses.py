"""Where the cells of a result table lead: to the groups of responses, or the positions, that a number rests on.

In: a table as it is shown, a row as the stage wrote it. Out: addresses by the keys of columns; a column that is not
there leads nowhere, since nobody has stored which responses it rests on. The points of a table's figure lead where the
numbers do that they draw. A level of difficulty holds the harder ones, in lists as in tables. Where nothing was
written, without thinking, a number leads to the outcomes at its positions.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar
from urllib.parse import parse_qsl, urlencode

from django.urls import reverse

from rpt_web.pages.group_addresses import (
    GROUPS_OF_ROWS,
    KINDS_OF_MODES,
    WITHOUT_THINKING,
    address_of_list,
    address_of_lists,
    address_of_positions,
)
from rpt_web.results.figures import Figure, Json
from rpt_web.results.outcomes import ALL
from rpt_web.results.paper_categories import BY_CATEGORY
from rpt_web.results.paper_tables import SeveralRuns
from rpt_web.results.tables import Origin, Row, TableView
from rpt_web.traces.models import PATTERNS

SUBJECTS = ("Domain", "Category")
NO_SUBJECT = ("All questions", "Mean of the categories")
CHANGED = ("comparison_", "changed_")
"""The table of numbers, and that of the positions behind two of them."""
PAPERS_LIST = "paper"
TWO_BY_TWO = {"both": ("1", "1"), "only_standard": ("0", "1"), "only_reasoning": ("1", "0"), "neither": ("0", "0")}
"""Cells -> whether thinking, and whether the standard answer, is right."""
SUCCESS = {"solved": ("any", "1"), "unsolved": ("not_all", "0")}
"""What filters of groups, and of responses, call these."""
_FILE = re.compile(r"(?:^|/)(\d+)/(?:rollouts|evaluations)/([a-z]+)-(\d+)\.parquet$")
_RUN = re.compile(r"(?:^|/)(\d+)/?$")
Values = Mapping[str, Any]
T = TypeVar("T", TableView, SeveralRuns)
Addresses = dict[str, str]


@dataclass(frozen=True)
class RunFile:
    """A file in a run's folder, of one step."""

    run: int
    kind: str
    """Of responses, or `step` for outcomes of an evaluation."""
    step: int

    def behind(self, mode: str, more: str = "") -> str:
        """The groups that a mode of the evaluation rests on, or without thinking the positions; empty for others."""
        if mode == WITHOUT_THINKING:
            return address_of_positions(self.run, self.step, mode, **dict(parse_qsl(more)))
        kind = KINDS_OF_MODES.get(mode)
        return address_of_list(self.run, kind, self.step, more) if kind else ""


def addresses_of(table: Origin, row: Values) -> Addresses:
    """Where the cells of a row lead."""
    return {key: address for key, address in _found(table, row).items() if address}


def addresses_of_row(table: TableView | SeveralRuns, row: Row) -> Addresses:
    """The same of a row as it is shown; a mean over seeds leads nowhere: the rows of its seeds stand below it."""
    origin = table.origin if isinstance(table, TableView) else row.origin
    return addresses_of(origin, row.values) if origin else {}


def leading(tables: Iterable[T]) -> list[T]:
    """The tables with figures whose points lead where the numbers of their rows do."""
    return [replace(table, figure=_leading_figure(table)) for table in tables]


def _leading_figure(table: TableView | SeveralRuns) -> Figure | None:
    if table.figure is None or table.name == BY_CATEGORY:  # whose chart has rows of its own
        return table.figure
    found = [addresses_of_row(table, row) for row in table.rows]
    return replace(table.figure, data=[_leading(trace, found) for trace in table.figure.data])


def _leading(trace: Json, found: Sequence[Addresses]) -> Json:
    """A trace whose `meta` has where each of its points leads, where any does."""
    meta = trace["meta"]
    places = [found[row].get(meta["column"], "") for row in meta.get("rows", ())]
    return trace | {"meta": meta | {"places": places}} if any(places) else trace


def run_file(path: Any) -> RunFile | None:
    """The run, kind and step that a path names; None for one elsewhere."""
    found = _FILE.search(str(path))
    return RunFile(int(found[1]), found[2], int(found[3])) if found else None


def _found(table: Origin, row: Values) -> Addresses:
    for start, function in _BY_NAME.items():
        if table.name.startswith(start):
            return function(table, row)
    if table.heads and table.heads[0].label in SUBJECTS:
        return _of_subject(table, row)
    return {}


def _of_rows(table: Origin, row: Values) -> Addresses:
    """The ledger, and the positions solved in training."""
    first = table.keys[0]
    more = GROUPS_OF_ROWS[table.name].get(str(row.get(first)))
    return {} if more is None else dict.fromkeys((first, "groups"), address_of_list(table.run.pk, "train", None, more))


def _of_subject(table: Origin, row: Values) -> Addresses:
    """By domain or category; a mode, where the table has one, says which responses."""
    first = table.keys[0]
    if table.run.stage not in ("evaluate", "rpt", "benchmark", "expert_iteration") or row.get(first) is None:
        return {}
    name, kind = str(row[first]).replace(" › ", " -> "), KINDS_OF_MODES.get(str(row.get("mode")), "")
    about = {} if name in NO_SUBJECT else {"domain": name}
    address = address_of_list(table.run.pk, "", table.step, **about)
    level = "easy" if table.name == "by_domain" else ALL
    unthought = address_of_positions(table.run.pk, table.step, WITHOUT_THINKING, level, **about)
    if "mode" not in row:
        columns = {"reasoning": address, WITHOUT_THINKING: unthought}
        return {first: address} | {key: columns[key] for key in columns if row.get(key) is not None}
    if row["mode"] == WITHOUT_THINKING:
        found = unthought
    else:
        found = address_of_list(table.run.pk, kind, table.step, **about) if kind else ""
    return {first: address, "accuracy": found}


def _of_categories(table: Origin, row: Values) -> Addresses:
    """A row for each mode of a run, a column for each category: the responses, or without thinking the questions."""
    if row.get("of_run_id") is None or row.get("mode") not in ("reasoning", WITHOUT_THINKING):
        return {}
    run, step = row["of_run_id"], row["of_step"]
    address: Callable[..., str] = partial(address_of_list, run, "", step)
    if row["mode"] == WITHOUT_THINKING:
        address = partial(address_of_positions, run, step, WITHOUT_THINKING, ALL)
    return {
        key: address(domain=head.label.replace(" › ", " -> ")) if key.startswith("category_") else address()
        for key, head in zip(table.keys, table.heads, strict=True)
        if isinstance(row.get(key), dict)
    }


def _of_difficulty(table: Origin, row: Values) -> Addresses:
    """pass@k at the positions of a level."""
    kind = KINDS_OF_MODES.get(str(row.get("mode", "sampled")), "")
    address = address_of_list(table.run.pk, kind, table.step, _level(row))
    return {"difficulty": address, "accuracy": address}


def _of_two_by_two(table: Origin, row: Values) -> Addresses:
    """Standard against reasoning at the positions of a level: each cell holds those that it counts."""
    mode = {"majority": "sampled"}.get(str(row.get("mode")), str(row.get("mode")))
    if mode not in KINDS_OF_MODES:
        return {}
    level = str(row.get("difficulty"))
    address = partial(address_of_positions, table.run.pk, table.step, mode, level)
    cells = {name: address(right=right, standard=standard) for name, (right, standard) in TWO_BY_TWO.items()}
    responses = address_of_list(table.run.pk, KINDS_OF_MODES[mode], table.step, _level(row))
    return {"difficulty": responses, "difference": address()} | cells


def _of_templates(table: Origin, row: Values) -> Addresses:
    """Each template's responses are a step of their own."""
    templates = [str(name) for name in table.run.config.get("templates") or ()]
    if row.get("template") not in templates:
        return {}
    step = templates.index(row["template"])
    address = partial(address_of_list, table.run.pk, "sampled", step)
    keys = dict.fromkeys(("template", "random_at_1", "pass_at_k"), address(_level(row)))
    return keys | {"no_box": address(_level(row, "reason=no_box")), "cut": address(_level(row, "finish=length"))}


def _of_tests(table: Origin, row: Values) -> Addresses:
    """Test questions, a row for each step."""
    if (step := row.get("step")) is None:
        return {}
    address = partial(address_of_list, table.run.pk, "sampled", int(step))
    keys = dict.fromkeys(("step", "accuracy", "pass_at", "majority", "tokens"), address())
    return keys | {"cut": address("finish=length"), "no_box": address("reason=no_box")}


def _of_comparison(table: Origin, row: Values) -> Addresses:
    """The groups of each of the two sides."""
    named = _named(table, "comparisons", table.title)
    sides = {side: run_file(named.get(side)) for side in ("a", "b")}
    modes = {side: named.get(f"mode_{side}") or "sampled" for side in sides}
    found = {side: file.behind(modes[side], _level(row)) for side, file in sides.items() if file}
    return found | dict.fromkeys(("gained", "forgotten"), _table_of(table, table.name.replace(*CHANGED, 1)))


def _table_of(table: Origin, name: str) -> str:
    """Another table of the same run and step."""
    ref = f"run/{table.run.pk}/table/{table.step}/{name}"
    return reverse("exhibits:exhibit_detail", args=[ref])


def _of_changed(table: Origin, row: Values) -> Addresses:
    """A position that one side has right and the other has not: its groups by both."""
    title = table.title.partition(": ")[2]
    named = _named(table, "comparisons", title)
    files = [file for side in ("a", "b") if (file := run_file(named.get(side)))]
    if not files or row.get("document") is None or row.get("position") is None:
        return {}
    place = {"document": str(row["document"]), "token": str(row["position"])}
    both = address_of_lists([file.run for file in files], **place)
    sides = {side: address_of_list(file.run, "", file.step, **place) for side, file in zip("ab", files, strict=False)}
    return {"document": both, "position": both} | (sides if len(files) == 2 else {})


def _of_frontier(table: Origin, row: Values) -> Addresses:
    """A point of the curve: the outcomes at all positions, and at those where the policy thinks with this tau."""
    file, mode = _of_hybrid(table)
    if file is None:
        return {}
    always = file.behind(mode, _level(row))
    if row.get("tau") is None:  # one of the ends
        end = file.behind(WITHOUT_THINKING, _level(row)) if row.get("share") == 0 else always
        return {"difficulty": always, "accuracy": end}
    point = partial(address_of_positions, file.run, file.step, mode, str(row.get("difficulty")), tau=repr(row["tau"]))
    return {"difficulty": always, "accuracy": point(), "tau": point(), "share": point(thinks="1")}


def _of_gains(table: Origin, row: Values) -> Addresses:
    """Never thinking, always, with the best tau, and with one of each half of the documents, chosen on the other."""
    file, mode = _of_hybrid(table)
    if file is None:
        return {}
    always, never = (file.behind(one, _level(row)) for one in (mode, WITHOUT_THINKING))
    best = always if row.get("best_tokens") == row.get("always_tokens") else never
    if (tau := row.get("best_tau")) is not None:
        best = address_of_positions(file.run, file.step, mode, str(row.get("difficulty")), tau=repr(tau))
    held_out = address_of_positions(
        file.run, file.step, mode, str(row.get("difficulty")), held_out=str(table.run.config.get("seed", 0))
    )
    found = {"difficulty": always, "always": always, "never": never, "best": best, "best_tau": best}
    return found | dict.fromkeys(("held_out", "over_always", "over_never"), held_out)


def _of_hybrid(table: Origin) -> tuple[RunFile | None, str]:
    """The outcomes that a frontier was made of, and the mode in which it thinks."""
    named = _named(table, "frontiers", table.title.partition(": ")[2])
    return run_file(named.get("outcomes")), named.get("mode") or "sampled"


def _of_scaling(table: Origin, row: Values) -> Addresses:
    """The points, each an evaluation of a run."""
    named = _named(table, "scaling", table.title.partition(": ")[2])
    run, step = _RUN.search(str(named.get("run"))), row.get("step")
    if run is None or step is None:
        return {}
    address = RunFile(int(run[1]), "step", int(step)).behind(named.get("mode") or "sampled", _level(row))
    return {"step": address, "accuracy": address}


def _of_patterns(table: Origin, row: Values) -> Addresses:
    """A row for each pattern, a column for each model."""
    pattern = str(row.get("pattern")).replace(" ", "_")
    labels = dict(zip(table.keys, (head.label for head in table.heads), strict=True))
    return {key: _with_pattern(table, label, pattern) for key, label in labels.items() if key.startswith("model_")}


def _of_parts(table: Origin, row: Values) -> Addresses:
    """A row for each model and difficulty, a column for each pattern."""
    model, _, level = str(row.get("responses_of")).rpartition(", ")
    more = f"difficulty={level}"
    return {
        key: _with_pattern(table, model, key.removeprefix("share_"), more)
        for key in table.keys
        if key.startswith("share_")
    }


def _of_success(table: Origin, row: Values) -> Addresses:
    """The same by whether a response is rewarded: a group has a rewarded one, or one that is not."""
    model, _, part = str(row.get("responses_of")).rpartition(", ")
    if part not in SUCCESS:
        return {}
    solved, reward = SUCCESS[part]
    shares = [key for key in table.keys if key.startswith("share_")]
    found = {key: _with_pattern(table, model, key.removeprefix("share_"), f"solved={solved}") for key in shares}
    files = _files_of(table, model)
    if len(files) == 1:
        query = urlencode({"kind": files[0].kind, "step": files[0].step, "reward": reward})
        found["n"] = f"{reverse('traces:rollout_list', args=[files[0].run])}?{query}"
    return found


def _files_of(table: Origin, model: str) -> list[RunFile]:
    """The files of responses that a table of patterns reads of a model, all of one run and kind; else none."""
    asked = table.run.config.get("patterns") or {}
    shards = next((one["shards"] for one in asked.get("responses") or () if one["model"] == model), ())
    known = [file for path in shards if (file := run_file(path))]
    is_one = len({(file.run, file.kind) for file in known}) == 1 and len(known) == len(shards)
    return known if is_one else []


def _with_pattern(table: Origin, model: str, pattern: str, more: str = "") -> str:
    """Groups with a keyword of a pattern among those whose files the table reads; empty for a list of one's own."""
    asked, known = table.run.config.get("patterns") or {}, _files_of(table, model)
    if asked.get("keywords", PAPERS_LIST) != PAPERS_LIST or pattern not in PATTERNS or not known:
        return ""
    steps = {"step_from": str(min(file.step for file in known)), "step_to": str(max(file.step for file in known))}
    return address_of_list(known[0].run, known[0].kind, None, more, pattern=pattern, **steps)


def _named(table: Origin, part: str, name: str) -> Values:
    """What the config of a run of results says of a comparison, a frontier or a scaling of this name."""
    parts: list[Values] = table.run.config.get(part) or []
    return next((one for one in parts if one.get("name") == name), {})


def _level(row: Values, more: str = "") -> str:
    parts: Iterator[str] = filter(None, (f"difficulty={row['difficulty']}" if row.get("difficulty") else "", more))
    return "&".join(parts)


_BY_NAME: Mapping[str, Callable[[Origin, Values], Addresses]] = {
    BY_CATEGORY: _of_categories,
    "ledger": _of_rows,
    "solved_positions": _of_rows,
    "pass_at_k": _of_difficulty,
    "two_by_two": _of_two_by_two,
    "templates": _of_templates,
    "rlvr_test": _of_tests,
    "comparison_": _of_comparison,
    "changed_": _of_changed,
    "frontier_": _of_frontier,
    "hybrid_": _of_gains,
    "scaling_points_": _of_scaling,
    "patterns_by_difficulty": _of_parts,
    "patterns_by_success": _of_success,
    "pattern": _of_patterns,
}
