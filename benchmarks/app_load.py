"""The demo under load, on this machine: many sessions ask at once; answers a second, times, errors.

`python benchmarks/app_load.py` starts a demo of its own on a free port and ends it. Every session is a thread that
gives a picture and asks again as soon as it has its answer, after a pause. What is counted: from sending a question
until its last event.
"""

from __future__ import annotations

import argparse
import http.client
import json
import random
import re
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parents[1]
QUESTIONS = (
    {"task": "locate", "phrase": "the red star"},
    {"task": "locate", "phrase": "a blue whale"},
    {"task": "describe", "point": [313, 115]},
    {"task": "detect", "names": ["star", "heart"]},
    {"task": "count", "phrase": "red things"},
    {"task": "caption"},
)


class Session(threading.Thread):
    """One person: `seconds` holds how long each answer took, `refused` full queues, `errors` everything else."""

    def __init__(self, server: str, end: float, think_s: float, seed: int) -> None:
        super().__init__(daemon=True)
        self.place, self.end, self.think_s = urlsplit(server).netloc, end, think_s
        self.random = random.Random(seed)
        self.seconds: list[float] = []
        self.errors: list[str] = []
        self.refused = 0

    def run(self) -> None:
        try:
            picture = json.loads(self._ask("/pictures", (ROOT / "docs/examples/scene.png").read_bytes())[1])["picture"]
        except (OSError, http.client.HTTPException, ValueError, KeyError) as error:
            self.errors.append(repr(error))
            return
        while time.perf_counter() < self.end:
            time.sleep(self.random.uniform(0.5, 1.5) * self.think_s)
            start = time.perf_counter()
            try:
                self._one(picture)
            except (OSError, http.client.HTTPException, ValueError, KeyError) as error:
                self.errors.append(repr(error))
                continue
            if self.seconds and self.seconds[-1] < 0:
                self.seconds[-1] = time.perf_counter() - start

    def _one(self, picture: str) -> None:
        data = json.dumps({"data": [picture, self.random.choice(QUESTIONS), "", ""]}).encode()
        status, body = self._ask("/gradio_api/call/ask", data)
        if status == 503:
            self.refused += 1
            return
        if status != 200:
            self.errors.append(f"status {status}: {body[:80]!r}")
            return
        _, text = self._ask(f"/gradio_api/call/ask/{json.loads(body)['event_id']}")
        events = [json.loads(line[6:])[0] for line in text.decode().splitlines() if line.startswith("data: [")]
        if events and events[-1]["kind"] == "answer":
            self.seconds.append(-1.0)
        else:
            self.errors.append(text.decode()[-200:])

    def _ask(self, path: str, body: bytes | None = None) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection(self.place, timeout=120)
        try:
            headers = {"Content-Type": "application/json"}
            connection.request("GET" if body is None else "POST", path, body, headers)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--sessions", type=int, default=50, help="people at once (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=60, help="how long they ask (default: %(default)s)")
    parser.add_argument("--think", type=float, default=2.0, help="pause before a question, s (default: %(default)s)")
    parser.add_argument("--workers", type=int, default=3, help="of the demo (default: %(default)s)")
    parser.add_argument("--queue", type=int, default=64, help="of the demo (default: %(default)s)")
    options = parser.parse_args()
    command = [sys.executable, "-m", "app", "--port", "0"]
    command += ["--workers", str(options.workers), "--queue", str(options.queue)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as demo:
        try:
            return measured(demo, options)
        finally:
            demo.terminate()


def measured(demo: subprocess.Popen[str], options: argparse.Namespace) -> int:
    """Prints the figures; 1 where there was an error."""
    started = time.perf_counter()
    line = demo.stdout.readline() if demo.stdout else ""
    found = re.search(r"http://\S+", line)
    if found is None:
        print(f"the demo did not start: {line}", file=sys.stderr)
        return 1
    ready = time.perf_counter() - started
    begin = time.perf_counter()
    sessions = [Session(found[0], begin + options.seconds, options.think, number) for number in range(options.sessions)]
    for session in sessions:
        session.start()
    for session in sessions:
        session.join(options.seconds + 180)
    took = time.perf_counter() - begin
    seconds = sorted(s for session in sessions for s in session.seconds)
    errors = [error for session in sessions for error in session.errors]
    cuts = statistics.quantiles(seconds, n=100) if len(seconds) > 1 else [float("nan")] * 99
    print(f"sessions {options.sessions}, pause {options.think:g} s, workers {options.workers}, queue {options.queue}")
    print(f"started in {ready:.1f} s, asked for {took:.1f} s")
    print(f"answers {len(seconds)}, {len(seconds) / took:.2f} a second")
    print(f"time of an answer: p50 {cuts[49]:.2f} s, p95 {cuts[94]:.2f} s, longest {max(seconds, default=0):.2f} s")
    print(f"refused by a full queue {sum(session.refused for session in sessions)}, errors {len(errors)}")
    for error in sorted(set(errors))[:5]:
        print(f"  {error}", file=sys.stderr)
    return 1 if errors else 0


if __name__ == "__main__":
    raise SystemExit(main())
