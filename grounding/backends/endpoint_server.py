"""Owns the talk with an OpenAI-compatible server: one request, its reply whole or in pieces, and what can go wrong.

Retries and their pauses are the client library's. The key stays in the client: it is in no message and no repr. What is
said of an error is raised outside of the `except` that caught it, so that no traceback shows the request.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import threading
import time
from collections.abc import Generator, Iterator, Mapping, Set
from contextlib import contextmanager
from typing import Any

from grounding.backends.endpoint_options import EndpointOptions, key_from
from grounding.backends.endpoint_reply import Reply, Told, message_in
from grounding.errors import BackendError, MissingExtraError

log = logging.getLogger(__name__)

LONGEST_MESSAGE = 200
"""Characters of a server's own words that an error repeats."""
LIST_SECONDS = 5.0
"""How long a server may take to list its models, for the message that the one asked for is not there."""

_SPARE = {
    "response_format": (r"response_format|json.?schema|structured.?output|guided|grammar", "JSON schema"),
    "stream_options": (r"stream_options|include_usage", "stream_options, so streamed answers have no token counts"),
    "skip_special_tokens": (r"skip_special_tokens", "skip_special_tokens, so tags may be missing from answers"),
    "temperature": (r"temperature", "temperature"),
    "seed": (r"\bseed\b", "seed"),
}
"""Field of a request that it can do without -> how a refusal names it, and what is said about it."""
_UNNAMED = ("response_format", "stream_options", "skip_special_tokens")
"""What is left out when a server refuses a request and does not say why."""
OLDER, NEWER = "max_tokens", "max_completion_tokens"
"""Two names of one field. The older is understood nearly everywhere; newer models of OpenAI take the other one only."""
OPENAI = "https://api.openai.com/"


def import_openai() -> Any:
    """The openai package, imported now. Raises MissingExtraError."""
    try:
        import openai
    except ImportError as error:
        raise MissingExtraError(
            "endpoints are asked through the openai client library: pip install 'grounding-vlm[endpoint]'"
        ) from error
    return openai


