"""A component's output may change only with its version: else old and new results would share a key in the store.

One JSON file a component: its version and a few exact rows. After a meant change, raise `version`, delete the file and
run this test: it writes the file anew and fails once, so that somebody looks at the difference.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, get_args

import pytest

import checkpoints
from assay.core.decoding import Decoding
from assay.core.roles import Artifact, Decision, ScoreTable
from assay.core.sample import Failure, Made, Sample
from assay.core.score import Fingerprint, Label, Outcome, Score, Unscored
from assay.evaluators import EVALUATORS
from assay.evaluators.accuracy import Accuracy
from assay.evaluators.answer_loss import AnswerLoss
from assay.evaluators.text_accuracy import TextAccuracy
from assay.evaluators.unknowns import Unknowns
from assay.filters import FILTERS
from assay.filters.agrees import Agrees
from assay.filters.cluster_quota import ClusterQuota
from assay.filters.duplicates import Duplicates
from assay.filters.fuzzy_duplicates import FuzzyDuplicates
from assay.filters.heuristics import Heuristics
from assay.filters.languages import Languages
from assay.filters.length import Length
from assay.filters.near_duplicates import NearDuplicates
from assay.filters.novel import Novel
from assay.filters.random_share import RandomShare
from assay.filters.threshold import Threshold
from assay.filters.top_share import TopShare
from assay.generators import GENERATORS
from assay.generators.paint import Paint
from assay.generators.self_instruct import SelfInstruct
from assay.generators.write import Write
from assay.images.codec import encode_png
from assay.scorers import SCORERS
from assay.scorers.agreement import Agreement
from assay.scorers.bleu import Bleu
from assay.scorers.chrf import ChrF
from assay.scorers.clip_match import ClipMatch
from assay.scorers.clip_score import ClipScore
from assay.scorers.embedding_cosine import EmbeddingCosine
from assay.scorers.embedding_overlap import EmbeddingOverlap
from assay.scorers.following import Following
from assay.scorers.image_embedding import ImageEmbedding
from assay.scorers.judge import Judge
from assay.scorers.label_match import LabelMatch
from assay.scorers.language import Language
from assay.scorers.ngram_overlap import NgramOverlap
from assay.scorers.pair_judge import PairJudge
from assay.scorers.perplexity import Perplexity
from assay.scorers.rouge import Rouge
from assay.scorers.rouge_novelty import RougeNovelty
from assay.scorers.text_embedding import TextEmbedding
from assay.sources import SOURCES
from assay.sources.digits import Digits
from assay.sources.fashion_mnist import FashionMNIST
from assay.sources.food_reviews import FoodReviews
from assay.sources.gsm8k import Gsm8k
from assay.sources.image_folder import ImageFolder
from assay.sources.labelled_texts import LabelledTexts
from assay.sources.mmlu import Mmlu
from assay.sources.noise import Noise
from assay.sources.questions import Questions
from assay.sources.seed_tasks import Part, SeedTasks
from assay.sources.texts import Texts
from assay.sources.truthful_qa import TruthfulQa
from assay.trainers import TRAINERS
from assay.trainers.classifier_parts import batches, begin, prepare
from assay.trainers.image_classifier import ImageClassifier
from assay.trainers.sft import SFT
from assay.trainers.sft_rows import packed, parts_of, stream
from assay.trainers.text_classifier import TextClassifier
from labs import SHADES, FewTasks, Listening, broken, passages, shade, shades, tiny_lab, unanswered
from question_files import question_files

HERE = Path(__file__).parent
WRITTEN = str(HERE.parent / "data" / "written.txt")
Rows = list[Any]


def plain(outcome: Outcome | Decision) -> dict[str, Any]:
    """As JSON, floats to six places: the last bits of an exponential differ between processors."""
    text = json.dumps(asdict(outcome))
    rounded = json.loads(text, parse_float=lambda number: round(float(number), 6))
    return {"is": type(outcome).__name__, **rounded}


def painted(folder: Path) -> Rows:
    paint = Paint(
        "tiny:painter",
        ("black", "white", "void"),
        per_label=2,
        templates=("a photo of a {tone} {label} square", "{label}"),
        words={"white": ("white", "snow white")},
        slots={"tone": ("", "even", "noisy")},
    )
    lab = tiny_lab()

    def row(made: Made) -> object:
        if isinstance(made, Failure):
            return made.reason
        return made.text("prompt"), hashlib.sha256(lab.pixels([made])[0].tobytes()).hexdigest()[:16]

    seeds = paint.seeds()
    made = paint.generate(seeds, lab)
    return [[seed.id, seed.text("prompt"), row(one)] for seed, one in zip(seeds, made, strict=True)]


def written(folder: Path) -> Rows:
    write = Write(
        "tiny:author",
        ("praise", "blame", "void"),
        per_label=2,
        templates=("Write {size} {label}.", "{label}"),
        words={"praise": ("praise", "high praise")},
        slots={"size": ("", "long", "short")},
        system="Be brief.",
    )
    seeds = write.seeds()
    made = write.generate(seeds, tiny_lab())
    rows = [one.reason if isinstance(one, Failure) else [one.text("text"), one.text("end")] for one in made]
    return [[seed.id, seed.text("prompt"), row] for seed, row in zip(seeds, rows, strict=True)]


def invented(folder: Path) -> Rows:
    """What is asked, too: the words of the prompts belong to what comes of them."""
    own = {"human": 2, "machine": 1, "per_round": 4, "per_call": 2, "decoding": Decoding("sample", max_tokens=64)}
    rows, lab = list[Any](), tiny_lab()
    for layout in ("plain", "chat"):
        invent = SelfInstruct(FewTasks(), 8, "tiny:inventor", layout=layout, solving_layout=layout, **own)  # type: ignore[arg-type]
        made: list[Made] = []
        for groups in invent.rounds(invent.seeds()):
            before = tuple(one for one in made if isinstance(one, Sample))
            made += invent.generate([seed for group in groups for seed in group], replace(lab, made=before))
        rows += [one.reason if isinstance(one, Failure) else [one.id, dict(one.fields)] for one in made]
        heard = Listening()
        invent.generate(invent.seeds()[:2], replace(lab, models=heard))
        rows += [asdict(request) for _, request in heard.asked]
    return rows


def scored(scorer: Any) -> Callable[[Path], Rows]:
    def rows(folder: Path) -> Rows:
        lab = tiny_lab()
        return [plain(outcome) for outcome in scorer.score([*shades(lab, 1), broken()], lab)]

    return rows


def judged(folder: Path) -> Rows:
    """Prompts too: what a judge is asked belongs to what it answers."""
    lab, rows = tiny_lab(), list[Any]()
    samples = [Sample({"output": text, "instruction": "Say so."}) for text in ("a b", "void", "nothing", "a b c d e f")]
    for by in ("answers", "likelihood"):
        judge = Judge("tiny:judge", "Words.", "1. Count them.", by=by)  # type: ignore[arg-type]
        rows += [plain(outcome) for outcome in judge.score(samples, lab)]
        rows += [request.prompt[-1].text for request in judge.asks(samples[:1], lab).get("tiny:judge", [])]
    return rows


def compared(folder: Path) -> Rows:
    """Prompts too, as of `judged`; the second pair has equal answers, the last one none."""
    lab, rows = tiny_lab(), list[Any]()
    pairs = (("a b", "a b c"), ("a", " a"), ("a b c", "nothing"), ("a b c", "a"), ("", " "))
    samples = [Sample({"instruction": "Say so.", "output_a": one, "output_b": two}) for one, two in pairs]
    for by in ("answers", "likelihood"):
        judge = PairJudge("tiny:judge", by)  # type: ignore[arg-type]
        rows += [plain(outcome) for outcome in judge.score(samples, lab)]
        rows += [request.prompt[-1].text for request in judge.asks(samples[:1], lab).get("tiny:judge", [])]
    return rows


def answered(folder: Path) -> Rows:
    tasks = (("Name a colour.", "", "red"), ("Say it.", "long", "a b"), ("nothing", "", "x"), ("Say it.", "", " "))
    samples = [Sample({"instruction": one, "input": two, "output": three}) for one, two, three in tasks]
    outcomes = AnswerLoss().evaluate(Artifact("tiny:author", "text-model", ""), samples, tiny_lab())
    return [plain(outcome) for outcome in outcomes]


def read_texts(*scorers: Any) -> Callable[[Path], Rows]:
    """A signature without sacrebleu's version: another one is another number's business."""

    def rows(folder: Path) -> Rows:
        lab = tiny_lab()
        found = [plain(o) for scorer in scorers for o in scorer.score([*passages(1), unanswered()], lab)]
        return [{**row, "reason": row["reason"].partition("|version:")[0]} if "reason" in row else row for row in found]

    return rows


NUMBERS: list[Outcome] = [Score(0.2), Score(0.9), Score(0.9), Unscored("failed", "no picture"), Score(0.5)]
WORDS: list[Outcome] = [Label("agrees", "it says 'bag' (0.9)"), Label("disagrees"), *[Unscored("failed", "x")] * 3]
VECTORS: list[Outcome] = [
    *[Fingerprint((x, 1.0)) for x in (0.0, 0.1, 5.0, 0.05)],
    Unscored("failed", "no picture"),
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


def new(*components: Any) -> Callable[[Path], Rows]:
    """Scorers and filters of what is new among tasks, beside those that people wrote."""

    def rows(folder: Path) -> Rows:
        samples = [Sample({"instruction": task}, nth=nth) for nth, task in enumerate(TASKS)]
        table = ScoreTable([sample.id for sample in samples], {}, {"instruction": TASKS})
        return [
            [plain(one) for one in (kind.decide(table) if hasattr(kind, "decide") else kind.score(samples, tiny_lab()))]
            for kind in components
        ]

    return rows


def sound(folder: Path) -> Rows:
    rows = [(task, "", "An answer.", "") for task in TASKS]
    rows += [("Translate this into Korean.", "sea", said, "") for said in ("바다", "호수", "바다", "")]
    rows += [("그림을 그려 주세요.", "", "알겠습니다.", ""), ("Say how you are.", "", "Fine.", "cut-off")]
    fields = {
        name: [row[nth] for row in rows] for nth, name in enumerate(("instruction", "input", "output", "rejected"))
    }
    table = ScoreTable([f"{nth:02d}" for nth in range(len(rows))], {}, fields)
    rules = (Heuristics(), Heuristics(skip=("contradicted", "too-short")), Heuristics(input="", output=""))
    return [[plain(one) for one in rule.decide(table)] for rule in rules]


def decided(*rules: Any) -> Callable[[Path], Rows]:
    columns = {"number": NUMBERS, "word": WORDS, "vector": VECTORS}
    table = ScoreTable(["e", "d", "c", "b", "a"], columns, {"label": ["bag", "boot", "bag", "bag", "boot"]})
    return lambda folder: [[plain(decision) for decision in rule.decide(table)] for rule in rules]


def evaluated(folder: Path) -> Rows:
    lab = tiny_lab()
    return [plain(o) for o in Accuracy().evaluate(Artifact("tiny:expert", "x", "x"), [*shades(lab, 1), broken()], lab)]


def unknown(folder: Path) -> Rows:
    lab = tiny_lab()
    known = [replace(sample, fields={**sample.fields, "part": "fit"}) for sample in shades(lab, 4)]
    samples = [*known, *shades(lab, 1), broken()]
    return [plain(o) for o in Unknowns("vim", k=2).evaluate(Artifact("tiny:expert", "x", "x"), samples, lab)[-4:]]


def trained(folder: Path) -> Rows:
    """Later losses and the weights differ between processors, so the first loss and the plan stand for them."""
    lab = tiny_lab(folder)
    ImageClassifier(tuple(SHADES), steps=3, batch=4).train(shades(lab), lab)
    history: Rows = json.loads((folder / "history.json").read_text(encoding="utf-8"))
    rows = [part.tolist() for part in batches(9, 4, 3, lab.seed)]
    rates = [round(rate, 9) for _, _, rate in history]
    pixels = prepare([shade(120, size=28)], begin("random", ("a", "b"), None, freeze=False)).numpy()
    return [round(history[0][1], 2), rates, rows, hashlib.sha256(pixels.tobytes()).hexdigest()[:16]]


def trained_on_texts(folder: Path) -> Rows:
    """The last bits of losses differ between processors."""
    lab = tiny_lab(folder)
    TextClassifier(("cat", "dog"), "tiny:letters", steps=3, batch=4).train(passages(), lab)
    history: Rows = json.loads((folder / "history.json").read_text(encoding="utf-8"))
    return [[step, round(loss, 4), round(rate, 9)] for step, loss, rate in history]


def tuned(folder: Path) -> Rows:
    """What is taught, when and at which rate; later losses and the weights differ between processors."""
    lab = tiny_lab(folder)
    start = checkpoints.chat(folder / "start")
    samples = [
        Sample(
            {"instruction": task, "input": "", "output": task[::-1], "name": "turn", "origin": "ab"[nth % 2]}, nth=nth
        )
        for nth, task in enumerate(TASKS)
    ]
    trainer = SFT(str(start), steps=3, batch=2, max_length=120, precision="float32", mixture={"a": 2.0, "b": 1.0})
    artifact = trainer.train(samples, lab)
    history: Rows = json.loads((folder / "history.json").read_text(encoding="utf-8"))
    facts = {name: value for name, value in artifact.facts.items() if name != "last loss"}
    rows: Rows = [facts, round(history[0][1], 3), [round(rate, 9) for _, _, rate in history]]
    for one in (trainer, replace(trainer, style="name", system="Be brief.")):
        learnt, taught, _ = one._rows(samples)
        rows += [[hashlib.sha256(str(row.ids).encode()).hexdigest()[:16], row.start] for row in taught]
        order = stream(parts_of(learnt, "origin", one.mixture), lab.seed)
        rows.append(packed(order, [len(row.ids) for row in taught], 3, 2, 120))
    return rows


def told(folder: Path) -> Rows:
    samples = [*passages(1), unanswered()]
    return [plain(o) for o in TextAccuracy().evaluate(Artifact("tiny:sorter", "x", "x"), samples, tiny_lab())]


def reviews(folder: Path) -> Rows:
    samples = [sample for split in ("train", "validation", "test") for sample in FoodReviews(split, 1).read(tiny_lab())]
    return [[sample.id, sample.text("label"), sample.text("origin"), sample.text("text")[:40]] for sample in samples]


def labelled(folder: Path) -> Rows:
    (folder / "own.csv").write_text("text,label\nfine,good\nso so,bad\nmeh,bad\ngreat,good\n", encoding="utf-8")
    rows = [{"say": "좋다", "kind": "good"}, {"say": "나쁘다", "kind": "bad"}]
    (folder / "own.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    sources = [
        LabelledTexts(str(folder / "own.csv")),
        LabelledTexts(str(folder / "own.csv"), per_label=1, skip=1),
        LabelledTexts(str(folder / "own.jsonl"), "say", "kind"),
    ]
    return [[sample.id, dict(sample.fields)] for source in sources for sample in source.read(tiny_lab())]


def tasks(folder: Path) -> Rows:
    own = {"instruction": "쓰시오.", "instances": [{"input": "", "output": "네"}, {"input": "x", "output": "y"}]}
    plain = {"instruction": "Say so.", "input": " ", "output": "So."}
    (folder / "tasks.jsonl").write_text("\n".join(map(json.dumps, (own, plain))), encoding="utf-8")
    sources = [
        SeedTasks(str(folder / "tasks.jsonl"), instances="all"),
        *(SeedTasks(part=part, limit=6) for part in get_args(Part)),
    ]
    return [[sample.id, dict(sample.fields)] for source in sources for sample in source.read(tiny_lab())]


def read(*sources: Any) -> Callable[[Path], Rows]:
    def rows(folder: Path) -> Rows:
        lab = tiny_lab()
        samples = [sample for source in sources for sample in source.read(lab)]
        pixels = [hashlib.sha256(picture.tobytes()).hexdigest()[:16] for picture in lab.pixels(samples)]
        return [[s.text("label"), s.text("origin"), digest] for s, digest in zip(samples, pixels, strict=True)]

    return rows


def pictures(folder: Path) -> Rows:
    for label in ("white", "black"):
        (folder / label).mkdir()
        (folder / label / "b.png").write_bytes(encode_png(shade(SHADES[label])))
        (folder / label / "a.png").write_bytes(encode_png(shade(SHADES[label], seed=1)))
    return [[sample.text("label"), sample.text("origin")] for sample in ImageFolder(str(folder)).read(tiny_lab())]


def asked(*sources: Any) -> Callable[[Path], Rows]:
    def rows(folder: Path) -> Rows:
        question_files(folder)
        own = [replace(source, path=str(folder / source.path)) for source in sources]
        return [[sample.id, dict(sample.fields)] for source in own for sample in source.read(tiny_lab())]

    return rows


CASES: dict[type, Callable[[Path], Rows]] = {
    Paint: painted,
    Write: written,
    SelfInstruct: invented,
    ClipMatch: scored(ClipMatch("tiny:twin", tuple(SHADES))),
    ClipScore: scored(ClipScore("tiny:twin")),
    Agreement: scored(Agreement("tiny:expert")),
    Judge: judged,
    PairJudge: compared,
    ImageEmbedding: scored(ImageEmbedding("tiny:twin")),
    Rouge: read_texts(
        *(Rouge(kind) for kind in ("rouge1", "rouge2", "rougeL", "rougeLsum")),
        Rouge(words="ascii", stem=True, references=("reference", "second")),
    ),
    Bleu: read_texts(Bleu(), Bleu("char", references=("reference", "second"))),
    ChrF: read_texts(ChrF(), ChrF(word_order=2, references=("reference", "second"))),
    EmbeddingCosine: read_texts(
        EmbeddingCosine("tiny:letters"), EmbeddingCosine("tiny:letters", ("reference", "second"))
    ),
    Following: read_texts(Following("tiny:author", "reference", "second", "text")),
    LabelMatch: read_texts(
        LabelMatch(("cat", "dog"), model="tiny:letters"),
        LabelMatch(("dog", "cat"), {"cat": ("mat", "sat")}, "tiny:letters"),
    ),
    TextEmbedding: read_texts(TextEmbedding("tiny:letters")),
    Perplexity: read_texts(Perplexity("tiny:author"), Perplexity("tiny:author", per="byte", window=8, stride=3)),
    RougeNovelty: new(
        RougeNovelty(), RougeNovelty(words="ascii"), RougeNovelty(against=Texts(WRITTEN, limit=2), before=False)
    ),
    Language: new(Language(), Language(languages=("en", "ko"), letters=1)),
    NgramOverlap: new(NgramOverlap((Texts(WRITTEN),), n=3, least=2), NgramOverlap((Texts(WRITTEN, limit=2),))),
    EmbeddingOverlap: new(EmbeddingOverlap((Texts(WRITTEN),), "tiny:letters", least=2)),
    Threshold: decided(Threshold("number", 0.5), Threshold("number", high=0.5, unscored="keep")),
    Agrees: decided(Agrees("word")),
    TopShare: decided(TopShare("number", 0.5), TopShare("number", 0.5, "lowest", per=None)),
    ClusterQuota: decided(ClusterQuota("vector", 2, 1), ClusterQuota("vector", 1, 2, "number")),
    NearDuplicates: decided(NearDuplicates("vector"), NearDuplicates("vector", 0.9, per="label", prefer="number")),
    Heuristics: sound,
    Novel: new(Novel(), Novel(at_most=0.5, strict=True), Novel(words="ascii")),
    Duplicates: new(Duplicates(("instruction",)), Duplicates(("instruction",), "ignore")),
    FuzzyDuplicates: new(
        FuzzyDuplicates("instruction", 0.5, 2), FuzzyDuplicates("instruction", 0.4, 2, "characters", seed=5)
    ),
    Languages: decided(Languages("word", ("agrees",)), Languages("word", field="label", unscored="keep")),
    Length: new(Length(low=4, high=6), Length(unit="characters", high=20)),
    RandomShare: decided(RandomShare(share=0.5), RandomShare(keep=1, seed=1), RandomShare(keep=2, per=None)),
    Accuracy: evaluated,
    ImageClassifier: trained,
    TextAccuracy: told,
    AnswerLoss: answered,
    TextClassifier: trained_on_texts,
    SFT: tuned,
    Unknowns: unknown,
    FashionMNIST: read(FashionMNIST(per_label=1), FashionMNIST(per_label=1, only=("bag", "dress"))),
    Digits: read(Digits(per_label=1)),
    Noise: read(Noise(count=4)),
    ImageFolder: pictures,
    FoodReviews: reviews,
    LabelledTexts: labelled,
    Mmlu: asked(Mmlu("mmlu"), Mmlu("mmlu", "dev", per_subject=1)),
    Gsm8k: asked(Gsm8k("gsm8k.jsonl")),
    TruthfulQa: asked(TruthfulQa("truthfulqa.json"), TruthfulQa("truthfulqa.json", "mc2", limit=1)),
    Texts: asked(Texts("texts.txt", "task"), Texts("own.jsonl", "question", limit=1)),
    SeedTasks: tasks,
    Questions: asked(Questions("own.csv"), Questions("own.jsonl", answers="number")),
}
CLASSES: Sequence[type] = [*GENERATORS, *SCORERS, *FILTERS, *TRAINERS, *EVALUATORS, *SOURCES]


@pytest.mark.parametrize("kind", CLASSES)
def test_output_changes_only_with_the_version(kind: type, tmp_path: Path) -> None:
    assert kind in CASES, f"Add a case for {kind.__name__}."
    rows = json.loads(json.dumps(CASES[kind](tmp_path)))
    now = {"version": kind.version, "rows": rows}  # type: ignore[attr-defined]
    path = HERE / f"{kind.__name__}.json"
    if not path.exists():
        path.write_text(json.dumps(now, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        pytest.fail(f"Wrote {path.name}: look at it, then run again.")
    golden = json.loads(path.read_text(encoding="utf-8"))
    if golden["version"] == now["version"]:
        assert rows == golden["rows"], f"The output of {kind.__name__} changed: raise its version, or mend it."
    assert golden["version"] == now["version"], f"{kind.__name__} has a new version: delete {path.name} and run again."
