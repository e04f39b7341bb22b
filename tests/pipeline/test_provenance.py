"""Provenance of samples: generators, models, seeds and ancestors; licenses of models and data."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import pytest

from assay.components.filters.length import Length
from assay.components.generators.from_source import FromSource
from assay.components.generators.generate_images import GenerateImages
from assay.components.generators.generate_texts import GenerateTexts
from assay.components.generators.preferences import Preferences
from assay.components.generators.self_instruct import SelfInstruct
from assay.components.scorers.reference.metrics import EmbeddingCosine
from assay.components.sources.image.fashion_mnist import FashionMNIST
from assay.components.sources.tasks.seed_tasks import SeedTasks
from assay.components.sources.text.texts import Texts
from assay.core.provenance import Ancestor, Judged, Provenance, Used
from assay.core.recipe import Recipe
from assay.core.sample import Sample
from assay.models.model_cards import model_license
from assay.pipeline.lineage.explain import (
    clean,
    explain_sample,
    kept_samples,
    provenance_lines,
    read_run,
    run_provenance,
)
from assay.pipeline.lineage.models_used import data_license
from assay.pipeline.lineage.provenance import SampleProvenance
from assay.pipeline.plan import PlannedStage, completed_stages
from assay.store.receipts import read_receipt
from assay.store.shards import write_shard
from preference_parts import Prompts, voices
from run_parts import Bright, folder_of, recipe, run


def kept_provenance(folder: Path) -> list[Provenance]:
    samples, _ = kept_samples(folder)
    return [run_provenance(folder).of(sample) for sample in samples]


@pytest.fixture(scope="module")
def finished_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "run"
    run(recipe(prove=None, train=None), folder)
    return folder


def test_the_generator_and_the_scorers_are_recorded(finished_run: Path) -> None:
    samples, _ = kept_samples(finished_run)
    records = kept_provenance(finished_run)
    receipt = read_receipt(folder_of(finished_run, "generate"))
    assert receipt is not None
    assert [record.id for record in records] == [sample.id for sample in samples]
    record = records[0]
    assert (record.synthetic, record.made_by, record.version, record.models) == (True, "run_parts:Shapes", 1, ())
    assert record.chain == (Ancestor(samples[0].parents[0], "Shapes"),)
    assert record.scored_by == {"bright": Judged("run_parts:Bright", 1), "eye": Judged("run_parts:Eye", 1)}
    assert record.settings == {"count": 150, "every": 5, "short": 0}
    assert record.recipe_sha256 == hashlib.sha256((finished_run / "recipe.yaml").read_bytes()).hexdigest()
    assert record.stage == f"generate-{receipt.key}"
    assert record.date == receipt.finished
    assert record.date.endswith("+00:00")
    assert json.loads(record.json())["scored_by"]["bright"] == {"component": "run_parts:Bright", "version": 1}


def test_provenance_is_reproducible(finished_run: Path) -> None:
    assert [record.json() for record in kept_provenance(finished_run)] == [
        record.json() for record in kept_provenance(finished_run)
    ]


def test_collected_samples_are_not_called_synthetic_and_name_their_file_and_line(tmp_path: Path) -> None:
    (tmp_path / "some.txt").write_text("a river\na\n한강 이 길다\n", encoding="utf-8")
    run(Recipe("given", FromSource(Texts(str(tmp_path / "some.txt"))), keep=(Length(low=2),)), tmp_path / "run")
    first, second = kept_provenance(tmp_path / "run")
    assert (first.synthetic, first.made_by, first.version, first.settings) == (False, "collected", None, {})
    assert [step.origin for step in (*first.chain, *second.chain)] == ["some.txt:1", "some.txt:3"]
    assert [step.made_by for step in first.chain] == ["collected"]
    lines = provenance_lines(first)
    assert lines[0].startswith("collected: ")
    assert any("(some.txt:1)" in line for line in lines)
    explanation = explain_sample(tmp_path / "run", first.id)
    assert explanation["provenance"]["chain"][0]["origin"] == "some.txt:1"
    assert not explanation["provenance"]["synthetic"]


def provenance_of_run(recipe_: Recipe, folder: Path, samples: list[Sample]) -> SampleProvenance:
    """Provenance of a run of `what` with the given samples, without its models."""
    run(recipe(prove=None, train=None), folder)
    stages = completed_stages(read_run(folder)[1])
    provenance = SampleProvenance(recipe_, {"generate": stages["generate"], "score-near": stages["score-bright"]})
    available = (*samples, *recipe_.generate.seeds(), *Prompts().read(None))  # type: ignore[arg-type]
    provenance.__dict__["_samples"] = {sample.id: sample for sample in available}
    return provenance


def test_preference_pairs_name_answerers_rankers_and_prompt(tmp_path: Path) -> None:
    rank = {"near": EmbeddingCosine()}
    recipe_ = Recipe("pairs", Preferences(Prompts(), voices("one", "two"), rank))
    seed = recipe_.generate.seeds()[0]
    pair = Sample({**seed.fields, "chosen": "one", "rejected": "two"}, (seed.id, *seed.parents), "Preferences")
    record = provenance_of_run(recipe_, tmp_path / "run", [pair]).of(pair)
    assert [(model.part, model.model) for model in record.models] == [
        (name, answerer.model) for name, answerer in voices("one", "two").items()
    ]
    assert {model.license for model in record.models} == {"unknown"}
    assert record.scored_by["near"] == Judged("EmbeddingCosine", EmbeddingCosine.version, ("embedded:minilm",))
    assert [(step.made_by, step.id) for step in record.chain] == [
        ("Preferences", seed.id),
        ("collected", seed.parents[0]),
    ]
    assert record.seed is None
    assert set(record.settings) >= {"pairs", *voices("one", "two")}


def test_the_seed_is_that_of_the_request(tmp_path: Path) -> None:
    from labs import tiny_lab

    for generator in (
        GenerateImages("./none", ("a",), 1, negative_prompt="n"),
        GenerateTexts("./none", ("a",), 1),
    ):
        (seed,) = generator.seeds()
        lab = tiny_lab(seed=7)
        request = generator._request(seed, lab)
        expected = request.seed if isinstance(generator, GenerateImages) else request.decoding.seed  # type: ignore[union-attr]
        sample = Sample({**seed.fields, "text": "x"}, (seed.id,), type(generator).__name__)
        record = provenance_of_run(Recipe("one", generator, seed=7), tmp_path / type(generator).__name__, [sample]).of(
            sample
        )
        assert record.seed == expected
        assert record.prompt == seed.text("prompt")
        assert record.models == (Used("./none"),)


def test_the_ancestors_of_a_generated_task_include_seed_tasks(finished_run: Path, tmp_path: Path) -> None:
    recipe_ = Recipe("tasks", SelfInstruct(SeedTasks(limit=20), 2))
    first, second = recipe_.generate.seeds()
    human = SeedTasks(limit=20).read(None)  # type: ignore[arg-type]
    task = Sample({"instruction": "A"}, (first.id, human[3].id), "SelfInstruct")
    second_task = Sample({"instruction": "B"}, (second.id, task.id, human[5].id), "SelfInstruct")
    orphan = Sample({"instruction": "C"}, ("0123456789abcdef",), "SelfInstruct")
    (tmp_path / "generate-ab").mkdir()
    write_shard(tmp_path / "generate-ab" / "part-00000.parquet", [task, second_task, orphan], {})
    stages = completed_stages(read_run(finished_run)[1])
    provenance = SampleProvenance(recipe_, {"generate": replace(stages["generate"], folder=tmp_path / "generate-ab")})
    assert [(step.id, step.made_by, step.origin) for step in provenance.of(second_task).chain] == [
        (second.id, "SelfInstruct", ""),
        (task.id, "SelfInstruct", ""),
        (human[5].id, "collected", human[5].text("origin")),
        (first.id, "SelfInstruct", ""),
        (human[3].id, "collected", human[3].text("origin")),
    ]
    assert human[5].text("origin") == "seed-tasks.jsonl:6"
    assert provenance.of(second_task).models == (Used("embedded:smollm2", "apache-2.0"),)
    assert provenance.of(orphan).chain == (Ancestor("0123456789abcdef"),)
    assert any("0123456789abcdef" in line for line in provenance_lines(provenance.of(orphan)))
    assert any(
        "count 2, " in line and "solving (strategy sample, " in line for line in provenance_lines(provenance.of(task))
    )


def test_rows_list_the_nearest_ancestors_and_count_the_others() -> None:
    record = Provenance(id="x", synthetic=True, made_by="M", chain=tuple(Ancestor(str(nth)) for nth in range(100)))
    shortened = record.nearest(24)
    assert (len(shortened.chain), shortened.more) == (24, 76)
    assert shortened.nearest(24) == shortened
    assert shortened.nearest(20).more == 80
    assert json.loads(shortened.json())["more"] == 76
    assert "more" not in json.loads(record.json())
    assert any("92" in line for line in provenance_lines(shortened))


def test_a_receipt_without_a_date(finished_run: Path, tmp_path: Path) -> None:
    stages = completed_stages(read_run(finished_run)[1])
    generate = stages["generate"]
    text = (generate.folder / "receipt.json").read_text(encoding="utf-8")
    value: dict[str, Any] = json.loads(text)
    del value["finished"]
    (tmp_path / "receipt.json").write_text(json.dumps(value), encoding="utf-8")
    receipt = read_receipt(tmp_path)
    assert receipt is not None
    undated = PlannedStage(generate.stage, generate.key, generate.folder, generate.inputs, receipt, generate.state)
    recipe_, _ = read_run(finished_run)
    samples, _ = kept_samples(finished_run)
    record = SampleProvenance(recipe_, {**stages, "generate": undated}).of(samples[0])
    assert record.date == ""
    assert "date" not in json.loads(record.json())
    assert " on " not in provenance_lines(record)[-1]


def test_control_characters_are_removed() -> None:
    text = "a\nb\x1b[2J\x07" + "x" * 1000
    lines = provenance_lines(Provenance(id="x", synthetic=True, made_by=text, version=1, prompt=text, recipe=text))
    assert all(line.isprintable() for line in lines)
    assert max(map(len, lines)) < 500
    assert clean("한강\t강") == "한강 강"


def card(folder: Path, head: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "README.md").write_text(head, encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("head", "license"),
    [
        ("---\nlicense: cc-by-4.0\n---\n# x", "cc-by-4.0"),
        ("---\nlicense: [mit, apache-2.0]\n---\n", "mit, apache-2.0"),
        ("---\nlicense: other\nlicense_name: mine\n---\n", "mine"),
        ("---\nlicense: other\n---\n", "other"),
        ("\ufeff---\r\nlicense: mit\r\n---\r\n", "mit"),
        ("---\nlicense: 4\n---\n", "unknown"),
        ("---\nlicense: ' '\n---\n", "unknown"),
        ("---\nlicense: {a: b}\n---\n", "unknown"),
        ("---\n- license\n---\n", "unknown"),
        ("---\nlicense: [\n---\n", "unknown"),
        ("---\n" + "[" * 5000 + "\n---\n", "unknown"),
        ("license: mit\n", "unknown"),
        ("---\nlicense: mit\n", "unknown"),
        ("", "unknown"),
    ],
)
def test_licenses_of_model_cards(tmp_path: Path, head: str, license: str) -> None:
    assert model_license(str(card(tmp_path, head))) == license


@pytest.mark.parametrize(
    ("reference", "license"),
    [
        ("embedded:fashion-diffusion", "mit"), ("embedded:smollm2", "apache-2.0"), ("embedded:minilm", "apache-2.0"),
        ("embedded:nobody", "unknown"), ("openai:gpt-5", "unknown"), ("http://127.0.0.1:9/v1#mit", "unknown"),
        ("nobody/nothing-there", "unknown"), ("./gone", "unknown"),
        ("a--b/c", "unknown"), ("vllm:embedded:smollm2", "apache-2.0"), ("~nobody-here/x", "unknown"),
        ("", "unknown"), ("\0", "unknown"), ("x" * 5000, "unknown"),
    ],
)  # fmt: skip
def test_licenses_by_reference(reference: str, license: str) -> None:
    assert model_license(reference) == license


def test_the_card_of_a_checkpoint_in_the_hubs_cache_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    checkpoint = tmp_path / "models--somebody--something"
    card(checkpoint / "snapshots" / "ab12", "---\nlicense: openrail\n---\n")
    (checkpoint / "refs").mkdir()
    (checkpoint / "refs" / "main").write_text("ab12", encoding="utf-8")
    assert model_license("somebody/something") == model_license("vllm:somebody/something") == "openrail"
    assert model_license("somebody/else") == "unknown"


@dataclass(frozen=True)
class Ours:
    license: ClassVar[str] = "cc0-1.0"


def test_licenses_of_data(tmp_path: Path) -> None:
    card(tmp_path, "---\nlicense: cc-by-4.0\n---\n")
    assert data_license(Texts(str(tmp_path / "some.txt"))) == "cc-by-4.0"
    assert data_license(Texts(str(tmp_path))) == "cc-by-4.0"
    assert data_license(Texts(str(tmp_path / "deeper" / "some.txt"))) == "unknown"
    assert data_license(FashionMNIST()) == "mit"
    assert data_license(Ours()) == "cc0-1.0"
    assert data_license(Bright()) == "unknown"
