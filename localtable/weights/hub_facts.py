"""What a card needs to know of a model on the hub, without its weights: a few kilobytes are downloaded.

The headers of the safetensors files are written down as files of their own, so that whatever reads a model's folder
(its parameter count above all) reads this one the same way.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from localtable.errors import ConfigError, PrerequisiteError
from localtable.weights.hub import ANSWER_S, reaching
from localtable.weights.source import SourceUnavailableError

if TYPE_CHECKING:
    from huggingface_hub import ModelInfo


@dataclass(frozen=True, slots=True)
class HubFacts:
    """What the hub says of a repository."""

    commit: str
    publisher: str
    license: str
    license_url: str | None


def download_facts(repo: str, revision: str | None, folder: Path) -> HubFacts:
    """Write config.json and header-only safetensors files of a repository into `folder`.

    Raises:
        PrerequisiteError: The hub can't be reached, the repository is gated, or there is none.
        ConfigError: It holds no safetensors.
    """
    try:
        info = _ask(repo, revision)
        _download(repo, info, folder)
    except SourceUnavailableError as problem:
        hint = problem.hint or "Connect to the network, or name a folder that holds the model."
        raise PrerequisiteError(f"no card can be made for {repo}: {problem.reason}", hint=hint) from None
    data = info.card_data
    name, link = (data.get("license"), data.get("license_link")) if data is not None else (None, None)
    if name == "other" and data is not None:
        name = data.get("license_name") or name
    return HubFacts(info.sha or "", repo.split("/")[0], str(name or "unknown"), _web(link))


def _ask(repo: str, revision: str | None) -> ModelInfo:
    from huggingface_hub import HfApi

    return reaching(repo, lambda: HfApi().model_info(repo, revision=revision, timeout=ANSWER_S))


def _download(repo: str, info: ModelInfo, folder: Path) -> None:
    from huggingface_hub import HfApi, hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, NotASafetensorsRepoError, SafetensorsParsingError

    try:
        config = reaching(repo, lambda: hf_hub_download(repo, "config.json", revision=info.sha, etag_timeout=ANSWER_S))
        headers = reaching(repo, lambda: HfApi().get_safetensors_metadata(repo, revision=info.sha))
    except EntryNotFoundError:
        raise ConfigError(f"{repo} holds no config.json", hint="Name a model in Hugging Face form.") from None
    except (NotASafetensorsRepoError, SafetensorsParsingError) as error:
        raise ConfigError(
            f"{repo} holds no weights that can be read: {str(error).splitlines()[0]}",
            hint="Weights are read as safetensors only, never as pickles.",
        ) from None
    shutil.copy(config, folder / "config.json")
    for name, file in headers.files_metadata.items():
        tensors = {
            key: {"dtype": tensor.dtype, "shape": list(tensor.shape), "data_offsets": list(tensor.data_offsets)}
            for key, tensor in file.tensors.items()
        }
        text = json.dumps(tensors).encode()
        (folder / Path(name).name).write_bytes(len(text).to_bytes(8, "little") + text)


def _web(link: object) -> str | None:
    return str(link) if isinstance(link, str) and link.startswith("https://") else None
