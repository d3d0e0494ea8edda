"""Texts and tokens: records, corpora, tokenizers and the bytes of each token."""
