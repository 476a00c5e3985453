"""Files of The Observer XT have no events: a template is said to be one."""

from pathlib import Path

import pytest

from fewact.core.errors import DataError
from fewact.recordings.formats import is_event_file, read_events

TEMPLATE = (
    '<?xml version="1.0"?><NXMLINTERCHANGE xmlns="nxmlinterchange"><CDS_FILE xmlns="scheme">'
    "<CDS_BEHAVIOR><CDS_ELE_NAME>groom</CDS_ELE_NAME></CDS_BEHAVIOR></CDS_FILE>{}</NXMLINTERCHANGE>"
)


def test_a_template_is_said_to_be_one_with_its_behaviours(tmp_path: Path) -> None:
    path = tmp_path / "t.otx"
    path.write_text(TEMPLATE.format(""), encoding="utf-16")
    assert is_event_file(path)
    with pytest.raises(DataError, match="a template of The Observer") as error:
        read_events(path)
    assert "groom" in error.value.got
    path.write_text(TEMPLATE.format("<OBS_EVENT/>"))
    with pytest.raises(DataError, match="tables that it exports"):
        read_events(path)
