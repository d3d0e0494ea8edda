"""Django's command line. `platform/` is appended, so that the standard library's `platform` module stays the first."""

import atexit
import gc
import os
import sys
from pathlib import Path

if __name__ == "__main__":
    gc.set_threshold(50_000, 20, 20)  # what is loaded at the start stays: looking through it at each turn takes a tenth
    atexit.register(gc.freeze)  # skip the last collection, which takes half a second: the process ends anyway
    root = Path(__file__).resolve().parent
    sys.path.append(str(root / "platform"))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "rpt_web.settings")
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line
    from django.db import OperationalError

    from rpt_web.supervisor.early import apply_data_dir

    apply_data_dir(sys.argv)
    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        sys.exit(f"manage.py: {error}")
    except OperationalError as error:
        if "--traceback" in sys.argv:
            raise
        reason = str(error).splitlines()[0]
        sys.exit(
            f"manage.py: The database does not answer: {reason}\nIt runs while the platform does: start that with "
            "`make up` in another terminal, or see to the server that DATABASE_URL names."
        )
