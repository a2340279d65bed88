from __future__ import annotations

from typing import Any

import pytest


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Every figure that is saved."""
    from matplotlib.figure import Figure

    saved: list[Any] = []
    whole = Figure.savefig

    def save(figure: Any, *arguments: Any, **named: Any) -> None:
        saved.append(figure)
        whole(figure, *arguments, **named)

    monkeypatch.setattr(Figure, "savefig", save)
    return saved
