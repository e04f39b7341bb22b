"""A component's output may change only with its version: else old and new results would share a key in the store.

One JSON file a component: its version and a few exact rows. After a meant change, raise `version`, delete the file and
run this test: it writes the file anew and fails once, so that somebody looks at the difference.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from itertools import islice
from pathlib import Path
from typing import Any, get_args

import pytest

import checkpoints
from assay.components.evaluators import EVALUATORS
from assay.components.evaluators.accuracy import Accuracy, TextAccuracy
from assay.components.evaluators.answer_loss import AnswerLoss
from assay.components.evaluators.answers import Answers
from assay.components.evaluators.multiple_choice import MultipleChoice
from assay.components.evaluators.ood_scores import OodScores
from assay.components.filters import FILTERS
from assay.components.filters.clear_preference import ClearPreference
from assay.components.filters.cluster_quota import ClusterQuota
from assay.components.filters.duplicates import Duplicates
from assay.components.filters.fractions import RandomSubset, TopFraction
from assay.components.filters.fuzzy_duplicates import FuzzyDuplicates
from assay.components.filters.heuristics import Heuristics
from assay.components.filters.languages import Languages
from assay.components.filters.length import Length
from assay.components.filters.near_duplicates import NearDuplicates
from assay.components.filters.novel import Novel
from assay.components.filters.threshold import LabelIs, Threshold
from assay.components.generators import GENERATORS
from assay.components.generators.arithmetic_problems import ArithmeticProblems
from assay.components.generators.from_source import FromSource
from assay.components.generators.generate_images import GenerateImages
from assay.components.generators.generate_texts import GenerateTexts
from assay.components.generators.preference_calls import Answerer
from assay.components.generators.preferences import Pairs, Preferences
from assay.components.generators.self_instruct import SelfInstruct
from assay.components.scorers import SCORERS
from assay.components.scorers.contamination.embedding_overlap import EmbeddingOverlap
from assay.components.scorers.contamination.ngram_overlap import NgramOverlap
from assay.components.scorers.contamination.rouge_novelty import RougeNovelty
from assay.components.scorers.image.block_list import BlockList
from assay.components.scorers.image.classifiers import ClassifierAgreement, ImageSafety
from assay.components.scorers.image.clip import ClipMatch, ClipScore, ImageEmbedding
from assay.components.scorers.language_model.consistency import Consistency, Groundedness, TokenUncertainty
from assay.components.scorers.language_model.instruction_difficulty import InstructionDifficulty
from assay.components.scorers.language_model.judge import Judge
from assay.components.scorers.language_model.machine_text import Binoculars, FastDetectGpt
from assay.components.scorers.language_model.pair_judge import PairJudge
from assay.components.scorers.language_model.perplexity import Perplexity
from assay.components.scorers.language_model.reward import Reward
from assay.components.scorers.reference.metrics import Bleu, ChrF, EmbeddingCosine, Rouge
from assay.components.scorers.text.embeddings import LabelMatch, TextEmbedding
from assay.components.scorers.text.human_votes import HumanVotes
from assay.components.scorers.text.language import Language
from assay.components.scorers.text.privacy import PersonalData, Secrets
from assay.components.scorers.text.refusals import Harmless, Refusal
from assay.components.scorers.text.toxicity import Toxicity
from assay.components.scorers.verifiers import VERIFIERS
from assay.components.scorers.verifiers.follows_format import FollowsFormat
from assay.components.scorers.verifiers.json_matches import JsonMatches
from assay.components.scorers.verifiers.number_equals import NumberEquals
from assay.components.scorers.verifiers.passes_tests import PassesTests
from assay.components.sources import SOURCES
from assay.components.sources.image.fashion_mnist import FashionMNIST
from assay.components.sources.image.image_folder import ImageFolder
from assay.components.sources.image.ood_images import Digits, Noise
from assay.components.sources.tasks.arithmetic import Arithmetic
from assay.components.sources.tasks.gsm8k import Gsm8k
from assay.components.sources.tasks.mmlu import Mmlu
from assay.components.sources.tasks.questions import Questions
from assay.components.sources.tasks.seed_tasks import Part, SeedTasks
from assay.components.sources.tasks.truthful_qa import Misconceptions, TruthfulQa
from assay.components.sources.text.food_reviews import FoodReviews
from assay.components.sources.text.labeled_texts import LabeledTexts
from assay.components.sources.text.preference_pairs import PreferencePairs
from assay.components.sources.text.requests import Requests
from assay.components.sources.text.texts import Texts
from assay.components.sources.text.voted_pairs import VotedPairs
from assay.components.trainers import TRAINERS
from assay.components.trainers.classifier_loop import batches, load_network, preprocess
from assay.components.trainers.image_classifier import ImageClassifier
from assay.components.trainers.preference.dpo import DPO
from assay.components.trainers.preference.reward import RewardModel
from assay.components.trainers.reinforcement.grpo import GRPO
from assay.components.trainers.reinforcement.ppo import PPO
from assay.components.trainers.sft.rows import packed_bins, parts_of, row_order
from assay.components.trainers.sft.sft import SFT
from assay.components.trainers.text_classifier import TextClassifier
from assay.core.decoding import Decoding
from assay.core.lab import hash_seed
from assay.core.roles import Artifact, Decision, ScoreTable
from assay.core.sample import Failure, Made, Sample
from assay.core.score import Fingerprint, Label, Outcome, Score, Unscored
from assay.images.codec import encode_png
from assay.text.instructions.arithmetic import LEVELS
from labs import (
    SHADES,
    FewTasks,
    FewVotes,
    Listening,
    broken,
    checkable,
    choices,
    passages,
    shade,
    shades,
    tiny_lab,
    unanswered,
)
from question_files import question_files
from reward_parts import Even

HERE = Path(__file__).parent
WRITTEN = str(HERE.parent / "data" / "written.txt")
Rows = list[Any]


def plain(outcome: Outcome | Decision) -> dict[str, Any]:
    """As JSON, floats to six places: the last bits of an exponential differ between processors."""
    text = json.dumps(asdict(outcome))
    rounded = json.loads(text, parse_float=lambda number: round(float(number), 6))
    return {"is": type(outcome).__name__, **rounded}


def generated_images(folder: Path) -> Rows:
    paint = GenerateImages(
        "tiny:painter",
        ("black", "white", "void"),
        per_label=2,
        templates=("a photo of a {tone} {label} square", "{label}"),
        words={"white": ("white", "snow white")},
        slots={"tone": ("", "even", "noisy")},
    )
    lab = tiny_lab()

    def row(images: Made) -> object:
        if isinstance(images, Failure):
            return images.reason
        return images.text("prompt"), hashlib.sha256(lab.pixels([images])[0].tobytes()).hexdigest()[:16]

    seeds = paint.seeds()
    images = paint.generate(seeds, lab)
    return [[seed.id, seed.text("prompt"), row(image)] for seed, image in zip(seeds, images, strict=True)]


def generated_texts(folder: Path) -> Rows:
    write = GenerateTexts(
        "tiny:author",
        ("praise", "blame", "void"),
        per_label=2,
        templates=("Write {size} {label}.", "{label}"),
        words={"praise": ("praise", "high praise")},
        slots={"size": ("", "long", "short")},
        system="Be brief.",
    )
    seeds = write.seeds()
    texts = write.generate(seeds, tiny_lab())
    rows = [text.reason if isinstance(text, Failure) else [text.text("text"), text.text("end")] for text in texts]
    return [[seed.id, seed.text("prompt"), row] for seed, row in zip(seeds, rows, strict=True)]


def self_instruct_tasks(folder: Path) -> Rows:
    """What is asked, too: the words of the prompts belong to what comes of them."""
    settings = {"human": 2, "machine": 1, "per_round": 4, "per_call": 2, "decoding": Decoding("sample", max_tokens=64)}
    rows, lab = list[Any](), tiny_lab()
    for layout in ("plain", "chat"):
        invent = SelfInstruct(FewTasks(), 8, "tiny:inventor", layout=layout, solving_layout=layout, **settings)  # type: ignore[arg-type]
        outcomes: list[Made] = []
        for groups in invent.rounds(invent.seeds()):
            before = tuple(outcome for outcome in outcomes if isinstance(outcome, Sample))
            outcomes += invent.generate([seed for group in groups for seed in group], replace(lab, made=before))
        rows += [
            outcome.reason if isinstance(outcome, Failure) else [outcome.id, dict(outcome.fields)]
            for outcome in outcomes
        ]
        heard = Listening()
        invent.generate(invent.seeds()[:2], replace(lab, models=heard))
        rows += [asdict(request) for _, request in heard.asked]
    return rows


def generated_pairs(folder: Path) -> Rows:
    """What is asked, too."""
    rows, lab = list[Any](), tiny_lab()
    answerers = {
        name: Answerer("tiny:author", system=system) for name, system in (("plain", ""), ("brief", "Be brief."))
    }
    for pairs in get_args(Pairs):
        near, judge = EmbeddingCosine("tiny:letters", ("output",)), PairJudge("tiny:judge", "likelihood")
        make = Preferences(FewTasks(("en",), 2), answerers, {"near": near}, {"judge": judge}, answers=2, pairs=pairs)
        pairs_made = make.generate(make.seeds(), lab)
        for sample in pairs_made:
            assert isinstance(sample, Sample)
            ranked = {
                name: {**row, "chosen": round(row["chosen"], 4), "rejected": round(row["rejected"], 4)}
                for name, row in json.loads(sample.text("rankings") or "{}").items()
            }
            rows.append([sample.parents, {**sample.fields, "rankings": ranked}])
        rows += [asdict(request) for request in make.asks(make.seeds()[:1], lab)["tiny:author"]]
    return rows


def source_samples(folder: Path) -> Rows:
    make = FromSource(FewTasks(limit=2))
    return [[sample.id, sample.parents, dict(sample.fields)] for sample in make.generate(make.seeds(), tiny_lab())]  # type: ignore[union-attr]


def clear_preferences(folder: Path) -> Rows:
    pairs = [("a", "b", "", "1"), ("a", "b", "tie", ""), ("a", " a", "", "1"), ("", "b", "", ""), ("a", "b", "odd", "")]
    pairs += [("a", "b", "", ""), ("a", "b", "", "0.2")]
    fields = {name: [row[nth] for row in pairs] for nth, name in enumerate(("chosen", "rejected", "verdict", "margin"))}
    fields["chosen_whole"] = ["no", *["yes"] * 6]
    table = ScoreTable([str(nth) for nth in range(len(pairs))], {}, fields)
    return [
        [plain(decision) for decision in rule.decide(table)]
        for rule in (ClearPreference(), ClearPreference("drop", 0.5))
    ]


def pairs(folder: Path) -> Rows:
    """One of every form, and of every way to be broken."""
    user, answers = {"role": "user", "content": "Hi."}, [{"role": "assistant", "content": text} for text in "ab"]
    records = [
        {"prompt": "Hi.", "chosen": "a", "rejected": " b"},
        {"prompt": [user], "chosen": answers[:1], "rejected": answers[1:]},
        {"chosen": [user, answers[0], user, answers[0]], "rejected": [user, answers[0], user, answers[1]]},
        {"chosen": "\n\nHuman: 안녕\n\nAssistant: a", "rejected": "\n\nHuman: 안녕\n\nAssistant: b"},
        {"instruction": "Add.", "input": "3", "chosen": "a", "rejected": "b", "margin": "0.5"},
        {"prompt": "Hi.", "chosen": "a", "rejected": "a"},
        {"prompt": "Hi.", "chosen": "a"},
        {"chosen": "\n\nHuman: x\n\nAssistant: a", "rejected": "\n\nHuman: y\n\nAssistant: b"},
        {"chosen": [user], "rejected": "b"},
    ]
    (folder / "pairs.jsonl").write_text("\n".join(map(json.dumps, records)), encoding="utf-8")
    samples = PreferencePairs(str(folder / "pairs.jsonl"), "drop").read(tiny_lab())
    return [[sample.id, {name: text for name, text in sample.fields.items() if text}] for sample in samples]


def voted_pairs(folder: Path) -> Rows:
    rows = [{"winner": word} for word in ("a", "left", "tie", "model_b")] + [{"winner": "b", "input": "x"}]
    fields = {"instruction": "Say so.", "output_a": "a", "output_b": ""}
    (folder / "votes.jsonl").write_text("\n".join(json.dumps({**fields, **row}) for row in rows), encoding="utf-8")
    return [[sample.id, dict(sample.fields)] for sample in VotedPairs(str(folder / "votes.jsonl")).read(tiny_lab())]


def image_scores(scorer: Any) -> Callable[[Path], Rows]:
    def rows(folder: Path) -> Rows:
        lab = tiny_lab()
        return [plain(outcome) for outcome in scorer.score([*shades(lab, 1), broken()], lab)]

    return rows


def judge_grades(folder: Path) -> Rows:
    """Prompts too: what a judge is asked belongs to what it answers."""
    lab, rows = tiny_lab(), list[Any]()
    samples = [Sample({"output": text, "instruction": "Say so."}) for text in ("a b", "void", "nothing", "a b c d e f")]
    for by in ("answers", "likelihood"):
        judge = Judge("tiny:judge", "Words.", "1. Count them.", by=by)  # type: ignore[arg-type]
        rows += [plain(outcome) for outcome in judge.score(samples, lab)]
        rows += [request.prompt[-1].text for request in judge.asks(samples[:1], lab).get("tiny:judge", [])]
    return rows


def pair_judgments(folder: Path) -> Rows:
    """Prompts too, as of `judged`; the second pair has equal answers, the last one none."""
    lab, rows = tiny_lab(), list[Any]()
    pairs = (("a b", "a b c"), ("a", " a"), ("a b c", "nothing"), ("a b c", "a"), ("", " "))
    samples = [Sample({"instruction": "Say so.", "output_a": first, "output_b": second}) for first, second in pairs]
    for by in ("answers", "likelihood"):
        judge = PairJudge("tiny:judge", by)  # type: ignore[arg-type]
        rows += [plain(outcome) for outcome in judge.score(samples, lab)]
        rows += [request.prompt[-1].text for request in judge.asks(samples[:1], lab).get("tiny:judge", [])]
    return rows


def answer_losses(folder: Path) -> Rows:
    tasks = (("Name a color.", "", "red"), ("Say it.", "long", "a b"), ("nothing", "", "x"), ("Say it.", "", " "))
    samples = [Sample(dict(zip(("instruction", "input", "output"), task, strict=True))) for task in tasks]
    outcomes = AnswerLoss().evaluate(Artifact("tiny:author", "text-model", ""), samples, tiny_lab())
    return [plain(outcome) for outcome in outcomes]


def refusals(folder: Path) -> Rows:
    answers = ("I'm sorry, but I can't help with that.", "Gladly: a pear.", "도와드릴 수 없습니다.", " ")
    samples = [Sample({"text": text, "kind": kind}) for kind in ("unsafe", "safe", "odd") for text in answers]
    return [plain(outcome) for scorer in (Refusal(), Harmless()) for outcome in scorer.score(samples, tiny_lab())]


def multiple_choices(folder: Path) -> Rows:
    artifact = Artifact("tiny:author", "text-model", "")
    metrics = (MultipleChoice(), MultipleChoice("text-normalized"), MultipleChoice("letter"))
    samples = [*choices(1), choices()[-1]]
    return [plain(outcome) for metric in metrics for outcome in metric.evaluate(artifact, samples, tiny_lab())]


def own_answers(folder: Path) -> Rows:
    tasks = (("Name a color.", "", "red"), ("Say it.", "long", "a b"), ("nothing", "", "x"), ("Say it.", "", " "))
    samples = [Sample(dict(zip(("instruction", "input", "output"), task, strict=True))) for task in tasks]
    evaluator = Answers(ChrF(references=("output",)), system="Be brief.")
    outcomes = evaluator.evaluate(Artifact("tiny:author", "text-model", ""), samples, tiny_lab())
    return [{**plain(instruction), "reason": ""} for instruction in outcomes]


def text_scores(*scorers: Any) -> Callable[[Path], Rows]:
    """A signature without sacrebleu's version: another one is another number's business."""

    def rows(folder: Path) -> Rows:
        lab = tiny_lab()
        outcomes = [plain(o) for scorer in scorers for o in scorer.score([*passages(1), unanswered()], lab)]
        return [
            {**row, "reason": row["reason"].partition("|version:")[0]} if "reason" in row else row for row in outcomes
        ]

    return rows


def private_data_scores(*scorers: Any) -> Callable[[Path], Rows]:
    """What is planted, in several scripts; all of it is made up or an example of its maker's."""
    texts = (
        "Write to jane.doe@example.org or call +1 650 253 0000; 4111 1111 1111 1111 is the card.",
        "전화는 02-312-3456, 메일은 kim@example.kr 입니다.",
        "api_key = '9f8a7b6c5d4e3f2a1b0c', AKIAIOSFODNN7EXAMPLE",
        "Nothing here, in 1999 or 2024.",
        "",
    )

    def rows(folder: Path) -> Rows:
        samples = [Sample({"text": text, "more": text[::-1]}) for text in texts]
        return [plain(o) for scorer in scorers for o in scorer.score(samples, tiny_lab())]

    return rows


