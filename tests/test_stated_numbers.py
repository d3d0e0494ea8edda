"""Numbers that README and docs state follow from committed files: tables from the demo reports, prose from its source.

`docs/stated.yaml` names the source of each number of the prose; see its head.
"""

from __future__ import annotations

import copy
import importlib.util
import json
import re
from pathlib import Path

import pytest
import yaml

from rpt_core import results_document

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "scripts" / "demo_tables.py"


def load_script():
    spec = importlib.util.spec_from_file_location("demo_tables", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


tables = load_script()


@pytest.mark.parametrize("name", tables.DOCUMENTS)
def test_tables_of_the_demo_are_those_of_its_stored_reports(name):
    text = (ROOT / name).read_text()
    assert text.count("<!-- demo: ") >= 1
    assert text.count("<!-- demo: ") == text.count("<!-- end -->")
    made = tables.with_tables(text, tables.stored_reports())
    assert made == text, "Call scripts/demo_tables.py"


def test_a_table_follows_its_reports():
    reports = copy.deepcopy(tables.stored_reports())
    cell = reports[0]["accuracy"]["reasoning_after"]["hard"]
    assert f"{100 * cell['value']:.1f} [" in "\n".join(tables.accuracy(reports, "hard"))
    cell.update(value=0.123456, low=0.1, high=0.2)
    assert "| **reasoning after RPT** | 12.3 [10.0, 20.0] | " in "\n".join(tables.accuracy(reports, "hard"))


def test_a_seed_and_a_row_that_are_stored_come_into_the_table_and_gaps_are_dashes():
    reports = [*copy.deepcopy(tables.stored_reports()), copy.deepcopy(tables.stored_reports()[0])]
    new = reports[-1]
    new["seed"] = 99
    new["accuracy"]["standard_after"] = new["accuracy"]["standard"]
    new["baselines"]["ntp"]["reasoning"]["hard"] |= {"value": 0.0, "low": 0.0, "high": 0.005, "no_box": 0.98}
    for report in reports[:-1]:
        report["accuracy"].pop("standard_after", None)
    lines = tables.accuracy(reports, "hard")
    assert lines[0].endswith(" seed 99 |")
    (row,) = [line for line in lines if line.startswith("| standard after RPT ")]
    assert row.count("| – ") == len(reports) - 1
    (row,) = [line for line in lines if line.startswith("| reasoning after continued NTP, same FLOPs |")]
    assert row.endswith("| 0.0\\* [0.0, 0.5] |")
    assert lines[-1].startswith("\\* Most of these responses have no box: the format is lost")


def test_the_provenance_names_machine_date_and_versions_of_each_report():
    reports = tables.stored_reports()
    lines = tables.provenance(reports)
    for report, line in zip(reports, lines[-len(reports) :], strict=True):
        for part in (report["date"][:10], report["machine"]["processor"], report["versions"]["torch"]):
            assert part in line


def test_a_text_between_marks_is_replaced_and_all_else_is_kept():
    text = "a\n<!-- demo: probes -->\nold\n<!-- end -->\nb\n"
    made = tables.with_tables(text, tables.stored_reports())
    assert re.fullmatch(r"a\n<!-- demo: probes -->\n\nProbes after [^\n]+\n\n<!-- end -->\nb\n", made)


# The prose.

STATED = yaml.safe_load((ROOT / "docs" / "stated.yaml").read_text())
DOCUMENTS = (
    "README.md",
    *(f"docs/{name}.md" for name in ("tiny", "results_reading", "engines", "preflight", "method")),
)
NUMBER = re.compile(r"(?<![\w.])[+-]?\d[\d,]*(?:\.\d+)?(?:e[+-]?\d+)?")
UNITS = r"%|points?|s|seconds|minutes|hours|h|GB|MB|MiB|TB|times"
WITH_UNIT = re.compile(rf"(?<![\w.^])\d[\d,]*(?:\.\d+)?(?:(?:, \d[\d.]*)* (?:to|and|or) \d[\d.,]*)?\s(?:{UNITS})(?!\w)")
INTERVAL = re.compile(r"\[(?!0, 1\])[+-]?\d[\d.]*, [+-]?\d[\d.]*\]")


def prose(name):
    """A document without generated tables, code and headings, on one line."""
    text = re.sub(r"<!-- demo: .*?<!-- end -->|```.*?```", "", (ROOT / name).read_text(), flags=re.S)
    lines = [line for line in text.splitlines() if not line.startswith(("#", "    "))]
    return re.sub(r"\s+", " ", re.sub(r"`[^`]*`", "``", " ".join(lines)))


def in_prose(phrase):
    return re.sub(r"`[^`]*`", "``", phrase)


def numbers(text):
    return [found.replace(",", "") for found in NUMBER.findall(text)]


def source_values(entry):
    """The numbers that the source has at the places that the entry names."""
    path = ROOT / entry["from"]
    if path.suffix == ".json":
        return [float(at_place(json.loads(path.read_text()), place)) for place in entry["at"]]
    rows = [entry["row"]] if isinstance(entry["row"], str) else entry["row"]
    lines = path.read_text().splitlines()
    found = {row: [line for line in lines if row in line] for row in rows}
    assert all(found.values()), f"{entry['from']} has no line with {[row for row in rows if not found[row]]}"
    return [float(number) for kept in found.values() for line in kept for number in numbers(line)]


def at_place(data, place):
    for key in place.split("."):
        data = data[int(key)] if isinstance(data, list) else data[key]
    return data


def is_rounding(number, values):
    """Whether a number as it is written is one of the values, or a percentage of one, with its digits and its sign."""
    if number[0] in "+-":
        values = [value for value in values if (value < 0) == (number[0] == "-")]
    number, values = number.lstrip("+-"), [abs(value) for value in values]
    mantissa, is_power, _ = number.partition("e")
    digits = len(mantissa.partition(".")[2])
    if is_power:
        return any(float(f"{value:.{digits}e}") == float(number) for value in values)
    return any(format(scale * value, f".{digits}f") == number for value in values for scale in (1, 100))


@pytest.mark.parametrize("entry", STATED["measured"], ids=lambda entry: entry["says"][:40])
def test_a_stated_number_is_that_of_its_source(entry):
    text = prose(entry["in"])
    assert in_prose(entry["says"]) in text
    values = source_values(entry)
    said = numbers(entry["says"].replace("R2", ""))
    assert said
    assert [number for number in said if not is_rounding(number, values)] == []


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_number_with_a_unit_has_a_source_or_is_a_choice(name):
    text = prose(name)
    known = [in_prose(entry["says"]) for entry in STATED["measured"] if entry["in"] == name]
    known += [in_prose(phrase) for phrase in STATED["chosen"].get(name, [])]
    assert [phrase for phrase in known if phrase not in text] == [], "docs/stated.yaml names what is not said"
    covered = set()
    for phrase in known:
        for found in re.finditer(re.escape(phrase), text):
            covered.update(range(*found.span()))
    spans = [found for pattern in (WITH_UNIT, INTERVAL) for found in pattern.finditer(text)]
    free = [text[max(0, s.start() - 40) : s.end() + 10] for s in spans if not covered.issuperset(range(*s.span()))]
    assert free == [], "give it a source in docs/stated.yaml, or take it out"


def test_a_number_that_its_source_does_not_have_is_found():
    assert is_rounding("94.5", [0.9451])
    assert is_rounding("0.51", [0.509])
    assert not is_rounding("94.6", [0.9451, 94.5])
    assert not is_rounding("0.5", [0.44])
    assert is_rounding("-4.3", [-4.31])
    assert not is_rounding("+4.3", [-4.31])
    assert is_rounding("2.45e11", [2.449e11])
    assert not is_rounding("2.4e11", [2.46e11])


def test_the_document_of_results_has_its_reading_in_front():
    reading, document = ((ROOT / "docs" / name).read_text() for name in ("results_reading.md", "results.md"))
    assert reading.strip() in document


def test_the_document_of_results_has_the_sections_that_are_written_today():
    document = (ROOT / "docs" / "results.md").read_text()
    for title, words, _ in results_document._SECTIONS:
        assert f"\n\n## {title}\n\n{words}" in document
    numbered = [title for title, _, _ in results_document._SECTIONS if re.search(r"Table \d|Figure \d", title)]
    assert len(numbered) >= 7
    assert all(": a small twin of " in title for title in numbered), "they are not the paper's"
