"""The platform's client: its API from scripts, notebooks and the shell.

    from rpt_core.client import Client

    platform = Client("http://127.0.0.1:8000", token)  # or Client(), after `rpt login`
    platform.metrics(12).to_pandas()

In: an address and a token. Out: dictionaries, and `pyarrow` tables with all pages joined. It needs requests, pyarrow
and PyYAML, and nothing else of this project, so that it also runs where torch and Django are not.
"""

from rpt_core.client.client import Client
from rpt_core.client.errors import ClientError, NoAnswer, Refusal

__all__ = ["Client", "ClientError", "NoAnswer", "Refusal"]
