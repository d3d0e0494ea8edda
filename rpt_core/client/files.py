"""The file of a config, read for the platform, which checks every field of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from rpt_core.client.errors import ClientError, said


def read_config(path: Path) -> dict[str, Any]:
    """A YAML or JSON file with a config. Raises ClientError, with the line where that is known."""
    try:
        text = path.read_text(encoding="utf-8")
        found = json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
    except OSError as error:
        raise ClientError(f"{path} cannot be read: {said(error)}.") from None
    except UnicodeDecodeError:
        raise ClientError(f"{path} is not UTF-8 text.") from None
    except (ValueError, RecursionError) as error:
        raise ClientError(f"{path} is not JSON: {said(error)}.") from None
    except yaml.YAMLError as error:
        raise ClientError(f"{path} is not YAML: {said(error)}.") from None
    if not isinstance(found, dict) or "stage" not in found:
        raise ClientError(f"{path} holds no config: give an object with `stage` (such as rpt) and the stage's fields.")
    return found