def verifier_scores(*verifiers: Any) -> Callable[[Path], Rows]:
    """Every verifier on every answer: right ones, wrong ones, and what it has nothing to judge by."""

    def rows(folder: Path) -> Rows:
        plus = "```python\ndef plus(a, b):\n    return a + b\n```"
        more = [
            Sample({"text": plus, "reference": "assert plus(1, 2) == 3\nassert plus(2, 2) == 5", "second": "plus"}),
            Sample({"text": "고양이가 앉았다. 그리고 또 앉았다.", "reference": "3 or 4", "second": "고양이\n개"}),
            Sample({"text": "```json\n{}\n```", "reference": "{", "second": "x"}),
        ]
        samples = [*checkable(1), *more, unanswered()]
        results = [[plain(outcome) for outcome in verifier.score(samples, tiny_lab())] for verifier in verifiers]
        # What Python says of a mistake is another version's business.
        return [[{**row, "reason": row["reason"].partition("SyntaxError: ")[0]} for row in rows] for rows in results]

    return rows


NUMBERS: list[Outcome] = [Score(0.2), Score(0.9), Score(0.9), Unscored("failed", "no image"), Score(0.5)]
WORDS: list[Outcome] = [Label("agrees", "it says 'bag' (0.9)"), Label("disagrees"), *[Unscored("failed", "x")] * 3]
VECTORS: list[Outcome] = [
    *[Fingerprint((x, 1.0)) for x in (0.0, 0.1, 5.0, 0.05)],
    Unscored("failed", "no image"),
]


