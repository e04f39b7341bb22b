"""Recipes to values and back, and what is said of a recipe that is wrong."""

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
from assay.pipeline.recipe.catalog import OURS, find, known, name_of
from assay.pipeline.recipe.codec import dump, load, merged, parse, read, shipped
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
    written = yaml.safe_load(dump(load("fashion")))
    assert written["generate"]["negative_prompt"] == ""
    assert written["score"]["match"]["template"] == "a photo of a {label}"
    assert written["prove"]["few"] == 10


def test_a_thorough_proof_does_more_of_everything() -> None:
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
    with pytest.raises(RecipeError, match="thorough"):
        load("fruit", changes=["proof=thorough"])


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
def test_laying_one_mapping_on_another(base: dict[str, Any], over: dict[str, Any]) -> None:
    result = merged(base, over)
    assert merged(result, over) == result
    assert merged(base, {}) == base
    assert result.keys() == base.keys() | over.keys()
    for key, value in over.items():
        if not (isinstance(value, dict) and isinstance(base.get(key), dict)):
            assert result[key] == value


@given(path=st.text("abg.01=[", max_size=12) | st.just("generate.labels.0"), value=st.text(max_size=6))
def test_any_change_is_taken_or_refused_in_words(path: str, value: str) -> None:
    try:
        recipe = load("fashion", changes=[f"{path}={value}"])
    except RecipeError:
        return
    assert load_text(dump(recipe)) == recipe


def test_numbers_are_those_of_everyone_else() -> None:
    """PyYAML takes 5e-4 for text."""
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


def test_a_list_that_an_anchor_shares_is_changed_in_one_place() -> None:
    recipe = load("fashion", changes=["generate.labels.0=boat"])
    assert recipe.generate.labels[0] == "boat"  # type: ignore[attr-defined]
    assert recipe.score["match"].labels[0] == "t-shirt"  # type: ignore[attr-defined]


WRONG: list[tuple[list[str], str]] = [
    (
        ["generate.use=GenerateImage"],
        r"No component of the generators is called 'GenerateImage'.\n.*Did you mean 'GenerateImages'",
    ),
    (["generate.use=5"], r"generate must be a mapping with 'use: NAME'"),
    (["generate=5"], r"generate must be a mapping with 'use: NAME', was 5"),
    (["generate.step=5"], r"GenerateImages takes no argument 'step'.\n.*Did you mean 'steps'"),
    (["generate.steps=many"], r"Expected `int`, got `str` at `generate.steps`; the value is 'many'"),
    (["generate.steps=1.5"], r"`generate.steps`"),
    (["generate.labels=[]"], r"GenerateImages.labels must name at least one label"),
    (["generate.labels=[1, 2]"], r"Expected `str`, got `int` at `generate.labels\[0\]`; the value is \[1, 2\]"),
    (["score.match={use: ClipMatch}"], r"score.match: ClipMatch needs 'model'"),
    (["score.match.labels=[bag]"], r"two or more different labels"),
    (["score.match.use=Threshold"], r"of the scorers is called 'Threshold'. It is one of the filters"),
    (["score.a/b={use: ClipScore, model: x}"], r"must be named by letters, digits, '-' and '_', was 'a/b'"),
    (["score=[1]"], r"score must be a mapping, was \[1\]"),
    (["keep=all"], r"keep must be a list of filters, was 'all'"),
    (["keep.0.column=mach"], r"reads the column 'mach'.\n.*Did you mean 'match'"),
    (["keep.0.low=high"], r"`keep\[0\].low`"),
    (["keep.9.low=1"], r"'9' is not a place in a list of 4"),
    (["quesiton=why"], r"A recipe has no key 'quesiton'.\n.*Did you mean 'question'"),
    (["question=5"], r"question must be text, was 5"),
    (["seed=true"], r"seed must be a whole number, was True"),
    (["name=../x"], r"name must be letters"),
    (["name=[x]"], r"name must be text"),
    (["prove.arms=[filterd]"], r"no arm 'filterd'.\n.*Did you mean 'filtered'"),
    (["prove.arms="], r"prove.arms must be a list of names, was None"),
    (["prove.arms=5"], r"prove.arms must be a list of names, was 5"),
    (["prove.arms=[]"], r"at least one arm"),
    (["prove.seeds=yes"], r"prove.seeds must be a whole number, was True"),
    (["prove.holdot={}"], r"prove has no key 'holdot'.\n.*Did you mean 'holdout'"),
    (["prove.holdout=null"], r"prove needs 'holdout'"),
    (["prove={arms: [filtered]}"], r"prove needs 'holdout' and 'evaluate'"),
    (["train=null"], r"must also train"),
    (["steps"], r"--set takes key.path=value, was 'steps'"),
    (["generate.labels=[bag"], r"--set generate.labels: '\[bag' is not YAML"),
    (["genrate.steps=1"], r"the recipe has no 'genrate' there.\n.*Did you mean 'generate'"),
    (["name.x=1"], r"nothing to set inside 'fashion'"),
    (["generate.use=nowhere.at_all:GenerateImages"], r"cannot be imported: ModuleNotFoundError"),
    (["generate.use=assay.components.generators.generate_images:Pain"], r"cannot be imported: AttributeError"),
    (["generate.use=':'"], r"cannot be imported"),
    (["score.match={use: 'assay.components.filters.threshold:Threshold'}"], r"is not one of the scorers: .* 'score'"),
    (["score.match={use: 'os.path:join'}"], r"is not one of the scorers"),
]


