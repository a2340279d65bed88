"""Disks that are full: one line, and the last good checkpoint is as it was."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from chatbot.storage.model_directory import ModelDirectory
from chatbot.system.files import hash_file
from tests.reliability.conftest import Tally
from tests.reliability.processes import (
    ROOT,
    assert_same_training,
    finish,
    start_training,
    training_flags,
)
from tests.small_corpora import write_corpus
from tests.trainings import digest_directory

LIMITED = """
import resource, runpy, sys
limit = int(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
del sys.argv[:2]
sys.path.insert(0, "")
runpy.run_path(sys.argv[0], run_name="__main__")
"""
"""Python ignores SIGXFSZ, so that to write on fails as it does on a full disk."""


class Whole(NamedTuple):
    """A training that had space.

    Attributes:
        flags: Its flags.
        model_dir: What it has left.
    """

    flags: list[str]
    model_dir: Path


@pytest.fixture(name="whole", scope="module")
def train_whole(tmp_path_factory: pytest.TempPathFactory, tally: Tally) -> Whole:
    place = tmp_path_factory.mktemp("whole")
    flags = training_flags(
        write_corpus(place / "corpus.tsv"), num_epochs=2, learning_rate_schedule="constant"
    )
    finish(start_training(place / "model", flags), tally)
    return Whole(flags, place / "model")


def find_checkpoint_files(model_dir: Path) -> dict[str, str]:
    """The digests of all checkpoints that count."""
    kept = {name for made in ModelDirectory(model_dir).checkpoints() for name in made.files}
    digests = digest_directory(model_dir)
    return {name: digests[name] for name in {*kept, "checkpoints.json"}}


def expect_one_line(said: str) -> None:
    (line,) = [line for line in said.splitlines() if line.startswith("train.py: ")]
    assert said.splitlines()[-1] == line
    assert re.search(r"(File too large|No space left on device)", line), line
    assert re.search(r"(free (some )?space|mend that)", line), line


def test_files_that_may_not_grow(whole: Whole, tmp_path: Path, tally: Tally) -> None:
    model_dir, flags = tmp_path / "model", whole.flags
    with tally.trying("full disks", 3):
        # The encoded corpus does not fit, then nothing of a checkpoint, then not all of it.
        good: dict[str, str] = {}
        for limit in (2_000, 16_000, 60_000):
            limited = ["-c", LIMITED, str(limit)]
            process = start_training(model_dir, [*flags, "--max_steps=0"], limited)
            expect_one_line(finish(process, tally, status=2))
            if limit == 2_000:
                assert not (model_dir / "config.json").exists()
                finish(start_training(model_dir, [*flags, "--max_steps=14"]), tally)
                good = find_checkpoint_files(model_dir)
                assert "ckpt-14.index" in good
            else:
                assert find_checkpoint_files(model_dir) == good
        finish(start_training(model_dir, [*flags, "--max_steps=0"]), tally)
        assert_same_training(whole.model_dir, model_dir, tally)


ON_A_SMALL_DISK = r"""
mount -t tmpfs -o size=4m none "$1" || exit 99
disk=$1 results=$2
shift 2
run() {
    "$@" "--model_dir=$disk/model" 2>&1
    echo "status $?"
    cp -r "$disk/model" "$results/$left"
}
left=begun run "$@" --max_steps=14
for left in 0 4 8 16 40 76 96; do
    dd if=/dev/zero of="$disk/filler" bs=1k 2>/dev/null
    truncate -s "-${left}k" "$disk/filler"
    run "$@" --max_steps=0
    rm "$disk/filler"
done
left=end run "$@" --max_steps=0
"""


def test_a_disk_that_is_full(whole: Whole, tmp_path: Path, tally: Tally) -> None:
    namespace = ["unshare", "-Urm", "bash", "-c"]
    command = [*namespace, "mount -t tmpfs none /mnt"]
    if not shutil.which("unshare") or subprocess.run(command, check=False).returncode:
        pytest.skip("no disk can be mounted here")
    for name in ("disk", "results"):
        (tmp_path / name).mkdir()
    with tally.trying("full disks", 7):
        places = [str(tmp_path / name) for name in ("disk", "results")]
        command = [*namespace, ON_A_SMALL_DISK, "bash", *places, sys.executable, "train.py"]
        command += whole.flags
        done = subprocess.run(
            command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True, timeout=900
        )
        tally.read(done.stdout)
        parts = re.split(r"status (\d+)\n", done.stdout)
        assert parts[1::2] == ["0", *["2"] * 7, "0"]
        for said in parts[2:-3:2]:
            expect_one_line(said)
        for result in (tmp_path / "results").iterdir():
            check_checkpoints(result)
        assert_same_training(whole.model_dir, tmp_path / "results" / "end", tally)


def check_checkpoints(model_dir: Path) -> None:
    """Every checkpoint that counts is whole, from the one with which the disk was filled on."""
    kept = ModelDirectory(model_dir).checkpoints()
    assert kept[-1].step >= 14
    for made in kept:
        for name, (size, digest) in made.files.items():
            assert (model_dir / name).stat().st_size == size
            assert hash_file(model_dir / name) == digest
