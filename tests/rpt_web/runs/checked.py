"""A config that pre-flight has nothing against, and whose check is quick."""

TINY = {
    "stage": "ntp",
    "scratch": {},
    "corpus": {"source": "tiny", "tiny_documents": 50},
    "budget": {"steps": 20},
}