TASKS = (
    "Write a poem about the sea.",
    "Write a short poem about the sea.",
    "서울의 인구를 알려 주세요.",
    "Name three fruits.",
    "서울의 인구는?",
    "Write a poem about the sea!",
    "…",
    "Name three rivers.",
)


def task_scores(*components: Any) -> Callable[[Path], Rows]:
    """Scorers and filters of what is new among tasks, beside those that people wrote."""

    def rows(folder: Path) -> Rows:
        samples = [Sample({"instruction": task}, nth=nth) for nth, task in enumerate(TASKS)]
        table = ScoreTable([sample.id for sample in samples], {}, {"instruction": TASKS})
        return [
            [
                plain(result)
                for result in (kind.decide(table) if hasattr(kind, "decide") else kind.score(samples, tiny_lab()))
            ]
            for kind in components
        ]

    return rows


def heuristic_decisions(folder: Path) -> Rows:
    rows = [(task, "", "An answer.", "") for task in TASKS]
    rows += [("Translate this into Korean.", "sea", output, "") for output in ("바다", "호수", "바다", "")]
    rows += [("그림을 그려 주세요.", "", "알겠습니다.", ""), ("Say how you are.", "", "Fine.", "cut-off")]
    fields = {
        name: [row[nth] for row in rows] for nth, name in enumerate(("instruction", "input", "output", "rejected"))
    }
    table = ScoreTable([f"{nth:02d}" for nth in range(len(rows))], {}, fields)
    rules = (Heuristics(), Heuristics(skip=("contradicted", "too-short")), Heuristics(input="", output=""))
    return [[plain(decision) for decision in rule.decide(table)] for rule in rules]


