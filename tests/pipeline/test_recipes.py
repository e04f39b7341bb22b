"""Recipes from and to YAML, and the errors of invalid recipes."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from assay.core.arms import ARMS
from assay.core.errors import RecipeError
from assay.core.recipe import Proof
from assay.pipeline.recipe import catalog
from assay.pipeline.recipe.catalog import BUILT_IN, component_name, components_of, find_component
from assay.pipeline.recipe.codec import dump, load, parse, read, shipped_recipes
from assay.pipeline.recipe.sections import merge
from assay.pipeline.recipe.spec import build, describe

SHIPPED = (
    "align",
    "fashion",
    "fashion-eight",
    "fruit",
    "instruct",
    "reason",
    "instruct-size",
    "instruct-style",
    "instruct-tasks",
    "labels",
)
SIZES = [(name, quick) for name in SHIPPED for quick in (False, True)]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)
MAPPING = st.dictionaries(st.sampled_from("abc"), JSON, max_size=3)


@pytest.mark.parametrize(("name", "quick"), SIZES)
def test_shipped_recipes_come_back_equal(name: str, quick: bool) -> None:
    recipe = load(name, quick=quick)
    assert load_text(dump(recipe)) == recipe
    assert dump(parse(yaml.safe_load(dump(recipe)))) == dump(recipe)
    assert recipe.name == (f"{name}-quick" if quick else name)


def test_every_argument_is_written_back() -> None:
    data = yaml.safe_load(dump(load("fashion")))
    assert data["generate"]["negative_prompt"] == ""
    assert data["score"]["match"]["template"] == "a photo of a {label}"
    assert data["prove"]["few"] == 10


def test_a_thorough_proof_has_more_arms_seeds_and_steps() -> None:
    usual, thorough = load("fashion"), load("fashion", changes=["proof=thorough"])
    assert usual.prove is not None
    assert thorough.prove is not None
    tasks = ("base", "human", "human+synthetic")
    assert thorough.prove.arms == tuple(arm for arm in ARMS if arm not in tasks)
    assert thorough.prove.seeds == 5
    assert len(thorough.prove.cells) > 2 * len(usual.prove.cells)
    assert thorough.prove.holdout.per_label is None  # type: ignore[attr-defined]
    assert thorough.train.steps > usual.train.steps  # type: ignore[union-attr]
    assert (usual.generate, usual.score, usual.keep) == (thorough.generate, thorough.score, thorough.keep)
    assert load_text(dump(thorough)) == thorough  # curve_seeds was once forgotten
    assert yaml.safe_load(dump(thorough))["prove"].keys() == {field.name for field in fields(Proof)} - {
        "duel",
        "models",
    }
    assert "'thorough:'" in error_message("fruit", "proof=thorough")


@given(
    steps=st.integers(1, 10**6),
    guidance=st.floats(0, 100, allow_nan=False),
    word=st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1).filter(lambda t: "{" not in t),
    seeds=st.integers(1, 9),
    low=st.none() | st.floats(0, 1),
)
def test_changed_recipes_come_back_equal(steps: int, guidance: float, word: str, seeds: int, low: float | None) -> None:
    changes = [
        f"generate.steps={steps}",
        f"generate.guidance={guidance!r}",
        f"question={yaml.safe_dump(word, default_style=chr(34), allow_unicode=True)}",
        f"generate.slots.tone.0={yaml.safe_dump(word, default_style=chr(34), allow_unicode=True)}",
        f"prove.seeds={seeds}",
        f"keep.0={{use: Threshold, column: clip, high: 2.0, low: {'null' if low is None else repr(low)}}}",
    ]
    recipe = load("fashion", quick=True, changes=changes)
    assert recipe.generate.steps == steps  # type: ignore[attr-defined]
    assert recipe.generate.slots["tone"][0] == word  # type: ignore[attr-defined]
    assert recipe.question == word
    assert recipe.keep[0].low == low  # type: ignore[attr-defined]
    assert load_text(dump(recipe)) == recipe


@given(MAPPING, MAPPING)
def test_merging_mappings(base: dict[str, Any], changes: dict[str, Any]) -> None:
    result = merge(base, changes)
    assert merge(result, changes) == result
    assert merge(base, {}) == base
    assert result.keys() == base.keys() | changes.keys()
    for key, value in changes.items():
        if not (isinstance(value, dict) and isinstance(base.get(key), dict)):
            assert result[key] == value


@given(path=st.text("abg.01=[", max_size=12) | st.just("generate.labels.0"), value=st.text(max_size=6))
def test_any_change_is_applied_or_refused_with_an_error(path: str, value: str) -> None:
    try:
        recipe = load("fashion", changes=[f"{path}={value}"])
    except RecipeError:
        return
    assert load_text(dump(recipe)) == recipe


def test_floats_follow_yaml_1_2() -> None:
    """PyYAML reads 5e-4 as text."""
    recipe = load("fashion", changes=["train.learning_rate=5e-4", "generate.templates=['5e-4 {label}', '1e3 {label}']"])
    assert recipe.train.learning_rate == 5e-4  # type: ignore[union-attr]
    named = load("fashion", changes=["generate.labels=['1e3', '.5e1', coat]"])
    assert load_text(dump(named)) == named
    assert named.generate.labels == ("1e3", ".5e1", "coat")  # type: ignore[attr-defined]


def load_text(text: str) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "recipe.yaml")
        path.write_text(text, encoding="utf-8")
        return load(str(path))


def test_a_change_to_an_anchored_list_leaves_its_aliases() -> None:
    recipe = load("fashion", changes=["generate.labels.0=boat"])
    assert recipe.generate.labels[0] == "boat"  # type: ignore[attr-defined]
    assert recipe.score["match"].labels[0] == "t-shirt"  # type: ignore[attr-defined]


WRONG: list[tuple[str, tuple[str, ...]]] = [
    ("generate.use=GenerateImage", ("generators", "'GenerateImage'", "'GenerateImages'")),
    ("generate.use=5", ("generate", "'use: NAME'")),
    ("generate=5", ("generate", "'use: NAME'", "5")),
    ("generate.step=5", ("GenerateImages", "'step'", "'steps'")),
    ("generate.steps=many", ("`int`", "`str`", "`generate.steps`", "'many'")),
    ("generate.steps=1.5", ("`generate.steps`",)),
    ("generate.labels=[]", ("GenerateImages.labels",)),
    ("generate.labels=[1, 2]", ("`str`", "`int`", "`generate.labels[0]`", "[1, 2]")),
    ("score.match={use: ClipMatch}", ("score.match", "ClipMatch", "'model'")),
    ("score.match.labels=[bag]", ("score.match", "labels")),
    ("score.match.use=Threshold", ("'Threshold'", "scorers", "filters")),
    ("score.a/b={use: ClipScore, model: x}", ("score", "'a/b'")),
    ("score=[1]", ("score", "mapping", "[1]")),
    ("keep=all", ("keep", "list", "'all'")),
    ("keep.0.column=mach", ("'mach'", "'match'")),
    ("keep.0.low=high", ("`keep[0].low`",)),
    ("keep.9.low=1", ("--set keep.9.low", "'9'", "4")),
    ("quesiton=why", ("'quesiton'", "'question'")),
    ("question=5", ("question", "text", "5")),
    ("seed=true", ("seed", "whole number", "True")),
    ("name=../x", ("name", "'../x'")),
    ("name=[x]", ("name", "text")),
    ("prove.arms=[filterd]", ("'filterd'", "'filtered'")),
    ("prove.arms=", ("prove.arms", "list", "None")),
    ("prove.arms=5", ("prove.arms", "list", "5")),
    ("prove.arms=[]", ("prove.arms", "[]")),
    ("prove.seeds=yes", ("prove.seeds", "whole number", "True")),
    ("prove.holdot={}", ("prove", "'holdot'", "'holdout'")),
    ("prove.holdout=null", ("prove", "'holdout'")),
    ("prove={arms: [filtered]}", ("prove", "'holdout' and 'evaluate'")),
    ("train=null", ("'train:'",)),
    ("steps", ("--set", "'steps'")),
    ("generate.labels=[bag", ("--set generate.labels", "'[bag'", "YAML")),
    ("genrate.steps=1", ("--set genrate.steps", "'genrate'", "'generate'")),
    ("name.x=1", ("--set name.x", "'fashion'")),
    ("generate.use=nowhere.at_all:GenerateImages", ("nowhere.at_all:GenerateImages", "ModuleNotFoundError")),
    ("generate.use=assay.components.generators.generate_images:Pain", ("generate_images:Pain", "AttributeError")),
    ("generate.use=':'", ("':'",)),
    (
        "score.match={use: 'assay.components.filters.threshold:Threshold'}",
        ("threshold:Threshold", "scorers", "'score'"),
    ),
    ("score.match={use: 'os.path:join'}", ("os.path:join", "scorers")),
]


def error_message(reference: str, *changes: str, quick: bool = False) -> str:
    """Message of the error that loading the recipe raises."""
    with pytest.raises(RecipeError) as error:
        load(reference, quick=quick, changes=changes)
    return str(error.value)


@pytest.mark.parametrize(("change", "parts"), WRONG, ids=[change for change, _ in WRONG])
def test_a_wrong_value_is_named_with_its_place(change: str, parts: tuple[str, ...]) -> None:
    message = error_message("fashion", change)
    assert [part for part in parts if part not in message] == []


def test_files_that_are_not_recipes(tmp_path: Path) -> None:
    for name, text, part in [
        ("a.yaml", "a: [", "a.yaml"),
        ("b.yaml", "- a\n- b\n", "mapping"),
        ("c.yaml", "", "mapping"),
        ("d.yaml", "name: x\n", "'generate'"),
        ("e.yaml", "a: &a [*a]\n", "e.yaml"),
        ("f.yaml", "a: !!python/object:os.system x\n", "f.yaml"),
    ]:
        (tmp_path / name).write_text(text, encoding="utf-8")
        assert part in error_message(str(tmp_path / name))
    (tmp_path / "g.yaml").write_bytes(b"\xff\xfe\x00name: x")
    assert "g.yaml" in error_message(str(tmp_path / "g.yaml"))
    assert "'fashion'" in error_message("fashoin")
    assert str(tmp_path / "none.yaml") in error_message(str(tmp_path / "none.yaml"))
    assert str(tmp_path) in error_message(str(tmp_path))
    (tmp_path / "big.yaml").write_text(dump(load("fashion")), encoding="utf-8")
    assert "'quick:'" in error_message(str(tmp_path / "big.yaml"), quick=True)
    assert load(str(tmp_path / "big.yaml")) == load("fashion")


def test_shipped_recipes_are_in_the_package() -> None:
    assert set(shipped_recipes()) == set(SHIPPED)
    assert read("fashion")["name"] == "fashion"


def test_a_recipe_that_inherits_holds_only_changes(tmp_path: Path) -> None:
    instruct, sweep = load("instruct"), load("instruct-tasks")
    assert instruct.prove is not None
    assert sweep.prove is not None
    assert (sweep.generate, sweep.score, sweep.keep, sweep.train) == (
        instruct.generate,
        instruct.score,
        instruct.keep,
        instruct.train,
    )
    assert sweep.prove.arms == ("base", "filtered-8", "filtered-32", "filtered")
    assert load("instruct-tasks", quick=True).generate == load("instruct", quick=True).generate
    (tmp_path / "deep").mkdir()
    (tmp_path / "mine.yaml").write_text("like: deep/near.yaml\nname: mine\n", encoding="utf-8")
    (tmp_path / "deep" / "near.yaml").write_text("like: instruct\nseed: 3\n", encoding="utf-8")
    inherited = load(str(tmp_path / "mine.yaml"))
    assert (inherited.name, inherited.seed, inherited.generate) == ("mine", 3, instruct.generate)
    assert load_text(dump(inherited)) == inherited


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("like: a.yaml\n", ("a.yaml", "like: a.yaml", "cycle")),
        ("like: b.yaml\n", ("b.yaml", "like: a.yaml", "cycle")),
        ("like: instructs\n", ("instructs",)),
        ("like: 5\n", ("a.yaml", "like", "5")),
        ("like: [instruct]\n", ("a.yaml", "like", "['instruct']")),
    ],
)
def test_a_recipe_that_inherits_from_nothing_or_from_itself(tmp_path: Path, text: str, parts: tuple[str, ...]) -> None:
    (tmp_path / "a.yaml").write_text(text, encoding="utf-8")
    (tmp_path / "b.yaml").write_text("like: a.yaml\n", encoding="utf-8")
    message = error_message(str(tmp_path / "a.yaml"))
    assert [part for part in parts if part not in message] == []


WRONG_TASKS: list[tuple[str, tuple[str, ...]]] = [
    ("prove.measures={rouge l: {use: Rouge}}", ("prove.measures", "'rouge l'")),
    ("prove.measures={x: {use: Rouge, knd: rouge1}}", ("prove.measures.x", "Rouge", "'knd'")),
    ("prove.measures=[Rouge]", ("prove.measures", "mapping")),
    ("prove.duel={use: Accuracy}", ("'Accuracy'", "scorers", "evaluators")),
    ("prove.duel.by=letters", ("by", "letters")),
    ("prove.evaluate={use: TextAccuracy}", ("TextAccuracy",)),
    ("prove.variants={a b: {rate: 1}}", ("prove.variants", "'a b'")),
    ("prove.variants={small: {rank: 0}}", ("prove.variants.small", "SFT.rank")),
    ("prove.arms=[base, filtered@small]", ("filtered@small", "prove.variants")),
    ("prove.arms=[base, filtered, human]", ("'human'", "prove.real")),
    ("prove.arms=[base, filtered-x]", ("'filtered-x'",)),
    ("train={use: TextClassifier, labels: [a, b]}", ("'base'", "TextClassifier")),
    ("generate.tasks={use: SeedTask}", ("'SeedTask'", "sources", "'SeedTasks'")),
    ("generate.tasks.language=fr", ("language", "fr")),
    ("generate.human=0", ("SelfInstruct.human",)),
    ("score.tested.against=[]", ("against",)),
    ("score.tested.against=[{use: Nothing}]", ("'Nothing'",)),
]


@pytest.mark.parametrize(("change", "parts"), WRONG_TASKS, ids=[change for change, _ in WRONG_TASKS])
def test_a_wrong_value_of_a_recipe_for_tasks_is_named_with_its_place(change: str, parts: tuple[str, ...]) -> None:
    message = error_message("instruct", change)
    assert [part for part in parts if part not in message] == []


def test_a_class_by_its_path_is_a_component() -> None:
    spec = {"use": "run_parts:Shapes", "count": 3}
    shapes = build("generators", spec, "generate")
    assert describe(shapes)["use"] == "run_parts:Shapes"
    assert build("generators", describe(shapes), "generate") == shapes
    with pytest.raises(RecipeError, match=r"(?s)'cuont'.*'count'"):
        build("generators", {"use": "run_parts:Shapes", "cuont": 3}, "generate")


PLUGIN = '''
from dataclasses import dataclass
from typing import ClassVar
from assay.core.roles import Decision

@dataclass(frozen=True)
class Nothing:
    """Keeps nothing."""

    why: str = "because"
    version: ClassVar[int] = 3

    def decide(self, table):
        return [Decision(False, "nothing", self.why) for _ in table.ids]
'''


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An installed package with one working and one broken entry point."""
    (tmp_path / "assay_nothing.py").write_text(PLUGIN, encoding="utf-8")
    info = tmp_path / "assay_nothing-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: assay-nothing\nVersion: 1.0\n", encoding="utf-8")
    points = "[assay.filters]\nNothing = assay_nothing:Nothing\nBroken = assay_nowhere:Broken\n"
    (info / "entry_points.txt").write_text(points, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    components_of.cache_clear()
    yield
    components_of.cache_clear()
    sys.modules.pop("assay_nothing", None)


@pytest.mark.usefixtures("plugin")
def test_a_plug_in_is_found_by_its_name() -> None:
    recipe = load("fashion", changes=["keep=[{use: Nothing, why: so}]"])
    assert describe(recipe.keep[0]) == {"use": "Nothing", "why": "so"}
    assert load_text(dump(recipe)) == recipe
    with pytest.raises(RecipeError, match="'Nothing'"):
        find_component("filters", "nothing")


@pytest.mark.usefixtures("plugin")
def test_a_broken_plug_in_fails_only_where_it_is_used() -> None:
    assert load("fashion").name == "fashion"
    with pytest.raises(RecipeError, match="assay_nowhere:Broken"):
        load("fashion", changes=["keep=[{use: Broken}]"])


def test_every_component_is_found_by_its_name() -> None:
    for role, kinds in BUILT_IN.items():
        for kind in kinds:
            assert find_component(role, kind.__name__) is kind
            assert hasattr(kind, catalog.METHODS[role])
    assert component_name(object()) == "builtins:object"


def test_two_arms_answer_the_question() -> None:
    labels = load("labels")
    assert labels.prove is not None
    assert labels.prove.answer == ("real+synthetic", "real-few-shot")
    assert "prove.answer" in error_message("labels", "prove.answer=[real+synthetic]")
    assert "'real-few-shot'" in error_message("labels", "prove.answer=[real+synthetic, real-fewshot]")
    assert "prove.answer" in error_message("labels", "prove.answer=mixed")
