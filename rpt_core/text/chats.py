"""Chat messages, read by who speaks: what is asked is the user's last turn, what is answered the assistant's last one.

In: a record and a field that holds a text or a list of messages, either {"role": ..., "content": ...} or, as ShareGPT
writes it, {"from": ..., "value": ...}. Out: a text. Messages that do not say who speaks are all the user's.
"""

from __future__ import annotations

from typing import Any, Literal

from rpt_core.text.records import Unusable, checked_text, field_of

Speaker = Literal["user", "assistant"]
_SPEAKERS: dict[str, Speaker] = {
    "user": "user",
    "human": "user",
    "prompter": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "model": "assistant",
    "bot": "assistant",
    "chatgpt": "assistant",
}


def asked_in(record: dict[str, Any], name: str) -> str:
    """A field's text, or the user's last turn. Raises Unusable when there is none."""
    return checked_text(_of_speaker(field_of(record, name), name, "user"), name)


def answered_in(record: dict[str, Any], name: str) -> str:
    """A field's text, or the assistant's last turn. Raises Unusable when there is none."""
    return checked_text(_of_speaker(field_of(record, name), name, "assistant"), name)


def is_chat(value: Any) -> bool:
    """Whether a value is a list of chat messages."""
    return isinstance(value, list) and bool(value) and all(_content(message) is not None for message in value)


def last_turn(messages: list[Any], name: str, speaker: Speaker) -> str:
    """What the speaker says last. Raises Unusable when they say nothing."""
    turns = [(_speaker(message), _content(message)) for message in messages]
    if all(content is None for _, content in turns):
        raise Unusable(f"field `{name}` holds no chat message with a `content`")
    found = [content for by, content in turns if by == speaker and content is not None]
    if not found:
        raise Unusable(f"field `{name}` holds no message of the {speaker}")
    return found[-1]


def _of_speaker(value: Any, name: str, speaker: Speaker) -> Any:
    if value is None:
        raise Unusable(f"no field `{name}`")
    return last_turn(value, name, speaker) if isinstance(value, list) else value


def _speaker(message: Any) -> Speaker | None:
    if not isinstance(message, dict):
        return None
    by = message.get("role") or message.get("from")
    return "user" if by is None else _SPEAKERS.get(str(by).lower())


def _content(message: Any) -> str | None:
    """What a message says; parts of it that are no text, such as images, are left out."""
    if not isinstance(message, dict):
        return None
    content = message["content"] if message.get("content") is not None else message.get("value")
    if isinstance(content, list):
        texts = [part.get("text") for part in content if isinstance(part, dict)]
        return "\n".join(text for text in texts if isinstance(text, str)) or None
    return content if isinstance(content, str) else None
