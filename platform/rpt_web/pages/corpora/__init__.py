"""Data: corpora, their versions, uploads and documents."""
