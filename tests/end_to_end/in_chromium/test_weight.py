"""What a page costs over the wire, headers included: cold, and again with the browser's memory.

    .venv/bin/python -m pytest tests/end_to_end/in_chromium/test_weight.py -s

prints it for the page of an RPT run of 80 steps with all its charts, as Chromium counts it.
"""

from __future__ import annotations

import json

import pytest

from tests.end_to_end.pages import PAGES

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.django_db]
LARGEST_COLD_BYTES = 900_000
LARGEST_WARM_BYTES = 60_000


def wire_bytes(browser):
    """What has been received since the last call, by the kind of its path."""
    paths, received = {}, {}
    for entry in browser.get_log("performance"):
        message = json.loads(entry["message"])["message"]
        said = message["params"]
        if message["method"] == "Network.requestWillBeSent":
            paths[said["requestId"]] = said["request"]["url"].rpartition("/")[2] or "the page itself"
        elif message["method"] == "Network.loadingFinished" and said["encodedDataLength"]:
            received[paths.get(said["requestId"], "?")] = round(said["encodedDataLength"])
    return received


def test_a_run_page_is_light_and_what_it_needs_is_fetched_once(visit, rows):
    visits = {}
    for time in ("cold", "warm"):
        with visit(PAGES["experiments"](rows)) as browser:
            if time == "cold":
                browser.execute_cdp_cmd("Network.clearBrowserCache", {})
        with visit(PAGES["run-rpt-curves"](rows)) as browser:
            visit.draw_all()
            visits[time] = wire_bytes(browser)
    for time, received in visits.items():
        print(f"\n{time}: {sum(received.values()):,} bytes")
        for name, size in sorted(received.items(), key=lambda found: -found[1]):
            print(f"{size:>10,}  {name}")
    assert 0 < sum(visits["cold"].values()) < LARGEST_COLD_BYTES
    assert 0 < sum(visits["warm"].values()) < LARGEST_WARM_BYTES
    assert any("plotly" in name for name in visits["cold"])
    assert not any(name.endswith((".js", ".css")) for name in visits["warm"])
