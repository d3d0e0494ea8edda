"""Migrates the database that the environment names and opens pages of it. Prints one JSON document: what came of each.

Run as a process of its own, so that the settings are those of a new start: python open_pages.py < requests.json
In: {"user": name, "token": API token, "pages": [address], "api": [address]}.
"""

from __future__ import annotations

import json
import os
import sys

import django
from django.core.management import call_command
from django.test import Client


def main() -> None:
    """Migrate, then ask for each address as the user or with the token."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "rpt_web.settings"
    django.setup()
    from rpt_web.teams.models import User

    asked = json.load(sys.stdin)
    call_command("migrate", verbosity=0)
    person = Client(SERVER_NAME="localhost")
    person.force_login(User.objects.get(username=asked["user"]))
    program = Client(SERVER_NAME="localhost", headers={"Authorization": f"Bearer {asked['token']}"})
    found = {}
    for client, addresses in ((person, asked["pages"]), (program, asked["api"])):
        for address in addresses:
            answer = client.get(address)
            found[address] = [answer.status_code, answer.content.decode()]
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
