"""Trains a chatbot: python train.py --corpus=FILE."""

from __future__ import annotations

from chatbot.programs import run_program

if __name__ == "__main__":
    run_program("train")