def decisions_of(*rules: Any) -> Callable[[Path], Rows]:
    columns = {"number": NUMBERS, "word": WORDS, "vector": VECTORS}
    table = ScoreTable(["e", "d", "c", "b", "a"], columns, {"label": ["bag", "boot", "bag", "bag", "boot"]})
    return lambda folder: [[plain(decision) for decision in rule.decide(table)] for rule in rules]


def image_evaluations(folder: Path) -> Rows:
    lab = tiny_lab()
    return [plain(o) for o in Accuracy().evaluate(Artifact("tiny:expert", "x", "x"), [*shades(lab, 1), broken()], lab)]


def ood_scores(folder: Path) -> Rows:
    lab = tiny_lab()
    reference_samples = [replace(sample, fields={**sample.fields, "part": "fit"}) for sample in shades(lab, 4)]
    samples = [*reference_samples, *shades(lab, 1), broken()]
    return [plain(o) for o in OodScores("vim", k=2).evaluate(Artifact("tiny:expert", "x", "x"), samples, lab)[-4:]]


def image_training(folder: Path) -> Rows:
    """Later losses and the weights differ between processors, so the first loss and the plan stand for them."""
    lab = tiny_lab(folder)
    ImageClassifier(tuple(SHADES), steps=3, batch_size=4).train(shades(lab), lab)
    history: Rows = json.loads((folder / "history.json").read_text(encoding="utf-8"))
    rows = [part.tolist() for part in batches(9, 4, 3, lab.seed)]
    rates = [round(rate, 9) for _, _, rate in history]
    pixels = preprocess([shade(120, size=28)], load_network("random", ("a", "b"), None, freeze=False)).numpy()
    return [round(history[0][1], 2), rates, rows, hashlib.sha256(pixels.tobytes()).hexdigest()[:16]]


