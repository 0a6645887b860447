"""Tiny checkpoints of random weights, with tokenizers of their own, for the engine ``transformers``."""

from __future__ import annotations

import io
import json
import string
from pathlib import Path
from typing import Any

import numpy as np

TEXT_POSITIONS = 48
SPEAKER_SIZE = 512


def save_speecht5(folder: Path) -> Path:
    """SpeechT5 with a character tokenizer of ASCII letters and few text positions."""
    import sentencepiece
    import torch
    import transformers as kit

    folder.mkdir(parents=True)
    pieces = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([string.ascii_letters, "' . , ! ? -"]), model_writer=pieces, model_type="char",
        vocab_size=99, hard_vocab_limit=False, bos_id=0, pad_id=1, eos_id=2, unk_id=3, minloglevel=2,
    )  # fmt: skip
    vocabulary = folder / "spm_char.model"
    vocabulary.write_bytes(pieces.getvalue())
    tokenizer = kit.SpeechT5Tokenizer(str(vocabulary))
    torch.manual_seed(0)
    config = kit.SpeechT5Config(
        vocab_size=len(tokenizer), hidden_size=16, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2,
        decoder_attention_heads=2, encoder_ffn_dim=16, decoder_ffn_dim=16, max_text_positions=TEXT_POSITIONS,
        max_speech_positions=80, speech_decoder_prenet_units=16, speech_decoder_postnet_units=16,
        speaker_embedding_dim=SPEAKER_SIZE, speech_decoder_prenet_dropout=0.0, conv_dim=(8,), conv_kernel=(3,),
        conv_stride=(2,),
    )  # fmt: skip
    model = kit.SpeechT5ForTextToSpeech(config)
    with torch.no_grad():  # random weights whisper and stop at once: these speak up, to the last position there is
        model.speech_decoder_postnet.feat_out.weight.mul_(200)
        model.speech_decoder_postnet.prob_out.bias.fill_(-50)
        model.speecht5.decoder.prenet.speaker_embeds_layer.weight.mul_(20)
    model.save_pretrained(folder)
    kit.SpeechT5Processor(kit.SpeechT5FeatureExtractor(), tokenizer).save_pretrained(folder)
    return folder


def save_hifigan(folder: Path) -> Path:
    """The vocoder: 256 samples a frame."""
    import torch
    import transformers as kit

    torch.manual_seed(1)
    config = kit.SpeechT5HifiGanConfig(
        upsample_initial_channel=32, upsample_rates=[4, 4, 4, 4], upsample_kernel_sizes=[8, 8, 8, 8],
        resblock_kernel_sizes=[3], resblock_dilation_sizes=[[1, 3]],
    )  # fmt: skip
    model = kit.SpeechT5HifiGan(config)
    with torch.no_grad():  # else 8 layers of small random weights leave nothing to hear
        for weight in model.parameters():
            weight.mul_(12)
    model.save_pretrained(folder)
    return folder


def save_vits(folder: Path, *, speakers: int = 1, **tokenizer: Any) -> Path:
    """VITS that reads small Latin letters, with MMS's kind of tokenizer."""
    import torch
    import transformers as kit

    folder.mkdir(parents=True)
    letters = ["|", *string.ascii_lowercase, "'", "-", " ", "<unk>"]
    vocabulary = folder / "vocab.json"
    vocabulary.write_text(json.dumps({letter: number for number, letter in enumerate(letters)}))
    options = {"language": "eng", "phonemize": False, "pad_token": "|", **tokenizer}
    torch.manual_seed(2)
    config = kit.VitsConfig(
        vocab_size=len(letters), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, ffn_dim=16, flow_size=16,
        spectrogram_bins=9, prior_encoder_num_flows=1, prior_encoder_num_wavenet_layers=1,
        posterior_encoder_num_wavenet_layers=1, duration_predictor_filter_channels=16, depth_separable_num_layers=1,
        duration_predictor_num_flows=1, upsample_initial_channel=16, upsample_rates=[8, 8, 4],
        upsample_kernel_sizes=[16, 16, 8], resblock_kernel_sizes=[3], resblock_dilation_sizes=[[1, 3]],
        num_speakers=speakers, speaker_embedding_size=4 if speakers > 1 else 0,
    )  # fmt: skip
    kit.VitsModel(config).save_pretrained(folder)
    kit.VitsTokenizer(str(vocabulary), **options).save_pretrained(folder)
    return folder


def save_speakers(folder: Path, *names: str) -> Path:
    """A folder with an x-vector of random numbers for each name."""
    folder.mkdir(parents=True)
    random = np.random.default_rng(0)
    for name in names:
        np.save(folder / f"{name}.npy", random.standard_normal(SPEAKER_SIZE).astype(np.float32))
    return folder
