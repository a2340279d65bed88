"""The training loop: steps, reports, validation, checkpoints, and going on after a stop."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import Any

from absl import logging

from chatbot.dataset import Corpora
from chatbot.dataset.prefetch import prefetch
from chatbot.errors import ChatbotError
from chatbot.network.seq2seq import Seq2Seq
from chatbot.settings.config import TrainingConfig
from chatbot.storage.reports import append_report, cut_reports, open_events, to_perplexity
from chatbot.storage.tracking import track
from chatbot.system.stopping import StopRequest
from chatbot.training.adam import Adam
from chatbot.training.averages import Averages
from chatbot.training.batches import Batches
from chatbot.training.computation import Computation, Work
from chatbot.training.job import Job
from chatbot.training.learning_rate import (
    count_steps,
    describe_jump,
    scheduled_learning_rate,
)
from chatbot.training.pace import Pace, make_bar, write_above
from chatbot.training.progress import Progress, restore_progress
from chatbot.training.validation import Perplexities, Validation


class Trainer:
    """Trains one model directory, from its newest checkpoint to its end.

    Attributes:
        step: Steps that are done.
        total_steps: Steps of the whole training.
        validation: What is measured, or None.
        measures_anew: Whether the perplexities of the checkpoints cannot be compared with those to
            come: they are of all pairs and unseen ones decide now, or the other way round.
    """

    def __init__(
        self,
        job: Job,
        corpora: Corpora,
        model: Seq2Seq,
        averages: Averages | None,
        precision: str,
    ) -> None:
        """Makes the step functions and restores the newest checkpoint, if there is one.

        Args:
            job: What is asked for; only the chief of its distribution writes and tells.
            corpora: What to learn, and what to measure if anything.
            model: The network, made in the distribution's scope, with products in `precision`.
            averages: What follows its weights, made where it was; None for nothing.
            precision: "float32", "bfloat16" or "float16".
        """
        self._config = job.config.training
        self._directory = job.directory
        self._corpora = corpora
        self._batches = Batches(corpora, job.config)
        self.validation: Validation | None = None
        if corpora.validation is not None:
            self.validation = Validation(corpora.validation, corpora.train, self._config.batch_size)
        self._writes = job.distribution.is_chief
        self._audience = job.audience
        self._is_hidden = not (self._writes and job.audience.is_shown)
        with job.distribution.scope():
            optimizer = Adam(model.trainable_variables, scale_losses=precision == "float16")
        others = None if averages is None else averages.model
        self._tracked = track(model, others, optimizer=optimizer)
        self.total_steps = count_steps(self._config, self._batches.steps_per_epoch)
        given = (
            model,
            optimizer,
            self._config,
            job.distribution,
            averages,
            self._batches.weigh_words(),
        )
        self._computation = Computation(*given, self.total_steps)
        self.step = 0
        self._progress = Progress()
        self._pace = Pace()
        self._saved: tuple[int, Progress] | None = None
        self.measures_anew = False
        self._scales_losses = precision == "float16"
        self._restore()
        self._computation.trace()

    def _restore(self) -> None:
        checkpoint = self._directory.newest()
        if checkpoint is not None:
            self._directory.restore(self._tracked, checkpoint, whole=True)
            self.step = checkpoint.step
            self._progress = restore_progress(checkpoint.progress, self._directory.path)
            self._saved = (self.step, replace(self._progress))
        self._settle_measure()
        if self.step > self.total_steps:
            raise ChatbotError(
                f"--max_steps and --num_epochs ask for {self.total_steps} steps, but {self.step} "
                "are done; raise them, or name another --model_dir"
            )
        # A report that the checkpoint still owes is written again.
        remembered = self.step - 1 if self._progress.steps else self.step
        self._first_report = remembered + 1
        if self._writes:
            cut_reports(self._directory.metrics_path, remembered)

    def _settle_measure(self) -> None:
        """Forgets the best perplexity where it is of other pairs than those that decide now."""
        of_unseen = int(self.validation is not None and self.validation.has_unseen)
        self.measures_anew = self.step > 0 and self._progress.best_of_unseen != of_unseen
        if self.measures_anew:
            self._progress.best, self._progress.waited = None, 0
        self._progress.best_of_unseen = of_unseen

    def describe_jump(self, before: TrainingConfig) -> str:
        """Says how the step size jumps from here on; see `learning_rate.describe_jump`."""
        return describe_jump(before, self._config, self.step, self._batches.steps_per_epoch)

    def run(self, stop: StopRequest) -> str | None:
        """Trains until the end, or until somebody asks to stop, which ends it after a step.

        Returns:
            Why the training is finished, or None when it was stopped before.
        """
        events: Any = contextlib.nullcontext()
        if self._writes:
            events = open_events(self._directory.path / "events", self._first_report)
        bar = make_bar(self.total_steps, self.step, hidden=self._is_hidden)
        with bar, events as self._add_event:
            try:
                self._loop(bar, stop)
            except OSError:  # a report cannot be written, perhaps; the work should not go with it
                self._save(None)
                raise
        if self._out_of_patience():
            of = " of unseen pairs" if self._progress.best_of_unseen else ""
            return f"no better validation perplexity in {self._config.patience} reports{of}"
        if self.is_finished() and not self._progress.steps:
            return f"all {self.total_steps} steps done"
        self._save(None)
        return None

    def _loop(self, bar: Any, stop: StopRequest) -> None:
        if self._progress.steps:
            # The last process was stopped between this step and its report.
            self._report_if_due(bar, stop)
        self._pace.resume()
        for work in prefetch(self._work()):
            if self._computation.must_stop(stop) or self.is_finished():
                break
            self._advance(work, stop, bar)
            self._report_if_due(bar, stop)

    def is_finished(self) -> bool:
        """Tells whether there is nothing left to do."""
        return self.step >= self.total_steps or self._out_of_patience()

    def _work(self) -> Iterator[Work]:
        """Yields the batches."""
        for step in range(self.step, self.total_steps):
            yield self._computation.gather(*self._batches.open(step))

    def _advance(self, work: Work, stop: StopRequest, bar: Any) -> None:
        """Takes one training step and shows it."""
        rate = scheduled_learning_rate(self._config, self.step, self.total_steps)
        loss, norm = self._computation.advance(work, self.step, rate, stop)
        self.step += 1
        self._pace.add(work.tokens)
        if self._scales_losses and not math.isfinite(norm):
            norm = 0.0  # the scale was too large and is halved: no fault of the numbers
        if math.isfinite(loss + norm):
            self._progress.bad_steps = 0
            self._progress.add(loss * work.tokens, work.tokens, work.words, norm)
            self._show_progress(bar)
        else:
            self._note_bad_step(work.indices)
        self._pace.move(bar)

    def _show_progress(self, bar: Any) -> None:
        mean, speed = self._progress.losses / self._progress.tokens, self._pace.tokens_per_second
        shown = f"loss {mean:.3f}, perplexity {to_perplexity(mean):.1f}"
        if self._progress.words != self._progress.tokens:
            word = to_perplexity(self._progress.losses / self._progress.words)
            shown += f" ({word:.1f} a word)"
        shown += "" if speed is None else f", {speed:,.0f} tokens/s"
        bar.set_postfix_str(shown, refresh=False)

    def _note_bad_step(self, indices: Any) -> None:
        """Counts a step that changed nothing because its numbers were not finite."""
        self._progress.bad_steps += 1
        self._progress.all_bad_steps += 1
        logging.warning("step %d: the loss or its gradients are not finite; skipped", self.step)
        if self._progress.bad_steps >= self._config.max_bad_steps:
            newest = self._directory.newest()
            raise ChatbotError(
                f"the loss or its gradients were not finite in the last {self._progress.bad_steps} "
                f"steps, up to step {self.step} with the pairs {self._corpora.quote(indices)}; the "
                f"last good checkpoint is {newest.name if newest else 'none'}; lower "
                "--learning_rate, or take out what is odd about these pairs"
            )

    def _report_if_due(self, bar: Any, stop: StopRequest) -> None:
        """Reports at the checkpoint steps, at each epoch's end and at the last step."""
        at_checkpoint = self.step % self._config.steps_per_checkpoint == 0
        at_end = self.step == self.total_steps
        if at_checkpoint or at_end or self.step % self._batches.steps_per_epoch == 0:
            self._report(bar, stop, at_checkpoint or at_end)
            self._pace.resume()

    def _report(self, bar: Any, stop: StopRequest, saved: bool) -> None:
        """Measures, reports, and saves if that is due or something is the best so far."""
        if not self._progress.steps:  # not one good step since the last report
            if self.step == self.total_steps:
                self._save(None)
            return
        bar.refresh()
        measured = None
        if self.validation is not None:
            measured = self.measure(stop)
            if measured is None:
                return  # reported when the training goes on
        report = self._write_report(measured, bar)
        # Not before: a report that could not be written is owed, and measured once more.
        perplexity = None if measured is None else measured.decisive
        improved = perplexity is not None and self._progress.note(perplexity)
        if saved or improved or self._out_of_patience():
            self._save(perplexity)
        if self._writes:
            self._audience.report(report)  # last: whatever it raises, all is written

    def measure(self, stop: StopRequest) -> Perplexities | None:
        """Measures the validation corpus; see `Validation.measure`."""
        if self.validation is None:
            raise ValueError("there is no validation corpus")
        return self.validation.measure(self._computation, stop, hidden=self._is_hidden)

    def _out_of_patience(self) -> bool:
        return 0 < self._config.patience <= self._progress.waited

    def _write_report(self, measured: Perplexities | None, bar: Any) -> dict[str, Any]:
        """Appends one line to metrics.jsonl and the same figures to TensorBoard's events."""
        progress, loss = self._progress, self._progress.losses / self._progress.tokens
        report: dict[str, Any] = {
            "step": self.step,
            "epoch": round(self.step / self._batches.steps_per_epoch, 4),
            "loss": loss,
            "perplexity": to_perplexity(loss),
            "word_perplexity": to_perplexity(progress.losses / progress.words),
            "gradient_norm": progress.norms / progress.steps,
            "learning_rate": scheduled_learning_rate(self._config, self.step - 1, self.total_steps),
        }
        if self._pace.tokens_per_second is not None:
            report["tokens_per_second"] = self._pace.tokens_per_second
        if progress.all_bad_steps:
            report["bad_steps"] = progress.all_bad_steps
        if measured is not None:
            report.update(measured.list_figures())
            said = f"perplexity {report['perplexity']:.2f}, {measured.describe()}"
            write_above(bar, f"step {self.step}: {said}")
        if self._writes:
            append_report(self._directory.metrics_path, report)
            self._add_event(report)
        progress.reset()
        self._pace.reset()
        return report

    def _save(self, validation_perplexity: float | None) -> None:
        """Writes a checkpoint, unless this very state is in one already."""
        if not self._writes or self._saved == (self.step, self._progress):
            return
        made = self._directory.save(
            self._tracked,
            self._config.model_name,
            self.step,
            asdict(self._progress),
            validation_perplexity,
        )
        self._saved = (self.step, replace(self._progress))
        logging.debug("wrote %s", made.name)
