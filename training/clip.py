"""Trains `embedded:fashion-clip`: a small CLIPModel with its own byte-pair tokenizer, on photographs and captions.

    python training/clip.py --out build/clip

The loss is CLIP's symmetric contrastive one with every true pair as a positive (UniCL, Yang et al. 2022, section 3): a
caption of one bag is also true of another bag unless an attribute it says is not the other's, and calling those pairs
negatives would teach the model that true sentences are false.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers
from torch.nn import functional
from transformers import (
    CLIPConfig,
    CLIPImageProcessorPil,
    CLIPModel,
    CLIPProcessor,
    CLIPTextConfig,
    CLIPTokenizer,
    CLIPVisionConfig,
)

from captions import ATTRIBUTES, LABELS, caption, corpus, describe, say
from common import Halved, Log, batches, checkpoint, photographs, rate_at, resumed, shift

LENGTH = 20
"""Tokens of a caption, the two marks included."""
MEAN, DEVIATION = 0.286, 0.353
"""Of the training photographs' pixels in [0, 1]."""
WORDS = r"""<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"""  # CLIP's own


def tokenizer(texts: list[str], size: int = 900) -> CLIPTokenizer:
    """CLIP's tokenizer pipeline with a vocabulary learnt from `texts`.

    Every byte, alone and at the end of a word, is given as a special token first: without that `BpeTrainer` orders ties
    by its hash map and gives other ids at every run.
    """
    pipeline = Tokenizer(
        models.BPE(unk_token="<|endoftext|>", continuing_subword_prefix="", end_of_word_suffix="</w>", fuse_unk=False)
    )
    pipeline.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    pipeline.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(WORDS), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=alphabet + [letter + "</w>" for letter in alphabet],
        end_of_word_suffix="</w>",
        show_progress=False,
    )
    pipeline.train_from_iterator(texts, trainer)
    learnt = json.loads(pipeline.to_str())["model"]
    vocabulary = dict(learnt["vocab"])
    for mark in ("<|startoftext|>", "<|endoftext|>"):
        vocabulary[mark] = len(vocabulary)
    merges = [tuple(pair) for pair in learnt["merges"]]
    return CLIPTokenizer(vocab=vocabulary, merges=merges, model_max_length=LENGTH)


def build(words: CLIPTokenizer) -> CLIPModel:
    """The untrained model: patches of 4 x 4 on 28 x 28 grey pixels, width 128 in both towers."""
    text = CLIPTextConfig(
        vocab_size=len(words),
        hidden_size=128,
        intermediate_size=512,
        num_hidden_layers=3,
        num_attention_heads=4,
        max_position_embeddings=LENGTH,
        projection_dim=128,
        bos_token_id=words.bos_token_id,
        eos_token_id=words.eos_token_id,
        pad_token_id=words.pad_token_id,
    )
    vision = CLIPVisionConfig(
        hidden_size=128,
        intermediate_size=512,
        num_hidden_layers=6,
        num_attention_heads=4,
        num_channels=3,
        image_size=28,
        patch_size=4,
        projection_dim=128,
        attention_dropout=0.0,
    )
    config = CLIPConfig(text_config=text.to_dict(), vision_config=vision.to_dict(), projection_dim=128)
    config._attn_implementation = "eager"  # the fused CPU kernel's backward pass is several times slower here
    return CLIPModel(config)


def prepared(images: np.ndarray) -> torch.Tensor:
    """(n, 28, 28) bytes to normalised (n, 1, 28, 28)."""
    return ((torch.from_numpy(images).float() / 255 - MEAN) / DEVIATION)[:, None]


def truth(classes: np.ndarray, words: np.ndarray, said: np.ndarray) -> torch.Tensor:
    """(images, captions) 1 where the caption is true of the image. Shapes: (n,), (n, attributes), (n, attributes)."""
    same = classes[:, None] == classes[None, :]
    agrees = ((said[None] == 0) | (said[None] == words[:, None])).all(axis=2)
    return torch.from_numpy((same & agrees).astype(np.float32))


