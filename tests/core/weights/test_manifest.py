from __future__ import annotations

import re
from itertools import chain
from urllib.parse import urlsplit

import pytest

from comps.core.errors import UnknownChoiceError
from comps.core.weights import documented, find, manifest

MODELS = list(manifest().values())
FILES = list(dict.fromkeys(chain.from_iterable(model.files for model in MODELS)))

NAMES = [
    "wav2lip",
    "wav2lip-gan",
    "wav2lip-sd",
    "wav2lip-sd-gan",
    "s3fd",
    "gfpgan",
    "gfpgan-1.3",
    "retinaface",
    "parsenet",
    "sadtalker",
    "sadtalker-512",
    "sadtalker-old",
    "fan",
    "whisper-tiny",
    "whisper-small",
    "whisper-large-v3-turbo",
]


def test_names_that_errors_and_containers_use_stay() -> None:
    assert set(NAMES) <= set(manifest())


def test_every_model_has_files_an_engine_and_a_licence_to_read() -> None:
    for model in MODELS:
        assert model.files, model.name
        assert model.engines, model.name
        assert model.summary
        assert model.licence.terms.endswith(".")
        assert urlsplit(model.licence.url).scheme == "https"
        assert set(model.goes_with) <= set(manifest())


def test_every_file_can_be_had_somewhere_and_stays_in_its_folder() -> None:
    for file in FILES:
        assert file.urls or file.page, file.name
        assert all(urlsplit(url).scheme == "https" and urlsplit(url).netloc for url in file.urls), file.name
        assert re.fullmatch(r"[A-Za-z0-9][\w.-]*", file.name), file.name
        assert not file.name.endswith((".part", ".sha256", ".json"))


def test_hashes_are_hashes_and_sizes_are_exact_where_there_is_one() -> None:
    for file in FILES:
        if file.sha256:
            assert re.fullmatch(r"[0-9a-f]{64}", file.sha256), file.name
    assert len({file.sha256 for file in FILES if file.sha256}) == sum(1 for file in FILES if file.sha256)


def test_hashes_that_are_part_of_a_published_name_agree() -> None:
    whisper = [file for model in MODELS if model.engines == ("whisper",) for file in model.files]
    assert len(whisper) == 12
    assert all(file.sha256 and file.sha256 in file.urls[0] for file in whisper)
    s3fd = find("s3fd").files[0]
    assert s3fd.sha256 is not None
    assert s3fd.sha256.startswith("619a316812")


def test_file_names_are_unique() -> None:
    names = [name for file in FILES for name in (file.name, *file.also)]
    assert len(names) == len(set(names))


def test_non_commercial_weights_say_so() -> None:
    for name in ("wav2lip", "wav2lip-gan", "wav2lip-sd", "wav2lip-sd-gan"):
        assert find(name).licence.use == "non-commercial"
    assert find("sadtalker").licence.use == "check"


def test_the_size_of_a_model_is_that_of_all_its_files() -> None:
    assert find("sadtalker").size == 725_066_984 + 155_521_183 + 155_779_231
    assert find("sadtalker-512").size is None


def test_an_unknown_name_lists_the_known() -> None:
    with pytest.raises(UnknownChoiceError, match="wav2lip, wav2lip-gan"):
        find("wave2lip")


def test_a_documented_hash_is_recognised() -> None:
    file = find("wav2lip-sd-gan").files[0]
    assert file.sha256 is not None
    assert documented(file.sha256.upper()) == file
    assert documented("0" * 64) is None
