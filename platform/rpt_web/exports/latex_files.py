r"""LaTeX for a paper: a `table` with booktabs' rules, numbers written as on pages, intervals beside their values.

Needs `\usepackage{booktabs}` and an engine that reads UTF-8, as all of today do. Every text is escaped, so that hostile
ones neither run nor break anything. What it came from stands above it as comments, which need no escapes: only a line
that ends too early could leave one.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping
from datetime import datetime

from rpt_web.exports.tables import PlainTable, PlainValue, ShownColumn
from rpt_web.numbers import whole, write_number

_ESCAPES = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "{": r"\{",
        "}": r"\}",
        "$": r"\$",
        "&": r"\&",
        "#": r"\#",
        "%": r"\%",
        "_": r"\_",
        "^": r"\textasciicircum{}",
        "~": r"\textasciitilde{}",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
        "|": r"\textbar{}",
        '"': r"\textquotedbl{}",
        "`": r"\textasciigrave{}",
        "−": "$-$",
        "–": r"\textendash{}",
        "×": r"$\times$",
        "α": r"$\alpha$",
        "→": r"$\rightarrow$",
        "›": r"\guilsinglright{}",
        "\u00a0": "~",
    }
)
_RAISED = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")
_EXPONENT = re.compile("[⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+")
_DASHES = re.compile("-(?=-)")
"""Two would become a dash."""
_UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")
_UNITS = {"share": "%", "difference": "points", "flops": "FLOPs"}


def latex_bytes(table: PlainTable) -> bytes:
    """The table as LaTeX."""
    shown = table.shown
    body = [_line([_cell(row, column) for column in shown]) for row in table.rows]
    lines = [
        "% Needs \\usepackage{booktabs}.",
        *(line for what, which in table.came_from for line in commented(f"{what}: {which}")),
        r"\begin{table}",
        r"  \centering",
        rf"  \caption{{{escaped(_caption(table))}}}",
        rf"  \label{{tab:{re.sub('[^a-z0-9]+', '-', table.name.lower()).strip('-')}}}",
        rf"  \begin{{tabular}}{{{''.join('l' if column.kind == 'text' else 'r' for column in shown)}}}",
        r"    \toprule",
        f"    {_line([_head(column) for column in shown])}",
        r"    \midrule",
        *(f"    {line}" for line in body),
        r"    \bottomrule",
        r"  \end{tabular}",
        r"\end{table}",
    ]
    return ("\n".join(lines) + "\n").encode()


def commented(text: str) -> list[str]:
    """A text as comments of at most 120 characters a line, as it is; a word that is longer keeps its line."""
    return textwrap.wrap(
        _UNSEEN.sub(" ", text),
        width=120,
        initial_indent="% ",
        subsequent_indent="%   ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def escaped(text: str) -> str:
    """A text of one line in which TeX finds no command."""
    plain = _UNSEEN.sub(" ", text).translate(_ESCAPES)
    return _DASHES.sub("-{}", _EXPONENT.sub(_exponent, plain))


def _exponent(found: re.Match[str]) -> str:
    return f"$^{{{found[0].translate(_RAISED)}}}$"


def _line(cells: list[str]) -> str:
    """One line; what TeX would take for an option of the line before it is kept apart from that."""
    line = " & ".join(cells)
    return ("{}" if line.startswith(("[", "*")) else "") + line + r" \\"


def _caption(table: PlainTable) -> str:
    """Title and caption as sentences."""
    title = table.title if not table.caption or table.title.endswith((".", "?", "!")) else f"{table.title}."
    return f"{title} {table.caption}".strip()


def _head(column: ShownColumn) -> str:
    unit = _UNITS.get(column.kind, "")
    return escaped(f"{column.title} ({unit})" if unit and unit.lower() not in column.title.lower() else column.title)


def _cell(row: Mapping[str, PlainValue], column: ShownColumn) -> str:
    """A value, with its interval and n where the table has them."""
    low, high, n = row.get(column.low), row.get(column.high), row.get(column.n)
    text = _written(row.get(column.key), column.kind)
    if low is not None and high is not None:
        text += f" [{_written(low, column.kind)}, {_written(high, column.kind)}]"
    return escaped(f"{text}, n {whole(n)}" if isinstance(n, int) else text)


def _written(value: PlainValue, kind: str) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M}"
    return value if isinstance(value, str) else write_number(value, kind)
