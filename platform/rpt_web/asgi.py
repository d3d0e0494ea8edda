"""The web server's way in: what only it needs (a pool of connections, static files with lasting names) is set here."""

import gc
import os
import resource

import django
from django.urls import get_resolver

gc.disable()  # nothing that is loaded here becomes garbage; see `load_for_good`
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "rpt_web.settings")
os.environ.setdefault("RPT_CONNECTION_POOL", "yes")
django.setup(set_prefix=False)
os.environ.pop("RPT_CONNECTION_POOL")  # the settings have read it, and processes that this one starts may fork

from rpt_web.serving.admission import Handler  # noqa: E402 - it reads the settings
from rpt_web.serving.bodies import limited  # noqa: E402 - likewise
from rpt_web.serving.uploads import receiving  # noqa: E402 - likewise

MOST_FILES = 65_536


def allow_many_connections() -> None:
    """Each viewer is an open file, and many systems allow 1,024 unless one asks for more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def load_for_good() -> None:
    """Load all pages, and spare the garbage collector what stays: one request in ten waited 100 ms for it. It looks at
    few objects at a time, since for 50,000 somebody's request waits 60 ms; all of it is a thirtieth of the time."""
    _ = get_resolver().url_patterns
    gc.collect()
    gc.freeze()
    gc.set_threshold(5_000, 50, 20)
    gc.enable()


allow_many_connections()
application = receiving(limited(Handler()))
load_for_good()
