"""The workers that train together, from the environment variable TF_CONFIG."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from chatbot.errors import ChatbotError

CONFIG_EXAMPLE = (
    'it should look like {"cluster": {"worker": ["host1:2222", "host2:2222"]}, '
    '"task": {"type": "worker", "index": 0}}'
)
_JOBS = ("chief", "worker")


@dataclass(frozen=True)
class Cluster:
    """All workers, and which of them this process is.

    Attributes:
        addresses: `host:port` of each worker, the chief first.
        number: This process' place among them, from 0.
        has_chief_job: Whether TF_CONFIG names the chief apart from the workers.
    """

    addresses: tuple[str, ...]
    number: int
    has_chief_job: bool = False

    @property
    def is_chief(self) -> bool:
        """Whether this process is the one that writes."""
        return self.number == 0

    def place(self, job: str, index: int) -> int:
        """Returns the place among all workers, from 0, of a job's task."""
        return index + (self.has_chief_job and job == "worker")

    def describe(self) -> str:
        """Names this worker and the chief for a reader."""
        return f"worker {self.number + 1} of {len(self.addresses)}, chief at {self.addresses[0]}"


def read_cluster(environment: Mapping[str, str]) -> Cluster | None:
    """Reads TF_CONFIG; returns None where it is not set, is empty or names no cluster.

    Raises:
        ChatbotError: It does not say who the workers are, or which of them this is.
    """
    text = environment.get("TF_CONFIG", "").strip()
    if not text:
        return None
    try:
        values = json.loads(text)
    except ValueError as error:
        raise ChatbotError(f"TF_CONFIG is not JSON ({error}); {CONFIG_EXAMPLE}") from None
    if not isinstance(values, dict):
        raise ChatbotError(f"TF_CONFIG is not a JSON object; {CONFIG_EXAMPLE}")
    if not values.get("cluster"):
        return None
    jobs = _read_jobs(values["cluster"])
    job, index = _read_task(values, jobs)
    everybody = Cluster(tuple(a for job in jobs.values() for a in job), 0, "chief" in jobs)
    return replace(everybody, number=everybody.place(job, index))


def _read_jobs(cluster: Any) -> dict[str, list[str]]:
    """Returns {job: addresses}, the chief first."""
    if not isinstance(cluster, dict):
        raise ChatbotError(f"TF_CONFIG: cluster is not a JSON object; {CONFIG_EXAMPLE}")
    named = {job: addresses for job, addresses in cluster.items() if addresses}
    unknown = sorted(set(named) - set(_JOBS))
    if unknown:
        raise ChatbotError(f"TF_CONFIG has the job {unknown[0]!r}; name a chief and workers only")
    jobs = {job: named[job] for job in _JOBS if job in named}
    if not jobs:
        raise ChatbotError(f"TF_CONFIG has neither workers nor a chief; {CONFIG_EXAMPLE}")
    for job, addresses in jobs.items():
        strings = isinstance(addresses, list) and all(isinstance(a, str) for a in addresses)
        if not strings or not all(a.rpartition(":")[2].isdecimal() for a in addresses):
            raise ChatbotError(
                f"TF_CONFIG: cluster.{job} is not a list of host:port; {CONFIG_EXAMPLE}"
            )
    if len(jobs.get("chief", ["one"])) != 1:
        raise ChatbotError("TF_CONFIG: cluster.chief must name one host:port")
    every = [a for addresses in jobs.values() for a in addresses]
    if len(set(every)) < len(every):
        raise ChatbotError("TF_CONFIG names one host:port twice; give each worker its own")
    return jobs


def _read_task(values: dict[str, Any], jobs: dict[str, list[str]]) -> tuple[str, int]:
    """Returns this process' job and its place among that job's tasks."""
    task = values.get("task")
    if not isinstance(task, dict) or "type" not in task or "index" not in task:
        raise ChatbotError(f"TF_CONFIG has no task with type and index; {CONFIG_EXAMPLE}")
    job, index = task["type"], task["index"]
    if job == "evaluator":
        raise ChatbotError(
            "TF_CONFIG: task.type 'evaluator' has nothing to do, for the chief measures; start the "
            "chief and the workers only"
        )
    if not isinstance(job, str) or job not in jobs:
        raise ChatbotError(f"TF_CONFIG: task.type {job!r} is not in the cluster; {CONFIG_EXAMPLE}")
    if isinstance(index, str) and index.isdecimal():
        index = int(index)
    if not isinstance(index, int) or not 0 <= index < len(jobs[job]):
        raise ChatbotError(
            f"TF_CONFIG: task.index {index!r} must be from 0 to {len(jobs[job]) - 1}, "
            "another in each process"
        )
    return job, index
