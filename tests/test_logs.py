from __future__ import annotations

import io
import logging
import sys

import pytest

from rr_refine.logs import WithoutKeys


@pytest.mark.parametrize(
    "said",
    [
        "asked https://ann:sk-1234567890@example.org/x",
        "GET /runs?api_key=sk-1234567890",
        "Authorization: Bearer sk-1234567890",
        "{'token': 'sk-1234567890'}",
    ],
)
@pytest.mark.parametrize("raised", [False, True])
def test_a_line_and_its_traceback_have_no_keys(said: str, raised: bool) -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(WithoutKeys("%(levelname)s %(message)s"))
    logger = logging.Logger("of a program")
    logger.addHandler(handler)
    if raised:
        try:
            raise ValueError(said)
        except ValueError:
            logger.exception("it failed")
        assert "Traceback" in stream.getvalue()
    else:
        logger.warning("%s", said)
        assert stream.getvalue().startswith("WARNING ")
    assert "sk-1234567890" not in stream.getvalue()
    assert "***" in stream.getvalue()


def test_tracebacks_may_be_left_out() -> None:
    record = logging.makeLogRecord({"msg": "it failed: %s", "args": ("why",)})
    try:
        raise ValueError("a prompt")
    except ValueError:
        record.exc_info = sys.exc_info()
    assert "a prompt" in WithoutKeys("%(message)s").format(record)
    assert WithoutKeys("%(message)s", traces=False).format(record) == "it failed: why"
    assert "a prompt" in WithoutKeys("%(message)s").format(record)  # others get it still
