"""Endpoint: a model on any OpenAI-compatible server behind the verbs, asked and read through its family's codec.

load("openai:gpt-4o")                                              OPENAI_API_KEY from the environment
load("gemini:gemini-2.5-flash")    load("claude:claude-sonnet-4-5")    GEMINI_API_KEY, ANTHROPIC_API_KEY
load("endpoint:Qwen/Qwen3-VL-8B-Instruct", base_url="http://localhost:8000/v1")    vLLM, SGLang, llama.cpp, Ollama ...
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ALL_COMPLETED, FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import fields
from functools import partial
from threading import Lock
from typing import Any

from grounding.backends.base import Answer, Grounder, Question, Request
from grounding.backends.endpoint_options import (
    HOSTS,
    TAGGED,
    EndpointOptions,
    address,
    family_of,
    key_variable,
)
from grounding.backends.endpoint_pictures import Pictures, sent_size, through
from grounding.backends.endpoint_reply import Reply
from grounding.backends.endpoint_server import Server
from grounding.backends.endpoint_usage import AnswerUsage, Usage, cost_of, count_tokens, price_of
from grounding.codecs import get_codec
from grounding.errors import ConfigError, InputError
from grounding.images import Canvas
from grounding.result import Problem, Region


class Endpoint(Grounder):
    """A model that a server runs. `usage` says what its answers took, `notes` what the server does not take.

    Answers come from several threads at once, at most `concurrency` of them; one object may be used from many.
    """

    def __init__(
        self,
        prefix: str,
        model: str,
        options: EndpointOptions | None = None,
        *,
        prices: Mapping[str, Sequence[float]] | None = None,
        extra_body: Mapping[str, Any] | None = None,
    ) -> None:
        """`prefix`: a name of HOSTS. `prices`: model -> what a million tokens cost, (input, output[, cached input]).

        `extra_body`: more fields for each request. Connects to nothing. Raises ConfigError, MissingExtraError.
        """
        self.options = options = options or EndpointOptions()
        if not model.strip():
            raise ConfigError(f"{prefix}: needs a model's name behind it, such as {prefix}:MODEL")
        self.name = f"{prefix}:{model}"
        self.codec = get_codec(options.codec or family_of(model) or HOSTS[prefix].codec, options.rounding)
        self._price = price_of(model, prices)
        self._used: list[AnswerUsage] = []
        self._lock = Lock()
        self._check_sizes()
        self.server = Server(
            address(prefix, options.base_url),
            model,
            options,
            key_variable=key_variable(prefix, options),
            extra_body=extra_body,
            keep_tags=self.codec.name in TAGGED,
        )

    def __repr__(self) -> str:
        return f"Endpoint({self.name!r}, base_url={self.server.base_url!r}, codec={self.codec.name!r})"

    @property
    def usage(self) -> Usage:
        """Tokens, cost and time of every answer so far, in the order of the questions of each call."""
        with self._lock:
            return Usage(tuple(self._used))

    @property
    def notes(self) -> tuple[str, ...]:
        """What the server turned out not to take, a sentence each."""
        return self.server.notes

    def close(self) -> None:
        """Closes the connections to the server."""
        self.server.close()

    # -- what Grounder asks for

    def _generate(self, requests: Sequence[Request]) -> list[Answer]:
        tasks = self._replies(requests, until=FIRST_EXCEPTION)  # after a failure nothing more is asked
        failed = [error for task in tasks if not task.cancelled() and (error := task.exception()) is not None]
        if failed:
            raise failed[0]
        return [self._answer(request, task.result()) for request, task in zip(requests, tasks, strict=True)]

    def _generate_each(self, requests: Sequence[Request]) -> list[Answer | Exception]:
        answers: list[Answer | Exception] = []
        for request, task in zip(requests, self._replies(requests, until=ALL_COMPLETED), strict=True):
            error = task.exception()
            if error is None:
                answers.append(self._answer(request, task.result()))
            elif isinstance(error, Exception):
                answers.append(error)
            else:
                raise error
        return answers

    def _replies(self, requests: Sequence[Request], until: str) -> list[Future[Reply]]:
        """The reply to each request, asked for by several threads; what is still waiting after `until` is cancelled."""
        pictures = Pictures((request.image for request in requests), self.options)

        def ask(request: Request) -> Reply:
            return self.server.ask(pictures.url(request.image), request.prompt, self._schema(request.question))

        pool = ThreadPoolExecutor(min(self.options.concurrency, len(requests)), "endpoint")
        tasks = [pool.submit(ask, request) for request in requests]
        try:
            wait(tasks, return_when=until)
        finally:
            pool.shutdown(cancel_futures=True)
            for request, task in zip(requests, tasks, strict=True):
                if not task.cancelled() and task.exception() is None:  # it was paid for, and is counted
                    self._count(request, task.result())
        return tasks

    def _stream(self, request: Request) -> Iterator[Region | Answer]:
        url = Pictures([request.image], self.options).url(request.image)
        reader = self.codec.stream(request.canvas, task=request.question.task)
        start = time.perf_counter()
        reply, text = None, ""
        pieces = self.server.stream(url, request.prompt, self._schema(request.question))
        try:
            for piece in pieces:
                if isinstance(piece, Reply):
                    reply = piece
                else:
                    text += piece
                    yield from reader.feed(piece)
        finally:
            pieces.close()
            if reply is None and text:  # the reader of this stream stopped in the middle
                given_up = Reply(text, None, self.server.model, None, time.perf_counter() - start)
                self._count(request, given_up)
        if reply is None:
            return
        self._count(request, reply)
        if not text:
            reader.feed(reply.text)  # a refusal
        yield from reader.close().regions[reader.yielded :]
        yield self._answer(request, reply)

    def _canvas(self, width: int, height: int) -> Canvas:
        sent = sent_size(width, height, self.options.max_side)
        given = {"min_pixels": self.options.min_pixels, "max_pixels": self.options.max_pixels}
        limits: dict[str, Any] = {name: pixels for name, pixels in given.items() if pixels is not None}
        return through(self.codec.canvas(*sent, **limits), width, height)

    # -- inside

    def _check_sizes(self) -> None:
        try:
            self._canvas(640, 480)
        except InputError as error:
            raise ConfigError(
                f"{self.name} is read as {self.codec.name}: {error}; load() takes min_pixels= and max_pixels= as that "
                "server has them, or codec= for another reading"
            ) from None

    def _schema(self, question: Question) -> dict[str, Any] | None:
        """The JSON schema of an answer, where the codec has one for the task."""
        make = getattr(self.codec, "schema", None)
        if make is None or not self.options.schema:
            return None
        try:
            schema: dict[str, Any] = make(question.task, question.names, wrapped=True)
        except InputError:  # a task answered in words
            return None
        return schema

    def _answer(self, request: Request, reply: Reply) -> Answer:
        problems = []
        if reply.finish == "length":
            most = self.options.max_tokens
            limit = "the server's own limit" if most is None else f"the limit of {most} tokens: raise max_tokens="
            problems.append(Problem("truncated", f"the answer was cut at {limit}"))
        elif reply.finish == "content_filter":
            problems.append(Problem("truncated", "the server's content filter cut the answer"))
        if reply.broken is not None:
            problems.append(Problem("truncated", f"the answer broke off before its end ({reply.broken})"))
        if reply.refused:
            problems.append(Problem("prose", "the model refused to answer", (0, len(reply.text))))
        if reply.silent and not problems:
            decoded = self.codec.decode("", request.canvas, task=request.question.task)
            if not decoded.problems:
                problems.append(Problem("truncated", "the server sent no text"))
        return Answer(reply.text, problems=tuple(problems))

    def _count(self, request: Request, reply: Reply) -> None:
        tokens = count_tokens(reply.usage)
        question = request.question
        used = AnswerUsage(
            task=question.task,
            phrase=question.phrase or " ; ".join(question.names),
            model=reply.model,
            input_tokens=tokens[0],
            output_tokens=tokens[1],
            cached_tokens=tokens[2],
            cost=cost_of(self._price, *tokens),
            seconds=reply.seconds,
            finish=reply.finish,
        )
        with self._lock:
            self._used.append(used)


# ---- doors


def _open(
    prefix: str,
    model: str,
    *,
    device: str | None = None,
    dtype: Any = None,
    prices: Mapping[str, Sequence[float]] | None = None,
    extra_body: Mapping[str, Any] | None = None,
    **options: Any,
) -> Endpoint:
    """The model `model` of the host `prefix`. Device and dtype are the server's business and say nothing here."""
    known = [field.name for field in fields(EndpointOptions)]
    for name in options:
        if name in ("api_key", "key", "token"):
            raise ConfigError(
                f"{name} is not taken, so that keys stay out of programs: put the key into an environment variable "
                "and name that with api_key_env="
            )
        if name not in known:
            raise ConfigError(f"no option named {name!r}; known: {', '.join(known)}, prices, extra_body")
    return Endpoint(prefix, model, EndpointOptions(**options), prices=prices, extra_body=extra_body)


open_openai: Callable[..., Endpoint] = partial(_open, "openai")
open_gemini: Callable[..., Endpoint] = partial(_open, "gemini")
open_claude: Callable[..., Endpoint] = partial(_open, "claude")
open_endpoint: Callable[..., Endpoint] = partial(_open, "endpoint")
