"""scripts/gpu_check.py as far as it goes without a GPU: its time, its report, its made-up models, its parts."""

from __future__ import annotations

import argparse
import contextlib
import json
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import gpu_accuracy
import gpu_bench
import gpu_check
import gpu_models
import gpu_parts
import jsonschema
import pytest
from gpu_bench import GIB, Bench, Loaded, ModelHere
from gpu_check import SCHEMA, Budget, OutOfTime, Part, build_report, run_parts

from localtable.ballots import probe_labels
from localtable.config import load_card
from localtable.engines.base import EngineSpec
from localtable.prompts import HfTokenizer
from localtable.scheduler.devices import Device, Machine
from localtable.scheduler.gpus import parse_gpus
from localtable.scheduler.inline import InlineEngine
from localtable.scheduler.messages import Ready
from localtable.types import Architecture, Card, Question
from localtable.weights.folder import check_model_folder

CPU = Machine((Device("cpu", "a processor", 16 * GIB, 16 * GIB, 2),), 16 * GIB, 16 * GIB)
DENSE = (
    "qwen3-8b",
    "qwen3-4b",
    "qwen3-1.7b",
    "qwen3-0.6b",
    "llama-3.1-8b-instruct",
    "smollm3-3b",
    "olmo-3-7b-instruct",
)


def tiny_card() -> Card:
    shape = Architecture("llama", 2, 64, 128, 4, 2, 16, 2000, False)
    parameters = 2 * 2000 * 64 + 2 * (64 * 64 * 2 + 64 * 32 * 2 + 3 * 64 * 128 + 2 * 64) + 64
    return Card("tiny", "Tiny", "nobody", "none", parameters, parameters, 2048, "bfloat16", shape, ())


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> ModelHere:
    folder = tmp_path_factory.mktemp("made-up") / "tiny"
    card = gpu_models.made_up_card(tiny_card(), folder)
    gpu_models.write_model(card, folder)
    return ModelHere(card, folder, made_up=True)


class ScriptedBench(Bench):
    """The bench with scripted engines, on a GPU whose memory is what is said of it."""

    forgets = False
    """Whether what wakes says something else, as weights do that were not read again."""

    def start(self, spec: EngineSpec) -> Loaded:
        handle = InlineEngine(replace(spec, kind="scripted", folder=None, device="cpu", arguments={}))
        if self.forgets:
            _spoil(handle)
        ready = gpu_bench.heard(handle, Ready)
        log = self.home / f"{spec.model_id}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text("")
        self._loaded[spec.model_id] = entry = Loaded(handle, ready, log, 0, 0.1)
        return entry

    def used(self) -> int:
        return len(self._loaded) * GIB


def _spoil(handle: InlineEngine) -> None:
    wake, submit = handle.wake, handle.submit

    def spoiled_wake() -> None:
        wake()
        handle.submit = lambda requests: submit([replace(r, seed=99) for r in requests])  # type: ignore[method-assign]

    handle.wake = spoiled_wake  # type: ignore[method-assign]


@pytest.fixture
def bench(tiny: ModelHere, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedBench]:
    monkeypatch.setattr(gpu_bench, "FIRST_ID", 10)
    monkeypatch.setattr(gpu_bench, "NUM_IDS", 200)
    made = ScriptedBench(CPU, tmp_path, tiny, tiny, tiny, kv_bytes=64 * 2**20, rows=4, tokens=8, debates=2, pairs=1)
    yield made
    made.end()


def part(run: Callable[..., Any], *, name: str = "a part", share: float = 0.5, loads: int = 0) -> Part:
    return Part(name, lambda bench, _: run(bench), share, loads, 0.0)


# ── time ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_part_gets_its_share_and_what_others_left() -> None:
    now = [0.0]
    budget = Budget(115.0, lambda: now[0])
    first, second, third = (part(lambda _: {}, share=share) for share in (0.2, 0.3, 0.5))
    assert budget.grant(first) == 20
    now[0] = 5
    assert budget.grant(second) == 45
    now[0] = 90
    assert budget.grant(third) == 10
    now[0] = 200
    assert budget.grant(third) == 0


