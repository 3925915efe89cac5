"""Checkpoints of transformers on disk and on the hub: files fetched and checked, device and number type chosen."""

from __future__ import annotations

import json
import os
import re
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from grounding.errors import CheckpointError, ConfigError, GroundingError, MissingExtraError, UnknownModelError

if TYPE_CHECKING:
    import torch

SAFE = ("model.safetensors", "model.safetensors.index.json")
"""Files that hold weights and nothing else."""
PICKLED = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")
"""Files that may hold code, which runs when they are opened: never opened, never fetched."""
_FETCHED = ["*.json", "*.jinja", "*.safetensors", "*.model", "*.txt"]
_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}")
CONVERT = (
    "open it once where that is no risk, and write it anew with model.save_pretrained(directory), or take a checkpoint "
    "with model.safetensors"
)


def is_hub_name(name: str) -> bool:
    """Whether `name` is written like a model on the hub: ORG/NAME."""
    return _NAME.fullmatch(name) is not None and ".." not in name


def fetch_config(name: str) -> Path:
    """The directory, in the hub's cache, with the config.json of the model called `name`. Raises UnknownModelError."""
    from huggingface_hub import hf_hub_download

    with _clear_refusals(name):
        found = hf_hub_download(name, "config.json", endpoint=_endpoint(), local_files_only=not _can_be_asked())
        return Path(found).parent
    raise AssertionError  # the context lets no exception through without raising another


def fetch(name: str) -> Path:
    """The directory with all of the model called `name` that is ever opened: no code, no pickles."""
    from huggingface_hub import snapshot_download

    with _clear_refusals(name):
        found = snapshot_download(
            name,
            allow_patterns=_FETCHED,
            ignore_patterns=["*/*"],
            endpoint=_endpoint(),
            local_files_only=not _can_be_asked(),
        )
        return Path(found)
    raise AssertionError


def _endpoint() -> str | None:
    """Which hub to ask, as the environment says now; the hub's client knows only what it said when it was imported."""
    return os.environ.get("HF_ENDPOINT") or None


def _can_be_asked() -> bool:
    """Whether the hub's address is known here. The hub's client would try for half a minute to find out."""
    if any(os.environ.get(name) for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")):
        return True
    from huggingface_hub import constants

    address = urlsplit(_endpoint() or constants.ENDPOINT)
    try:
        return bool(socket.getaddrinfo(address.hostname, address.port or 443))
    except OSError:
        return False


@contextmanager
def _clear_refusals(name: str) -> Iterator[None]:
    from huggingface_hub import errors

    try:
        yield
    except errors.GatedRepoError as error:
        raise CheckpointError(
            f"{name} is handed out only to those who accept its licence: accept it on the model's page on the hub, "
            "then run `hf auth login`"
        ) from error
    except (errors.RepositoryNotFoundError, errors.HFValidationError) as error:
        raise UnknownModelError(
            f"there is no directory {name!r} and no public model of that name on the hub: check the spelling"
        ) from error
    except errors.LocalEntryNotFoundError as error:
        raise UnknownModelError(
            f"there is no directory {name!r}, the hub can't be reached, and nothing of that name was fetched before: "
            "connect, or fetch it elsewhere and give its directory"
        ) from error
    except errors.RemoteEntryNotFoundError as error:
        raise CheckpointError(f"{name} on the hub has no config.json: it is no checkpoint of transformers") from error
    except (OSError, errors.HfHubHTTPError, RuntimeError) as error:
        raise UnknownModelError(
            f"there is no directory {name!r}, and the hub can't be asked for that name ({reason_of(error)}): "
            "connect, or fetch it elsewhere and give its directory"
        ) from error
    except Exception as error:
        # The hub's client raises its HTTP library's own errors, and which library that is has changed.
        if type(error).__module__.split(".")[0] not in ("httpx", "httpx2", "httpcore", "httpcore2", "requests"):
            raise
        raise UnknownModelError(
            f"there is no directory {name!r}, and the hub can't be reached ({reason_of(error)}): "
            "connect, or fetch it elsewhere and give its directory"
        ) from error


def read_config(directory: Path) -> dict[str, Any]:
    """What config.json in the directory says. Raises CheckpointError."""
    path = directory / "config.json"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CheckpointError(
            f"{directory} is no model's directory: it has no config.json (give the one that training wrote)"
        ) from None
    except (OSError, ValueError) as error:
        raise CheckpointError(
            f"{path} can't be read as JSON ({error}): copy it anew from where the model was saved"
        ) from None
    return config if isinstance(config, dict) else {}


def check_weights(directory: Path) -> None:
    """Raises CheckpointError where there are no safetensors in the directory."""
    if any((directory / name).is_file() for name in SAFE):
        return
    pickled = sorted(path.name for pattern in PICKLED for path in directory.glob(pattern))
    if pickled:
        raise CheckpointError(
            f"{directory} holds its weights as a pickle ({pickled[0]}), which may run code when it is opened, and "
            f"is not opened: {CONVERT}"
        )
    raise CheckpointError(f"{directory} holds no weights: there is no {SAFE[0]}; copy the whole directory")


def pick_device(name: str | None) -> torch.device:
    """The device called `name`; a GPU where there is one, for None. Raises ConfigError."""
    import torch

    if name is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise ConfigError(
            f"device {name!r} can't be used here ({reason_of(error)}); use cpu, or none to choose by itself"
        ) from None
    return device


def pick_dtype(
    name: Any, device: torch.device, known: Sequence[str] = ("float32", "bfloat16", "float16")
) -> torch.dtype:
    """The type to compute in, one of `known`; for None float32 on a CPU and bfloat16 elsewhere. Raises ConfigError."""
    import torch

    if name is None:
        return torch.float32 if device.type == "cpu" else torch.bfloat16
    kinds: dict[str, torch.dtype] = {kind: getattr(torch, kind) for kind in known}
    kind = kinds.get(name) if isinstance(name, str) else name
    if not isinstance(kind, torch.dtype) or kind not in kinds.values():
        raise ConfigError(f"dtype {name!r} is not one of: {', '.join(known)}")
    return kind


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """No bars and no advice on standard error while a model is loaded; as before afterwards."""
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


@contextmanager
def clear_loading(where: object, what: str) -> Iterator[None]:
    """Whatever transformers raises while it opens `where` becomes one CheckpointError, or MissingExtraError."""
    try:
        yield
    except GroundingError:
        raise
    except ImportError as error:
        raise MissingExtraError(f"{what} needs a package that is not installed: {reason_of(error)}") from error
    except Exception as error:  # transformers, tokenizers, safetensors and jinja each have errors of their own
        raise CheckpointError(
            f"{where} can't be loaded ({type(error).__name__}: {reason_of(error)}): copy the whole directory, as it "
            "was saved"
        ) from error


def reason_of(error: BaseException) -> str:
    return " ".join(str(error).split())[:160] or type(error).__name__
