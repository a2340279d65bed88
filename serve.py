"""Serves trained chatbots over HTTP: python serve.py --model_dir=DIRECTORY."""

from __future__ import annotations

from chatbot.programs import run_program

if __name__ == "__main__":
    run_program("serve")
