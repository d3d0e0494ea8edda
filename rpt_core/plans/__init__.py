"""Presets and own plan files: whole experiments, played on this machine."""