@torch.inference_mode()
def zero_shot(model: CLIPModel, words: CLIPTokenizer, images: torch.Tensor, labels: np.ndarray) -> float:
    """Share of images whose nearest of ten prompts is their own."""
    texts = words([f"a photo of a {label}" for label in LABELS], padding="max_length", return_tensors="pt")
    names = functional.normalize(model.get_text_features(**texts).pooler_output.float(), dim=-1)
    dtype = next(model.parameters()).dtype
    right = 0
    for part, answer in zip(images.split(500), torch.from_numpy(labels).split(500), strict=True):
        embeddings = model.get_image_features(pixel_values=part.expand(-1, 3, -1, -1).to(dtype)).pooler_output
        right += int(((functional.normalize(embeddings.float(), dim=-1) @ names.T).argmax(1) == answer).sum())
    return right / len(images)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=9)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    log = Log(options.out / "log.jsonl")
    images, classes = photographs("train")
    described = describe(images, classes)
    table = np.stack([described.words[name] for name in ATTRIBUTES], axis=1)
    pixels = prepared(images)
    held, answers = photographs("validation")
    words = tokenizer(corpus())
    model = build(words)
    log(parameters=sum(p.numel() for p in model.parameters()), vocabulary=len(words))
    training = Halved(model, 1e-3, decay=0.05, average=0.998)
    steps = options.epochs * (len(pixels) // options.batch)
    for step, chosen in batches(
        len(pixels), options.batch, steps, seed=3, first=resumed(options.out / "state.pt", training)
    ):
        rng = np.random.default_rng([4, step])
        texts, said = [], np.zeros((len(chosen), len(ATTRIBUTES)), dtype=np.int8)
        for nth, index in enumerate(chosen):
            row = {name: int(table[index, column]) for column, name in enumerate(ATTRIBUTES)}
            spoken = say(row, rng)
            for column, pair in enumerate(ATTRIBUTES.values()):
                said[nth, column] = -1 if pair[0] in spoken else 1 if pair[1] in spoken else 0
            texts.append(caption(LABELS[classes[index]], spoken, rng))
        tokens = words(texts, padding="max_length", truncation=True, return_tensors="pt")
        batch = shift(pixels[torch.from_numpy(chosen)], 2, lambda low, high, rng=rng: int(rng.integers(low, high)))
        flipped = torch.from_numpy(rng.random(len(chosen)) < 0.5)
        batch = torch.where(flipped[:, None, None, None], batch.flip(3), batch)
        out = model(pixel_values=batch.expand(-1, 3, -1, -1).bfloat16(), **tokens)
        positive = truth(classes[chosen], table[chosen], said)
        logits = out.logits_per_image.float()
        by_image = (positive / positive.sum(1, keepdim=True) * functional.log_softmax(logits, 1)).sum(1)
        by_text = (positive / positive.sum(0, keepdim=True) * functional.log_softmax(logits, 0)).sum(0)
        loss = -(by_image.mean() + by_text.mean()) / 2
        loss.backward()
        training.step(rate_at(step, steps, 1e-3, warmup=400))
        if step % 100 == 0:
            log(step=step, of=steps, loss=loss.item())
        if step % 1000 == 999:
            log(step=step, validation=zero_shot(model.eval(), words, prepared(held[:2000]), answers[:2000]))
            model.train()
            checkpoint(options.out / "state.pt", training)
    training.finished()
    log(validation=zero_shot(model, words, prepared(held), answers))
    test, labels = photographs("test")
    log(test=zero_shot(model, words, prepared(test), labels))
    image_processor = CLIPImageProcessorPil(
        size={"shortest_edge": 28},
        crop_size={"height": 28, "width": 28},
        image_mean=[MEAN] * 3,
        image_std=[DEVIATION] * 3,
    )
    model.save_pretrained(options.out / "model")
    CLIPProcessor(image_processor=image_processor, tokenizer=words).save_pretrained(options.out / "model")
    (options.out / "thresholds.json").write_text(json.dumps(described.thresholds, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
