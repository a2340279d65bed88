"""Writes a trained model for other runtimes; `formats` lists them, `work` does it."""
