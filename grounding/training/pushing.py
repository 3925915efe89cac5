"""Owns the way of an exported folder to a hub repository, by the hub's own client; private unless told otherwise."""

from __future__ import annotations

import os
from pathlib import Path

from grounding.backends.hub import is_hub_name, reason_of
from grounding.errors import ConfigError, OutputError

TOKENS = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")
"""Variables of the environment that may hold a token."""
WEIGHTS = ("*.safetensors", "*.safetensors.index.json")
"""Files of which a repository keeps none from before: readers would take an old whole file over new shards."""
HTTP = ("httpx", "httpx2", "httpcore", "httpcore2", "requests")
"""Modules whose errors mean that the hub can't be reached."""


def check_push(name: str) -> str:
    """The token that a push would use. Raises ConfigError for what is no repository's name, and without a token."""
    if not is_hub_name(name):
        raise ConfigError(f"--push {name} is no repository's name: write OWNER/NAME")
    for variable in TOKENS:
        if token := os.environ.get(variable, "").strip():
            return token
    raise ConfigError(f"--push {name} needs a token that may write there, in the environment's {TOKENS[0]}")


def push(folder: Path, name: str, *, public: bool = False) -> str:
    """Uploads the folder to the model repository `name`, which is made if there is none; its address.

    Private, unless `public`. Weights that lay there before go with the same commit, other files stay. The token is the
    environment's HF_TOKEN, the hub that of HF_ENDPOINT. Raises ConfigError where a repository is there already and is
    not what `public` says, OutputError where the hub refuses or can't be reached.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError

    token = check_push(name)
    api = HfApi(endpoint=os.environ.get("HF_ENDPOINT") or None, token=token)
    try:
        try:
            there = api.repo_info(name)
        except RepositoryNotFoundError:
            api.create_repo(name, private=not public, exist_ok=True)
        else:
            if not there.private and not public:
                raise ConfigError(f"{name} is public already: add --public to push there, or name another repository")
            if there.private and public:
                raise ConfigError(
                    f"{name} is private already: leave --public out, and open it to all on the hub itself"
                )
        told = "Export of grounding"
        api.upload_folder(repo_id=name, folder_path=folder, commit_message=told, delete_patterns=list(WEIGHTS))
    except HfHubHTTPError as error:
        raise OutputError(f"the hub refuses {name}: {reason_of(error)}; {folder} holds the export") from error
    except Exception as error:
        # the hub's client raises its HTTP library's own errors, and which library that is has changed
        if not isinstance(error, OSError) and type(error).__module__.split(".")[0] not in HTTP:
            raise
        raise OutputError(f"the hub can't be reached ({reason_of(error)}); {folder} holds the export") from error
    return f"{api.endpoint}/{name}"
