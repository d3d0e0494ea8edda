"""The style sheets: enough contrast in both themes, no address elsewhere."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from django.conf import settings

CSS = settings.ROOT / "static" / "css"
TOKENS = (CSS / "tokens.css").read_text()
THEMES = {
    theme: dict(
        re.findall(r"--([\w-]+): (#[0-9a-f]{6});", TOKENS.split(f'[data-bs-theme="{theme}"] {{')[1].split("}")[0])
    )
    for theme in ("light", "dark")
}
TEXT_ON = [
    *[(ink, ground) for ink in ("ink", "ink-muted", "ink-faint") for ground in ("ground", "surface", "sunken")],
    *[("accent", ground) for ground in ("ground", "surface", "sunken", "accent-soft")],
    *[(colour, f"{colour}-soft") for colour in ("green", "blue", "red", "amber", "violet", "grey")],
    ("red", "surface"),
    ("amber", "sunken"),
    ("ink-muted", "red-soft"),
    ("on-accent", "accent"),
    ("surface", "red"),
    ("axis", "surface"),
    *[("ink", f"shade-{level}") for level in ("easy", "medium", "hard")],
]
LINES_ON = [(colour, "surface") for colour in ("easy", "medium", "hard", *(f"series-{n}" for n in range(1, 7)))]


def luminance(colour):
    parts = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one, other):
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def test_contrast_is_computed_as_in_the_guidelines():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize(("ink", "ground"), TEXT_ON)
def test_text_can_be_read(theme, ink, ground):
    assert contrast(THEMES[theme][ink], THEMES[theme][ground]) >= 4.5


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize(("line", "ground"), LINES_ON)
def test_lines_of_charts_stand_out(theme, line, ground):
    assert contrast(THEMES[theme][line], THEMES[theme][ground]) >= 3


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_shades_of_difficulty_can_be_told_apart(theme):
    steps = [THEMES[theme][name] for name in ("surface", "shade-easy", "shade-medium", "shade-hard")]
    ratios = [contrast(one, other) for one, other in pairwise(steps)]
    assert min(ratios) >= 1.15


@pytest.mark.parametrize("path", sorted(CSS.glob("*.css")), ids=lambda path: path.name)
def test_style_sheets_ask_nobody_else_and_use_only_known_colours(path):
    text = path.read_text()
    assert "http" not in text
    assert "@import" not in text
    used = set(re.findall(r"var\(--(?!tblr-)([\w-]+)\)", text))
    known = set(re.findall(r"--([\w-]+):", TOKENS))
    assert used <= known
