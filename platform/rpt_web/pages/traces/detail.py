"""One response with its verdict byte by byte, and its group. All text shown here is hostile input."""

from __future__ import annotations

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from rpt_core.errors import UserError
from rpt_core.problems.prompts import load_template
from rpt_core.run.rollout_files import RolloutRow, read_rollouts_at
from rpt_web import access
from rpt_web.pages.addresses import number_asked
from rpt_web.pages.position_addresses import place_of, query_of
from rpt_web.pages.traces.asked import asked_with
from rpt_web.pages.traces.cards import cards_of
from rpt_web.pages.traces.found import FoundBy, found_by
from rpt_web.pages.traces.marks import Marks, marks_for
from rpt_web.pages.traces.parts import Prompt, near_the_box, shown_prompt, window
from rpt_web.pages.traces.prompt_window import prompt_part
from rpt_web.pages.traces.tokens import recorded, token_window
from rpt_web.runs import reach
from rpt_web.runs.models import Run
from rpt_web.traces import inspector, queries, votes
from rpt_web.traces.models import ResponseGroup, Rollout, RolloutShard

FULL_TEXTS_OF_GROUP = 16
ANYWAY = "anyway"
"""In an address: the reader looks at what they have yet to review blind."""
ANSWER_WORDS = {
    "match": "The answer equals the reference.",
    "mismatch": "The answer does not equal the reference.",
    "empty": "The box is empty. An empty answer earns nothing.",
}
"""Verdicts on answers to questions, which are compared as a whole; byte by byte they say little."""


@require_safe
def rollout_detail(request: HttpRequest, run_id: int, rollout_id: int) -> HttpResponse:
    """One response: its prompt, thought, prediction against the text, its group, the same position at other steps."""
    run, rollout = access.get_rollout_or_404(request.user, run_id, rollout_id)
    if ANYWAY not in request.GET and access.should_not_know(request.user, rollout):
        return yet_to_review(request, "response")
    rollouts = access.rollouts_for(request.user, run)
    filters = queries.Filters.from_query(request.GET)
    shard = RolloutShard.objects.filter(run=run, kind=rollout.kind, step=rollout.step).first()
    found = found_by(request, rollout)
    filter_query = f"?search={found.search.pk}" if found else _query(request, filters)
    previous, following = (found.previous, found.next) if found else _beside(rollouts, filters, rollout, filter_query)
    group = queries.group_of(rollouts, rollout)
    texts = read_texts(run, shard, [rollout.row, *(member.row for member in group[:FULL_TEXTS_OF_GROUP])])
    full = texts.get(rollout.row)
    marks = _marks(full, found)
    context = {
        "nav": "runs",
        "run": run,
        "rollout": rollout,
        "kind_label": queries.KIND_LABELS.get(rollout.kind, rollout.kind),
        "reason_label": queries.REASONS.get(rollout.reason, rollout.reason),
        "filter_query": filter_query,
        "found": found,
        "previous": previous,
        "next": following,
        "full": full,
        "prompt": prompt_of(run, full) if full else None,
        "prompt_part": prompt_part(request, run, rollout, full) if full else None,
        "asked": asked_with(run, rollout),
        **(_response(request, full, marks) if full else {}),
        **(_tokens(request, run, shard, rollout, full) if full and shard else {}),
        "is_question": rollout.entropy_nats is None,
        "answer_words": ANSWER_WORDS.get(rollout.reason, ""),
        "inspection": _inspection(rollout, full),
        "marks": marks,
        "prompt_marks": Marks(found.search.wanted) if found else None,
        "cards": cards_of(group, texts, rollout.id),
        **votes_of(group, full.boundaries if full else []),
        "place": _place(run, rollout),
        "elsewhere": queries.same_position(rollouts, rollout),
        "elsewhere_limit": queries.SAME_POSITION_LIMIT,
    }
    return render(request, "traces/rollout_detail.html", context)


def yet_to_review(request: HttpRequest, noun: str) -> HttpResponse:
    """In place of a page that tells what the reader's open review must not know: they may look all the same."""
    query = request.GET.copy()
    query[ANYWAY] = "1"
    context = {"nav": "traces", "noun": noun, "address": f"{request.path}?{query.urlencode()}"}
    return render(request, "review/yet_to_review.html", context)


def _place(run: Run, rollout: Rollout) -> str:
    """The page of its position in all runs (1 query); empty where that is not known."""
    groups = ResponseGroup.objects.filter(run=run, step=rollout.step, kind=rollout.kind, group=rollout.group)
    group = groups.exclude(position=None).select_related("position").first()
    return f"{place_of(group.position)}?{query_of(group)}" if group is not None and group.position else ""


