"""One outcome for each sample: a number, a label, a fingerprint, or why there is none."""

from __future__ import annotations

from assay.core.roles import Scorer
from assay.scorers.agreement import Agreement
from assay.scorers.bleu import Bleu
from assay.scorers.block_list import BlockList
from assay.scorers.chrf import ChrF
from assay.scorers.clip_match import ClipMatch
from assay.scorers.clip_score import ClipScore
from assay.scorers.consistency import Consistency, Support, TokenDoubt
from assay.scorers.embedding_cosine import EmbeddingCosine
from assay.scorers.embedding_overlap import EmbeddingOverlap
from assay.scorers.following import Following
from assay.scorers.harmless import Harmless
from assay.scorers.image_embedding import ImageEmbedding
from assay.scorers.judge import Judge
from assay.scorers.label_match import LabelMatch
from assay.scorers.language import Language
from assay.scorers.machine_text import Binoculars, FastDetectGpt
from assay.scorers.ngram_overlap import NgramOverlap
from assay.scorers.pair_judge import PairJudge
from assay.scorers.perplexity import Perplexity
from assay.scorers.picture_safety import PictureSafety
from assay.scorers.private import PersonalData, Secrets
from assay.scorers.refusal import Refusal
from assay.scorers.reward import Reward
from assay.scorers.rouge import Rouge
from assay.scorers.rouge_novelty import RougeNovelty
from assay.scorers.text_embedding import TextEmbedding
from assay.scorers.toxicity import Toxicity
from assay.scorers.votes import Votes

SCORERS: tuple[type[Scorer], ...] = (
    Agreement,
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
    Following,
    Harmless,
    ImageEmbedding,
    Judge,
    LabelMatch,
    Language,
    NgramOverlap,
    PairJudge,
    Perplexity,
    PersonalData,
    PictureSafety,
    Refusal,
    Reward,
    Rouge,
    RougeNovelty,
    Secrets,
    Support,
    TextEmbedding,
    TokenDoubt,
    Toxicity,
    Votes,
)
