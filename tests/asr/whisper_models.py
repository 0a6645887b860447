"""Whisper models with random weights, small enough to be built in a test: what they hear is nonsense, but words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

WIDTH, LAYERS = 32, 2
BYTES = 256
"""Tokens that are single bytes come first."""
BASE_TOKENS = 50_257
"""Tokens of text in Whisper's multilingual vocabulary; its control tokens follow."""


def save_whisper(file: Path, *, multilingual: bool = True) -> Path:
    """A checkpoint of openai-whisper."""
    import torch
    from whisper.model import ModelDimensions, Whisper

    torch.manual_seed(0)
    dims = ModelDimensions(
        n_mels=80, n_audio_ctx=1500, n_audio_state=WIDTH, n_audio_head=2, n_audio_layer=LAYERS,
        n_vocab=51_865 if multilingual else 51_864, n_text_ctx=64, n_text_state=WIDTH, n_text_head=2,
        n_text_layer=LAYERS,
    )  # fmt: skip
    model = Whisper(dims)
    torch.nn.init.normal_(model.decoder.positional_embedding)  # the library leaves it to the checkpoint
    torch.save({"dims": vars(dims), "model_state_dict": model.state_dict()}, file)
    return file


def save_faster_whisper(folder: Path) -> Path:
    """A folder of CTranslate2, converted from a model and a tokenizer of transformers."""
    import torch
    from ctranslate2.converters import TransformersConverter
    from transformers import GenerationConfig, WhisperConfig, WhisperForConditionalGeneration

    source = folder.parent / f"{folder.name}-source"
    tokenizer = whisper_tokenizer()
    end, start = (tokenizer.token_to_id(name) for name in ("<|endoftext|>", "<|startoftranscript|>"))
    torch.manual_seed(0)
    config = WhisperConfig(
        vocab_size=tokenizer.get_vocab_size(), num_mel_bins=80, d_model=WIDTH, encoder_layers=LAYERS,
        decoder_layers=LAYERS, encoder_attention_heads=2, decoder_attention_heads=2, encoder_ffn_dim=64,
        decoder_ffn_dim=64, pad_token_id=end, bos_token_id=end, eos_token_id=end, decoder_start_token_id=start,
        suppress_tokens=None, begin_suppress_tokens=None,
    )  # fmt: skip
    model = WhisperForConditionalGeneration(config)
    # Sure of its words, so that it never takes one of the bytes, of which the library cannot make words with times.
    with torch.no_grad():
        rows = model.get_input_embeddings().weight.mul_(50)
        rows[:BYTES] = 0
    model.generation_config = GenerationConfig(
        alignment_heads=[[1, 0], [1, 1]],
        lang_to_id={f"<|{tag}|>": tokenizer.token_to_id(f"<|{tag}|>") for tag in languages()},
    )
    model.save_pretrained(source)
    tokenizer.save(str(source / "tokenizer.json"))
    (source / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "PreTrainedTokenizerFast"}))
    TransformersConverter(str(source), copy_files=["tokenizer.json"]).convert(str(folder))
    return folder


def languages() -> list[str]:
    """The 99 that the first multilingual models know, in the order of their tokens."""
    from whisper.tokenizer import LANGUAGES

    return list(LANGUAGES)[:99]


def whisper_tokenizer() -> Any:
    """Whisper's layout, with invented words in the places that no byte takes.

    The last text token is empty, as in every multilingual model: that is how CTranslate2 knows one.
    """
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    texts = [*alphabet, *(f"Ġword{number}" for number in range(BASE_TOKENS - len(alphabet) - 1)), ""]
    tokenizer = Tokenizer(models.BPE(vocab={text: place for place, text in enumerate(texts)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(f"<|{name}|>", special=True) for name in control_tokens()])
    return tokenizer


def control_tokens() -> list[str]:
    """Without their brackets, in Whisper's order."""
    times = [f"{step * 0.02:.2f}" for step in range(1501)]
    tasks = ["translate", "transcribe", "startoflm", "startofprev", "nospeech", "notimestamps"]
    return ["endoftext", "startoftranscript", *languages(), *tasks, *times]
