"""Builds small random checkpoints in folders: the real classes with few weights, saved as anybody would save them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AutoencoderKL,
    DPMSolverMultistepScheduler,
    EulerDiscreteScheduler,
    FlowMatchEulerDiscreteScheduler,
    SD3Transformer2DModel,
    StableDiffusion3Pipeline,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    BertModel,
    BertTokenizer,
    CLIPConfig,
    CLIPImageProcessorPil,
    CLIPModel,
    CLIPProcessor,
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
    CLIPVisionConfig,
    ConvNextImageProcessorPil,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
    ResNetConfig,
    ResNetForImageClassification,
    T5Config,
    T5EncoderModel,
)

LABELS = ("bag", "coat", "sandal")
WIDTH = 32
LENGTH = 16
_WORDS = r"""<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"""
_CORPUS = tuple(f"a {tone} photo of a {label}" for tone in ("light", "dark") for label in LABELS)


def tokenizer(length: int = LENGTH) -> CLIPTokenizer:
    """CLIP's pipeline with a small vocabulary, the same at every call.

    Every byte, alone and at the end of a word, goes in as a special token: else `BpeTrainer` breaks ties by hash order.
    """
    pipeline = Tokenizer(
        models.BPE(unk_token="<|endoftext|>", continuing_subword_prefix="", end_of_word_suffix="</w>", fuse_unk=False)
    )
    pipeline.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    split = pre_tokenizers.Split(Regex(_WORDS), behavior="removed", invert=True)
    pipeline.pre_tokenizer = pre_tokenizers.Sequence([split, pre_tokenizers.ByteLevel(add_prefix_space=False)])
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=560,
        special_tokens=alphabet + [letter + "</w>" for letter in alphabet],
        end_of_word_suffix="</w>",
        show_progress=False,
    )
    pipeline.train_from_iterator(_CORPUS, trainer)
    learned = json.loads(pipeline.to_str())["model"]
    vocabulary = dict(learned["vocab"])
    for mark in ("<|startoftext|>", "<|endoftext|>"):
        vocabulary[mark] = len(vocabulary)
    merges = [tuple(pair) for pair in learned["merges"]]
    return CLIPTokenizer(vocab=vocabulary, merges=merges, model_max_length=length)


def text_config(words: CLIPTokenizer) -> CLIPTextConfig:
    return CLIPTextConfig(
        vocab_size=len(words),
        hidden_size=WIDTH,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=LENGTH,
        projection_dim=WIDTH,
        bos_token_id=words.bos_token_id,
        eos_token_id=words.eos_token_id,
        pad_token_id=words.pad_token_id,
    )


def autoencoder(channels: int) -> AutoencoderKL:
    return AutoencoderKL(
        in_channels=channels,
        out_channels=channels,
        down_block_types=["DownEncoderBlock2D"] * 3,
        up_block_types=["UpDecoderBlock2D"] * 3,
        block_out_channels=[16, 16, 32],
        layers_per_block=1,
        latent_channels=4,
        norm_num_groups=8,
        sample_size=32,
        scaling_factor=1.0,
        shift_factor=0.0,
    ).eval()


def unet(states: int, **more: Any) -> UNet2DConditionModel:
    return UNet2DConditionModel(
        sample_size=8,
        in_channels=4,
        out_channels=4,
        block_out_channels=(32, 64),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        layers_per_block=1,
        cross_attention_dim=states,
        attention_head_dim=2,
        norm_num_groups=8,
        **more,
    ).eval()


def stable_diffusion(folder: Path, **parts: Any) -> Path:
    """StableDiffusionPipeline, 1 x 32 x 32; `parts` replace its own."""
    torch.manual_seed(0)
    words = tokenizer()
    chosen: dict[str, Any] = {
        "vae": autoencoder(1),
        "text_encoder": CLIPTextModel(text_config(words)).eval(),
        "tokenizer": words,
        "unet": unet(WIDTH),
        "scheduler": DPMSolverMultistepScheduler(
            beta_schedule="scaled_linear", prediction_type="v_prediction", steps_offset=1
        ),
        "safety_checker": None,
        "feature_extractor": None,
        "requires_safety_checker": False,
    }
    StableDiffusionPipeline(**(chosen | parts)).save_pretrained(folder)
    return folder


def stable_diffusion_xl(folder: Path) -> Path:
    """StableDiffusionXLPipeline, 3 x 32 x 32."""
    torch.manual_seed(1)
    words = tokenizer()
    StableDiffusionXLPipeline(
        vae=autoencoder(3),
        text_encoder=CLIPTextModel(text_config(words)).eval(),
        text_encoder_2=CLIPTextModelWithProjection(text_config(words)).eval(),
        tokenizer=words,
        tokenizer_2=words,
        unet=unet(
            2 * WIDTH,
            addition_embed_type="text_time",
            addition_time_embed_dim=8,
            projection_class_embeddings_input_dim=6 * 8 + WIDTH,
            transformer_layers_per_block=1,
            use_linear_projection=True,
        ),
        scheduler=EulerDiscreteScheduler(beta_schedule="scaled_linear", steps_offset=1),
        add_watermarker=False,
    ).save_pretrained(folder)
    return folder


def stable_diffusion_3(folder: Path) -> Path:
    """StableDiffusion3Pipeline, the flow-matching family, with its three text towers; 3 x 32 x 32."""
    torch.manual_seed(2)
    words = tokenizer(length=77)  # the pipeline pads to 77 whatever the tokenizer says
    config = text_config(words)
    config.max_position_embeddings = 77
    t5 = T5EncoderModel(
        T5Config(vocab_size=len(words), d_model=2 * WIDTH, d_kv=8, d_ff=64, num_layers=1, num_heads=2)
    ).eval()
    StableDiffusion3Pipeline(
        vae=autoencoder(3),
        text_encoder=CLIPTextModelWithProjection(config).eval(),
        text_encoder_2=CLIPTextModelWithProjection(config).eval(),
        text_encoder_3=t5,
        tokenizer=words,
        tokenizer_2=words,
        tokenizer_3=words,
        transformer=SD3Transformer2DModel(
            sample_size=8,
            patch_size=1,
            in_channels=4,
            out_channels=4,
            num_layers=2,
            attention_head_dim=8,
            num_attention_heads=4,
            joint_attention_dim=2 * WIDTH,
            caption_projection_dim=32,
            pooled_projection_dim=2 * WIDTH,
            pos_embed_max_size=16,
        ).eval(),
        scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0),
    ).save_pretrained(folder)
    return folder


def clip(folder: Path) -> Path:
    """CLIPModel with its processor and tokenizer, 3 x 32 x 32."""
    torch.manual_seed(3)
    words = tokenizer()
    vision = CLIPVisionConfig(
        hidden_size=WIDTH,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        image_size=32,
        patch_size=8,
        projection_dim=WIDTH,
    )
    config = CLIPConfig(text_config=text_config(words).to_dict(), vision_config=vision.to_dict(), projection_dim=WIDTH)
    CLIPModel(config).eval().save_pretrained(folder)
    images = CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    CLIPProcessor(image_processor=images, tokenizer=words).save_pretrained(folder)
    return folder


def resnet(folder: Path, labels: tuple[str, ...] = LABELS) -> Path:
    """ResNetForImageClassification with named labels and its processor, 3 x 32 x 32."""
    torch.manual_seed(4)
    config = ResNetConfig(
        layer_type="basic",
        embedding_size=8,
        hidden_sizes=[8, 16],
        depths=[1, 1],
        num_labels=len(labels),
        id2label=dict(enumerate(labels)),
        label2id={label: index for index, label in enumerate(labels)},
    )
    ResNetForImageClassification(config).eval().save_pretrained(folder)
    ConvNextImageProcessorPil(size={"shortest_edge": 32}, crop_pct=1.0).save_pretrained(folder)
    return folder


def safety_checker(*, flags: bool) -> tuple[StableDiffusionSafetyChecker, CLIPImageProcessorPil]:
    """Stable Diffusion's safety checker, small, flagging all images or none; and its image processor."""
    vision = CLIPVisionConfig(
        hidden_size=WIDTH,
        intermediate_size=64,
        num_hidden_layers=1,
        num_attention_heads=2,
        image_size=32,
        patch_size=8,
        projection_dim=WIDTH,
    )
    config = CLIPConfig(text_config={}, vision_config=vision.to_dict(), projection_dim=WIDTH)
    checker = StableDiffusionSafetyChecker(config).eval()
    with torch.no_grad():  # an image is flagged where a cosine, at least -1, is above one of these
        checker.concept_embeds_weights.fill_(-2.0 if flags else 2.0)
        checker.special_care_embeds_weights.fill_(2.0)
    return checker, CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})


