"""The calls of a program on the platform, by what it wants.

In: numbers of experiments and runs, configs as dictionaries. Out: dictionaries for one thing, `pyarrow` tables for many
(`.to_pandas()` where pandas is installed). Every call may raise `ClientError` and the more exact classes of it.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from rpt_core.client import login
from rpt_core.client.connection import PAGE, Connection
from rpt_core.client.errors import ClientError
from rpt_core.client.tables import metrics_table, table

UNFINISHED = ("waiting", "queued", "running")
"""What a run's status may be before its end."""


class Client:
    """The platform at an address, as the user of a token.

    Without an address or a token, those in RPT_URL and RPT_TOKEN are taken, and else what `rpt login` has stored.
    """

    def __init__(self, url: str | None = None, token: str | None = None, timeout_seconds: float = 60.0) -> None:
        known = login.found(url, token)
        self.connection = Connection(known.url, known.token, timeout_seconds)

    @property
    def url(self) -> str:
        """Where its pages are."""
        return self.connection.root

    # What there is.

    def teams(self) -> pa.Table:
        """The teams of the token's user, with role and disk use."""
        return table(self.connection.call("GET", "/teams"))

    def experiments(self, *, archived: bool = False, limit: int | None = None) -> pa.Table:
        """Experiments in sight, newest first."""
        return table(self.connection.items("/experiments", limit, archived=archived))

    def experiment(self, experiment: int) -> dict[str, Any]:
        """One, with the state of its runs."""
        return self._get(f"/experiments/{experiment}")

    def runs(
        self,
        *,
        experiment: int | None = None,
        status: str | None = None,
        archived: bool = False,
        limit: int | None = None,
    ) -> pa.Table:
        """Runs in sight, newest first; their `result` is JSON."""
        found = self.connection.items("/runs", limit, experiment=experiment, status=status, archived=archived)
        return table(found)

    def run(self, run: int) -> dict[str, Any]:
        """One, with its config and what it came from."""
        return self._get(f"/runs/{run}")

    def table(
        self,
        columns: Sequence[str] = (),
        *,
        where: Sequence[str] = (),
        sort: str | None = None,
        group: Sequence[str] = (),
        archived: bool = False,
        limit: int | None = None,
    ) -> pa.Table:
        """Runs with chosen columns, such as config.budget.steps, metric.reward_mean.last, accuracy.hard.greedy.

        where: conditions such as "config.seed=1". group: columns; a row is then a mean over seeds (docs/table.md).
        """
        asked = {"columns": list(columns), "where": list(where), "group": list(group), "sort": sort}
        rows: list[dict[str, Any]] = []
        names, after = [], None
        while limit is None or len(rows) < limit:
            size = PAGE if limit is None else min(PAGE, limit - len(rows))
            page = self.connection.call("GET", "/runs/table", **asked, archived=archived, after=after, limit=size)
            names, after = [column["key"] for column in page["columns"]], page["next"]
            rows += page["items"]
            if after is None:
                break
        return table([{name: row[name] for name in names} for row in rows]) if rows else _empty(names)

    # What a run wrote.

    def metrics(self, run: int) -> pa.Table:
        """A row for each step: step, attempt, time, flops (so far), and a column for each metric."""
        return metrics_table(self.connection.items(f"/runs/{run}/metrics"))

    def evaluations(self, run: int) -> pa.Table:
        """Accuracy by step, mode and difficulty, as fractions of 1, with a 95 % interval (`low`, `high`) and n."""
        return table(self.connection.call("GET", f"/runs/{run}/evaluations"))

    def events(self, run: int) -> pa.Table:
        """Every event in its order; `data` is JSON."""
        return table(self.connection.items(f"/runs/{run}/events"))

    def alarms(self, run: int) -> pa.Table:
        """Why somebody should look at it."""
        return table(self.connection.items(f"/runs/{run}/alarms"))

    def tables(self, run: int, name: str | None = None) -> list[dict[str, Any]]:
        """Finished result tables, each with caption, columns and rows in `data`."""
        return list(self.connection.items(f"/runs/{run}/tables", name=name))

    def files(self, run: int) -> pa.Table:
        """Its Parquet files: what (rollouts or outcomes), kind, step, bytes."""
        return table(self._files(run))

    def rollouts(
        self,
        run: int,
        *,
        step: int | None = None,
        kind: str | None = None,
        reason: str | None = None,
        limit: int | None = None,
    ) -> pa.Table:
        """Responses without their full text: id, document, position, reward, prediction, the first characters."""
        asked = {"step": step, "kind": kind, "reason": reason}
        return table(self.connection.items(f"/runs/{run}/rollouts", limit, **asked))

    def rollout(self, run: int, rollout: int) -> dict[str, Any]:
        """One response, whole, with its prompt."""
        return self._get(f"/runs/{run}/rollouts/{rollout}")

    def shard(self, run: int, kind: str, step: int) -> pa.Table:
        """All responses of a step with prompts and texts, as the stage wrote them; kind: train, sampled or greedy."""
        return _parquet(self.connection.data(f"/runs/{run}/rollouts.parquet", kind=kind, step=step))

    def outcomes(self, run: int, step: int | None = None) -> pa.Table:
        """What an evaluation found at each position; by default the newest one. For paired comparisons."""
        return _parquet(self.connection.data(f"/runs/{run}/outcomes.parquet", step=self._evaluated(run, step)))

    def exhibit(self, ref: str) -> pa.Table:
        """The data of a figure or a table by its ref, such as `run/12/metric/reward`; its metadata says where it came
        from."""
        return _parquet(self.connection.data("/exhibits/file", ref=ref, ending="parquet"))

    def reports(self) -> pa.Table:
        """Reports of the user's teams, newest first."""
        return table(self.connection.items("/reports"))

    def report(self, report: int) -> dict[str, Any]:
        """A report with the data of its parts, and its links."""
        return self._get(f"/reports/{report}")

    def report_file(self, report: int, ending: str = "html", *, anonymous: bool = False) -> bytes:
        """A report as one HTML file (`html`), or with its data as a `zip`."""
        return self.connection.data(f"/reports/{report}/file", ending=ending, anonymous=anonymous)

    # What people say of it.

    def groups(self, *, limit: int | None = None, **filters: Any) -> pa.Table:
        """Groups of responses in all runs in sight, by the filters of the page of traces (docs/traces.md)."""
        return table(self.connection.items("/groups", limit, **filters))

    def position_sets(self) -> pa.Table:
        """The position sets of the leaderboard, those with the newest rows first; `sets` is JSON."""
        return table(self.connection.items("/position-sets"))

    def leaderboard(self, set: str, *, limit: int | None = None, **filters: Any) -> pa.Table:
        """The models that were evaluated at one of the position sets, in their order, by the filters of the page of
        results (docs/leaderboard.md). `rank` is null where a row must not be compared; cells, gains, flags are JSON."""
        return table(self.connection.items("/leaderboard", limit, set=set, **filters))

    def pin_baseline(self, row: int, team: int | None = None) -> dict[str, Any]:
        """Measure a position set by one of its rows, by its `id`; `leads` of the others follow within a moment."""
        return self._post("/leaderboard/baseline", {"row": row, "team": team})

    def queues(self) -> pa.Table:
        """Queues of reviews of the user's teams, newest first."""
        return table(self.connection.items("/queues"))

    def create_queue(self, name: str, **more: Any) -> dict[str, Any]:
        """Make one: `more` holds `run`, `traces` or `comparison`, what of it, and who reviews (docs/review.md)."""
        return self._post("/queues", {"name": name, **more})

    def run_again(self, position: int, group: int, **more: Any) -> dict[str, Any]:
        """Run one position again as a group there was asked; `more` may hold model, samples, temperature and team."""
        return self._post(f"/positions/{position}/reruns", {"group": group, **more})

    def import_labels(self, queue: int, labels: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Store reviews that were made elsewhere, all or none (docs/review.md says what each holds)."""
        return self._post(f"/queues/{queue}/labels", {"labels": [dict(label) for label in labels]})

    def comments(
        self,
        *,
        experiment: int | None = None,
        run: int | None = None,
        rollout: int | None = None,
        limit: int | None = None,
    ) -> pa.Table:
        """Comments, oldest first: of an experiment with its runs, of a run with its responses, of a response."""
        asked = {"experiment": experiment, "run": run, "rollout": rollout}
        return table(self.connection.items("/comments", limit, **asked))

    def comment(self, text: str, **about: Any) -> dict[str, Any]:
        """Write one: `about` names an experiment, a run, or a run and a rollout and perhaps a `quote` of it."""
        return self._post("/comments", {"text": text, **about})

    def labels(self, queue: int) -> pa.Table:
        """What reviewers have submitted in a queue, as far as you may see it; `answers` is JSON."""
        return table(self.connection.items(f"/queues/{queue}/labels"))

    def blind_result(self, queue: int) -> dict[str, Any]:
        """What came of a blind A/B: votes, the share with its interval, the sign test, the check of the order."""
        return self._get(f"/queues/{queue}/result")

    # Runs side by side. An entry is a run's number, or "15@40": its checkpoint of step 40; "15@40:standard" is that
    # checkpoint's evaluation in a mode of its own. The first is the baseline.

    def settings(self, entries: Sequence[int | str], *, same: bool = False, of: str = "frozen") -> pa.Table:
        """Settings that differ, or all; `values` is JSON, in the order of the entries.

        of: `frozen` as the runs were run, `planned` as they were asked for, `resolved` as their engines resolved it.
        """
        asked = {"runs": ",".join(map(str, entries)), "same": same, "of": of}
        return table(self.connection.call("GET", "/compared-settings", **asked))

    def compare(
        self, entries: Sequence[int | str], mode: str | None = None, *, every_seconds: float = 1.0
    ) -> dict[str, Any]:
        """Evaluations at the same positions: paired differences, tests, a matrix, in `numbers` (docs/compare.md).

        mode: of the entries that name none. It waits until the numbers are computed, which is done once. Raises
        ClientError when that fails.
        """
        body = _given(entries=list(map(str, entries)), mode=mode)
        found = self._post("/comparisons", body)
        while found["state"] in ("queued", "running"):
            time.sleep(every_seconds)
            found = self._get(f"/comparisons/{found['id']}")
        if found["state"] != "succeeded":
            raise ClientError(f"The comparison was not made: {found['error'] or found['state']}")
        return found

    def compared_positions(
        self,
        comparison: int,
        *,
        a: int = 0,
        b: int = 1,
        difficulty: str | None = None,
        cell: str | None = None,
        limit: int | None = None,
    ) -> pa.Table:
        """The positions behind a comparison's numbers; cell: both, gained, forgotten or neither."""
        asked = {"a": a, "b": b, "difficulty": difficulty, "cell": cell}
        return table(self.connection.items(f"/comparisons/{comparison}/positions", limit, **asked))

    def baskets(self, *, limit: int | None = None) -> pa.Table:
        """What the user's teams keep to compare, newest first."""
        return table(self.connection.items("/baskets", limit))

    # What is done.

    def create_report(self, title: str, **more: Any) -> dict[str, Any]:
        """An empty report; `more` are the API's other fields (`team`, `hidden_words`)."""
        return self._post("/reports", {"title": title, **more})

    def add_to_report(self, report: int, *, ref: str = "", text: str = "") -> dict[str, Any]:
        """Add a figure, a table or a response by its ref, or a text in Markdown."""
        return self._post(f"/reports/{report}/parts", {"ref": ref, "text": text})

    def freeze_report(self, report: int, *, frozen: bool = True) -> dict[str, Any]:
        """Keep its data as they are now, or make it live again."""
        return self._post(f"/reports/{report}/freeze", {"frozen": frozen})

    def share_report(self, report: int, *, days: int = 30, anonymous: bool = False) -> dict[str, Any]:
        """Make a link; its `address` is told this once."""
        return self._post(f"/reports/{report}/links", {"days": days, "anonymous": anonymous})

    def report_links(self, report: int, *, limit: int | None = None) -> pa.Table:
        """A report's links, newest first, without their addresses: only `share_report` returns one."""
        return table(self.connection.items(f"/reports/{report}/links", limit))

    def withdraw_link(self, report: int, link: int) -> None:
        """Withdraw a link to a report."""
        self.connection.call("DELETE", f"/reports/{report}/links/{link}")

    def create_experiment(self, name: str, **more: Any) -> dict[str, Any]:
        """Make one; `more` may hold description, preset, seed and team."""
        return self._post("/experiments", {"name": name, **more})

    def check(self, config: Mapping[str, Any], hardware: str | None = None) -> dict[str, Any]:
        """What a config would need and what would go wrong; nothing is queued."""
        return self._post("/preflight", _given(config=dict(config), hardware=hardware))

    def submit(
        self,
        experiment: int,
        name: str,
        config: Mapping[str, Any],
        *,
        title: str | None = None,
        anyway: bool = False,
        hardware: str | None = None,
    ) -> dict[str, Any]:
        """Queue a run. Raises Refusal with `findings`; `anyway` submits where these are only warnings."""
        body = _given(title=title, hardware=hardware, anyway=anyway or None)
        return self._post("/runs", {"experiment": experiment, "name": name, "config": dict(config), **body})

    def submit_suite(
        self,
        experiment: int,
        *,
        preset: str | None = None,
        plan: int | None = None,
        runs: Sequence[Mapping[str, Any]] | None = None,
        seeds: Sequence[int] | None = None,
        anyway: bool = False,
    ) -> pa.Table:
        """Submit every run of a preset, of a saved plan or of `runs`; without any, of the experiment's preset."""
        body = _given(preset=preset, plan=plan, runs=runs, seeds=seeds, anyway=anyway or None)
        return table(self.connection.call("POST", f"/experiments/{experiment}/suite", body))

    def cancel(self, run: int) -> dict[str, Any]:
        """Ask a run to stop; a running one takes some seconds for its checkpoint."""
        return self._post(f"/runs/{run}/cancel", None)

    def retry(self, run: int) -> dict[str, Any]:
        """Queue a failed, cancelled or lost run again; it continues from its newest checkpoint."""
        return self._post(f"/runs/{run}/retry", None)

    def wait(
        self, run: int, *, every_seconds: float = 2.0, tell: Callable[[dict[str, Any]], object] | None = None
    ) -> dict[str, Any]:
        """The run when it has ended, however it did; `tell` gets it each time that it was looked at."""
        while True:
            found = self.run(run)
            if tell is not None:
                tell(found)
            if found["status"] not in UNFINISHED:
                return found
            time.sleep(every_seconds)

    def call(self, method: str, path: str, body: Any = None, **query: Any) -> Any:
        """Any other call of the API, such as `call("GET", "/nodes")`; the platform's API page lists them."""
        return self.connection.call(method, path, body, **query)

    def _get(self, path: str) -> dict[str, Any]:
        found: dict[str, Any] = self.connection.call("GET", path)
        return found

    def _post(self, path: str, body: Any) -> dict[str, Any]:
        found: dict[str, Any] = self.connection.call("POST", path, body)
        return found

    def _files(self, run: int) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.connection.call("GET", f"/runs/{run}/files")
        return found

    def _evaluated(self, run: int, step: int | None) -> int:
        if step is not None:
            return step
        steps = [int(file["step"]) for file in self._files(run) if file["what"] == "outcomes"]
        if not steps:
            raise ClientError(f"Run {run} has no outcomes: it was not evaluated, or not yet.")
        return max(steps)


def _given(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _empty(names: Sequence[str]) -> pa.Table:
    return pa.table({name: pa.nulls(0) for name in names})


def _parquet(data: bytes) -> pa.Table:
    return pq.read_table(io.BytesIO(data))
