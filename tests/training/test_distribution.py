from __future__ import annotations

import contextlib
import functools
import json
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import tensorflow as tf

from chatbot.errors import ChatbotError
from chatbot.storage.model_directory import ModelDirectory
from chatbot.training.cluster import Cluster, read_cluster
from chatbot.training.distribution import Distribution, choose_distribution
from chatbot.training.step import make_dropout_seed
from tests.distributed import make_configs, start
from tests.trainings import PAIRS, read_metrics, read_weights, tiny_settings, train, write_pairs

STEPS = 10
TWO = {"worker": ["one:1", "two:2"]}


class Ended(NamedTuple):
    """What a process left behind."""

    status: int
    said: dict[str, Any]
    errors: str


def end(process: subprocess.Popen[str]) -> Ended:
    try:
        output, errors = process.communicate(timeout=300)
    finally:
        process.kill()
    assert ".cc:" not in errors  # TensorFlow's C++ names its files so
    said = json.loads(output.splitlines()[-1]) if process.returncode in (0, 143) else {}
    return Ended(process.returncode, said, errors)


def settings_for(place: Path, **changes: Any) -> dict[str, Any]:
    """Thirteen pairs by four: each epoch's last batch is one pair, fewer than the replicas.

    With everything that changes the weights besides their gradients.
    """
    corpus = place / "pairs.tsv"
    if not corpus.exists():
        longer = [(f"{query} once more", f"{reply} and again") for query, reply in PAIRS]
        write_pairs(corpus, [*PAIRS, *longer[:6]])
    mixed = place / "mixed.tsv"
    if not mixed.exists():
        write_pairs(mixed, [*PAIRS, ("hello", "bye 再见 !")])
    return tiny_settings(
        corpus,
        validation_corpus=str(mixed),
        batch_size=4,
        max_steps=STEPS,
        steps_per_checkpoint=3,
        dropout=0.0,
        embedding_dropout=0.0,
        max_gradient_norm=0.05,  # below every step's: each of them is clipped
        tie_embeddings=True,
        label_smoothing=0.1,
        weight_decay=0.5,
        average_decay=0.9,
        **changes,
    )


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory where "one" has been trained on one device."""
    place = tmp_path_factory.mktemp("distribution")
    assert train(place / "one", **settings_for(place, distribute="none")) == 0
    assert min(report["gradient_norm"] for report in read_metrics(place / "one")) > 0.1
    return place


def assert_same_training(one: Path, other: Path) -> None:
    """The same weights, slots and reports, but for the order of additions."""
    here, there = read_weights(one), read_weights(other)
    assert here.keys() == there.keys()
    assert any("OPTIMIZER_SLOT" in key for key in here)
    assert any(key.startswith("averages/") for key in here)
    for key, expected in here.items():
        difference = np.linalg.norm(there[key].astype(np.float64) - expected)
        assert difference <= 1e-5 * np.linalg.norm(expected), key
    reports, others = read_metrics(one), read_metrics(other)
    assert [r["step"] for r in reports] == [3, 4, 6, 8, 9, 10]
    for report, found in zip(reports, others):
        assert found == pytest.approx(report, rel=1e-5)
    assert len(reports) == len(others)


def test_two_logical_processors_are_as_good_as_one_device(place: Path) -> None:
    settings = settings_for(place, distribute="mirrored")
    process = start(place / "mirrored", settings, "ignored", processors=2, bad_step=True)
    ended = end(process)
    assert ended.status == 0, ended.errors
    assert "2 replicas" in ended.errors
    assert_same_training(place / "one", place / "mirrored")
    # A step without numbers, tried before the first, changed nothing in either copy.
    assert ended.said["bad_step"] == {"numbers": ["nan", "nan"], "unchanged": True, "copies": 2}


class Runs:
    """Three runs of one training by two workers, the chief first in each.

    Each run takes place when it is first asked for, after the one before.
    """

    def __init__(self, place: Path) -> None:
        self._settings, self._model = settings_for(place), place / "workers"

    def _run(self, **manner: Any) -> list[Ended]:
        chief, worker = make_configs(2)
        processes = [
            start(self._model, self._settings, chief),
            start(self._model, self._settings, worker, **manner),
        ]
        return [end(process) for process in reversed(processes)][::-1]

    @functools.cached_property
    def stopped(self) -> tuple[list[Ended], int]:
        """The first run, and the step of the checkpoint that it left."""
        ended = self._run(signal="SIGTERM", signal_at=3)
        newest = ModelDirectory(self._model).newest()
        return ended, newest.step if newest else 0

    @functools.cached_property
    def killed(self) -> list[Ended]:
        _ = self.stopped
        return self._run(signal="SIGKILL", signal_at=7)

    @functools.cached_property
    def finished(self) -> list[Ended]:
        _ = self.killed
        return self._run()


@pytest.fixture(scope="module")
def runs(place: Path) -> Runs:
    return Runs(place)


def test_a_signal_to_one_worker_stops_all_after_the_same_step(runs: Runs) -> None:
    (chief, worker), stopped_at = runs.stopped
    assert (chief.status, worker.status) == (0, 143), chief.errors + worker.errors
    assert stopped_at == 4
    for ended in (chief, worker):
        assert "stopped at step 4, all saved; run the same command to go on" in ended.errors


def test_killing_one_worker_ends_the_other_with_a_clear_line(runs: Runs) -> None:
    chief, worker = runs.killed
    assert worker.status == -9
    assert chief.status == 2
    assert "going on from step 4" in chief.errors
    last = chief.errors.splitlines()[-1]
    assert last.startswith("another worker has gone (number 2, 127.0.0.1:")
    assert last.endswith("start all workers again to go on from the last checkpoint")


def test_two_workers_stopped_and_killed_end_as_one_device_does(place: Path, runs: Runs) -> None:
    chief, worker = runs.finished
    assert (chief.status, worker.status) == (0, 0), chief.errors + worker.errors
    assert "going on from step 6" in chief.errors
    assert_same_training(place / "one", place / "workers")


def test_only_the_chief_writes(place: Path, runs: Runs) -> None:
    for chief, worker in (runs.stopped[0], runs.finished):
        assert any("checkpoints.json" in name for name in chief.said["written"])
        assert worker.said["written"] == []
        assert "training:" in chief.errors
        assert "training:" not in worker.errors
        assert "worker 2 of 2, chief at 127.0.0.1:" in worker.errors
    events = list((place / "workers" / "events").iterdir())
    assert len(events) == 3  # one a run, and none of the other worker's


def test_what_stops_the_chief_before_training_ends_the_others(tmp_path: Path) -> None:
    corpus = tmp_path / "pairs.tsv"
    corpus.write_text("no tab here\nnor here\n", encoding="utf-8")
    model = tmp_path / "model"
    processes = [start(model, tiny_settings(corpus), config) for config in make_configs(2)]
    chief, worker = [end(process) for process in processes]
    assert (chief.status, worker.status) == (2, 2), chief.errors + worker.errors
    assert "pairs.tsv:1" in chief.errors.splitlines()[-1]
    assert "another worker has gone" in worker.errors.splitlines()[-1]
    assert "Traceback" not in chief.errors + worker.errors
    assert not (model / "config.json").exists()


def write_config(cluster: Any, job: str = "worker", index: Any = 0) -> dict[str, str]:
    task = {"type": job, "index": index}
    return {"TF_CONFIG": json.dumps({"cluster": cluster, "task": task})}


def test_the_chief_comes_first_and_workers_follow() -> None:
    assert read_cluster({}) is read_cluster({"TF_CONFIG": " {} "}) is None
    assert read_cluster(write_config(TWO, index=1)) == Cluster(("one:1", "two:2"), 1)
    apart = {"worker": ["one:1", "two:2"], "chief": ["three:3"]}
    for job, index, number in (("chief", 0, 0), ("worker", 0, 1), ("worker", "1", 2)):
        found = read_cluster(write_config(apart, job, index))
        assert found == Cluster(("three:3", "one:1", "two:2"), number, has_chief_job=True)
        assert found.is_chief == (job == "chief")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "TF_CONFIG is not JSON"),
        ("[1]", "TF_CONFIG is not a JSON object"),
        ('{"cluster": {"chief": ["one:1"]}}', "no task with type and index"),
        ('{"cluster": ["one:1"]}', "cluster is not a JSON object"),
        ('{"cluster": {"worker": [], "ps": []}}', "neither workers nor a chief"),
        (write_config({"evaluator": ["a:1"], **TWO})["TF_CONFIG"], "has the job 'evaluator'"),
        (write_config(TWO, "evaluator")["TF_CONFIG"], "'evaluator' has nothing to do"),
        ('{"cluster": {"worker": "one:1"}}', "cluster.worker is not a list of host:port"),
        ('{"cluster": {"worker": ["one"]}}', "cluster.worker is not a list of host:port"),
        ('{"cluster": {"worker": ["one:1", "one:1"]}}', "names one host:port twice"),
        ('{"cluster": {"worker": ["one:1"], "ps": ["two:2"]}}', "has the job 'ps'"),
        ('{"cluster": {"worker": ["one:1"], "chief": ["a:1", "b:2"]}}', "name one host:port"),
        ('{"cluster": {"worker": ["one:1"]}}', "no task with type and index"),
        (
            '{"cluster": {"worker": ["one:1"]}, "task": {"type": [], "index": 0}}',
            r"task.type \[\] is not in the cluster",
        ),
        (write_config(TWO, "chief")["TF_CONFIG"], "task.type 'chief' is not in the cluster"),
        (write_config(TWO, index=2)["TF_CONFIG"], "task.index 2 must be from 0 to 1"),
        (write_config(TWO, index="x")["TF_CONFIG"], "task.index 'x' must be"),
    ],
)
def test_a_wrong_tf_config_is_one_clear_line(
    text: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TF_CONFIG", text)
    for setting in ("multiworker", "auto"):
        with pytest.raises(ChatbotError, match=message) as caught:
            train(tmp_path / "model", corpus="pairs.tsv", distribute=setting)
        assert "\n" not in str(caught.value)


def test_auto_takes_workers_then_gpus_then_one_device() -> None:
    def choose(setting: str, environment: dict[str, str], gpus: int) -> str:
        return choose_distribution(setting, environment, gpus)[0]

    two, one = write_config(TWO), write_config({"worker": ["one:1"]})
    assert choose("auto", two, 2) == choose("multiworker", one, 0) == "multiworker"
    assert choose("auto", {}, 2) == choose("auto", one, 2) == choose("mirrored", two, 0)
    assert choose("auto", {}, 1) == choose("auto", one, 1) == choose("none", two, 2) == "none"
    assert choose("mirrored", {"TF_CONFIG": "{"}, 0) == "mirrored"
    alone = write_config({"chief": ["one:1"], "worker": []}, "chief")
    assert choose("auto", alone, 1) == choose("auto", write_config({}), 1) == "none"
    with pytest.raises(ChatbotError, match=r"needs the environment variable TF_CONFIG.*host1:2222"):
        choose("multiworker", {}, 4)


def test_where_a_run_computes_is_not_kept(place: Path) -> None:
    config, _ = ModelDirectory(place / "one").load()
    assert config.training.distribute == "auto"


@pytest.mark.parametrize(("other", "agree"), [(0, True), (1, False)])
def test_workers_that_would_do_different_things_are_told(
    other: int, agree: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    everybody = Distribution()
    everybody.replicas = 2
    monkeypatch.setattr(everybody, "_sum", lambda mine: 2 * mine + other)
    expected = contextlib.nullcontext() if agree else pytest.raises(ChatbotError, match="different")
    with expected:
        everybody.check_agreement({"batch_size": 3}, "were started with different settings")


def test_only_what_comes_from_another_worker_is_put_down_to_it() -> None:
    message = "/job:worker/task:0 hears that /job:worker/replica:0/task:1 is closed"
    error = tf.errors.UnavailableError(None, None, message)
    nameless = tf.errors.AbortedError(None, None, "closed")
    distribution = Distribution()
    assert distribution.explain(error) is None
    for cluster, address in (
        (Cluster(("one:1", "two:2"), 0), "number 2, two:2"),
        (Cluster(("chief:3", "one:1", "two:2"), 1, True), "number 3, two:2"),
    ):
        distribution.cluster = cluster
        assert f"another worker has gone ({address})" in (distribution.explain(error) or "")
        assert "it is not said which" in (distribution.explain(nameless) or "")
        assert distribution.explain(tf.errors.DataLossError(None, None, "torn")) is None


def test_each_replica_has_dropout_of_its_own_and_the_first_has_todays() -> None:
    step = tf.constant(6)
    seeds = [tuple(make_dropout_seed(4, step, number).numpy()) for number in range(5)]
    assert seeds[0] == (4, 6)
    assert len(set(seeds)) == 5
    assert tuple(make_dropout_seed(4, tf.constant(7), 1).numpy()) not in seeds
