"""Lists that are ready to open: words, why one reads them, and the query of their address."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ReadyList:
    """A list that is worth reading again and again."""

    name: str
    why: str
    query: dict[str, str]


READY_LISTS = (
    ReadyList(
        "Sampled wrong, greedy right",
        "Most sampled responses are wrong, the greedy one is right: the policy knows, but samples something else.",
        {"mark": "greedy_alone"},
    ),
    ReadyList(
        "All wrong at hard positions",
        "Of at least two responses none is rewarded, where the proxy model is most uncertain. Nothing is learnt from "
        "such a group.",
        {"difficulty": "hard", "solved": "none", "samples_from": "2", "order": "-entropy"},
    ),
    ReadyList(
        "Solved before, forgotten now",
        "An earlier step of the run had a rewarded response here; the latest has none.",
        {"mark": "forgotten_now"},
    ),
    ReadyList(
        "First solved here",
        "The first rewarded response of a run at a position where it had only wrong ones before.",
        {"mark": "first_solved"},
    ),
    ReadyList(
        "Most disputed in the group",
        "The responses to one prompt give many different predictions.",
        {"order": "-disagreement"},
    ),
    ReadyList(
        "Most disputed by reviewers",
        "People who reviewed a response, or the group, answered differently. What you have yet to review is absent.",
        {"order": "-disputed"},
    ),
)
