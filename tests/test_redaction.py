"""What is a secret by its name, and what is left of one where it is shown."""

from __future__ import annotations

import logging
import time
from pathlib import Path

import pytest
from pydantic import JsonValue, ValidationError

from rr_refine.agent.refine import refine
from rr_refine.endpoint.key_mask import KeyMask
from rr_refine.errors import ConfigError, CriticUnavailable
from rr_refine.generators.images_api import ImagesApiOptions
from rr_refine.logs import WithoutKeys
from rr_refine.redaction import clean, hidden, is_secret, told
from rr_refine.terms import Identity

VALUE = "s3cr3t-4242"


@pytest.mark.parametrize(
    "key",
    [
        *("api_key", "critic.api_key", "apiKey", "X-API-Key", "key", "access_key", "keys"),
        *("token", "hf_token", "studio.token", "tokenValue", "token_file", "session-token"),
        *("password", "passwd", "db_password", "passphrase", "client_secret", "secret"),
        *("Authorization", "proxy-authorization", "auth", "basic_auth", "cookie", "Set-Cookie"),
        *("credentials", "bearer", "rewriter.my.mod:R.api_key", "api_tokens", "pwd", "signature"),
    ],
)
def test_a_secret_by_its_name(key: str) -> None:
    assert is_secret(key, VALUE)
    assert hidden({"a": [{key: VALUE}]}) == {"a": [{key: "***"}]}
    assert hidden({key: None}) == {key: None}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *[("critic.max_tokens", 2048), ("budget.tokens", None), ("tokens", 7)],
        *[("critic.max_tokens", "many"), ("budget.tokens", "12x")],
        *[("tokenizer", "m"), ("keep", ["a"]), ("monkey_patch", "x"), ("keyword", "red")],
        *[("author", "me"), ("seed", 3), ("passes", 2), ("signal", "x"), ("design", "x")],
    ],
)
def test_no_secret(key: str, value: JsonValue) -> None:
    assert not is_secret(key, value)
    assert hidden(value, key) == value


@pytest.mark.parametrize(
    "text",
    [
        f"http://user:{VALUE}@host/v1",
        f"postgres://{VALUE}@host",
        f"see https://host/v1?a=1&api_key={VALUE}&b=2",
        f"https://host/v1?key={VALUE}",
        f"https://host/v1?X-Amz-Signature={VALUE}#access_token={VALUE}",
        f"Authorization: Bearer {VALUE}",
        f"authorization: Basic {VALUE}",
        f"sent Bearer {VALUE} to it",
        f"Cookie: a={VALUE}; b=2",
        f"critic.api_key = '{VALUE}': no",
        f"unexpected api_key={VALUE}, b=2",
        f'{{"api_key": "{VALUE}", "b": 2}}',
        f"{{'password': '{VALUE}'}}",
        f"api_tokens={VALUE}, access_tokens = '{VALUE}'",
    ],
)
def test_a_message_holds_none(text: str) -> None:
    assert VALUE not in clean(text)
    assert "***" in clean(text)
    assert VALUE not in str(CriticUnavailable(text))


@pytest.mark.parametrize(
    "text",
    [
        "--set 'foo' must look like key=value, such as critic.samples=4",
        "unknown option 'critic.api_ky' (did you mean 'api_key'?)",
        "critic.api_key: Input should be a valid string",
        "http://localhost:6868/v1?limit=3 answered 500: no token left",
        "mail me@example.org, a key: red",
        "budget.tokens = 12345678901234567890: 1000000000000000000 is the most",
        "budget.tokens = '12x' is no whole number",
        "--set budget.tokens=123456 and critic.max_tokens='many', max_completion_tokens=7",
        "https://host/v1?max_tokens=4&tokens=12",
    ],
)
def test_other_words_stay(text: str) -> None:
    assert clean(text) == text


def test_an_identity_holds_none() -> None:
    made = Identity(
        kind="mine", name=f"http://a:{VALUE}@h", details={"headers": {"Authorization": VALUE}}
    )
    assert VALUE not in made.model_dump_json()


@pytest.mark.parametrize(
    "parameters",
    [{"api_key": VALUE}, {"hook": f"http://h/?token={VALUE}"}, {"a": {"token": VALUE}}],
)
def test_parameters_are_recorded_so_they_hold_none(
    tmp_path: Path, parameters: dict[str, JsonValue]
) -> None:
    with pytest.raises(ConfigError, match="may hold a secret") as caught:
        refine("a cat", generator="fake", critic="fake", parameters=parameters, out=tmp_path)
    assert VALUE not in str(caught.value)
    with pytest.raises(ValidationError, match="may hold no secret"):
        ImagesApiOptions(base_url="http://localhost", parameters=parameters)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["a" * 30_000, "a1" * 15_000, "x-" * 15_000, "a=" * 15_000])
def test_a_long_text_without_blanks_is_soon_cleaned(text: str) -> None:
    started = time.process_time()
    assert clean(text) == text
    assert hidden(text) == text
    assert time.process_time() - started < 2


def test_an_error_is_told_without_its_secrets() -> None:
    error = OSError("https://me:hunter2@host/v1 said no to api_key=sk-42")
    assert told(error) == "OSError: https://***@host/v1 said no to api_key=***"


def test_a_number_by_the_name_of_one_token_is_a_secret() -> None:
    assert clean("token=424242 and studio.token = 424242") == "token=*** and studio.token = ***"


def test_a_key_in_use_is_hidden_by_whatever_name() -> None:
    key = "0a1b-Kept-in-use"
    assert clean(f"it said {key}!") == f"it said {key}!"
    KeyMask(key)
    assert clean(f"it said {key}! bytearray(b'{key}')") == "it said ***! bytearray(b'***')"
    record = logging.LogRecord("x", logging.DEBUG, "", 0, "sent %s", (key,), None)
    assert WithoutKeys().format(record) == "sent ***"
    KeyMask("seven77")
    assert clean("seven77") == "seven77"  # it may be a word
