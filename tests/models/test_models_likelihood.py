from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from assay.core.completions import Completion, Continuations, Likelihood, Message, NotCompleted, TextRequest
from assay.core.decoding import Decoding
from assay.core.errors import ModelError
from assay.models.text.likelihood import (
    MIN_SHARED,
    ROW_TOKENS,
    EncodedContinuations,
    _supports_packing,
    _unpacked_likelihoods,
    encode_continuations,
    likelihoods,
)
from assay.models.text.transformers_model import HfTextModel

HEADER = "The following are questions about animals.\n\n" + "".join(
    f"Q: What is animal number {nth}?\nA: {word}\n\n" for nth, word in enumerate(("cat", "dog", "horse", "cow", "pig"))
)
REQUESTS = [
    *(Continuations(f"{HEADER}Q: Which is {n}?{' Really?' * (n % 3)}\nA:", (" A", " B", " C", " D")) for n in range(6)),
    *(
        Continuations(f"{HEADER}Q: What eats {n}?\nA:", (" a cat", " dog", " my uncle's horse, who died"))
        for n in range(4)
    ),
    Continuations("Hello", (" world", "!")),
    Continuations("A space at the end ", ("goes along",)),
    Continuations((Message("user", "Hi"),), ("Hello", "How are you?")),
]


def encode(model: HfTextModel, continuations: Continuations) -> EncodedContinuations:
    return encode_continuations(model.tokenizer, continuations, model.reference)


def log_likelihood(model: torch.nn.Module, prompt: tuple[int, ...], text: tuple[int, ...]) -> float:
    """Reference: one network call for each text."""
    with torch.inference_mode():
        log_probs = model(input_ids=torch.tensor([[*prompt, *text]])).logits[0].float().log_softmax(-1)
    return sum(float(log_probs[len(prompt) - 1 + position, token]) for position, token in enumerate(text))


@pytest.fixture(scope="module")
def model() -> HfTextModel:
    from assay.models.open_models import Device, OpenModels

    model = OpenModels(Device(device="cpu")).stepped_model("embedded:smollm2")
    assert isinstance(model, HfTextModel)
    return model


def test_likelihoods_equal_unpacked_computation(model: HfTextModel) -> None:
    for request, results in zip(REQUESTS, model.likelihoods(REQUESTS), strict=True):
        assert not isinstance(results, NotCompleted)
        row = encode(model, request)
        for text, likelihood in zip(row.texts, results, strict=True):
            assert likelihood.tokens == len(text)
            assert likelihood.log_prob == pytest.approx(log_likelihood(model.model, row.prompt, text), abs=2e-4)


def test_prompt_and_text_are_tokenized_together(model: HfTextModel) -> None:
    row = encode(model, Continuations("A space at the end ", ("goes along",)))
    assert (*row.prompt, *row.texts[0]) == tuple(model.ids_of("A space at the end goes along"))


def test_too_long_text_fails_only_its_row(model: HfTextModel) -> None:
    long, short = model.likelihoods([Continuations("word " * 9000, (" x",)), Continuations("Hello", (" world",))])
    assert isinstance(long, NotCompleted)
    assert long.lack == "context"
    assert isinstance(short, tuple)
    assert model.likelihoods([]) == []


def test_empty_text_is_rejected(model: HfTextModel) -> None:
    with pytest.raises(ModelError, match="empty"):
        model.likelihoods([Continuations("Hello", (" world", ""))])


def test_likelihood_after_an_empty_prompt(model: HfTextModel) -> None:
    (results,) = model.likelihoods([Continuations("", ("Hello", "Hello world"))])
    assert isinstance(results, tuple)
    begin = tuple(model.ids_of(""))
    for text, likelihood in zip(("Hello", "Hello world"), results, strict=True):
        ids = tuple(model.ids_of(text))
        assert (likelihood.tokens, len(begin)) == (len(ids), 1)
        assert likelihood.log_prob == pytest.approx(log_likelihood(model.model, begin, ids), abs=2e-4)


