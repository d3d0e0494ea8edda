"""Which addresses a corpus may be fetched from."""

from __future__ import annotations

import pytest

from rpt_web.corpora import addresses


@pytest.fixture(autouse=True)
def allowed(settings):
    settings.RPT_CORPUS_ADDRESSES = ["hf://datasets/ourteam/", "hf://datasets/other/sums", "s3://texts"]


@pytest.mark.parametrize(
    "address",
    [
        "hf://datasets/ourteam",
        "hf://datasets/ourteam/sums",
        "HF://datasets/ourteam/sums@main/train/a.parquet",
        "hf://datasets/other/sums/",
    ],
)
def test_what_is_listed_and_what_lies_in_it_may_be_fetched(address):
    assert addresses.why_not(address) == ""


@pytest.mark.parametrize(
    "address",
    [
        "hf://datasets/ourteam-2/sums",
        "hf://datasets/OurTeam/sums",
        "hf://datasets/other/sums-2",
        "hf://datasets/other",
        "hf://models/ourteam/sums",
        "s3://texts-2/a",
        "gs://texts/a",
    ],
)
def test_what_is_not_listed_is_refused_with_what_is(address):
    words = addresses.why_not(address)
    assert "may not be fetched. Allowed: hf://datasets/ourteam/, hf://datasets/other/sums, s3://texts." in words
    assert "RPT_CORPUS_ADDRESSES" in words


def test_without_the_setting_none_may_be_fetched(settings):
    settings.RPT_CORPUS_ADDRESSES = []
    assert "Allowed: none" in addresses.why_not("hf://datasets/ourteam/sums")


def test_a_store_whose_package_is_missing_names_the_package(monkeypatch):
    monkeypatch.setitem(addresses.STORES, "s3", "a_package_that_nobody_has")
    assert "pip install a_package_that_nobody_has" in addresses.why_not("s3://texts/a")


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("s3://texts/../others", "holds `..`"),
        ("s3://texts/a//b", "an empty part"),
        ("s3://texts/a?versionId=1", "`?`"),
        ("s3://texts/a\\..\\b", "a backslash"),
        ("s3://", "an empty part"),
        ("s3://key:secret@texts/a", "names a user or a password"),
        ("s3://texts/a::https://elsewhere/b", "of a kind that is not fetched"),
        ("zip://a::s3://texts/b", "of a kind that is not fetched"),
        ("https://texts/a.jsonl", "of a kind that is not fetched"),
        ("file:///etc/passwd", "of a kind that is not fetched"),
        ("s3://texts/\x00a", "cannot be read"),
        ("s3://texts/" + "n" * 1000, "cannot be read"),
    ],
)
def test_what_is_no_plain_address_of_a_store_is_refused_in_words(settings, address, words):
    settings.RPT_CORPUS_ADDRESSES = ["s3://", "https://texts", "file:///", "zip://a"]
    refused = addresses.why_not(address)
    assert words in refused
    assert "secret" not in refused
    assert len(refused) < 400
