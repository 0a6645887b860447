"""A model of one language refuses the others, whatever library it runs in."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from comps.core.errors import UnknownChoiceError
from comps.tts.engine import TtsEngine, TtsOptions, require_language
from comps.tts.settings import TtsSettings


def test_regions_and_old_names_do_not_matter() -> None:
    for language in ("", "en", "EN_us", "cmn", "zh-TW"):
        require_language(language, "en-GB", "zh")
    with pytest.raises(UnknownChoiceError, match="does not speak 'fr'; it speaks: en-GB, zh") as refused:
        require_language("fr", "en-GB", "zh", "zh")
    assert (refused.value.param, refused.value.status) == ("language", 422)


@pytest.fixture
def libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    """The names of the libraries, which are no part of the base install; nothing is spoken here."""
    torch: Any = ModuleType("torch")
    torch.cuda = SimpleNamespace(is_available=lambda: False)
    api: Any = ModuleType("TTS.api")
    api.TTS = object
    for name, module in (("torch", torch), ("transformers", ModuleType("transformers")), ("TTS", ModuleType("TTS"))):
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setitem(sys.modules, "TTS.api", api)


async def _refuses(engine: TtsEngine, language: str, speaks: str) -> None:
    with pytest.raises(UnknownChoiceError, match=f"it speaks: {speaks}"):
        await anext(engine.speak("Bonjour.", TtsOptions(language=language)))
    assert {voice.languages for voice in await engine.voices()} == {(speaks,)}


@pytest.mark.usefixtures("libraries")
async def test_transformers_speaks_the_language_of_the_settings() -> None:
    from comps.tts.engines.transformers import TransformersEngine

    await _refuses(TransformersEngine(TtsSettings(language="de")), "fr", "de")


@pytest.mark.usefixtures("libraries")
@pytest.mark.parametrize(("model", "speaks"), [("tts_models/es/css10/vits", "es"), ("/models/mine", "de")])
async def test_coqui_speaks_the_language_in_the_name_of_its_model(model: str, speaks: str) -> None:
    from comps.tts.engines.coqui import CoquiEngine

    await _refuses(CoquiEngine(TtsSettings(language="de", model=model)), "fr", speaks)
