"""Roles of components, and the optional hooks that a component may offer.

A component is any frozen dataclass with the one method of its role. There is no base class and no registry: roles and
hooks are structural protocols. A component's fields are its whole configuration; everything impure (models, images,
randomness, a folder) is accessed through `lab`. `version: ClassVar[int]` increases when a component's output changes
for the same input.

Before a run generates anything, `generate` and `score` are called with no samples, which opens the models of generators
and scorers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar, runtime_checkable

from assay.core.completions import TextRequest
from assay.core.errors import FieldError, did_you_mean
from assay.core.lab import Lab
from assay.core.sample import Made, Sample
from assay.core.score import Outcome, Scale


@dataclass(frozen=True)
class Decision:
    """Whether to keep a sample, by which rule, and why."""

    keep: bool
    rule: str
    reason: str


@dataclass(frozen=True)
class Artifact:
    """A trained model: its folder, its kind and a digest of its weights."""

    path: str
    """Folder of the model, which is also its reference."""
    kind: str
    digest: str
    facts: Mapping[str, float] = field(default_factory=dict)
    """Optimizer steps, samples seen, last loss."""
    reference: str = ""
    """Reference of a model that was not trained; it has no folder."""


@dataclass(frozen=True)
class ScoreTable:
    """Ids, text fields and outcomes of the whole data set, in one order: the input of filters."""

    ids: Sequence[str]
    columns: Mapping[str, Sequence[Outcome]]
    fields: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Text fields that every sample has, such as "label"."""

    def column(self, name: str) -> Sequence[Outcome]:
        """Outcomes of the scorer named `name` in the recipe.

        Raises:
            FieldError: There is no such column.
        """
        if name not in self.columns:
            raise FieldError(f"There is no score column {name!r}.", hint=did_you_mean(name, self.columns), name=name)
        return self.columns[name]

    def field_values(self, name: str) -> Sequence[str]:
        """Values of the text field `name` of every sample.

        Raises:
            FieldError: Not every sample has this text field.
        """
        if name not in self.fields:
            raise FieldError(
                f"Not every sample has a text field {name!r}.", hint=did_you_mean(name, self.fields), name=name
            )
        return self.fields[name]

    def __len__(self) -> int:
        return len(self.ids)


@runtime_checkable
class Generator(Protocol):
    """Generates samples from seed samples."""

    def generate(self, seeds: Sequence[Sample], lab: Lab) -> Sequence[Made]: ...


class SelfSeeding(Protocol):
    """A generator that plans its own seeds, purely and cheaply, and so needs no input data."""

    def seeds(self) -> Sequence[Sample]: ...

    def generate(self, seeds: Sequence[Sample], lab: Lab) -> Sequence[Made]: ...


@runtime_checkable
class Scorer(Protocol):
    """Gives each sample one outcome, independent of the other samples unless it is a `ComparesSamples`."""

    @property
    def scale(self) -> Scale: ...

    def score(self, samples: Sequence[Sample], lab: Lab) -> Sequence[Outcome]: ...


class Filter(Protocol):
    """Keeps or drops each row of the score table: pure, cheap, and with access to the whole table.

    The decisions do not depend on the order of rows unless it is a `DependsOnOrder`.
    """

    def decide(self, table: ScoreTable) -> Sequence[Decision]: ...


@runtime_checkable
class Trainer(Protocol):
    """Trains a model on samples and writes it to `lab.workspace()`."""

    def train(self, samples: Sequence[Sample], lab: Lab) -> Artifact: ...


@runtime_checkable
class StartsFromModel(Protocol):
    """A trainer that starts from a model which can be evaluated without training."""

    def base(self, lab: Lab) -> str:
        """Reference of the starting model."""
        ...

    def train(self, samples: Sequence[Sample], lab: Lab) -> Artifact: ...


class Evaluator(Protocol):
    """Scores a trained model on each held-out sample, so that arms are compared in pairs."""

    @property
    def scale(self) -> Scale: ...

    def evaluate(self, artifact: Artifact, holdout: Sequence[Sample], lab: Lab) -> Sequence[Outcome]: ...


