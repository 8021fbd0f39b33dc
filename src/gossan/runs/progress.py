"""How far a list of tasks is: the order in which they may be done, and the share of all work."""

import heapq
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from gossan.runs.tasks import Call

__all__ = ["Line", "Meter", "Report", "flat"]

#: Called with the share of all work done, the seconds left (None: not known yet) and what is being done.
Report = Callable[[float, float | None, str], None]


def flat(inputs: Mapping[str, str | Sequence[str]]) -> Iterator[str]:
    """Give every task or key that inputs name."""
    for need in inputs.values():
        yield from [need] if isinstance(need, str) else need


class Line:
    """Tasks that wait for their inputs and then for their turn, in the order of the list.

    Parameters
    ----------
    calls
        What is to be done, by key; inputs that are not in it are there already.
    """

    def __init__(self, calls: Mapping[str, Call]) -> None:
        self._calls = calls
        self._place = {key: place for place, key in enumerate(calls)}
        self._left = set(calls)
        self._needs = {
            key: {need for need in flat(call.inputs) if need in calls} for key, call in calls.items()
        }
        self._followers: dict[str, list[str]] = {}
        for key, needs in self._needs.items():
            for need in needs:
                self._followers.setdefault(need, []).append(key)
        self._ready = [(self._place[key], key) for key, needs in self._needs.items() if not needs]

    def __bool__(self) -> bool:
        """Whether anything is left to do or being done."""
        return bool(self._left)

    @property
    def first(self) -> Call | None:
        """The task whose turn it is; None where all that is left is being done or waits for inputs."""
        return self._calls[self._ready[0][1]] if self._ready else None

    def leave(self) -> None:
        """Take the first task out of the line."""
        heapq.heappop(self._ready)

    def back(self, call: Call) -> None:
        """Put a task back at its place."""
        heapq.heappush(self._ready, (self._place[call.key], call.key))

    def done(self, call: Call) -> None:
        """Let those go on that waited for a task alone."""
        self._left.discard(call.key)
        for key in self._followers.get(call.key, ()):
            self._needs[key].discard(call.key)
            if not self._needs[key] and key in self._left:
                self.back(self._calls[key])

    def drop(self, call: Call) -> list[Call]:
        """Give up a task and all that need it; return the latter."""
        self._left.discard(call.key)
        dropped, look = [], [call.key]
        while look:
            for key in self._followers.get(look.pop(), ()):
                if key in self._left:
                    self._left.discard(key)
                    dropped.append(self._calls[key])
                    look.append(key)
        return dropped


class Meter:
    """Adds up the shares of the tasks by weight and guesses the time left."""

    def __init__(self, calls: Iterable[Call], missing: Mapping[str, Call], report: Report) -> None:
        weights = {call.key: call.weight for call in calls}
        self._total = sum(weights.values()) or 1.0
        self._before = sum(weight for key, weight in weights.items() if key not in missing)
        self._done = self._before
        self._shares: dict[str, float] = {}
        self._running: dict[str, Call] = {}
        self._started = time.monotonic()
        self._last = float("-inf")
        self._report = report

    def start(self, call: Call) -> None:
        """Count a task as begun; one that begins again keeps its share."""
        self._running[call.key] = call
        self._shares.setdefault(call.key, 0.0)
        self._tell(call.name)

    def update(self, call: Call, share: float) -> None:
        """Note how far a task is."""
        self._shares[call.key] = min(max(float(share), self._shares[call.key]), 1.0)
        if time.monotonic() - self._last > 0.1:
            self._tell(call.name)

    def finish(self, call: Call) -> None:
        """Count a task as done, or given up."""
        self._done += call.weight
        self._shares.pop(call.key, None)
        self._running.pop(call.key, None)
        self._tell(call.name)

    def _tell(self, label: str) -> None:
        self._last = time.monotonic()
        done = self._done + sum(self._running[key].weight * share for key, share in self._shares.items())
        gained = done - self._before
        left = None
        if gained > 0.005 * self._total:
            left = (self._last - self._started) * (self._total - done) / gained
        self._report(min(done / self._total, 1.0), left, label)
