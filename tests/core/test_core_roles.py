"""Optional hooks are runtime-checkable protocols: isinstance finds them on the components that offer them."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from assay.components.evaluators.accuracy import Accuracy
from assay.components.evaluators.answer_loss import AnswerLoss
from assay.components.filters.duplicates import Duplicates
from assay.components.generators.generate_texts import GenerateTexts
from assay.components.sources.image.fashion_mnist import FashionMNIST
from assay.components.trainers.preference.reward import RewardModel
from assay.core import roles

HOOKS = [
    (roles.ReturnsAnswers, AnswerLoss, Accuracy),
    (roles.DependsOnOrder, Duplicates, FashionMNIST),
    (roles.NamesRandomStream, GenerateTexts, Duplicates),
    (roles.SendsRequests, GenerateTexts, Duplicates),
    (roles.EstimatesSamples, GenerateTexts, Duplicates),
    (roles.HasLicense, FashionMNIST, Duplicates),
    (roles.MakesModelKind, RewardModel, Duplicates),
    (roles.SelectsSamples, RewardModel, Duplicates),
    (roles.ChecksPreconditions, RewardModel, Duplicates),
]


@pytest.mark.parametrize(("hook", "offers", "lacks"), HOOKS, ids=lambda value: value.__name__)
def test_a_hook_is_found_on_the_components_that_offer_it(hook: type, offers: type, lacks: type) -> None:
    assert isinstance(object.__new__(offers), hook)
    assert not isinstance(object.__new__(lacks), hook)


def test_a_component_without_a_hook_has_the_default() -> None:
    plain = SimpleNamespace()
    assert roles.listing_of(plain) == ""
    assert not roles.compares_samples(plain)
    assert roles.listing_of(SimpleNamespace(listing=lambda: "a.csv 12")) == "a.csv 12"
    assert roles.compares_samples(SimpleNamespace(whole=True))
    assert not roles.compares_samples(SimpleNamespace(whole=False))
