"""Human review over an API: the run waits until somebody posts a decision.

python examples/review_api.py          a client answers by itself, as a demonstration
python examples/review_api.py 8123     waits for you:
    curl localhost:8123                                       what is asked
    curl localhost:8123 -d '{"action": "accept"}'             accept, edit, reject, keep, pick,
    curl localhost:8123 -d '{"action": "edit", "prompt": …}'  reseed or stop
"""

from __future__ import annotations

import asyncio
import json
import sys
import urllib.request
from concurrent.futures import Future
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread

from rr_refine import ConfigError, Decision, ReviewRequest, arefine, preset, read_decision


class ReviewQueue:
    """One open question at a time, between the run and the web."""

    def __init__(self) -> None:
        self.question: ReviewRequest | None = None
        self.answer: Future[Decision] = Future()
        self.deciding = Lock()

    async def review(self, question: ReviewRequest) -> Decision:
        self.question, self.answer = question, Future()
        return await asyncio.wrap_future(self.answer)


def serve(queue: ReviewQueue, port: int) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            question = queue.question
            self.reply(200, question.model_dump_json() if question else "null")

        def do_POST(self) -> None:
            self.reply(*self.decided())

        def decided(self) -> tuple[int, str]:
            if "Origin" in self.headers:  # a page in the browser, of whomever
                return 403, '{"error": "pages decide nothing here"}'
            question = queue.question
            try:
                length = min(max(int(self.headers["Content-Length"] or 0), 0), 100_000)
                decision = read_decision(json.loads(self.rfile.read(length)), question)
            except (ValueError, RecursionError, ConfigError) as error:
                return 400, json.dumps({"error": str(error)})
            with queue.deciding:
                if question is None or queue.question is not question:
                    return 409, '{"error": "this is not asked, or was decided already"}'
                queue.question = None  # before the next one can come
                queue.answer.set_result(decision)
            return 200, "{}"

        def reply(self, status: int, text: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, format: str, *arguments: object) -> None:
            """No log on the screen."""

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    return server


def demonstrate(url: str) -> None:
    """What a person would do: edit the first proposal, then accept."""
    edited = False
    while True:
        with urllib.request.urlopen(url) as reply:
            question = json.load(reply)
        if question is None:
            continue
        print(f"asked about: {question['proposal']['prompt']}")
        decision = {"action": "accept"} if edited else {"action": "edit", "prompt": "my own words"}
        edited = True
        with urllib.request.urlopen(url, data=json.dumps(decision).encode()):
            pass


async def main(port: int | None) -> None:
    queue = ReviewQueue()
    server = serve(queue, port or 0)
    url = f"http://127.0.0.1:{server.server_port}"
    print(f"questions and decisions at {url}" if port else "a client answers by itself")
    if port is None:
        Thread(target=demonstrate, args=(url,), daemon=True).start()
    policy = preset("refine", review=True, target=None, budget={"rounds": 3})
    run = await arefine(
        "a teapot shaped like a snail",
        generator="fake",
        critic="fake",
        policy=policy,
        reviewer=queue.review,
    )
    print([c.origin for c in run.candidates])


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else None))
