"""A world on a clock of its own in which requests take their time side by side, as they do on the handler's threads.

Each request has a thread that is parked in it until the clock has come to its end. One of them runs at a time, and the
clock moves only while all of them are parked, so that every run with the same dice is the same.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import NamedTuple

from cwlog_handler.aws.making import READ_TIMEOUT
from cwlog_handler.core import outcomes
from cwlog_handler.core.retry import NO_DEADLINE, Deadline

from ..simulation import Elsewhere, VirtualTime, an_endpoint, simulated, to

# More rounds than any test needs; only something that never ends is stopped by it.
ENDLESS = 100_000
# Longer than any thread takes to come to its next line on a busy machine.
HANG_LIMIT = 60.0


class Weather(NamedTuple):
    """What becomes of a request: an answer after so many seconds. None: it is taken; ``latency`` inf: no answer."""

    latency: float
    outcome: outcomes.Outcome | None = None


class Request(NamedTuple):
    """A request as it was made."""

    stream: str
    started: float


def keeps_from_connecting(weather: Weather) -> bool:
    """Whether no client can be made. No request is made for it: what is slow to answer does not hold it up."""
    return isinstance(weather.outcome, outcomes.Refused | outcomes.Unavailable) and weather.latency < 1.0


class ParallelWorld:
    """Rounds whose time passes only in `wait`; ``weather`` says what becomes of a request that starts at an instant."""

    def __init__(self, weather: Callable[[float], Weather], jitter: Callable[[], float], is_inline=False, **options):
        self._time = VirtualTime()
        self.requests: list[Request] = []
        self.connects: list[float] = []
        self.most_at_a_time = 0
        self.stored: dict[str, list[str]] = {}
        self._weather = weather
        self._endpoint = an_endpoint()
        self._changed = threading.Condition()
        self._running = self._ended = 0
        self._parked: list[tuple[float, threading.Event]] = []
        self._is_inline = is_inline
        if not is_inline:
            options["senders"] = Elsewhere(self.start)
        self._rounds = simulated(self, self._time.clock(sleep_until=self._park), jitter=jitter, **options)

    @property
    def now(self):
        return self._time.now

    @now.setter
    def now(self, instant):
        self._time.now = instant

    @property
    def free_senders(self):
        """How many requests would start at once."""
        return self._rounds.senders.free

    @property
    def stats(self):
        return self._rounds.stats()

    # -- on the requests' threads ------------------------------------------------------------------------------------

    def connect(self, patience):
        weather = self._weather(self.now)
        if keeps_from_connecting(weather):
            self.connects.append(self.now)
            self._park(self.now + weather.latency)
            return weather.outcome
        return outcomes.Connected(self._endpoint)

    def put(self, target, events, token, on_progress, patience, is_fresh):
        on_progress()
        self.requests.append(Request(target.stream, self.now))
        weather = self._weather(self.now)
        time_out = READ_TIMEOUT if patience is None else min(READ_TIMEOUT, patience)
        self._park(self.now + min(weather.latency, time_out))
        if weather.latency > time_out:
            return outcomes.Unavailable("Read timeout", ambiguous=True)
        if weather.outcome is not None:
            return weather.outcome
        self.stored.setdefault(target.stream, []).extend(event.message for event in events)
        return outcomes.Accepted(None)

    def _park(self, until):
        if self._is_inline:
            self.now = max(self.now, until)
            return
        event = threading.Event()
        with self._changed:
            if until <= self.now:
                return
            self._parked.append((until, event))
            self._changed.notify_all()
        assert event.wait(HANG_LIMIT)

    def start(self, job):
        """Run a job on a thread of its own."""
        with self._changed:
            self._running += 1
            self.most_at_a_time = max(self.most_at_a_time, self._running)
        threading.Thread(target=self._run, args=(job,), daemon=True).start()
        self._let_run()

    def _run(self, job):
        job()
        with self._changed:
            self._running -= 1
            self._ended += 1
            self._changed.notify_all()

    # -- what a test does --------------------------------------------------------------------------------------------

    def log(self, text, stream="s", level=logging.INFO):
        """Log a record."""
        self._rounds.put(self._time.time_of_day(), text, to(stream), level)

    def wait(self, seconds):
        """Let time pass, and do what is due meanwhile."""
        self._pass(self.now + seconds, NO_DEADLINE)

    def flush(self, seconds):
        """Wait until all is settled, for so many seconds; True if it was."""
        deadline = self.now + seconds
        if self._is_inline:
            self._pass(deadline, Deadline(deadline))
        else:
            ticket = self._rounds.ask_for_word(deadline)
            self._pass(deadline, NO_DEADLINE)
            ticket.abandoned = True
        return not self.stats.pending

    def _pass(self, until, deadline):
        for _ in range(ENDLESS):
            ended = self._ended
            if deadline is not NO_DEADLINE:
                # As the flusher does it, where it drives on the caller's thread.
                self._rounds.hasten_all()
            next_at = self._rounds.step(deadline)
            if self._ended != ended:
                # There is an answer to be looked at, at this same instant.
                continue
            instants = [until, *(instant for instant, _ in self._parked)]
            if next_at is not None:
                instants.append(next_at)
            if self.now >= until:
                return
            self.now = max(self.now, min(instants))
            for parked in [parked for parked in self._parked if parked[0] <= self.now]:
                with self._changed:
                    self._parked.remove(parked)
                    parked[1].set()
                self._let_run()
        raise AssertionError("there is no end of it")

    def _let_run(self):
        """Wait until each request has ended or is parked."""
        with self._changed:
            assert self._changed.wait_for(lambda: self._running == len(self._parked), HANG_LIMIT)