def text_training(folder: Path) -> Rows:
    """The last bits of losses differ between processors."""
    lab = tiny_lab(folder)
    TextClassifier(("cat", "dog"), "tiny:letters", steps=3, batch_size=4).train(passages(), lab)
    history: Rows = json.loads((folder / "history.json").read_text(encoding="utf-8"))
    return [[step, round(loss, 4), round(rate, 9)] for step, loss, rate in history]


def sft_training(folder: Path) -> Rows:
    """What is taught, when and at which rate; later losses and the weights differ between processors."""
    lab = tiny_lab(folder)
    start = checkpoints.chat(folder / "start")
    samples = [
        Sample(
            {"instruction": task, "input": "", "output": task[::-1], "name": "turn", "origin": "ab"[nth % 2]}, nth=nth
        )
        for nth, task in enumerate(TASKS)
    ]
    trainer = SFT(str(start), steps=3, batch_size=2, max_length=120, precision="float32", mixture={"a": 2.0, "b": 1.0})
    artifact = trainer.train(samples, lab)
    history: Rows = json.loads((folder / "history.json").read_text(encoding="utf-8"))
    facts = {name: value for name, value in artifact.facts.items() if name != "last loss"}
    rows: Rows = [facts, round(history[0][1], 3), [round(rate, 9) for _, _, rate in history]]
    for variant in (trainer, replace(trainer, style="name", system="Be brief.")):
        learned, taught, _ = variant._rows(samples)
        rows += [[hashlib.sha256(str(row.ids).encode()).hexdigest()[:16], row.start] for row in taught]
        order = row_order(parts_of(learned, "origin", variant.mixture), lab.seed)
        rows.append(packed_bins(order, [len(row.ids) for row in taught], 3, 2, 120))
    return rows


def ppo_training(folder: Path) -> Rows:
    """What is asked, when and at which rate; what is sampled may differ between processors."""
    start = checkpoints.chat(folder / "start")
    samples = [Sample({"instruction": task, "input": "", "output": task[::-1]}) for task in TASKS for _ in range(2)]
    like = EmbeddingCosine("tiny:letters", ("output",))
    trainer = PPO(
        str(start), rewards={"like": like}, steps=3, prompts_per_step=4, max_tokens=8, max_length=120, held_out=0.3
    )
    lab = tiny_lab(folder)
    artifact = replace(trainer, precision="float32", target_kl=1e6, held_out_answers=0).train(samples, lab)
    counts = ("steps", "answers", "samples", "held out", "too long", "unread", "trained parameters")
    history, curves = (
        json.loads((folder / f"{name}.json").read_text(encoding="utf-8")) for name in ("history", "curves")
    )
    prompts, *_ = trainer._prompts(samples)
    return [
        {name: artifact.facts[name] for name in counts},
        [round(rate, 9) for _, _, rate in history],
        [curves["steps"], sorted(curves["values"]), [round(prompt, 9) for prompt in curves["values"]["kl weight"]]],
        [[prompt.sample.id, hashlib.sha256(str(prompt.ids).encode()).hexdigest()[:16]] for prompt in prompts],
        list(islice(row_order([(1.0, range(len(prompts)))], lab.seed), 12)),
        [hash_seed(lab.seed, step) for step in (1, 2)],
    ]


def preference_trainings(*trainers: Any) -> Callable[[Path], Rows]:
    """Facts, what is held out, the first loss, rates and lengths; later losses differ between processors."""

    def rows(folder: Path) -> Rows:
        start = checkpoints.chat(folder / "start")
        pairs = [
            Sample({"instruction": task, "input": "", "chosen": task[::-1], "rejected": task[:9], "margin": "0.5"})
            for task in TASKS
        ]
        pairs += [
            Sample({"instruction": "Go.", "chosen": "x", "rejected": side, "margin": "1"}) for side in ("", "x", "y")
        ]
        facts: Rows = []
        for nth, trainer in enumerate(trainers):
            lab = tiny_lab(folder / str(nth))
            lab.workspace().mkdir()
            artifact = replace(trainer, model=str(start)).train(pairs, lab)
            near = ("last loss", "held-out accuracy", "held-out accuracy before")
            files = {
                name: json.loads((folder / str(nth) / f"{name}.json").read_text(encoding="utf-8"))
                for name in ("history", "curves", "held-out")
            }
            facts += [
                {name: value for name, value in artifact.facts.items() if name not in near},
                [[round(row[1], 3) for row in files["history"][:1]], [round(row[2], 9) for row in files["history"]]],
                [files["curves"]["steps"], sorted(files["curves"]["values"]), files["curves"]["values"]["length"]],
                [[row["id"], row["prompt"], round(row["before"], 3)] for row in files["held-out"]],
            ]
        return facts

    return rows