def test_the_shares_of_all_parts_are_the_whole() -> None:
    for folder in (None, Path("model")):
        options = gpu_check.parse(["--model-folder", str(folder)] if folder else [])
        parts = gpu_check.build_parts(options)
        assert sum(p.share for p in parts) == pytest.approx(1)
        assert ("accuracy" in [p.name for p in parts]) == (folder is not None)


def test_a_part_that_would_overrun_is_left_out(bench: ScriptedBench) -> None:
    bench.load_s = 30.0
    entries = run_parts([part(lambda _: {}, loads=4), part(lambda _: {"a": 1})], bench, Budget(115.0))
    assert [entry["state"] for entry in entries] == ["skipped", "ok"]
    assert entries[0]["reason"] == "it needs about 120 s, and 50 s are left for it"


def test_a_part_that_overruns_is_stopped_and_keeps_what_it_found(bench: ScriptedBench) -> None:
    def slow(bench: Bench) -> dict[str, Any]:
        bench.found["first"] = 1
        with contextlib.suppress(Exception):  # as code between might: the end of the time must pass it
            time.sleep(30)
        return {}

    spec = EngineSpec("vllm", "left", None, "bfloat16", 64, 2, 0)
    began = time.monotonic()
    entries = run_parts(
        [part(lambda bench: bench.start(spec) and slow(bench), share=0.02), part(lambda _: {})], bench, Budget(25.0)
    )
    assert time.monotonic() - began < 5
    assert [entry["state"] for entry in entries] == ["out of time", "ok"]
    assert entries[0]["results"] == {"first": 1}
    assert bench._loaded == {}


def test_the_alarm_is_taken_back() -> None:
    with gpu_check.within(0.05):
        pass
    time.sleep(0.1)
    with pytest.raises(OutOfTime), gpu_check.within(0.05):
        time.sleep(5)


def test_a_part_that_fails_leaves_the_others(bench: ScriptedBench) -> None:
    def fails(_: Bench) -> dict[str, Any]:
        raise ValueError("no such thing")

    def ends(_: Bench) -> dict[str, Any]:
        raise SystemExit("the engine is gone")

    def nothing(_: Bench) -> dict[str, Any]:
        raise gpu_parts.NotRunError("made-up weights know no answers")

    said: list[str] = []
    parts = [part(run, name=run.__name__, share=0.2) for run in (fails, ends, nothing)] + [part(lambda _: {"a": 1})]
    entries = run_parts(parts, bench, Budget(60.0), say=said.append)
    assert [entry["state"] for entry in entries] == ["failed", "failed", "not run", "ok"]
    assert entries[0]["error"] == "ValueError: no such thing"
    assert entries[1]["error"] == "SystemExit: the engine is gone"
    assert "no such thing" in said[0]
    report = build_report(bench, Budget(60.0), entries)
    assert gpu_check.failures(report) == ["fails", "ends"]
    assert gpu_check.verdict(report) == "NOT PASSED: fails, ends"


# ── the report ──────────────────────────────────────────────────────────────────────────────────────────────


def entry(state: str, **more: Any) -> dict[str, Any]:
    return {"name": "sleep", "state": state, "seconds": 1.0, "allowed_s": 2.0, **more}


def test_a_report_says_what_ran_where_and_when(bench: ScriptedBench) -> None:
    report = build_report(bench, Budget(600.0), [entry("ok", results={}), entry("skipped", reason="no time")])
    assert report["device"] == {
        "kind": "cpu",
        "name": "a processor",
        "total_bytes": 16 * GIB,
        "driver": None,
        "cuda": None,
        "ram_bytes": 16 * GIB,
    }
    assert report["date"].endswith("+00:00")
    assert report["versions"]["torch"]
    assert report["models"] == ["made-up-tiny"]
    assert gpu_check.verdict(report) == "nothing failed; without sleep"


def test_a_gpus_driver_is_in_the_report(bench: ScriptedBench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_check, "driver_versions", lambda: ("570.1", "12.8"))
    bench.machine = parse_gpus("rtx4090")
    report = build_report(bench, Budget(600.0), [])
    assert (report["device"]["driver"], report["device"]["cuda"]) == ("570.1", "12.8")
    assert report["device"]["kind"] == "cuda"


