"""How values are written: units, dashes for what is missing, nothing for a machine."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from django.conf import settings

from rpt_web.pages.templatetags import show
from rpt_web.text import spaced, titled


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (show.duration(8.44), "8.4 s"),
        (show.duration(timedelta(seconds=59)), "59 s"),
        (show.duration(9.97), "10 s"),
        (show.duration(59.7), "1 min 00 s"),
        (show.duration(119.7), "2 min 00 s"),
        (show.duration(192), "3 min 12 s"),
        (show.duration(3600 * 2 + 5 * 60), "2 h 05 min"),
        (show.duration(3600 * 50), "2 d 2 h"),
        (show.duration(None), "–"),
        (show.percent(0.8456), "84.6 %"),
        (show.percent(0.0), "0.0 %"),
        (show.percent(None), "–"),
        (show.points(0.4511, 2), "45.11"),
        (show.signed_points(-0.05), "−5.0"),
        (show.signed_points(0.633), "+63.3"),
        (show.whole(2048000), "2,048,000"),
        (show.whole(0), "0"),
        (show.whole(None), "–"),
        (show.power(3.24e15), "3.2 × 10¹⁵"),
        (show.power(9.99e15), "1.0 × 10¹⁶"),
        (show.power(-3e5), "−3.0 × 10⁵"),
        (show.power(0), "0"),
        (show.power(-1.333), "−1.33"),
        (show.power(1234), "1,234"),
        (show.power(float("inf")), "–"),
        (show.power(None), "–"),
        (show.size(2_311_704), "2.3 MB"),
        (show.size(812), "812 B"),
        (show.size(None), "–"),
        (show.short(51234.5), "51,234"),
        (show.short(0.12345), "0.1235"),
        (show.short(1.5e12), "1.5 × 10¹²"),
        (show.short(None), "–"),
        (show.short("text"), "text"),
        (show.dash(0), 0),
        (show.dash(""), "–"),
        (show.setting(None), "null"),
        (show.setting(""), '""'),
        (show.setting([0, 5]), "[0, 5]"),
    ],
)
def test_values_are_written_for_people(written, expected):
    assert written == expected


@pytest.mark.parametrize(
    "filter_",
    [show.duration, show.percent, show.points, show.signed_points, show.whole, show.decimals, show.power, show.size,
     show.short, show.moment, show.dash],
)  # fmt: skip
def test_an_attribute_of_nothing_is_a_dash(filter_):
    assert filter_(None) == filter_("") == "–"


def test_a_moment_has_its_exact_time_in_utc_as_title():
    time = datetime(2026, 11, 23, 9, 5, 7, tzinfo=timezone(timedelta(hours=1)))
    text = show.moment(time)
    assert 'datetime="2026-11-23T08:05:07+00:00"' in text
    assert 'title="23 Nov 2026, 08:05:07 UTC"' in text
    assert show.moment(None) == "–"
    assert "2026" in show.moment(time.astimezone(UTC))


def test_help_texts_show_code_and_stay_escaped():
    assert show.with_code("use `v0` or <b>") == "use <code>v0</code> or &lt;b&gt;"
    assert show.with_code("`{context}`") == "<code>{context}</code>"
    assert show.with_code("`<b>` and a lone ` stays") == "<code>&lt;b&gt;</code> and a lone ` stays"


@pytest.mark.parametrize(
    ("name", "as_words", "as_title"),
    [
        ("tokens_per_second", "tokens per second", "Tokens per second"),
        ("vllm", "vLLM", "vLLM"),
        ("verl", "verl", "verl"),
        ("grpo: batch_rows", "GRPO: batch rows", "GRPO: batch rows"),
        ("gpus_per_node", "GPUs per node", "GPUs per node"),
        ("micro_batch_per_gpu", "micro batch per GPU", "Micro batch per GPU"),
        ("kl_coefficient", "KL coefficient", "KL coefficient"),
        ("budget, flops", "budget, FLOPs", "Budget, FLOPs"),
        ("", "", ""),
    ],
)
def test_words_of_the_field_keep_their_spelling(name, as_words, as_title):
    assert spaced(name) == as_words
    assert titled(name) == as_title


TEMPLATES = sorted((settings.ROOT / "templates").rglob("*.html"))


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_templates_hold_nothing_that_the_policy_forbids(path):
    text = path.read_text()
    assert not re.search(r"\sstyle=|\son[a-z]+=|javascript:|\|safe\b|autoescape off|mark_safe", text)
    brings_its_scripts = path.match("reports/file.html")  # no page: a file that is opened without the platform
    assert brings_its_scripts or not re.findall(r"<script(?![^>]*\bsrc=)[^>]*>", text)
    assert not re.search(r"(?:src|href)=[\"']https?://", text)


def test_inputs_have_labels():
    for path in TEMPLATES:
        text = path.read_text()
        ids = re.findall(r"<(?:input|select)(?![^>]*type=\"hidden\")[^>]*\bid=\"([^\"]+)\"", text)
        for id_ in ids:
            assert f'for="{id_}"' in text, f"{path.name}: {id_}"


def test_vendored_files_have_their_licences():
    for folder in (settings.ROOT / "static" / "vendor").iterdir():
        assert not folder.is_dir() or (folder / "LICENSE").is_file(), folder
    assert "1.6.1" in Path(settings.ROOT / "static" / "vendor" / "README.md").read_text()


def test_options_mark_the_chosen_one_and_are_escaped():
    text = show.options([(1, "1 (50 %)"), (2, "<b>")], 2)
    assert text == '<option value="1">1 (50 %)</option><option value="2" selected>&lt;b&gt;</option>'
