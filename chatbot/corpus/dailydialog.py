"""Reader of DailyDialog: a dialogue a line, `__eou__` after each turn.

The official zips and directories hold files of labels beside the dialogues (dialogues_act_*.txt,
dialogues_emotion_*.txt, dialogues_topic.txt), which are passed over.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from chatbot.corpus.lines import read_lines
from chatbot.corpus.reader import Reader
from chatbot.corpus.report import Dialogue, ReadReport
from chatbot.corpus.sources import Source

TURN_END = "__eou__"

_FILE_NAME = re.compile(r"dialogues_(?!act|emotion|topic).*\.txt")


def _read(sources: Sequence[Source], report: ReadReport) -> Iterator[Dialogue]:
    """Reads the dialogues of the uppermost files.

    The official directory has the whole corpus at its top and the same dialogues, divided, below.
    """
    top = min((source.depth for source in sources), default=0)
    chosen = [source for source in sources if source.depth == top]
    report.bytes_expected = sum(source.size for source in chosen)
    for source in chosen:
        yield from _read_file(source, report)


def _read_file(source: Source, report: ReadReport) -> Iterator[Dialogue]:
    name = source.name
    for number, line in read_lines(source, report):
        turns = [turn.strip() for turn in line.split(TURN_END)]
        if len(turns) == 1:
            report.drop(f"line without {TURN_END}", f"{name}:{number}")
            continue
        if not turns[-1]:
            turns.pop()
        yield Dialogue(turns, f"{name}:{number}")


READER = Reader(
    "dialogues_*.txt file", lambda file_name: _FILE_NAME.fullmatch(file_name) is not None, _read
)