@pytest.mark.parametrize(("changes", "message"), WRONG, ids=[changes[0] for changes, _ in WRONG])
def test_what_is_wrong_is_said(changes: list[str], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        load("fashion", changes=changes)


def test_files_that_are_no_recipes(tmp_path: Path) -> None:
    for name, text, message in [
        ("a.yaml", "a: [", "cannot be read as YAML"),
        ("b.yaml", "- a\n- b\n", "must hold a mapping"),
        ("c.yaml", "", "must hold a mapping"),
        ("d.yaml", "name: x\n", "needs 'name' and 'generate'"),
        ("e.yaml", "a: &a [*a]\n", "cannot be read as YAML"),
        ("f.yaml", "a: !!python/object:os.system x\n", "cannot be read as YAML"),
    ]:
        (tmp_path / name).write_text(text, encoding="utf-8")
        with pytest.raises(RecipeError, match=message):
            load(str(tmp_path / name))
    (tmp_path / "g.yaml").write_bytes(b"\xff\xfe\x00name: x")
    with pytest.raises(RecipeError, match="cannot be read as YAML"):
        load(str(tmp_path / "g.yaml"))
    with pytest.raises(RecipeError, match=r"no recipe 'fashoin'.\n.*Did you mean 'fashion'"):
        load("fashoin")
    with pytest.raises(RecipeError, match="no recipe"):
        load(str(tmp_path / "none.yaml"))
    with pytest.raises(RecipeError, match="no recipe"):
        load(str(tmp_path))
    (tmp_path / "big.yaml").write_text(dump(load("fashion")), encoding="utf-8")
    with pytest.raises(RecipeError, match="has no 'quick:' section"):
        load(str(tmp_path / "big.yaml"), quick=True)
    assert load(str(tmp_path / "big.yaml")) == load("fashion")


def test_shipped_recipes_are_whole_files() -> None:
    assert set(shipped()) == set(SHIPPED)
    assert read("fashion")["name"] == "fashion"


def test_a_recipe_like_another_says_only_what_is_other(tmp_path: Path) -> None:
    own, sweep = load("instruct"), load("instruct-tasks")
    assert own.prove is not None
    assert sweep.prove is not None
    assert (sweep.generate, sweep.score, sweep.keep, sweep.train) == (own.generate, own.score, own.keep, own.train)
    assert sweep.prove.arms == ("base", "filtered-8", "filtered-32", "filtered")
    assert load("instruct-tasks", quick=True).generate == load("instruct", quick=True).generate
    (tmp_path / "deep").mkdir()
    (tmp_path / "mine.yaml").write_text("like: deep/near.yaml\nname: mine\n", encoding="utf-8")
    (tmp_path / "deep" / "near.yaml").write_text("like: instruct\nseed: 3\n", encoding="utf-8")
    mine = load(str(tmp_path / "mine.yaml"))
    assert (mine.name, mine.seed, mine.generate) == ("mine", 3, own.generate)
    assert load_text(dump(mine)) == mine


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("like: a.yaml\n", "a.yaml is like a.yaml, which is like it in turn"),
        ("like: b.yaml\n", "is like a.yaml, which is like it in turn"),
        ("like: instructs\n", "There is no recipe"),
        ("like: 5\n", "like must name a recipe, was 5"),
        ("like: [instruct]\n", "like must name a recipe"),
    ],
)
def test_a_recipe_like_nothing_or_like_itself(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "a.yaml").write_text(text, encoding="utf-8")
    (tmp_path / "b.yaml").write_text("like: a.yaml\n", encoding="utf-8")
    with pytest.raises(RecipeError, match=said):
        load(str(tmp_path / "a.yaml"))


