"""Facts of a saved model."""

from fewact.classifier.info import clip_rows
from fewact.classifier.names import Example


def test_the_table_of_clips_has_a_column_of_faults_if_there_is_one() -> None:
    clips = Example("a.mp4", "wave"), Example("b.mp4", "clap", start=1.0, faults=("dark", "small"))
    assert clip_rows(clips) == [
        ("#", "class", "clip", "fault"),
        ("1", "wave", "a.mp4", ""),
        ("2", "clap", "b.mp4 [1 s …]", "dark, small"),
    ]
    assert clip_rows(clips[:1]) == [("#", "class", "clip"), ("1", "wave", "a.mp4")]
