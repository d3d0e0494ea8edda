"""Exhibits: every figure and every table of results under an address of its own, with its data and what it came from.

In: a ref such as `run/12/metric/reward` and what it is about, which `access` has let somebody see. Out: an `Exhibit`.
A page writes its menu from the ref alone; files, the page of an exhibit and reports are made from the exhibit. To give
another table or figure an address, add a builder to `building`.
"""
