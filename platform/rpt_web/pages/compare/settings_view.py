"""What differs between the settings of a basket's runs, and between the code that they ran with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.http import HttpRequest

from rpt_web.compare.settings_table import (
    FROZEN,
    PLANNED,
    RESOLVED,
    SettingRow,
    configs_of,
    is_ignored,
    resolved_configs,
    setting_rows,
    text_difference,
)
from rpt_web.compare.stage_settings import parted
from rpt_web.exhibits.refs import COMPARE, ref_of
from rpt_web.pages.compare.shown import ShownBasket
from rpt_web.runs.attempts import newest_code

MOST_IGNORED = 100
"""Names that an address ignores; each stands on the page with a link that holds all the others."""
MOST_COLUMNS = 8
"""With more runs a row says which of them share which value."""


def settings_of(request: HttpRequest, basket: ShownBasket) -> dict[str, Any]:
    """The context of the view."""
    runs = [shown.run for shown in basket.entries]
    resolved = resolved_configs(runs)
    sources = {
        FROZEN: "As it was run",
        **({PLANNED: "As it was asked for"} if all(run.plan for run in runs) else {}),
        **({RESOLVED: "As the engine resolved it"} if resolved.values else {}),
    }
    source = request.GET.get("of", "")
    source = source if source in sources else FROZEN
    configs = configs_of(runs, source)
    ignored = _ignored(request)
    rows = setting_rows(configs, ignored)
    differing, of_stages = parted(rows, [run.stage for run in runs])
    return {
        "source": source,
        "settings_ref": ref_of(
            COMPARE, basket.subject, "/".join(filter(None, ["settings", source, ",".join(ignored)]))
        ),
        "has_sources": len(sources) > 1,
        "frozen": [basket.entries[place].label for place in resolved.frozen],
        "not_stored": [basket.entries[place].label for place in resolved.missing],
        "differing": _shown_rows(request, differing, ignored),
        "of_stages": of_stages,
        "same": [row for row in rows if not row.differs],
        "ignored": [(name, _query(request, [other for other in ignored if other != name])) for name in ignored],
        "in_columns": len(runs) <= MOST_COLUMNS,
        "code": setting_rows([{"code version": newest_code(run)} for run in runs]),
        "text_lines": text_difference(configs[0], configs[1], ignored) if len(runs) == 2 else [],
        "sources": [(name, title, _with(request, of=name), name == source) for name, title in sources.items()],
    }


def _ignored(request: HttpRequest) -> list[str]:
    names = request.GET.get("ignore", "").split(",")
    return list(dict.fromkeys(name.strip()[:200] for name in names if name.strip()))[:MOST_IGNORED]


def _shown_rows(
    request: HttpRequest, rows: Sequence[SettingRow], ignored: Sequence[str]
) -> list[tuple[SettingRow, str]]:
    """Each row with the address of the page without it."""
    return [(row, _query(request, [*ignored, row.name])) for row in rows if not is_ignored(row.name, ignored)]


def _query(request: HttpRequest, ignored: Sequence[str]) -> str:
    return _with(request, ignore=",".join(ignored))


def _with(request: HttpRequest, **changes: str) -> str:
    query = request.GET.copy()
    values: Mapping[str, str] = changes
    for name, value in values.items():
        query[name] = value
        if not value:
            del query[name]
    return f"{request.path}?{query.urlencode(safe=',@:')}"
