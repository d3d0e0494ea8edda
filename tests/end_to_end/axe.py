"""What axe-core finds on the page that a browser shows: rule, weight, element, in one line each.

Everything that it can look for, `target-size` too, which is off by default. What Plotly draws is taken away meanwhile:
it is hidden from screen readers, who get the label and the caption, and axe would look at its thousands of elements.
Selectors of what it finds are not asked for: a line has the element itself, and to make them takes a tenth of the time.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

AXE = Path(__file__).parent / "vendor" / "axe-core" / "axe.min.js"
RUN = """
const [within, done] = arguments;
if (!("axe" in window)) bringAxe();
const options = {rules: {"target-size": {enabled: true}}, resultTypes: ["violations"], selectors: false};
const drawings = [...document.querySelectorAll(".plot .main-svg")].map((drawing) => [drawing, [...drawing.childNodes]]);
for (const [drawing] of drawings) drawing.replaceChildren();
axe.run(within, options)
  .then(({violations}) => violations, (error) => `${error}`)
  .then((found) => {
    for (const [drawing, parts] of drawings) drawing.append(...parts);
    done(found);
  });
"""


def bring(browser):
    """Have it ready on every page of this window from now on: sent to each page, it takes as long as a page."""
    browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": _source()})


def violations(browser, within="html"):
    """Run it on what a selector names, as it is now."""
    if not browser.execute_script("return 'bringAxe' in window"):  # not in this window yet
        bring(browser)
        browser.execute_script(_source())
    found = browser.execute_async_script(RUN, within)
    assert isinstance(found, list), found
    return [
        f"{rule['id']} ({rule['impact']}): {node['html'][:160]} {node['failureSummary']}"
        for rule in found
        for node in rule["nodes"]
    ]


@cache
def _source():
    return f"window.bringAxe = () => {{{AXE.read_text()}\n}};"  # not read before it is called