def _query(request: HttpRequest, filters: queries.Filters) -> str:
    """What a link to another response keeps: the filters, and the list of traces that led here."""
    return f"?{filters.query(traces=request.GET.get('traces', ''))}" if request.GET else ""


def _beside(rollouts: QuerySet[Rollout], filters: queries.Filters, rollout: Rollout, query: str) -> tuple[str, str]:
    """Addresses of the responses before and after this one in the list; empty where there is none."""
    before, after = (
        "" if key is None else reverse("traces:rollout_detail", args=[rollout.run_id, key]) + query
        for key in queries.neighbours(rollouts, filters, rollout.id)
    )
    return before, after


def read_texts(run: Run, shard: RolloutShard | None, rows: list[int]) -> dict[int, RolloutRow]:
    """The full texts by row; none when the file is gone or is not the one that was recorded."""
    if shard is None:
        return {}
    try:
        return dict(zip(rows, read_rollouts_at(run.directory / shard.path, rows), strict=True))
    except (OSError, IndexError, ValueError):  # pyarrow's errors are ValueErrors
        return {}


def prompt_of(run: Run, full: RolloutRow) -> Prompt:
    """The prompt in its parts, as the stage has stored them."""
    text = full.prompt
    span = _span_of_old(run, text) if full.context_start is None else (full.context_start, full.context_end)
    if span is None:
        return shown_prompt("", text, "")
    return shown_prompt(text[: span[0]], text[slice(*span)], text[span[1] :])


def _span_of_old(run: Run, text: str) -> tuple[int, int] | None:
    """Where the context stands in a prompt that was stored before its place was: searched for by the template of the
    run's config. None where that is not found."""
    # Stages that ask questions name their template outside of `prompt`.
    name = (run.config.get("prompt") or run.config).get("template", "")
    try:
        template = load_template(reach.template_place(name, [run.experiment.team_id]))
    except (UserError, OSError):
        return None
    start = text.find(template.before) + len(template.before) if template.before else 0
    end = text.rfind(template.after) if template.after else len(text)
    return None if start < len(template.before) or end < start else (start, end)


def _inspection(rollout: Rollout, full: RolloutRow | None) -> dict[str, object]:
    prediction = None if rollout.prediction is None else bytes(rollout.prediction)
    completion = bytes(rollout.completion)
    boundaries = full.boundaries if full else []
    mismatch = full.mismatch_byte if full else None
    return {
        "columns": inspector.columns(completion, boundaries, prediction, mismatch),
        "words": inspector.verdict_words(
            rollout.reason, rollout.finish_reason, completion, boundaries, prediction, mismatch
        ),
        "bytes": None if prediction is None else len(prediction),
    }


def _response(request: HttpRequest, full: RolloutRow, marks: Marks) -> dict[str, object]:
    """The response in its parts: of a long thought the part that was asked for, or the first with a search's match."""
    parts = inspector.split_response(full.response, full.prediction)
    shown, left_out = near_the_box(parts)
    start = number_asked(request, "from")
    thought = window(parts.thought, marks.first_found(parts.thought) if start is None else start)
    query = request.GET.copy()
    query.pop("from", None)
    return {
        "response": shown,
        "thought": thought,
        "answer_left_out": left_out,
        "window_query": f"{query.urlencode()}&" if query else "",
    }


def _tokens(
    request: HttpRequest, run: Run, shard: RolloutShard, rollout: Rollout, full: RolloutRow
) -> dict[str, object]:
    """The tokens that were recorded, the window that was asked for."""
    found = recorded(run.directory / shard.path, rollout.row)
    query = request.GET.copy()
    query.pop("tokens", None)
    return {
        "tokens": token_window(found, full, number_asked(request, "tokens") or 0) if found else None,
        "token_query": f"{query.urlencode()}&" if query else "",
    }


def _marks(full: RolloutRow | None, found: FoundBy | None) -> Marks:
    """What is marked in the response."""
    search = found.search.wanted if found else None
    if full is None:
        return Marks(search)
    return marks_for(full.completion, full.boundaries, full.response, search)


def votes_of(group: list[Rollout], boundaries: list[int]) -> dict[str, object]:
    """The group's predictions, each once, and the text that they are laid under."""
    found, start = votes.tally(group, boundaries), votes.window_start(group)
    aligned = found.votes[: votes.MOST_ALIGNED]
    return {
        "tally": found,
        "text_row": votes.text_row(bytes(group[0].completion), boundaries, aligned, start),
    }
