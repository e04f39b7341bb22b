"""The five roles. A component is any frozen dataclass with the one method of its role.

There is no base class and no registry: roles are structural. A component's fields are its whole
configuration; everything impure it needs (models, images, randomness, a folder) comes through `lab`.
`version: ClassVar[int]` goes up when a component's output changes for the same input.

Before a run makes anything, a generator and a scorer are asked about no samples at all, which opens their models, and
any component may offer `check(seeds, lab)`, which raises a UserError for what it sees coming. A generator or scorer
that asks language models offers `asks(samples, lab)`, which gives its requests by model, so that they can be priced.
Such a generator also offers `stand_ins(seeds)`, one sample a seed as long as what it makes can become, so that the
requests of scorers can be priced before there is anything to score.

A generator whose every sample draws from one stream names its purpose in `stream: ClassVar[str]`, as `lab.seed_of` is
given it, so that the seed of each can be told afterwards. A source may say under which `licence` its data are.

A generator that builds on what it has made offers `rounds(seeds)`: its seeds, in order, as rounds of groups. A round
begins when the one before is done, whose samples it then finds in `lab.made`; a group is never parted. One that reads
what may change may offer `listing()`, as a source does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar, runtime_checkable

from assay.core.errors import FieldError, did_you_mean
from assay.core.lab import Lab
from assay.core.sample import Made, Sample
from assay.core.score import Outcome, Scale


@dataclass(frozen=True)
class Decision:
    """Keep or drop, by which rule, and why."""

    keep: bool
    rule: str
    reason: str


@dataclass(frozen=True)
class Artifact:
    """What a trainer leaves: a folder, what kind of model lies there, and a digest of its weights."""

    path: str
    """Of the model's folder; also its reference."""
    kind: str
    digest: str
    facts: Mapping[str, float] = field(default_factory=dict)
    """Optimiser steps taken, samples seen, last loss."""
    reference: str = ""
    """Of a model that was there before and was not trained; there is no folder then."""


@dataclass(frozen=True)
class ScoreTable:
    """What filters see: ids, text fields and outcomes of the whole data set, all in one order."""

    ids: Sequence[str]
    columns: Mapping[str, Sequence[Outcome]]
    fields: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Text fields that every sample has, such as "label"."""

    def column(self, name: str) -> Sequence[Outcome]:
        """The outcomes of the scorer that the recipe calls `name`.

        Raises:
            FieldError: There is no such column.
        """
        if name not in self.columns:
            raise FieldError(f"There is no score column {name!r}.", hint=did_you_mean(name, self.columns))
        return self.columns[name]

    def field_values(self, name: str) -> Sequence[str]:
        """The text field `name` of every sample.

        Raises:
            FieldError: Not every sample has this text field.
        """
        if name not in self.fields:
            raise FieldError(f"Not every sample has a text field {name!r}.", hint=did_you_mean(name, self.fields))
        return self.fields[name]

    def __len__(self) -> int:
        return len(self.ids)


class Generator(Protocol):
    """Makes samples out of samples."""

    def generate(self, seeds: Sequence[Sample], lab: Lab) -> Sequence[Made]: ...


class SelfSeeding(Protocol):
    """A generator that needs no data to start from: it plans its own seeds, purely and cheaply."""

    def seeds(self) -> Sequence[Sample]: ...

    def generate(self, seeds: Sequence[Sample], lab: Lab) -> Sequence[Made]: ...


class Scorer(Protocol):
    """Says one thing about each sample, whichever others it is given with.

    One that compares samples with each other says `whole = True`: it is given all of a run at once, in order, and what
    it says of a sample may depend on those before it alone. One that reads what may change may offer `listing()`, as a
    source does.
    """

    @property
    def scale(self) -> Scale: ...

    def score(self, samples: Sequence[Sample], lab: Lab) -> Sequence[Outcome]: ...


class Filter(Protocol):
    """Decides over the score table: pure, cheap, and free to see the whole data set.

    It decides alike whatever the order of rows. One that does not says `ordered = True`, and what it decides of a row
    may depend on those before it alone.
    """

    def decide(self, table: ScoreTable) -> Sequence[Decision]: ...


class Trainer(Protocol):
    """Turns samples into a model in `lab.workspace()`.

    One that cannot learn from every sample, such as from a task without an answer, may offer `usable(sample)`: what is
    not usable is in no arm. One whose model does not answer, such as one that rewards, says what it makes in `makes`.
    """

    def train(self, samples: Sequence[Sample], lab: Lab) -> Artifact: ...


@runtime_checkable
class StartsFromModel(Protocol):
    """A trainer that starts from a model which can be measured as it is."""

    def base(self, lab: Lab) -> str:
        """Its reference."""
        ...

    def train(self, samples: Sequence[Sample], lab: Lab) -> Artifact: ...


class Evaluator(Protocol):
    """Scores a trained model on each held-out sample: paired, so arms can be compared.

    One whose scores hold what the model said in `answer`, so that other scorers can look at it, says `answers = True`.
    """

    @property
    def scale(self) -> Scale: ...

    def evaluate(self, artifact: Artifact, holdout: Sequence[Sample], lab: Lab) -> Sequence[Outcome]: ...


class Source(Protocol):
    """Real data: the same samples at every call, their pixels through `pixels`.

    One that reads what may change may offer `listing()`, text that changes with it, so that a run reads it again.
    """

    def read(self, lab: Lab) -> Sequence[Sample]: ...


In = TypeVar("In", contravariant=True)
Out = TypeVar("Out", covariant=True)


class Work(Protocol[In, Out]):
    """A picklable function of one shard."""

    def __call__(self, shard: In, /) -> Out: ...


class Engine(Protocol):
    """Runs work over shards and yields the results in order of the shards."""

    def map(self, work: Work[In, Out], shards: Sequence[In]) -> Iterator[Out]: ...