def bert_config(folder: Path, **more: Any) -> BertConfig:
    """Of a network of letters, whose tokenizer it writes."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{letter}" for letter in letters)]
    BertTokenizer(vocab={word: nth for nth, word in enumerate(words)}).save_pretrained(folder)
    sizes = {"hidden_size": WIDTH, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 2 * WIDTH}
    return BertConfig(vocab_size=len(words), max_position_embeddings=24, **sizes, **more)


def language(folder: Path) -> Path:
    """LlamaForCausalLM with a chat template, a byte a token, 256 tokens of context; about as uneven as a real one."""
    torch.manual_seed(5)
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: nth for nth, token in enumerate(("<|end|>", "<|user|>", "<|assistant|>", *letters))}
    pipeline = Tokenizer(models.BPE(vocabulary, []))
    pipeline.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    pipeline.decoder = decoders.ByteLevel()
    words = PreTrainedTokenizerFast(
        tokenizer_object=pipeline,
        eos_token="<|end|>",
        additional_special_tokens=["<|user|>", "<|assistant|>"],
        chat_template="{% for turn in messages %}<|{{ turn['role'] }}|>{{ turn['content'] }}<|end|>{% endfor %}"
        "{% if add_generation_prompt %}<|assistant|>{% endif %}",
    )
    words.save_pretrained(folder)
    config = LlamaConfig(
        vocab_size=len(vocabulary),
        hidden_size=WIDTH,
        intermediate_size=2 * WIDTH,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=256,
        bos_token_id=None,
        eos_token_id=0,
        pad_token_id=0,
    )
    model = LlamaForCausalLM(config).eval()
    with torch.no_grad():
        model.lm_head.weight.mul_(25)
    model.save_pretrained(folder)
    return folder


def text_classifier(folder: Path, labels: tuple[str, ...] = LABELS) -> Path:
    """A classifier of texts, letter by letter."""
    torch.manual_seed(0)
    names = {"id2label": dict(enumerate(labels)), "label2id": {name: nth for nth, name in enumerate(labels)}}
    BertForSequenceClassification(bert_config(folder, **names)).eval().save_pretrained(folder)
    return folder


def bert(folder: Path) -> Path:
    """A sentence encoder of letters that takes 22 tokens: no multiple of a tile's width."""
    torch.manual_seed(0)
    model = BertModel(bert_config(folder))
    with torch.no_grad():
        model.embeddings.word_embeddings.weight *= 20  # else all texts are nearly alike
    model.eval().save_pretrained(folder)
    (folder / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 22}))
    (folder / "modules.json").write_text(
        json.dumps([{"type": f"any.path.{kind}"} for kind in ("Transformer", "Pooling")])
    )
    (folder / "1_Pooling").mkdir(exist_ok=True)
    (folder / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode_mean_tokens": True}))
    return folder


CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)


def chat(folder: Path, *, template: str | None = CHATML, dtype: torch.dtype = torch.float16, **sizes: Any) -> Path:
    """LlamaForCausalLM that reads bytes, with ChatML's template: two layers, tied embeddings, float16."""
    torch.manual_seed(5)
    marks = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {word: nth for nth, word in enumerate([*marks, *letters])}
    pipeline = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    pipeline.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    pipeline.decoder = decoders.ByteLevel()
    words = PreTrainedTokenizerFast(
        tokenizer_object=pipeline,
        unk_token=marks[0],
        bos_token=marks[1],
        eos_token=marks[2],
        pad_token=marks[0],
        model_max_length=512,
        clean_up_tokenization_spaces=False,
    )
    words.chat_template = template
    settings: dict[str, Any] = {
        "vocab_size": len(words),
        "hidden_size": WIDTH,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 512,
        "tie_word_embeddings": True,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "pad_token_id": 0,
    }
    model = LlamaForCausalLM(LlamaConfig(**(settings | sizes))).eval()
    with torch.no_grad():
        model.model.embed_tokens.weight *= 10  # else every answer is as probable as any other
    model.to(dtype).save_pretrained(folder)
    words.save_pretrained(folder)
    return folder