def reward_scores(folder: Path) -> Rows:
    samples = [Sample({"instruction": "Say so.", "text": text}) for text in ("a b", " ", "nothing")]
    return [plain(outcome) for outcome in Reward("tiny:rater").score(samples, tiny_lab())]


def grpo_training(folder: Path) -> Rows:
    """What is asked, when, at which rate, and what was first earned; later answers differ between processors."""
    lab = tiny_lab(folder)
    start = checkpoints.chat(folder / "start")
    samples = [Sample({"instruction": task, "input": ""}) for task in TASKS]
    trainer = GRPO(
        {"even": Even()},
        str(start),
        steps=3,
        prompts_per_step=2,
        num_generations=4,
        max_tokens=6,
        max_length=120,
        rank=4,
    )
    artifact = replace(trainer, precision="float32").train(samples, lab)
    history: Rows = json.loads((folder / "history.json").read_text(encoding="utf-8"))
    curves = json.loads((folder / "curves.json").read_text(encoding="utf-8"))
    facts = {name: artifact.facts[name] for name in ("steps", "samples", "seen", "unrewarded", "trained parameters")}
    rows: Rows = [facts, [round(rate, 9) for _, _, rate in history], sorted(curves["values"])]
    rows += [round(curves["values"][name][0], 3) for name in ("reward", "kl", "length", "entropy")]
    _, prompts = replace(trainer, system="Be brief.")._rows(samples)
    return [*rows, *(hashlib.sha256(str(prompt).encode()).hexdigest()[:16] for prompt in prompts)]


def arithmetic_problems(folder: Path) -> Rows:
    plans = (ArithmeticProblems(3), ArithmeticProblems(3, "warm-up", 4, 1, 0.5, 0.5))
    problems = [problem for plan in plans for problem in plan.generate(plan.seeds(), tiny_lab())]
    return [[problem.id, dict(problem.fields)] for problem in problems if isinstance(problem, Sample)]


def arithmetic_tasks(folder: Path) -> Rows:
    sources = [Arithmetic("train", 2, level) for level in LEVELS]
    sources += [Arithmetic("held-out", 2), Arithmetic("warm-up", 4, 4, 1, 0.5, 0.5)]
    return [[sample.id, dict(sample.fields)] for source in sources for sample in source.read(tiny_lab())]


def text_evaluations(folder: Path) -> Rows:
    samples = [*passages(1), unanswered()]
    return [plain(o) for o in TextAccuracy().evaluate(Artifact("tiny:sorter", "x", "x"), samples, tiny_lab())]


def reviews(folder: Path) -> Rows:
    samples = [sample for split in ("train", "validation", "test") for sample in FoodReviews(split, 1).read(tiny_lab())]
    return [[sample.id, sample.text("label"), sample.text("origin"), sample.text("text")[:40]] for sample in samples]


def labeled_texts(folder: Path) -> Rows:
    (folder / "own.csv").write_text("text,label\nfine,good\nso so,bad\nmeh,bad\ngreat,good\n", encoding="utf-8")
    rows = [{"say": "좋다", "kind": "good"}, {"say": "나쁘다", "kind": "bad"}]
    (folder / "own.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    sources = [
        LabeledTexts(str(folder / "own.csv")),
        LabeledTexts(str(folder / "own.csv"), per_label=1, skip=1),
        LabeledTexts(str(folder / "own.jsonl"), "say", "kind"),
    ]
    return [[sample.id, dict(sample.fields)] for source in sources for sample in source.read(tiny_lab())]


def tasks(folder: Path) -> Rows:
    nested = {"instruction": "쓰시오.", "instances": [{"input": "", "output": "네"}, {"input": "x", "output": "y"}]}
    plain = {"instruction": "Say so.", "input": " ", "output": "So."}
    (folder / "tasks.jsonl").write_text("\n".join(map(json.dumps, (nested, plain))), encoding="utf-8")
    sources = [
        SeedTasks(str(folder / "tasks.jsonl"), instances="all"),
        *(SeedTasks(part=part, limit=6) for part in get_args(Part)),
    ]
    return [[sample.id, dict(sample.fields)] for source in sources for sample in source.read(tiny_lab())]


def auxiliary_sources(*sources: Any) -> Callable[[Path], Rows]:
    return lambda folder: [[sample.id, dict(sample.fields)] for source in sources for sample in source.read(tiny_lab())]


def image_sources(*sources: Any) -> Callable[[Path], Rows]:
    def rows(folder: Path) -> Rows:
        lab = tiny_lab()
        samples = [sample for source in sources for sample in source.read(lab)]
        pixels = [hashlib.sha256(image.tobytes()).hexdigest()[:16] for image in lab.pixels(samples)]
        return [[s.text("label"), s.text("origin"), digest] for s, digest in zip(samples, pixels, strict=True)]

    return rows


def images(folder: Path) -> Rows:
    for label in ("white", "black"):
        (folder / label).mkdir()
        (folder / label / "b.png").write_bytes(encode_png(shade(SHADES[label])))
        (folder / label / "a.png").write_bytes(encode_png(shade(SHADES[label], seed=1)))
    return [[sample.text("label"), sample.text("origin")] for sample in ImageFolder(str(folder)).read(tiny_lab())]


def question_sources(*sources: Any) -> Callable[[Path], Rows]:
    def rows(folder: Path) -> Rows:
        question_files(folder)
        local_sources = [replace(source, path=str(folder / source.path)) for source in sources]
        return [[sample.id, dict(sample.fields)] for source in local_sources for sample in source.read(tiny_lab())]

    return rows


