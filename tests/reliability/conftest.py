"""Counts what the tests break and what survived it; the table stands at the end of the output."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest

TRACEBACKS, LOST = "tracebacks", "lost reports"
"""Rows that show what was not survived alone; it must be 0."""
FIRST = {
    "kills": "survived",
    "damaged checkpoints": "handled",
    "hostile lines": "answered",
    "malformed corpora": "handled",
}
"""{row: its verb} of those that come first, in their order."""

LONGEST = "test_smalltalk.py"
"""The file that begins first: it trains for minutes, in which the others do the rest."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.path.name != LONGEST)


class Tally:
    """What was tried and what was survived."""

    def __init__(self) -> None:
        self.rows: dict[str, tuple[int, int]] = {}

    def add(self, name: str, tried: int, survived: int) -> None:
        """Counts under the name of a row; `LOST` and `TRACEBACKS` are rows like the others."""
        before = self.rows.get(name, (0, 0))
        self.rows[name] = before[0] + tried, before[1] + survived

    @contextlib.contextmanager
    def trying(self, name: str, count: int = 1) -> Iterator[None]:
        """Counts as survived what is done inside, unless it raises."""
        survived = 0
        try:
            yield
            survived = count
        finally:
            self.add(name, count, survived)

    def read(self, output: str | bytes) -> None:
        """Looks for a traceback in what a process has written."""
        text = output.decode("utf-8", "replace") if isinstance(output, bytes) else output
        self.add(TRACEBACKS, 1, int("Traceback (most recent call last)" not in text))

    def add_all(self, rows: dict[str, tuple[int, int]]) -> None:
        """Counts what another process has counted."""
        for name, (tried, survived) in rows.items():
            self.add(name, tried, survived)

    def is_perfect(self) -> bool:
        return all(tried == survived for tried, survived in self.rows.values())

    def write(self) -> list[str]:
        """The table, a line for each row."""
        others = sorted(set(self.rows) - {*FIRST, TRACEBACKS, LOST})
        cells = [(name, *self.rows[name]) for name in [*FIRST, *others] if name in self.rows]
        width = max([len(name) for name, *_ in cells] + [len(LOST)]) + 2
        lines = [
            f"{name:{width}}{survived:7,} {FIRST.get(name, 'survived'):8} of {tried:7,} tried"
            for name, tried, survived in cells
        ]
        for name, what in ((TRACEBACKS, "outputs"), (LOST, "reports")):
            tried, survived = self.rows.get(name, (0, 0))
            lines.append(f"{name:{width}}{tried - survived:7,} {'':8} in {tried:7,} {what}")
        return lines


KEY = pytest.StashKey[Tally]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[KEY] = Tally()


@pytest.fixture(scope="session")
def tally(request: pytest.FixtureRequest) -> Tally:
    return request.config.stash[KEY]


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    if hasattr(session.config, "workeroutput"):  # a worker of pytest-xdist
        session.config.workeroutput["tally"] = session.config.stash[KEY].rows
    if session.exitstatus == 0 and not session.config.stash[KEY].is_perfect():
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Adds what a worker of pytest-xdist has counted; one that crashes has failed a test."""
    node.config.stash[KEY].add_all(getattr(node, "workeroutput", {}).get("tally", {}))


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    tally = config.stash[KEY]
    terminalreporter.section("what was broken, and what survived")
    for line in tally.write():
        terminalreporter.write_line(line)
    if not tally.is_perfect():
        terminalreporter.write_line("NOT EVERYTHING SURVIVED", red=True)
