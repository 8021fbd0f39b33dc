"""Coverage-guided fuzzing in one process: change inputs, keep those that reach lines no other reached.

Why not a library: the readers are Python above compiled parsers, so which lines of `gossan` a change reaches
is all that can be seen anyway; `sys.settrace` on this package alone sees it on every Python that we support,
and needs no compiler and no dependency. It is slower by the line than a native fuzzer, and blind inside GDAL
and pandas: there it is plain mutation from good seeds.
"""

import random
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import gossan
from dirty import within

ROOT = str(Path(gossan.__file__).parent)
TOKENS = [
    *(b",", b";", b"\t", b"\n", b"\r\n", b'"', b"<", b">", b"-", b".", b"0", b"9", b"-9999", b"nan", b"inf"),
    *(
        b"1e999",
        b"bdl",
        b"x",
        b"y",
        b"Cu",
        b"ppm",
        b"%",
        b"\x00",
        b"\xff",
        b"\xef\xbb\xbf",
        b"\xd0\x92",
        b"{",
    ),
    *(b"}", b"[", b"]", b":", b"null", b"-1", b"4294967295", b"=", b"and", b"in", b"(", b")", b"'", b"<a>"),
]


@dataclass
class Findings:
    """What a fuzzing came to: how many inputs, the lines reached, and the inputs that did what none may."""

    runs: int = 0
    lines: set[tuple[str, int]] = field(default_factory=set)
    pool: list[bytes] = field(default_factory=list)
    failures: list[tuple[bytes, str]] = field(default_factory=list)
    slowest: float = 0.0


def fuzz(
    parse: Callable[[bytes], None],
    seeds: Sequence[bytes],
    *,
    seconds: float,
    allowed: tuple[type[Exception], ...],
    seed: int = 0,
    most: int = 200_000,
) -> Findings:
    """Feed a parser with changed inputs for some time; only the allowed errors may come out of it."""
    found = Findings(pool=list(seeds))
    chance = random.Random(seed)
    for content in seeds:
        _try(parse, content, allowed, found)
    end = time.monotonic() + seconds
    while time.monotonic() < end and found.runs < most and len(found.failures) < 5:
        # half of the time from what was found last
        pool = found.pool if chance.random() < 0.5 else found.pool[-8:]
        content = _changed(chance.choice(pool), found.pool, chance)
        before = len(found.lines)
        _try(parse, content, allowed, found)
        if len(found.lines) > before:
            found.pool.append(content)
    return found


def _try(
    parse: Callable[[bytes], None], content: bytes, allowed: tuple[type[Exception], ...], found: Findings
) -> None:
    def local(frame, event, _):
        if event == "line":
            found.lines.add((frame.f_code.co_filename, frame.f_lineno))
        return local

    def trace(frame, event, _):
        return local if frame.f_code.co_filename.startswith(ROOT) else None

    start = time.monotonic()
    earlier = sys.gettrace()
    sys.settrace(trace)
    try:
        with within():
            parse(content)
    except allowed as error:
        if "\n" in str(error):
            found.failures.append((content, f"more than one line: {error}"))
    except Exception as error:  # noqa: BLE001
        found.failures.append((content, f"{type(error).__name__}: {error}"))
    finally:
        sys.settrace(earlier)
    found.runs += 1
    found.slowest = max(found.slowest, time.monotonic() - start)


def _changed(content: bytes, pool: Sequence[bytes], chance: random.Random) -> bytes:
    data = bytearray(content)
    for _ in range(chance.choice((1, 1, 1, 2, 4, 16))):
        place = chance.randrange(len(data) + 1)
        length = chance.choice((1, 1, 2, 4, 16, 64))
        match chance.randrange(7):
            case 0 if data:
                data[min(place, len(data) - 1)] ^= 1 << chance.randrange(8)
            case 1:
                data[place:place] = chance.choice(TOKENS)
            case 2:
                del data[place : place + length]
            case 3:
                data[place:place] = data[place : place + length] * chance.choice((1, 2, 20))
            case 4:
                data[place : place + length] = chance.choice(TOKENS)
            case 5:
                other = chance.choice(pool)
                cut = chance.randrange(len(other) + 1)
                data[place:] = other[cut:]
            case _:
                data[place : place + length] = chance.randbytes(length)
    return bytes(data[: 1 << 20])