def test_greedy_flag(model: HfTextModel) -> None:
    (answer,) = model.complete([TextRequest("1, 2, 3, 4,", Decoding(max_tokens=4))])
    assert isinstance(answer, Completion)
    continuation = answer.answers[0].text
    (results,) = model.likelihoods(
        [Continuations("1, 2, 3, 4,", (continuation, f"{continuation} elephants", " elephants"))]
    )
    assert isinstance(results, tuple)
    assert [likelihood.greedy for likelihood in results] == [True, False, False]


def test_prompts_that_fill_several_rows(model: HfTextModel) -> None:
    long = "A word and another. " * 40
    requests = [Continuations(f"{HEADER}{long * (n % 4)}{n}?", (" yes", " no, never")) for n in range(9)]
    assert sum(len(encode(model, request).prompt) for request in requests) > 2 * ROW_TOKENS
    for request, results in zip(requests, model.likelihoods(requests), strict=True):
        assert isinstance(results, tuple)
        row = encode(model, request)
        for text, likelihood in zip(row.texts, results, strict=True):
            assert likelihood.log_prob == pytest.approx(log_likelihood(model.model, row.prompt, text), abs=5e-4)


TOKEN = st.integers(0, 19)
HEADERS = [tuple(range(1, 19)) * 3, tuple(range(18, 0, -1)) * 3]
PROMPTS = st.tuples(
    st.sampled_from([(), *HEADERS, HEADERS[0][: MIN_SHARED + 2]]), st.lists(TOKEN, min_size=1, max_size=9)
)
ROWS = st.tuples(PROMPTS, st.lists(st.lists(TOKEN, min_size=1, max_size=4), min_size=1, max_size=4))


@pytest.fixture(scope="module")
def tiny() -> torch.nn.Module:
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    shape = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    return LlamaForCausalLM(LlamaConfig(vocab_size=20, max_position_embeddings=128, **shape)).eval()


@given(rows=st.lists(ROWS, max_size=7))
def test_shared_prefixes(
    tiny: torch.nn.Module, rows: list[tuple[tuple[tuple[int, ...], list[int]], list[list[int]]]]
) -> None:
    encoded_rows = [EncodedContinuations((*header, *rest), tuple(map(tuple, texts))) for (header, rest), texts in rows]
    results = likelihoods(tiny, encoded_rows)
    assert len(results) == len(encoded_rows)
    for row, row_results in zip(encoded_rows, results, strict=True):
        expected = [
            Likelihood(pytest.approx(log_likelihood(tiny, row.prompt, text), abs=1e-4), len(text)) for text in row.texts
        ]
        assert list(row_results) == expected


FAMILIES = {
    "gpt2": ("GPT2", {"n_embd": 16, "n_layer": 2, "n_head": 2, "n_positions": 128}, True),
    "a window": ("Mistral", {"sliding_window": 16, "num_key_value_heads": 1}, True),
    "learned positions that no caller gives": ("Bloom", {"n_layer": 2, "n_head": 2}, False),
    "a state": ("Mamba", {"num_hidden_layers": 2, "state_size": 4}, False),
}


@pytest.mark.parametrize(("name", "settings_", "packs"), FAMILIES.values(), ids=FAMILIES)
def test_packing_equals_separate_rows_for_each_family(name: str, settings_: dict[str, int], packs: bool) -> None:
    import transformers

    torch.manual_seed(0)
    shape = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    options = settings_ if name in ("GPT2", "Mamba") else {**shape, **settings_}
    config = getattr(transformers, f"{name}Config")(vocab_size=20, **options)
    config.initializer_range = 0.5
    kind = getattr(transformers, f"{name}{'LMHeadModel' if name == 'GPT2' else 'ForCausalLM'}")
    network = kind(config).eval()
    rows = [
        EncodedContinuations((*HEADERS[0][:MIN_SHARED], *rest), ((1, 2, 3), (4,)))
        for rest in ((5, 6), (7,), (5, 9, 9, 1))
    ]
    with torch.inference_mode():
        assert _supports_packing(network, 12) == packs
        plain = [_unpacked_likelihoods(network, row) for row in rows]
    for results, expected in zip(likelihoods(network, rows), plain, strict=True):
        assert [likelihood.log_prob for likelihood in results] == pytest.approx(
            [likelihood.log_prob for likelihood in expected], abs=1e-3
        )
        assert [likelihood.greedy for likelihood in results] == [likelihood.greedy for likelihood in expected]
