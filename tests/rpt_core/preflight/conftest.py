"""A sample of data that is small enough for tests."""

import pytest

from rpt_core.preflight import corpus_sample


@pytest.fixture
def small_sample(monkeypatch):
    monkeypatch.setattr(corpus_sample, "SAMPLE_BYTES", 200_000)
