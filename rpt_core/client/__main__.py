"""`python -m rpt_core.client` is `rpt`, for a checkout that is not installed."""

import sys

from rpt_core.client.command import main

if __name__ == "__main__":
    sys.exit(main())
