"""The HTTP API: operations, schemas and errors."""
