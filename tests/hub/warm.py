"""A process that has imported everything already and knows only the Hub for tests; it runs the code that it is sent."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from types import TracebackType
from typing import Any

_LOOP = """
import json, sys, time
import torch, interpzoo, interpzoo.pretrained.client, interpzoo.pretrained.load

interpzoo.pretrained.client._WAITS = (0.05, 0.1)

out = sys.stdout
sys.stdout = sys.stderr
for line in sys.stdin:
    space = json.loads(line)
    start = time.perf_counter()
    try:
        exec(space.pop("code"), space)
        answer = {"result": space.get("result")}
    except Exception as error:
        answer = {"error": type(error).__name__, "message": str(error)}
    print(json.dumps(answer | {"seconds": time.perf_counter() - start}), file=out, flush=True)
"""

LOAD = """
import torch, interpzoo
model = interpzoo.load(name, **options)
result = model.example_strip(2, 3).flatten().tolist()
"""
"""Load `name` and give the frames between its examples."""


class RefusedError(Exception):
    """An error in the other process: its class and message."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(f"{kind}: {message}")


class Warm:
    """The process; `seconds` is the duration of the last call in it."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        command = [sys.executable, "-c", _LOOP]
        self.seconds = 0.0
        self.process = subprocess.Popen(
            command, env=dict(environment), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __enter__(self) -> Warm:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.process.kill()
        self.process.communicate()

    def start(self, code: str, **variables: Any) -> None:
        """Start to run `code` with `variables`, which must be JSON values."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"code": code, **variables}) + "\n")
        self.process.stdin.flush()

    def answer(self) -> Any:
        """The variable ``result`` of the code that was started.

        Raises:
            RefusedError: it raised.
        """
        assert self.process.stdout is not None
        answer = json.loads(self.process.stdout.readline())
        self.seconds = answer["seconds"]
        if "error" in answer:
            raise RefusedError(answer["error"], answer["message"])
        return answer["result"]

    def __call__(self, code: str, **variables: Any) -> Any:
        """Start `code` and wait for its answer."""
        self.start(code, **variables)
        return self.answer()

    def load(self, name: str, **options: Any) -> list[float]:
        """The frames between the examples of the model `name`."""
        return self(LOAD, name=name, options=options)

    def kill(self) -> None:
        """As ``kill -9`` does."""
        self.process.kill()
        self.process.wait()