@runtime_checkable
class Source(Protocol):
    """Reads real data: every call returns the same samples; their pixels come through `lab.pixels`."""

    def read(self, lab: Lab) -> Sequence[Sample]: ...


@runtime_checkable
class ChecksPreconditions(Protocol):
    """Optional hook of any component: look for errors before the run generates anything."""

    def check(self, seeds: Sequence[Sample], lab: Lab) -> None:
        """Raise a UserError for an error that is certain to come; `seeds` are those of the recipe's generator."""
        ...


@runtime_checkable
class SendsRequests(Protocol):
    """Optional hook of a generator or scorer that calls language models: list its requests, so that they are priced."""

    def asks(self, samples: Sequence[Sample], lab: Lab) -> Mapping[str, Sequence[TextRequest]]:
        """Requests by model reference, without sending them."""
        ...


@runtime_checkable
class EstimatesSamples(Protocol):
    """Optional hook of a generator: placeholder samples, so that requests of scorers are priced before the run."""

    def stand_ins(self, seeds: Sequence[Sample]) -> Sequence[Sample]:
        """One placeholder a seed, as long as the generated sample can become."""
        ...


@runtime_checkable
class NamesRandomStream(Protocol):
    """Optional hook of a generator that draws each sample from one random stream, so that its seed can be reported."""

    @property
    def stream(self) -> str:
        """The purpose that the generator passes to `lab.seed_of`."""
        ...


@runtime_checkable
class WorksInRounds(Protocol):
    """Optional hook of a generator that builds on its earlier samples, which it finds in `lab.made`."""

    def rounds(self, seeds: Sequence[Sample]) -> Sequence[Sequence[Sequence[Sample]]]:
        """The seeds, in order, as rounds of groups. A round begins when the one before is done; no group is split."""
        ...


@runtime_checkable
class ListsInputs(Protocol):
    """Optional hook of a component that reads files: describe their current state, so that a change is noticed."""

    def listing(self) -> str:
        """Text that changes when the files change."""
        ...


@runtime_checkable
class HasLicense(Protocol):
    """Optional hook of a source: the license of its data."""

    @property
    def license(self) -> str:
        """SPDX identifier or name."""
        ...


@runtime_checkable
class ComparesSamples(Protocol):
    """Optional hook of a scorer that compares samples with each other."""

    @property
    def whole(self) -> bool:
        """Whether it needs all samples of a run at once. An outcome may depend on earlier samples only."""
        ...


@runtime_checkable
class DependsOnOrder(Protocol):
    """Optional hook of a filter whose decisions depend on the order of rows."""

    @property
    def ordered(self) -> bool:
        """Whether they do. A decision may depend on earlier rows only."""
        ...


@runtime_checkable
class SelectsSamples(Protocol):
    """Optional hook of a trainer that cannot learn from every sample, such as from a task without an answer."""

    def usable(self, sample: Sample) -> bool:
        """Whether the trainer can learn from the sample; other samples are in no arm."""
        ...


@runtime_checkable
class MakesModelKind(Protocol):
    """Optional hook of a trainer whose model does not generate text, such as a reward model."""

    @property
    def makes(self) -> str:
        """The kind of model, such as "reward-model"."""
        ...


@runtime_checkable
class ReturnsAnswers(Protocol):
    """Optional hook of an evaluator whose scores hold the model's text in `answer`, for other scorers to read."""

    @property
    def answers(self) -> bool:
        """Whether they do."""
        ...


def listing_of(component: object) -> str:
    """The listing of a component; "" for one that is no `ListsInputs`."""
    return component.listing() if isinstance(component, ListsInputs) else ""


def compares_samples(scorer: object) -> bool:
    """Whether a scorer needs all samples of a run at once."""
    return isinstance(scorer, ComparesSamples) and scorer.whole


In = TypeVar("In", contravariant=True)
Out = TypeVar("Out", covariant=True)


class Work(Protocol[In, Out]):
    """A picklable function of one shard."""

    def __call__(self, shard: In, /) -> Out: ...


class Engine(Protocol):
    """Runs work over shards and yields the results in the order of the shards."""

    def map(self, work: Work[In, Out], shards: Sequence[In]) -> Iterator[Out]: ...