@pytest.mark.parametrize(
    "wrong",
    [entry("ok"), entry("failed"), entry("skipped"), entry("out of time"), entry("fine"), entry("ok", results={}, x=1)],
)
def test_a_report_with_a_hole_is_refused(bench: ScriptedBench, wrong: dict[str, Any]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        build_report(bench, Budget(600.0), [wrong])


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_what_fails_inside_a_part_fails_the_check(bench: ScriptedBench) -> None:
    contract = {**entry("ok", results={"failed": {"test_x": "no"}, "passed": 1}), "name": "contract"}
    words = entry("ok", results={"same_words": False, "same_words_after_reload": True})
    report = build_report(bench, Budget(600.0), [contract, words])
    assert gpu_check.failures(report) == ["contract", "sleep"]


# ── the command ─────────────────────────────────────────────────────────────────────────────────────────────


def test_without_a_gpu_it_says_so(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert gpu_check.main([]) == 3
    said = capsys.readouterr()
    assert "no NVIDIA GPU answers here" in said.err
    assert "--device cpu" in said.err
    assert said.out == ""


@pytest.mark.parametrize(
    ("gpus", "main", "second"),
    [
        ("1x80GiB", "qwen3-8b", "qwen3-1.7b"),
        ("1x24GiB", "qwen3-4b", "qwen3-0.6b"),
        ("8GiB", "qwen3-0.6b", "qwen3-0.6b"),
    ],
)
def test_a_dry_run_says_what_would_be_done(
    gpus: str, main: str, second: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpu_check, "run_parts", None)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: argparse.Namespace(free=500 * GIB))
    assert gpu_check.main(["--dry-run", "--gpus", gpus]) == 0
    said = capsys.readouterr().out
    assert f"main: made-up-{main}," in said
    assert f"second: made-up-{second}," in said
    for name in ("contract", "sleep", "memory", "throughput", "two_engines", "swap"):
        assert f"\n{name} " in said


def test_a_full_disk_takes_a_smaller_model(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: argparse.Namespace(free=6 * GIB))
    assert gpu_check.main(["--dry-run", "--gpus", "1x80GiB"]) == 0
    assert "main: made-up-qwen3-1.7b," in capsys.readouterr().out
    monkeypatch.setattr(shutil, "disk_usage", lambda _: argparse.Namespace(free=GIB))
    assert gpu_check.main(["--dry-run", "--gpus", "1x80GiB"]) == 3
    assert "not even qwen3-0.6b fits" in capsys.readouterr().err


def test_only_some_parts_can_be_asked_for() -> None:
    parts = gpu_check.build_parts(gpu_check.parse(["--parts", "swap", "sleep"]))
    assert [p.name for p in parts] == ["models", "sleep", "swap"]


@pytest.mark.parametrize(
    "wrong", [["--seconds", "601"], ["--seconds", "0"], ["--gpus", "24GiB"], ["--parts", "everything"]]
)
def test_wrong_options_are_refused(wrong: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        gpu_check.main(wrong)
    assert ended.value.code == 2
    assert capsys.readouterr().err


def test_a_model_that_cant_be_made_up_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert gpu_check.main(["--dry-run", "--gpus", "80GiB", "--main", "gpt-oss-20b"]) == 3
    assert "gpt-oss-20b can't be made up" in capsys.readouterr().err


# ── made-up models ──────────────────────────────────────────────────────────────────────────────────────────


def test_a_made_up_model_is_a_whole_folder(tiny: ModelHere) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    assert "config.json" in check_model_folder(tiny.folder)
    model, found = AutoModelForCausalLM.from_pretrained(tiny.folder, dtype=torch.bfloat16, output_loading_info=True)
    assert not found["missing_keys"]
    assert not found["unexpected_keys"]
    assert sum(p.numel() for p in model.parameters()) == tiny.card.parameters
    weights = dict(model.named_parameters())
    assert torch.equal(weights["model.norm.weight"], torch.ones(64, dtype=torch.bfloat16))
    assert len(torch.unique(weights["lm_head.weight"], dim=0)) == 2000
    assert weights["lm_head.weight"].float().std().item() == pytest.approx(gpu_models.DEVIATION, rel=0.05)
    assert model.config.eos_token_id == HfTokenizer(tiny.folder)._hf.convert_tokens_to_ids(gpu_models.ENDS)


def test_a_whole_folder_is_left_as_it_is(tiny: ModelHere) -> None:
    written = {path: path.stat().st_mtime_ns for path in tiny.folder.iterdir()}
    size = gpu_models.write_model(tiny.card, tiny.folder)
    assert 2 * tiny.card.parameters <= size < 2 * tiny.card.parameters + 10_000
    assert {path: path.stat().st_mtime_ns for path in tiny.folder.iterdir()} == written


def test_large_models_come_in_several_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from transformers import AutoModelForCausalLM

    monkeypatch.setattr(gpu_models, "SHARD_BYTES", 200_000)
    folder = tmp_path / "shards"
    gpu_models.write_model(tiny_card(), folder)
    assert len(list(folder.glob("*.safetensors"))) > 2
    _, found = AutoModelForCausalLM.from_pretrained(folder, output_loading_info=True)
    assert not found["missing_keys"]


@pytest.mark.parametrize("card_id", DENSE)
def test_a_made_up_model_has_as_many_parameters_as_its_card_says(card_id: str) -> None:
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    card = load_card(card_id)
    config = AutoConfig.for_model(card.architecture.model_type, **gpu_models.model_config(card))
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    assert sum(p.numel() for p in model.parameters()) == card.parameters


def test_made_up_text_comes_to_as_many_tokens_again(tiny: ModelHere) -> None:
    import random

    tokenizer, rng = HfTokenizer(tiny.folder), random.Random(0)
    said = [rng.randrange(256, 2000 - len(gpu_models.MARKS)) for _ in range(200)]
    assert tokenizer.encode_plain(tokenizer.decode(said)) == said
    assert len(probe_labels(tokenizer, "vote", 4).labels) == 4
    rendered = tokenizer.render([{"role": "user", "content": "Hello"}], {}, open_turn=True)
    assert rendered == "<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n"


@pytest.mark.parametrize("card_id", ["gpt-oss-20b", "qwen3-32b-awq", "granite-4.0-h-tiny", "glm-4.7-flash"])
def test_only_dense_models_are_made_up(card_id: str, tmp_path: Path) -> None:
    with pytest.raises(gpu_models.CantMakeUpError, match=card_id):
        gpu_models.write_model(load_card(card_id), tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_a_disk_too_full_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: argparse.Namespace(free=GIB))
    with pytest.raises(gpu_models.CantMakeUpError, match=r"needs 15\.3 GiB of disk; 1\.0 GiB are free"):
        gpu_models.write_model(load_card("qwen3-8b"), tmp_path / "model")


def test_where_the_main_model_cant_be_written_the_second_takes_its_place(
    bench: ScriptedBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    small, write = bench.second, gpu_check.write_model

    def slow(card: Card, folder: Path) -> int:
        if card.id == "large":
            time.sleep(30)
        return write(card, folder)

    monkeypatch.setattr(gpu_check, "write_model", slow)
    bench.main = replace(small, card=replace(small.card, id="large"))
    entries = run_parts([part(gpu_check.make_models, share=0.05)], bench, Budget(25.0))
    assert entries[0]["state"] == "out of time"
    assert list(entries[0]["results"]) == ["made-up-tiny"]
    assert bench.main is small


def test_forgetting_files_leaves_them(tiny: ModelHere) -> None:
    before = [path.read_bytes() for path in tiny.folder.glob("*.safetensors")]
    gpu_models.forget_files(tiny.folder)
    assert [path.read_bytes() for path in tiny.folder.glob("*.safetensors")] == before


# ── parts, on scripted engines ──────────────────────────────────────────────────────────────────────────────


def test_sleep_measures_each_level_and_compares_the_words(bench: ScriptedBench) -> None:
    results = gpu_parts.part_sleep(bench)
    for name in ("level_1_first", "level_1_later", "level_2"):
        assert {"sleep_s", "wake_s", "first_request_s", "freed_bytes", "kept_bytes", "same_words"} == set(results[name])
    assert results["same_words"]
    assert results["same_words_after_reload"]
    assert results["predicted_s"]["first_load"] > 0
    assert set(bench.asleep) == {"level_1", "level_2"}
    assert "level 1 first" in gpu_check.summary("sleep", results)
    assert "OTHER WORDS" not in gpu_check.summary("sleep", results)


def test_sleep_notices_weights_that_were_not_read_again(bench: ScriptedBench) -> None:
    bench.forgets = True
    results = gpu_parts.part_sleep(bench)
    assert not results["same_words"]
    assert "OTHER WORDS AFTERWARDS" in gpu_check.summary("sleep", results)


def test_memory_puts_the_predicted_beside_the_measured(bench: ScriptedBench) -> None:
    bench.asleep = {"level_1": 2**28}
    bench.machine = replace(CPU)
    results = gpu_parts.part_memory(bench)
    rows = {row["what"]: row for row in results["rows"]}
    assert list(rows) == ["weights", "kv_cache", "graphs", "activations and context", "awake", "asleep, level_1"]
    assert rows["awake"]["measured"] == GIB
    assert rows["awake"]["ratio"] == round(rows["awake"]["predicted"] / GIB, 3)
    assert "awake" in gpu_check.summary("memory", results)


def test_memory_reads_what_vllm_says_of_itself() -> None:
    text = """
    INFO gpu_model_runner.py:5150] Model loading took 15.27 GiB memory and 4.123456 seconds
    INFO gpu_model_runner.py:6582] Graph capturing finished in 9 secs, took 0.52 GiB
    INFO gpu_worker.py:327] Sleep mode freed 60.1 GiB memory, 1.50 GiB memory is still in use.
    INFO gpu_worker.py:327] Sleep mode freed 60.1 GiB memory, 1.25 GiB memory is still in use.
    """
    said = gpu_bench.log_figures(text)
    assert said == {"weights": int(15.27 * GIB), "graphs": int(0.52 * GIB), "asleep": int(1.25 * GIB)}
    assert gpu_bench.log_figures("") == {}


def test_what_vllm_says_is_still_what_is_looked_for() -> None:
    vllm = pytest.importorskip("importlib.util").find_spec("vllm")
    if vllm is None:
        pytest.skip("vLLM is not installed")
    folder = Path(vllm.submodule_search_locations[0]) / "v1" / "worker"
    source = (folder / "gpu_model_runner.py").read_text() + (folder / "gpu_worker.py").read_text()
    for said in ("Model loading took %s GiB", "took %.2f GiB", "GiB memory is still in use"):
        assert said in source


def test_two_engines_run_alone_and_together(bench: ScriptedBench) -> None:
    results = gpu_parts.part_two_engines(bench)
    assert results["models"] == ["made-up-tiny", "made-up-tiny-beside"]
    assert results["measured_bytes"] == 2 * GIB
    assert all(rate > 0 for rate in results["tokens_per_s_together"].values())
    assert list(bench._loaded) == ["made-up-tiny"]
    assert "→" in gpu_check.summary("two_engines", results)


@pytest.mark.parametrize("gpus", [None, "1x24GiB", "1x80GiB"])
def test_the_swap_has_room_for_one_awake_and_the_others_asleep(bench: ScriptedBench, gpus: str | None) -> None:
    from localtable.prompts import load_wording
    from localtable.runner.models import build_models, longest_turns
    from localtable.runner.placements import build_placements, seat_models
    from localtable.scheduler.devices import capped

    if gpus:
        # Its tokenizer doesn't matter here.
        bench.machine = parse_gpus(gpus)
        bench.second = replace(bench.second, card=replace(load_card("qwen3-1.7b"), reasoning=None))
        bench.kv_bytes = GIB
    panel = gpu_parts.swap_panel(bench)
    cap, how = gpu_parts.swap_cap(bench, panel)
    tokenizer = HfTokenizer(bench.second.folder)
    models = build_models(panel, {c.id: tokenizer for c in panel.cards}, load_wording("argue"), real_templates=True)
    machine = capped(bench.machine, cap)
    seated = seat_models("vllm", models, longest_turns([models], bench.questions(2)), machine, suite=True)
    files = {card.id: replace(bench.second, card=card).files[card.id] for card in panel.cards}
    first, *others = build_placements(models, seated, files, machine).values()
    asleep = 0 if gpus is None else first.asleep_bytes
    assert first.total_bytes + len(others) * asleep <= machine.capacities[0]
    assert 2 * first.total_bytes + asleep > machine.capacities[0]
    assert how == sorted({p.swap for p in (first, *others)}) == (["reload"] if gpus is None else ["sleep_1"])


def test_the_contracts_tests_are_found_and_each_is_reported() -> None:
    class Checks:
        @staticmethod
        def test_one(subject: Any) -> None:
            assert subject == 1

        @staticmethod
        def test_two(model_subject: Any) -> None:
            raise ValueError("two")

        @staticmethod
        def test_three(scripted_subject: Any) -> None: ...

        @staticmethod
        def vote(subject: Any) -> None: ...

    module = argparse.Namespace(**{n: getattr(Checks, n) for n in ("test_one", "test_two", "test_three", "vote")})
    found = gpu_parts.contract_checks(module)
    assert [name for name, _ in found] == ["test_one", "test_two"]
    dried: list[Any] = []
    assert [gpu_parts._one_check(check, 1, dried.append) for _, check in found] == [None, "ValueError: two"]
    assert dried == [1]


def test_the_contract_is_found_where_it_is() -> None:
    with gpu_parts._importable(gpu_parts.ROOT / "tests" / "engines"):
        import test_contract
    names = [name for name, _ in gpu_parts.contract_checks(test_contract)]
    assert len(names) >= 20
    assert set(names) >= gpu_parts.NEED_TRAINED


# ── accuracy ────────────────────────────────────────────────────────────────────────────────────────────────

QUESTIONS = [
    Question("a", "One?", ("Yes", "No"), answer="A"),
    Question("b", "Two?", ("Yes", "No"), context="As told.", answer="B"),
]


def test_made_up_weights_have_no_accuracy(bench: ScriptedBench) -> None:
    with pytest.raises(gpu_parts.NotRunError, match="made-up weights know no answers"):
        gpu_accuracy.part_accuracy(bench, [], 10, None, seconds=10)


def test_the_paired_difference() -> None:
    ours = {str(i): i < 6 for i in range(10)}
    theirs = {str(i): i in (0, 1, 2, 9) for i in range(10)}
    found = gpu_accuracy.paired(ours, theirs)
    assert found["questions"] == 10
    assert (found["only_localtable"], found["only_lm_eval"]) == (3, 1)
    assert found["difference"] == pytest.approx(0.2)
    # Differences 1, 1, 1, −1 and six times 0: variance (4 − 10 × 0.04) / 9 = 0.4; 1.95996 × √0.04 = 0.39199.
    assert found["interval_95"] == pytest.approx([0.2 - 0.39199, 0.2 + 0.39199], abs=1e-4)


def test_lm_evals_samples_are_matched_by_id_or_place(tmp_path: Path) -> None:
    path = tmp_path / "samples.jsonl"
    path.write_text(
        json.dumps({"doc_id": 5, "doc": {"id": "b"}, "acc": 1.0})
        + "\n\n"
        + json.dumps({"doc_id": 0, "acc": 0.0})
        + "\n"
    )
    assert gpu_accuracy.read_samples(path, QUESTIONS) == {"a": False, "b": True}
    path.write_text(json.dumps({"doc_id": 0, "acc": 0.0}) + "\n")
    assert "no sample of 1 of 2 questions, b first" in str(gpu_accuracy.read_samples(path, QUESTIONS))


def test_lm_evals_task_asks_the_same_questions(tmp_path: Path) -> None:
    task = json.loads(gpu_accuracy.write_task(QUESTIONS, tmp_path / "task").read_text())
    rows = [json.loads(row) for row in (tmp_path / "task" / "questions.jsonl").read_text().splitlines()]
    assert task["output_type"] == "multiple_choice"
    assert rows[1] == {
        "id": "b",
        "text": "As told.\nTwo?",
        "options": ["A. Yes", "B. No"],
        "letters": ["A", "B"],
        "gold": 1,
    }
    command = gpu_accuracy.lm_eval_command(Path("model"), tmp_path / "task")
    assert f"--tasks {gpu_accuracy.TASK} --include_path {tmp_path / 'task'}" in " ".join(command)
    assert "--log_samples" in command


def test_without_lm_eval_it_says_so(tiny: ModelHere, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_accuracy.importlib.util, "find_spec", lambda name: None)
    said = gpu_accuracy.lm_eval_right(tiny, QUESTIONS, None, tmp_path, 10.0)
    assert isinstance(said, str)
    assert said.startswith("not run: lm_eval is not installed")
    results = {"localtable": gpu_accuracy.share({"a": True}), "lm_eval": said}
    assert gpu_check.summary("accuracy", results).startswith("1 of 1 right; lm-eval not run")


def test_lm_eval_is_run_where_it_is(tiny: ModelHere, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_accuracy.importlib.util, "find_spec", lambda name: object())
    rows = [json.dumps({"doc_id": i, "acc": 1.0}) for i in range(2)]
    writes = (
        "import pathlib, sys; f = pathlib.Path(sys.argv[1]); f.mkdir(); (f / 'samples_x.jsonl').write_text(sys.argv[2])"
    )

    def writing(model: Path, task: Path) -> list[str]:
        return [sys.executable, "-c", writes, str(task / "out"), "\n".join(rows)]

    monkeypatch.setattr(gpu_accuracy, "lm_eval_command", writing)
    assert gpu_accuracy.lm_eval_right(tiny, QUESTIONS, None, tmp_path / "1", 30.0) == {"a": True, "b": True}
    monkeypatch.setattr(gpu_accuracy, "lm_eval_command", lambda m, t: [sys.executable, "-c", "raise SystemExit(4)"])
    assert "lm-eval ended with 4" in str(gpu_accuracy.lm_eval_right(tiny, QUESTIONS, None, tmp_path / "2", 30.0))
    endless = [sys.executable, "-c", "import time; time.sleep(60)"]
    monkeypatch.setattr(gpu_accuracy, "lm_eval_command", lambda m, t: endless)
    assert "was not done within" in str(gpu_accuracy.lm_eval_right(tiny, QUESTIONS, None, tmp_path / "3", 0.0))


def test_questions_come_from_each_suite_in_turn(tmp_path: Path) -> None:
    for name in "xy":
        lines = [
            {"id": f"{name}{i}", "question": f"{name}{i}?", "options": ["1", "2"], "answer": "A"} for i in range(3)
        ]
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in lines))
    assert [q.id for q in gpu_accuracy.choose([tmp_path], 3)] == ["x0", "y0", "x1"]
    assert len(gpu_accuracy.choose([], 200)) == 12


# ── on real engines ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.timeout(600)
def test_on_vllms_cpu_build(
    smollm2_folder: Path, real_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("vllm", reason="vLLM is not installed")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setenv("LOCALTABLE_HOME", str(real_home))
    path = tmp_path / "report.json"
    wanted = ["sleep", "memory", "throughput"]
    assert gpu_check.main(["--device", "cpu", "--folder", str(tmp_path), "--json", str(path), "--parts", *wanted]) == 0
    report = json.loads(path.read_text())
    jsonschema.validate(report, SCHEMA)
    parts = {part["name"]: part for part in report["parts"]}
    assert {name: part["state"] for name, part in parts.items()} == dict.fromkeys(["models", *wanted], "ok")
    assert parts["sleep"]["results"]["level_1_first"] == gpu_parts.UNSUPPORTED
    assert parts["sleep"]["results"]["same_words_after_reload"]
    assert parts["throughput"]["results"]["median_raw_by_suite"] > 0
    rows = {row["what"]: row for row in parts["memory"]["results"]["rows"]}
    assert rows["weights"]["ratio"] == pytest.approx(1, abs=0.05)
    assert rows["kv_cache"]["ratio"] == pytest.approx(1, abs=0.05)


def _gpu_here() -> bool:
    from localtable.scheduler.devices import find_machine

    return find_machine().kind == "cuda"


@pytest.mark.gpu
@pytest.mark.timeout(600)
def test_on_this_gpu(tmp_path: Path) -> None:
    if not _gpu_here():
        pytest.skip("no NVIDIA GPU is here")
    path = tmp_path / "report.json"
    code = gpu_check.main(
        [
            "--main",
            "qwen3-0.6b",
            "--folder",
            str(tmp_path),
            "--json",
            str(path),
            "--parts",
            "contract",
            "sleep",
            "memory",
        ]
    )
    parts = {part["name"]: part for part in json.loads(path.read_text())["parts"]}
    assert code == 0, parts
    assert {part["state"] for part in parts.values()} == {"ok"}
    assert parts["sleep"]["results"]["level_2"]["freed_bytes"] > 0