WRONG_PROOFS: list[tuple[str, str]] = [
    ("prove.measures={rouge l: {use: Rouge}}", r"What prove.measures holds must be named by letters"),
    ("prove.measures={x: {use: Rouge, knd: rouge1}}", r"prove.measures.x: Rouge takes no argument 'knd'"),
    ("prove.measures=[Rouge]", r"prove.measures must be a mapping"),
    ("prove.duel={use: Accuracy}", r"of the scorers is called 'Accuracy'. It is one of the evaluators"),
    ("prove.duel.by=letters", r"PairJudge.by must be one of answers, likelihood, was 'letters'|`prove.duel.by`"),
    ("prove.evaluate={use: TextAccuracy}", r"TextAccuracy"),
    ("prove.variants={a b: {rate: 1}}", r"What prove.variants holds must be named by letters"),
    ("prove.variants={small: {rank: 0}}", r"prove.variants.small: SFT.rank must be between 1"),
    ("prove.arms=[base, filtered@small]", r"names a trainer that prove.variants lacks"),
    ("prove.arms=[base, filtered, human]", r"The arm 'human' needs real samples"),
    ("prove.arms=[base, filtered-x]", r"There is no arm 'filtered-x'"),
    ("train={use: TextClassifier, labels: [a, b]}", r"The arm 'base' needs a trainer that starts from a model"),
    ("generate.tasks={use: SeedTask}", r"of the sources is called 'SeedTask'.\n.*Did you mean 'SeedTasks'"),
    ("generate.tasks.language=fr", r"language must be one of|`generate.tasks.language`"),
    ("generate.human=0", r"SelfInstruct.human must be at least 1|SelfInstruct.human"),
    ("score.tested.against=[]", r"against"),
    ("score.tested.against=[{use: Nothing}]", r"'Nothing'"),
]


@pytest.mark.parametrize(("change", "message"), WRONG_PROOFS, ids=[change for change, _ in WRONG_PROOFS])
def test_what_is_wrong_with_a_recipe_of_tasks_is_said(change: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        load("instruct", changes=[change])


def test_a_class_of_somebody_else_is_a_component() -> None:
    spec = {"use": "run_parts:Shapes", "count": 3}
    shapes = build("generators", spec, "generate")
    assert describe(shapes)["use"] == "run_parts:Shapes"
    assert build("generators", describe(shapes), "generate") == shapes
    with pytest.raises(RecipeError, match=r"Shapes takes no argument 'cuont'.\n.*'count'"):
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
    """A package installed as pip would, with one entry point that works and one that is broken."""
    (tmp_path / "assay_nothing.py").write_text(PLUGIN, encoding="utf-8")
    info = tmp_path / "assay_nothing-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: assay-nothing\nVersion: 1.0\n", encoding="utf-8")
    points = "[assay.filters]\nNothing = assay_nothing:Nothing\nBroken = assay_nowhere:Broken\n"
    (info / "entry_points.txt").write_text(points, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    known.cache_clear()
    yield
    known.cache_clear()
    sys.modules.pop("assay_nothing", None)


@pytest.mark.usefixtures("plugin")
def test_an_installed_plug_in_is_a_component_by_its_name() -> None:
    recipe = load("fashion", changes=["keep=[{use: Nothing, why: so}]"])
    assert describe(recipe.keep[0]) == {"use": "Nothing", "why": "so"}
    assert load_text(dump(recipe)) == recipe
    with pytest.raises(RecipeError, match="Did you mean 'Nothing'"):
        find("filters", "nothing")


@pytest.mark.usefixtures("plugin")
def test_a_broken_plug_in_harms_nobody_who_does_not_use_it() -> None:
    assert load("fashion").name == "fashion"
    with pytest.raises(RecipeError, match="'assay_nowhere:Broken' cannot be imported"):
        load("fashion", changes=["keep=[{use: Broken}]"])


def test_every_component_is_found_by_its_name() -> None:
    for role, kinds in OURS.items():
        for kind in kinds:
            assert find(role, kind.__name__) is kind
            assert hasattr(kind, catalog.METHODS[role])
    assert name_of(object()) == "builtins:object"


def test_the_question_is_answered_by_two_of_the_arms() -> None:
    labels = load("labels")
    assert labels.prove is not None
    assert labels.prove.answer == ("real+synthetic", "real-few-shot")
    for wrong, said in (
        ("[real+synthetic]", "must name two different arms"),
        ("[real+synthetic, real-fewshot]", r"Did you mean 'real-few-shot'"),
    ):
        with pytest.raises(RecipeError, match=said):
            load("labels", changes=[f"prove.answer={wrong}"])
    with pytest.raises(RecipeError, match=r"prove\.answer must be a list of names, was 'mixed'"):
        load("labels", changes=["prove.answer=mixed"])
