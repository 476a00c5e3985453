"""Stored features give the result that the same features in an array give."""

import dataclasses

import pytest

from fewact.core.errors import DataError, OptionError, StoreError
from fewact.data import Clip, Video, VideoList
from fewact.features.request import FeatureRequest, View
from fewact.features.store import Store
from fewact.lab import methods
from fewact.lab.evaluation import ArrayFeatures, evaluate_method
from fewact.lab.evaluation.episodes import draw
from fewact.lab.store import Job
from fewact.lab.store.stored import StoredFeatures, choose_card
from fewact.networks import BackboneSpec
from fewact.video.source import Trim
from tests.lab.evaluation.episodes.made_up import videos_of
from tests.lab.store.store_of_vectors import REQUEST, card, fill
from tests.refused import refused


def test_results_from_the_store_equal_results_from_arrays(store, videos, values, episodes) -> None:
    source = StoredFeatures(store, videos, choose_card(store))
    method = methods.create("protonet", frames=4)
    result = evaluate_method(method, source, videos, episodes)
    right = evaluate_method(method, ArrayFeatures(values, "made up"), videos, episodes)
    assert result.per_episode == right.per_episode
    assert 30 < result.accuracy < 95
    assert result.setup.features.backbone_sha256 == card().digest
    assert result.setup.features.trained_on == card().trained_on


def test_the_digest_is_of_the_videos_and_of_what_made_the_features(store, videos) -> None:
    one = StoredFeatures(store, videos, card())
    assert one.digest == StoredFeatures(Store(store.folder), videos, card()).digest
    fewer = dataclasses.replace(videos, videos=videos.videos[:-1])
    assert one.digest != StoredFeatures(store, fewer, card()).digest
    assert one.digest != StoredFeatures(store, videos, card(precision="bfloat16")).digest


def test_missing_videos_are_named(store, videos, episodes) -> None:
    more = videos_of(classes=8, each=7)
    source = StoredFeatures(store, more, card(), data="DATA.csv")
    method = methods.create("protonet", frames=4)
    with pytest.raises(DataError, match="8 of 56 videos") as raised:
        list(source.features(range(56), [REQUEST]))
    assert "fewact embed DATA.csv --backbone" in str(raised.value)
    assert f"--features vectors:4 -o {store.folder}" in str(raised.value)
    missing = source.missing([REQUEST])
    assert missing == list(range(48, 56))
    left = source.without(missing)
    assert left.videos.flags == ("videos not in the store: 8 of 56",)
    assert len(left.videos.videos) == 48
    drawn = draw(left.videos, episodes.protocol)
    result = evaluate_method(method, left, left.videos, drawn)
    assert "videos not in the store: 8 of 56" in result.flags
    with refused(DataError, where="made up", got="made up"):
        evaluate_method(method, left, more, draw(more, episodes.protocol))
    assert source.missing([FeatureRequest("vectors", View(8))]) == list(range(56))
    with refused(DataError, where="store"):
        source.without(range(56))
    assert left.without([]) is left


def test_a_moved_file_is_read_once(store, tmp_path, monkeypatch, values) -> None:
    paths = [tmp_path / f"{i}.mp4" for i in range(4)]
    for i, path in enumerate(paths):
        path.write_bytes(bytes([i]))
    clips = [Clip(path) for path in paths]
    videos = VideoList("clips", tuple(Video(c.path.name, "x", source=c) for c in clips))
    rows = {c.fingerprint(): {"features": row} for c, row in zip(clips, values, strict=False)}
    Job(store, videos, card(), [REQUEST]).sets[REQUEST].write(rows)
    first = StoredFeatures(store, videos, card())
    assert list(first.keys) == list(rows)
    assert not first.missing([REQUEST])
    monkeypatch.setattr(Clip, "fingerprint", None)
    assert StoredFeatures(Store(store.folder), videos, card()).keys == first.keys


def test_trimmed_videos_get_no_features_of_untrimmed_ones(store, tmp_path, values) -> None:
    (tmp_path / "a.mp4").write_bytes(b"a")
    clip = Clip(tmp_path / "a.mp4")
    videos = VideoList("clips", (Video("a.mp4", "x", source=clip),))
    own = Job(store, videos, card(), [REQUEST]).sets[REQUEST]
    own.write({clip.fingerprint(): {"features": values[0]}})
    assert not StoredFeatures(store, videos, card()).missing([REQUEST])
    assert StoredFeatures(store, videos.processed(lambda _: Trim(), "trimmed"), card()).missing(
        [REQUEST]
    ) == [0]


def test_a_damaged_shard_is_named(store, videos) -> None:
    (one,) = store.sets()
    (path,) = one.folder.glob("*.safetensors")
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DataError, match=f"48 of 48 .*damaged: {path}"):
        list(StoredFeatures(store, videos, card()).features(range(48), [REQUEST]))


def test_the_backbone_of_the_store_is_found(store, videos, values, tmp_path) -> None:
    assert choose_card(store).digest == card().digest
    with refused(StoreError, where="store", got="backbone resnet50"):
        choose_card(store, BackboneSpec(name="resnet50"))
    with refused(StoreError, where="store", got="sampler perrett"):
        choose_card(store, BackboneSpec(sampler="perrett"))
    with refused(StoreError, where="empty", expected="the store is empty"):
        choose_card(Store.create(tmp_path / "empty"))
    fill(store, videos, card(precision="bfloat16"), values)
    fill(store, videos, card(name="other"), values)
    assert choose_card(store, BackboneSpec(name="other")).name == "other"
    assert choose_card(store, BackboneSpec(precision="bfloat16")).precision == "bfloat16"
    assert choose_card(store, network_digest=card().network_digest).digest == card().digest
    with pytest.raises(StoreError, match="several backbones") as raised:
        choose_card(store, BackboneSpec(name="made up"))
    assert "made up, float32" in str(raised.value)
    assert "made up, bfloat16" in str(raised.value)
    assert "other, float32" in str(raised.value)


def test_the_frames_of_the_stored_features_are_chosen(store, videos, values) -> None:
    cropped = card(resize="centre-crop", sampler="dense:2")
    with pytest.raises(
        StoreError, match=r"got backbone made up, resize centre-crop\).*[0-9a-f]{8}\)$"
    ):
        choose_card(
            store,
            BackboneSpec(name="made up", resize="centre-crop", options={"last_stride": 1}),
        )
    fill(store, videos, cropped, values)
    for options, expected in (
        ({"resize": "centre-crop"}, cropped),
        ({"sampler": "dense:2"}, cropped),
        ({"resize": "squash"}, card()),
    ):
        assert choose_card(store, BackboneSpec(**options)).digest == expected.digest
    with refused(StoreError, expected="centre-crop, dense:2", hint="--resize, --sampler"):
        choose_card(store)


def test_a_level_that_the_backbone_does_not_have(store, videos) -> None:
    source = StoredFeatures(store, videos, card(maps=None))
    with refused(OptionError, where="made up", got="'maps'", expected="vectors, pixels"):
        list(source.features([0], [FeatureRequest("maps", View(4))]))
