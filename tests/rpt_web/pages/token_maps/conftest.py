"""A filter run with scored documents, one of them hostile."""

from __future__ import annotations

import pytest

from tests.factories import HOSTILE
from tests.scored_files import BIDI, TEXTS, make_filter_run


@pytest.fixture
def made(ada, experiment):
    """(the run, its documents by split)"""
    return make_filter_run(experiment, ada, [("hostile </script>", HOSTILE + BIDI * 40), *TEXTS])


@pytest.fixture
def filter_run(made):
    return made[0]