CASES: dict[type, Callable[[Path], Rows]] = {
    GenerateImages: generated_images,
    GenerateTexts: generated_texts,
    SelfInstruct: self_instruct_tasks,
    FromSource: source_samples,
    Preferences: generated_pairs,
    ClearPreference: clear_preferences,
    ArithmeticProblems: arithmetic_problems,
    ClipMatch: image_scores(ClipMatch("tiny:twin", tuple(SHADES))),
    ClipScore: image_scores(ClipScore("tiny:twin")),
    ClassifierAgreement: image_scores(ClassifierAgreement("tiny:expert")),
    BlockList: image_scores(BlockList(str(Path(__file__).parents[1] / "data" / "hashes.txt"), max_distance=30)),
    Toxicity: text_scores(Toxicity("tiny:sorter", ("cat",)), Toxicity("tiny:sorter", ("cat", "dog"), "sigmoid")),
    ImageSafety: image_scores(ImageSafety("tiny:expert", ("black",))),
    Judge: judge_grades,
    PairJudge: pair_judgments,
    ImageEmbedding: image_scores(ImageEmbedding("tiny:twin")),
    HumanVotes: text_scores(
        HumanVotes(FewVotes(), "text", "reference", "label"),
        HumanVotes(FewVotes(twice=True), "reference", "text", "label"),
    ),
    PreferencePairs: pairs,
    VotedPairs: voted_pairs,
    Rouge: text_scores(
        *(Rouge(kind) for kind in ("rouge1", "rouge2", "rougeL", "rougeLsum")),
        Rouge(words="ascii", stem=True, references=("reference", "second")),
    ),
    Bleu: text_scores(Bleu(), Bleu("char", references=("reference", "second"))),
    ChrF: text_scores(ChrF(), ChrF(word_order=2, references=("reference", "second"))),
    EmbeddingCosine: text_scores(
        EmbeddingCosine("tiny:letters"), EmbeddingCosine("tiny:letters", ("reference", "second"))
    ),
    InstructionDifficulty: text_scores(InstructionDifficulty("tiny:author", "reference", "second", "text")),
    LabelMatch: text_scores(
        LabelMatch(("cat", "dog"), model="tiny:letters"),
        LabelMatch(("dog", "cat"), {"cat": ("mat", "sat")}, "tiny:letters"),
    ),
    TextEmbedding: text_scores(TextEmbedding("tiny:letters")),
    Consistency: text_scores(
        Consistency("tiny:author", judge="tiny:letters", instruction="label", output="text"),
        Consistency(
            "tiny:author", "model", "tiny:author", "discrete-entropy", 0.5, 3, instruction="label", output="text"
        ),
    ),
    TokenUncertainty: text_scores(
        TokenUncertainty("tiny:author", instruction="label", output="text"),
        TokenUncertainty("tiny:author", "max-entropy", "reference", "text", "Be brief."),
    ),
    Groundedness: text_scores(
        Groundedness("tiny:letters", source="reference", output="text"),
        Groundedness("tiny:author", "model", 0.5, "reference", "text"),
    ),
    PersonalData: private_data_scores(PersonalData(), PersonalData(regions=("KR",))),
    Secrets: private_data_scores(Secrets(), Secrets("more")),
    FastDetectGpt: text_scores(
        FastDetectGpt("tiny:author", words=3, languages=("en", "id")), FastDetectGpt("tiny:author", words=99)
    ),
    Binoculars: text_scores(
        Binoculars("tiny:author", words=3, languages=("en", "id")), Binoculars("tiny:author", languages=("ko",))
    ),
    Perplexity: text_scores(Perplexity("tiny:author"), Perplexity("tiny:author", per="byte", window=8, stride=3)),
    RougeNovelty: task_scores(
        RougeNovelty(), RougeNovelty(words="ascii"), RougeNovelty(against=Texts(WRITTEN, limit=2), before=False)
    ),
    Language: task_scores(Language(), Language(languages=("en", "ko"), letters=1)),
    NgramOverlap: task_scores(
        NgramOverlap((Texts(WRITTEN),), n=3, min_words=2), NgramOverlap((Texts(WRITTEN, limit=2),))
    ),
    EmbeddingOverlap: task_scores(EmbeddingOverlap((Texts(WRITTEN),), "tiny:letters", min_words=2)),
    NumberEquals: verifier_scores(*(NumberEquals("reference", 0.5, where) for where in ("any", "last", "after:####"))),
    JsonMatches: verifier_scores(
        JsonMatches({"type": "object", "maxProperties": 0}), JsonMatches(schema_field="reference")
    ),
    FollowsFormat: verifier_scores(
        FollowsFormat(none_of=("dog",), min_words=2, max_words=8, max_sentences=1, language="ko", complete=True),
        FollowsFormat(all_of_field="second", max_repeated=0.2, repeat_ngram=1, matches="[a-z]", strict=True),
    ),
    PassesTests: verifier_scores(PassesTests("reference"), PassesTests("reference", entry="second", partial=True)),
    Threshold: decisions_of(Threshold("number", 0.5), Threshold("number", high=0.5, unscored="keep")),
    LabelIs: decisions_of(LabelIs("word")),
    TopFraction: decisions_of(TopFraction("number", 0.5), TopFraction("number", 0.5, "lowest", per=None)),
    ClusterQuota: decisions_of(ClusterQuota("vector", 2, 1), ClusterQuota("vector", 1, 2, "number")),
    NearDuplicates: decisions_of(NearDuplicates("vector"), NearDuplicates("vector", 0.9, per="label", prefer="number")),
    Heuristics: heuristic_decisions,
    Novel: task_scores(Novel(), Novel(threshold=0.5, strict=True), Novel(words="ascii")),
    Duplicates: task_scores(Duplicates(("instruction",)), Duplicates(("instruction",), "ignore")),
    FuzzyDuplicates: task_scores(
        FuzzyDuplicates("instruction", 0.5, 2), FuzzyDuplicates("instruction", 0.4, 2, "characters", seed=5)
    ),
    Languages: decisions_of(Languages("word", ("agrees",)), Languages("word", field="label", unscored="keep")),
    Length: task_scores(Length(low=4, high=6), Length(unit="characters", high=20)),
    RandomSubset: decisions_of(
        RandomSubset(fraction=0.5), RandomSubset(keep=1, seed=1), RandomSubset(keep=2, per=None)
    ),
    Accuracy: image_evaluations,
    ImageClassifier: image_training,
    TextAccuracy: text_evaluations,
    AnswerLoss: answer_losses,
    MultipleChoice: multiple_choices,
    Refusal: refusals,
    Harmless: refusals,
    TextClassifier: text_training,
    SFT: sft_training,
    PPO: ppo_training,
    RewardModel: preference_trainings(
        RewardModel(steps=3, batch_size=2, max_length=120, precision="float32", held_out=0.3),
        RewardModel(
            steps=2,
            batch_size=2,
            max_length=64,
            precision="float32",
            margin=True,
            center_rewards_coefficient=0.5,
            held_out=0.0,
        ),
    ),
    DPO: preference_trainings(
        DPO(steps=3, batch_size=2, max_length=120, precision="float32", held_out=0.3),
        DPO(
            steps=2,
            batch_size=2,
            max_length=64,
            precision="float32",
            loss_type="robust",
            label_smoothing=0.1,
            eval_every=1,
        ),
    ),
    Reward: reward_scores,
    Answers: own_answers,
    GRPO: grpo_training,
    OodScores: ood_scores,
    FashionMNIST: image_sources(FashionMNIST(per_label=1), FashionMNIST(per_label=1, only=("bag", "dress"))),
    Digits: image_sources(Digits(per_label=1)),
    Noise: image_sources(Noise(count=4)),
    ImageFolder: images,
    FoodReviews: reviews,
    LabeledTexts: labeled_texts,
    Mmlu: question_sources(Mmlu("mmlu"), Mmlu("mmlu", "dev", per_subject=1)),
    Gsm8k: question_sources(Gsm8k("gsm8k.jsonl")),
    TruthfulQa: question_sources(TruthfulQa("truthfulqa.json"), TruthfulQa("truthfulqa.json", "mc2", limit=1)),
    Texts: question_sources(Texts("texts.txt", "task"), Texts("own.jsonl", "question", limit=1)),
    SeedTasks: tasks,
    Misconceptions: auxiliary_sources(Misconceptions(limit=8)),
    Requests: auxiliary_sources(Requests(limit=4), Requests("safe", limit=4)),
    Arithmetic: arithmetic_tasks,
    Questions: question_sources(Questions("own.csv"), Questions("own.jsonl", answers="number")),
}
CLASSES: Sequence[type] = [*GENERATORS, *SCORERS, *VERIFIERS, *FILTERS, *TRAINERS, *EVALUATORS, *SOURCES]


