"""Writes a model for other runtimes: python export.py --model_dir=D --format=F --output=DIR."""

from __future__ import annotations

from chatbot.programs import run_program

if __name__ == "__main__":
    run_program("export")
