"""Components that score samples: a number, a label, an embedding, or a reason why there is none."""

from __future__ import annotations

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
from assay.core.roles import Scorer

SCORERS: tuple[type[Scorer], ...] = (
    ClassifierAgreement,
    Binoculars,
    Bleu,
    BlockList,
    ChrF,
    ClipMatch,
    ClipScore,
    Consistency,
    EmbeddingCosine,
    EmbeddingOverlap,
    FastDetectGpt,
    InstructionDifficulty,
    Harmless,
    ImageEmbedding,
    Judge,
    LabelMatch,
    Language,
    NgramOverlap,
    PairJudge,
    Perplexity,
    PersonalData,
    ImageSafety,
    Refusal,
    Reward,
    Rouge,
    RougeNovelty,
    Secrets,
    Groundedness,
    TextEmbedding,
    TokenUncertainty,
    Toxicity,
    HumanVotes,
)