def from_examples(kind: Any) -> Callable[[Path], Rows]:
    """The case of a class that is not in the table: its own examples on the common samples."""
    examples = kind.examples()
    if hasattr(kind, "decide"):
        return decisions_of(*examples)
    if hasattr(kind, "score"):
        return scored_on_common_samples(*examples)
    assert hasattr(kind, "generate"), f"Add a case for {kind.__name__} to CASES."
    return lambda folder: [
        outcome_row(outcome) for example in examples for outcome in example.generate(example.seeds(), tiny_lab())
    ]


def outcome_row(outcome: Made) -> object:
    return (
        outcome.reason
        if isinstance(outcome, Failure)
        else [outcome.id, {name: str(outcome.fields[name]) for name in outcome.fields}]
    )


def scored_on_common_samples(*scorers: Any) -> Callable[[Path], Rows]:
    def rows(folder: Path) -> Rows:
        lab = tiny_lab()
        images, texts = [*shades(lab, 1), broken()], [*passages(1), unanswered()]
        samples = [images if hasattr(scorer, "image") else texts for scorer in scorers]
        return [plain(o) for scorer, inputs in zip(scorers, samples, strict=True) for o in scorer.score(inputs, lab)]

    return rows


@pytest.mark.parametrize("kind", CLASSES)
def test_output_changes_only_with_the_version(kind: type, tmp_path: Path) -> None:
    case = CASES.get(kind) or from_examples(kind)
    rows = json.loads(json.dumps(case(tmp_path)))
    now = {"version": kind.version, "rows": rows}  # type: ignore[attr-defined]
    path = HERE / f"{kind.__name__}.json"
    if not path.exists():
        path.write_text(json.dumps(now, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        pytest.fail(f"Wrote {path.name}: look at it, then run again.")
    golden = json.loads(path.read_text(encoding="utf-8"))
    if golden["version"] == now["version"]:
        assert rows == golden["rows"], f"The output of {kind.__name__} changed: raise its version, or mend it."
    assert golden["version"] == now["version"], f"{kind.__name__} has a new version: delete {path.name} and run again."
