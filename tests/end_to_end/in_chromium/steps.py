"""What several tests in Chromium do on the way: the quick worker's part, and pictures of a page as it is now."""

from __future__ import annotations

import time

from tests.end_to_end.chromium import PATIENCE_SECONDS, THEMES, WIDTHS, committed
from tests.shown_corpora import carried_out

HEADING = "return document.querySelector('h1')?.textContent === arguments[0]"


def done_by_the_quick_worker():
    """Carry out the job that a press has queued, as the quick worker would; the press may still be on its way."""
    from rpt_web.jobs.models import Job, JobState

    def queued():
        return committed(lambda: Job.objects.filter(state=JobState.QUEUED).order_by("id").last())

    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (job := queued()):
        assert time.monotonic() < deadline, "no job was queued"
        time.sleep(0.05)
    return committed(lambda: carried_out(job))


def pictures(visit, browser, name):
    """The page as it is now, in each theme and width."""
    for theme in THEMES:
        browser.execute_script("window.theme.choose(arguments[0])", theme)
        for width, pixels in WIDTHS.items():
            size = {"width": pixels, "height": 900, "deviceScaleFactor": 1, "mobile": width == "narrow"}
            browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
            visit.picture(f"{name}-{theme}-{width}")
            excess = "const root = document.documentElement; return root.scrollWidth - root.clientWidth"
            assert browser.execute_script(excess) == 0
    wide = {"width": WIDTHS["wide"], "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", wide)
    browser.execute_script("window.theme.choose('light')")
    visit.axe()
