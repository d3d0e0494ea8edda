"""Corpora of a few records, written and read."""

import json

from rpt_core.config import CorpusConfig
from rpt_core.text.corpus import load_corpus

WITH_ID = {"text": "text", "id": "id"}


def write_lines(path, records):
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return path


def load(*paths, **options):
    return load_corpus(CorpusConfig(paths=[str(path) for path in paths], **options))


def everything(corpus):
    return [*corpus.train, *corpus.validation]
