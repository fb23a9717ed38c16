"""A small OpenAI-compatible server on loopback, for what a real one does on its bad days."""

from __future__ import annotations

import json
import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

WORDS = "Yes, since the reasons for it weigh more than those against it."
SHARES = (0.6, 0.25, 0.1, 0.03)
"""Of the labels, in their order; what is left is another token's."""


@dataclass(frozen=True)
class Received:
    """A request as it came."""

    path: str
    headers: Mapping[str, str]
    body: Any

    @property
    def labels(self) -> list[str]:
        """What a ballot may answer; empty for other requests."""
        asked = self.body.get("response_format")
        if asked is None:
            return []
        (one,) = asked["json_schema"]["schema"]["properties"].values()
        return list(one["enum"])


Behaviour = Callable[["Handler", Received], None]


@dataclass
class Server:
    """What it is told to do, and what it was asked."""

    address: str = ""
    received: list[Received] = field(default_factory=list)
    next: list[Behaviour] = field(default_factory=list)
    """For the next requests, one each."""
    usual: Behaviour = field(default_factory=lambda: answer)
    models: Behaviour = field(default_factory=lambda: lists_models)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def asked(self) -> list[Received]:
        """The requests for answers."""
        return [request for request in self.received if request.path.endswith("/chat/completions")]


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server_facts: Server

    def do_GET(self) -> None:
        self._handle(None)

    def do_POST(self) -> None:
        self._handle(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

    def _handle(self, body: Any) -> None:
        facts = self.server_facts
        request = Received(self.path, dict(self.headers), body)
        with facts.lock:
            facts.received.append(request)
            behaviour = facts.models if body is None else facts.next.pop(0) if facts.next else facts.usual
        try:
            behaviour(self, request)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def send(self, status: int, body: bytes, content_type: str = "application/json", **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def begin_stream(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True

    def event(self, data: Any) -> None:
        text = data if isinstance(data, str) else json.dumps(data)
        self.wfile.write(f"data: {text}\n\n".encode())
        self.wfile.flush()


class _Listening(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Who hangs up in the middle is no matter of this server's."""


@contextmanager
def running(**facts: Any) -> Iterator[Server]:
    """A server, until the end of the block."""
    server = Server(**facts)
    listening = _Listening(("127.0.0.1", 0), type("Bound", (Handler,), {"server_facts": server}))
    server.address = f"http://127.0.0.1:{listening.server_port}/v1"
    thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        listening.shutdown()
        listening.server_close()


# ── good days ───────────────────────────────────────────────────────────────────────────────────────────────


def lists_models(handler: Handler, request: Received) -> None:
    handler.send(200, b'{"object": "list", "data": [{"id": "some-model"}]}')


def usage(request: Received, completion: int) -> dict[str, Any]:
    prompt = sum(len(message["content"].split()) for message in request.body["messages"])
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "prompt_tokens_details": {"cached_tokens": prompt // 2},
    }


def answer(handler: Handler, request: Received) -> None:
    """A statement or a vote, as a good server gives it."""
    if request.labels:
        vote(handler, request)
    else:
        say(WORDS)(handler, request)


def say(text: str, *, thoughts: str = "", finish_reason: str = "stop", counts: bool = True) -> Behaviour:
    """This text, word by word where it is to be streamed."""

    def behave(handler: Handler, request: Received) -> None:
        counted = usage(request, len(text.split()) + 1) if counts else None
        if not request.body.get("stream"):
            message = {"role": "assistant", "content": text, "reasoning_content": thoughts or None}
            body = {"choices": [{"index": 0, "message": message, "finish_reason": finish_reason}], "usage": counted}
            handler.send(200, json.dumps(body).encode())
            return
        handler.begin_stream()
        for word in thoughts.split(" ") if thoughts else ():
            handler.event({"choices": [{"index": 0, "delta": {"reasoning_content": word + " "}}]})
        for word in text.split(" "):
            handler.event({"choices": [{"index": 0, "delta": {"content": word + " "}}]})
        handler.event({"choices": [{"index": 0, "delta": {}, "finish_reason": finish_reason}]})
        if counts:
            handler.event({"choices": [], "usage": counted})
        handler.event("[DONE]")

    return behave


def vote(handler: Handler, request: Received) -> None:
    """The first label, as JSON, with log-probabilities where they are asked for."""
    labels = request.labels
    key = next(iter(request.body["response_format"]["json_schema"]["schema"]["properties"]))
    text = json.dumps({key: labels[0]})
    listed = None
    if request.body.get("logprobs"):
        before, behind = text.split(f'"{labels[0]}"')
        listed = {"content": [token(f'{before}"'), token(labels[0], labels), token(f'"{behind}')]}
    reply(text, listed)(handler, request)


def token(text: str, labels: list[str] | None = None, shares: tuple[float, ...] = SHARES) -> dict[str, Any]:
    """A place of the answer with what is listed there."""
    pairs = list(zip(labels, shares, strict=False)) if labels else [(text, 1.0)]
    top = [{"token": label, "logprob": math.log(share), "bytes": list(label.encode())} for label, share in pairs]
    return {**top[0], "token": text, "bytes": list(text.encode()), "top_logprobs": top}


def reply(text: str, logprobs: Any = None) -> Behaviour:
    """This text as one object."""

    def behave(handler: Handler, request: Received) -> None:
        choice = {
            "index": 0,
            "message": {"role": "assistant", "content": text},
            "logprobs": logprobs,
            "finish_reason": "stop",
        }
        body = {"choices": [choice], "usage": usage(request, 4)}
        handler.send(200, json.dumps(body).encode())

    return behave


# ── bad days ────────────────────────────────────────────────────────────────────────────────────────────────


def status(code: int, said: str = "out of order", **headers: str) -> Behaviour:
    """An error of HTTP."""
    body = json.dumps({"error": {"message": said}}).encode()
    return lambda handler, request: handler.send(code, body, **headers)


def hang(seconds: float) -> Behaviour:
    """Silence."""
    return lambda handler, request: time.sleep(seconds)


def raw(body: bytes, content_type: str = "application/json", **headers: str) -> Behaviour:
    """These bytes."""
    return lambda handler, request: handler.send(200, body, content_type, **headers)


def cut_stream(handler: Handler, request: Received) -> None:
    """Half a statement, then nothing more."""
    handler.begin_stream()
    handler.event({"choices": [{"index": 0, "delta": {"content": "Yes, sin"}}]})


def rubbish_stream(handler: Handler, request: Received) -> None:
    """Events that are none."""
    handler.begin_stream()
    handler.wfile.write(b": ping\n\nevent: odd\ndata: {not json\n\n")


def refuses(*parts: str) -> Behaviour:
    """A server that takes no request with any of these in it, and says which."""

    def behave(handler: Handler, request: Received) -> None:
        found = next((part for part in parts if part in request.body), None)
        if found is not None:
            status(400, f"Unsupported parameter: {found}")(handler, request)
        elif "response_format" not in request.body and "json" in request.body["messages"][-1]["content"].lower():
            reply('{"vote": "A"}')(handler, request)
        else:
            answer(handler, request)

    return behave