class Server:
    """One model on one server. One object serves any number of threads, `concurrency` of them at a time."""

    def __init__(
        self,
        base_url: str,
        model: str,
        options: EndpointOptions,
        *,
        key_variable: str | None = None,
        extra_body: Mapping[str, Any] | None = None,
        keep_tags: bool = False,
    ) -> None:
        """`keep_tags`: ask for special tokens in answers. Connects to nothing. ConfigError, MissingExtraError."""
        self.base_url, self.model = base_url, model
        self.notes: tuple[str, ...] = ()
        self._openai = openai = import_openai()
        self._options, self._variable = options, key_variable
        self._key = key_from(key_variable)
        self._extra = dict(extra_body or {})
        self._keep_tags = keep_tags and "skip_special_tokens" not in self._extra
        self._client = openai.OpenAI(
            api_key=self._key or "no-key",
            base_url=base_url,
            timeout=options.timeout,
            max_retries=options.retries,
        )
        if not base_url.startswith(OPENAI):
            # Read from the environment by the client; they are nobody else's business.
            self._client.organization = self._client.project = None
        http = [sys.modules[name] for name in ("httpx2", "httpx") if name in sys.modules]
        # Before its version 3 the client let through what its HTTP library raised in the middle of a stream.
        self._breaks = (openai.OpenAIError, ValueError, TypeError, AttributeError, *(m.HTTPError for m in http))
        self._places = threading.BoundedSemaphore(options.concurrency)
        self._lock = threading.Lock()
        self._left_out: frozenset[str] = frozenset()
        self._token_field = NEWER if base_url.startswith(OPENAI) else OLDER

    def __repr__(self) -> str:
        return f"Server({self.base_url!r}, {self.model!r})"

    def close(self) -> None:
        """Closes the connections."""
        self._client.close()

    # -- asking

    def ask(self, picture_url: str, prompt: str, schema: Mapping[str, Any] | None = None) -> Reply:
        """The whole answer. Raises BackendError."""
        with self._place():
            start = time.perf_counter()
            raw = self._create(self._fields(picture_url, prompt, schema))
            return self._read(raw.text, start)

    def stream(
        self, picture_url: str, prompt: str, schema: Mapping[str, Any] | None = None
    ) -> Generator[str | Reply, None, None]:
        """The answer's text in the pieces that come, and at last the Reply. Raises BackendError before the first piece.

        A stream that ends before its answer gives a Reply that says so.
        """
        with self._place():
            start = time.perf_counter()
            chunks = self._create(self._fields(picture_url, prompt, schema), stream=True)
            told = Told(self.model)
            try:
                yield from self._pieces(chunks, told)
            finally:
                chunks.close()
        if told.finish is None and told.broken is None:
            told.broken = "the connection was closed"
        if told.broken is not None and not told.parts and not told.refusal:
            raise BackendError(f"{self.base_url} broke off before the answer's first word ({told.broken}): try again")
        yield told.reply(start)

    def _fields(self, picture_url: str, prompt: str, schema: Mapping[str, Any] | None) -> dict[str, Any]:
        """The request, all that may be wanted; `_create` leaves out what the server doesn't take."""
        content = [
            {"type": "image_url", "image_url": {"url": picture_url}},
            {"type": "text", "text": prompt},
        ]
        options = self._options
        fields: dict[str, Any] = {"model": self.model, "messages": [{"role": "user", "content": content}]}
        if schema is not None:
            shape = {"name": "answer", "strict": True, "schema": schema}
            fields["response_format"] = {"type": "json_schema", "json_schema": shape}
        if self._keep_tags:
            fields["skip_special_tokens"] = False
        for name in ("temperature", "seed"):
            if getattr(options, name) is not None:
                fields[name] = getattr(options, name)
        return fields

    def _create(self, fields: dict[str, Any], *, stream: bool = False) -> Any:
        """The client's reply. Where the server refuses a field that can be spared, the request is repeated without."""
        if stream:
            fields["stream_options"] = {"include_usage": True}
        if self._client.is_closed():
            raise BackendError(f"the connection to {self.base_url} was closed with close(): load the model anew")
        completions = self._client.chat.completions
        create = completions.create if stream else completions.with_raw_response.create
        left_out, token_field = set(self._left_out), self._token_field
        renamed = False
        while True:
            failure, refusal = None, ""
            try:
                reply = create(**self._arguments(fields, left_out, token_field), stream=stream)
            except self._openai.APIStatusError as error:
                failure = self._explain(error)
                refusal = self._words(error, 2000) if error.status_code in (400, 422) else ""
            except (self._openai.OpenAIError, ValueError) as error:
                failure = self._explain(error)
            if failure is None:
                self._remember(left_out, token_field)
                return reply
            if not renamed and token_field in refusal and NEWER in refusal:
                renamed = True
                token_field = OLDER if token_field == NEWER else NEWER
            elif refusal and (spared := _spared(refusal, fields.keys() - left_out)):
                left_out |= spared
            else:
                raise failure

    def _arguments(self, fields: Mapping[str, Any], left_out: Set[str], token_field: str) -> dict[str, Any]:
        arguments = {name: value for name, value in fields.items() if name not in left_out}
        if self._options.max_tokens is not None:
            arguments[token_field] = self._options.max_tokens
        extra = dict(self._extra)
        if "skip_special_tokens" in arguments:
            extra["skip_special_tokens"] = arguments.pop("skip_special_tokens")
        if extra:
            arguments["extra_body"] = extra
        return arguments

    def _remember(self, left_out: Set[str], token_field: str) -> None:
        """What this server does not take is not sent again; the first time, it is noted."""
        if left_out <= self._left_out and token_field == self._token_field:
            return
        with self._lock:
            new = [name for name in _SPARE if name in left_out - self._left_out]
            self._left_out |= left_out
            self._token_field = token_field
            for name in new:
                note = f"{self.base_url} takes no {_SPARE[name][1]}: {self.model} is asked without"
                self.notes += (note,)
                log.warning(note)

    @contextmanager
    def _place(self) -> Iterator[None]:
        """One of the `concurrency` places, waited for as long as a request may take."""
        options = self._options
        if not self._places.acquire(timeout=options.timeout * (options.retries + 1)):
            raise BackendError(
                f"all {options.concurrency} requests that may run at the same time are still under way: "
                "read streams to their end or close them, or raise concurrency="
            )
        try:
            yield
        finally:
            self._places.release()

    # -- reading

    def _read(self, body: str, start: float) -> Reply:
        """The reply in a body that should be a chat completion."""
        try:
            data = json.loads(body)
        except ValueError:
            data = None
        choices = data.get("choices") if isinstance(data, dict) else None
        choice = choices[0] if isinstance(choices, list) and choices else None
        choice = choice if isinstance(choice, dict) else {}
        message = choice.get("message")
        if not isinstance(message, dict):
            if isinstance(data, dict) and data.get("error"):
                raise BackendError(f"{self.base_url} failed: {self._clean(message_in(data))}")
            raise BackendError(
                f"{self.base_url} answered with something that is no chat completion ({self._clean(body, 80)!r}): "
                "check base_url=, which usually ends in /v1"
            )
        told = Told(self.model)
        told.take(data, message, choice.get("finish_reason"))
        return told.reply(start)

    def _pieces(self, chunks: Any, told: Told) -> Iterator[str]:
        """The text in a stream's chunks; what else they say goes to `told`."""
        source = iter(chunks)
        while True:
            try:
                chunk = next(source, None)
                data = chunk if chunk is None else chunk.model_dump(warnings=False)
            except self._breaks as error:
                if "Timeout" in type(error).__name__:
                    told.broken = f"nothing came for {self._options.timeout:g} s"
                    return
                told.broken = self._clean(message_in(getattr(error, "body", None)) or str(error)) or "no reason given"
                return
            if data is None:
                return
            choices = data.get("choices")
            choice = choices[0] if isinstance(choices, list) and choices else None
            choice = choice if isinstance(choice, dict) else {}
            delta = choice.get("delta")
            if piece := told.take(data, delta if isinstance(delta, dict) else {}, choice.get("finish_reason")):
                yield piece

    # -- errors

    def _explain(self, error: Exception) -> BackendError:
        """What an error of the client means, and what to do about it."""
        openai, options, url = self._openai, self._options, self.base_url
        tries = f" ({options.retries + 1} tries)" if options.retries else ""
        if isinstance(error, openai.APITimeoutError):
            return BackendError(
                f"{url} gave no answer within {options.timeout:g} s{tries}: raise timeout=, or lower concurrency="
            )
        if isinstance(error, openai.APIConnectionError):
            cause = error.__cause__
            reason = self._clean(str(cause or error)).rstrip(".") or type(cause).__name__
            if "Connect" in type(cause).__name__:
                return BackendError(f"no server answers at {url} ({reason}): start it there, or correct base_url=")
            return BackendError(f"the connection to {url} broke{tries} ({reason}): see whether its server still runs")
        if not isinstance(error, openai.APIStatusError):
            return BackendError(f"{url} sent a reply that can't be read ({self._clean(str(error))}): check base_url=")
        status, words = error.status_code, self._words(error)
        said = f": {words}" if words else ""
        if status == 401:  # without the server's words, which often hold part of the key
            if self._variable is None:
                return BackendError(
                    f"{url} wants a key: put it into an environment variable and name that with api_key_env="
                )
            return BackendError(
                f"{url} refused the key in environment variable {self._variable}: put a valid one there"
            )
        if status == 403:
            key = f"the key in {self._variable}" if self._variable else "a request without a key"
            return BackendError(f"{url} does not let {key} use {self.model}{said}")
        if status == 404:
            return BackendError(
                f"{url} has no model {self.model!r}{self._served()}: correct the name, or base_url=, "
                "which usually ends in /v1"
            )
        if status == 429:
            return BackendError(f"{url} takes no more requests for now{tries}{said}; wait, or lower concurrency=")
        if status >= 500:
            return BackendError(f"{url} failed with status {status}{tries}{said}; its log may say why")
        return BackendError(f"{url} refused the request with status {status}{said}")

    def _served(self) -> str:
        """The names of the server's models, for a message; "" where it doesn't tell."""
        client = self._client.with_options(timeout=LIST_SECONDS, max_retries=0)
        try:
            rows = json.loads(client.models.with_raw_response.list().text)["data"]
            names = sorted(str(row["id"]) for row in rows)
        except (*self._breaks, LookupError):
            return ""
        more = f" and {len(names) - 8} more" if len(names) > 8 else ""
        return f"; it serves {self._clean(', '.join(names[:8]))}{more}" if names else ""

    def _words(self, error: Any, most: int = LONGEST_MESSAGE) -> str:
        """What the server said about an error, on one line."""
        return self._clean(message_in(error.body) or error.response.text, most)

    def _clean(self, words: str, most: int = LONGEST_MESSAGE) -> str:
        """On one line, short, and without the key."""
        if self._key:
            words = words.replace(self._key, "***")
        words = " ".join(words.split())
        return words if len(words) <= most else f"{words[: most - 1]}…"


def _spared(refusal: str, sent: Set[str]) -> set[str]:
    """The fields of a refused request to leave out: those the refusal names, else those that servers often lack."""
    named = {name for name in _SPARE if name in sent and re.search(_SPARE[name][0], refusal, re.IGNORECASE)}
    return named or {name for name in _UNNAMED if name in sent}
