from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rr_refine.endpoint.chat import Message
from rr_refine.reward.template import load_template
from rr_refine.sketch.observation import observation_of
from rr_refine.sketch.training.critic.dialogues import dialogue_about, random_dialogue
from rr_refine.sketch.training.critic.training_pictures import (
    lettered_picture,
    plain_picture,
    random_picture,
)
from rr_refine.sketch.training.critic.wording import HEADINGS, WrittenJudgement, critique_text
from rr_refine.sketch.world.phrasing import REGISTERS, phrase, request_for
from rr_refine.sketch.world.sampling import random_scene

pytest.importorskip("torch")
pytest.importorskip("transformers")

from pathlib import Path

import torch
from safetensors import safe_open
from transformers import AutoModelForImageTextToText, AutoProcessor, LlavaForConditionalGeneration

from rr_refine.sketch.training.critic.batching import encode, to_batch
from rr_refine.sketch.training.critic.perception import PerceptionRecipe, optimizers, train_tower
from rr_refine.sketch.training.critic.pretrain import PretrainRecipe, answer_loss, examine, pretrain
from rr_refine.sketch.training.critic.student import (
    IMAGE_TOKENS,
    StudentSize,
    build_processor,
    build_student,
)
from rr_refine.sketch.training.critic.tokenizer import IMAGE, build_tokenizer, token_id
from rr_refine.sketch.training.generator.autoencoder import to_pixels

TOKENIZER = build_tokenizer()
TINY = StudentSize(
    tower_layers=1,
    tower_width=32,
    tower_heads=2,
    decoder_layers=2,
    decoder_width=32,
    decoder_heads=2,
)
SHORT = PretrainRecipe(
    steps=40,
    tokens=600,
    size=TINY,
    perception=PerceptionRecipe(steps=100, batch=2, size=TINY, exam=5),
    exam=5,
)


def lines(file: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def chat(dialogue: tuple[Message, ...], processor: Any = None, *, asks: bool = False) -> Any:
    """`dialogue` as the model's inputs."""
    messages: list[Any] = [
        {
            "role": message.role,
            "content": [
                {"type": "text", "text": part}
                if isinstance(part, str)
                else {"type": "image", "image": part}
                for part in message.content
            ],
        }
        for message in dialogue
    ]
    processor = processor or build_processor(TOKENIZER)
    return processor.apply_chat_template(
        messages,
        add_generation_prompt=asks,
        tokenize=True,
        return_dict=True,
        return_tensors="pt",
    )


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a short training run."""
    folder = tmp_path_factory.mktemp("critic")
    pretrain(folder, SHORT, device="cpu")
    return folder


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "\n\n",
        " at the top lefthand",
        "an at the topat the top left",
        "3.55 4.0. N/A",
        "Größe 円 🙂\u200d🙂 \u00a0\r\n\t",
        "<image> <|end|><|user|> <pad>",
        "##Score:## Score: 3.0\n## Score:",
        "\x00\x7f\u0080Ġ Ċ",
    ],
)
def test_tokens_give_their_text_back(text: str) -> None:
    assert TOKENIZER.decode(TOKENIZER.encode(text)) == text


@given(text=st.text())
def test_tokens_give_any_text_back(text: str) -> None:
    assert TOKENIZER.decode(TOKENIZER.encode(text)) == text


@given(
    pieces=st.lists(st.sampled_from([*HEADINGS, " ", "\n", "a", " a", "; a", " at the top", "n"]))
)
def test_pieces_give_their_text_back_in_any_order(pieces: list[str]) -> None:
    text = "".join(pieces)
    assert TOKENIZER.decode(TOKENIZER.encode(text)) == text


def test_vocabulary_is_small_and_the_same_each_time() -> None:
    assert len(TOKENIZER) <= 1500
    assert build_tokenizer().get_vocab() == TOKENIZER.get_vocab()


@pytest.mark.parametrize("register", REGISTERS)
def test_requests_need_few_tokens_and_no_spelling(register: str) -> None:
    random = Random(1)
    for _ in range(50):
        scene = random_scene(random)
        text = phrase(request_for(scene, register, random), register, random)  # type: ignore[arg-type]
        tokens = TOKENIZER.tokenize(text)
        spelled = [token for token in tokens if len(token) == 1 and token not in "ai.,;?"]
        assert not spelled, text
        assert len(tokens) <= len(text.split()) + text.count(",") + text.count(";") + 1


def test_answers_and_questions_of_the_critic_are_short() -> None:
    """Even where nothing is as it was asked for."""
    random = Random(2)
    lengths = []
    for _ in range(100):
        request = request_for(random_scene(random), random.choice(REGISTERS), random)
        judgement = WrittenJudgement(
            observation_of(random_scene(random)),
            {"text_faithfulness": 2.1, "physical_quality": 3.6, "text_rendering": None},
        )
        lengths.append(len(TOKENIZER.encode(critique_text(request, judgement))))
    assert sorted(lengths)[50] <= 160
    for rubric in load_template("sketch").rubrics.values():
        for part in rubric.user:
            text = getattr(part, "text", "")
            assert len(TOKENIZER.encode(text)) <= 8


def test_processor_and_training_agree_on_tokens_and_pixels() -> None:
    random = Random(3)
    for _ in range(12):
        dialogue = random_dialogue(random)
        encoded = encode(dialogue, TOKENIZER)
        inputs = chat(dialogue)
        assert inputs["input_ids"][0].tolist() == encoded.ids
        assert encoded.ids.count(token_id(TOKENIZER, IMAGE)) == IMAGE_TOKENS * len(encoded.images)
        if encoded.images:
            torch.testing.assert_close(inputs["pixel_values"], to_pixels(encoded.images))


def test_answers_are_marked_and_nothing_else() -> None:
    random = Random(4)
    for _ in range(12):
        dialogue = random_dialogue(random)
        batch = to_batch([encode(dialogue, TOKENIZER)], padding=0)
        said = TOKENIZER.decode(batch.ids[batch.answers])
        assert said == "".join(f"{m.text}<|end|>" for m in dialogue if m.role == "assistant")


def test_default_student_is_small() -> None:
    with torch.device("meta"):
        student = build_student(TOKENIZER)
    assert sum(weight.numel() for weight in student.parameters()) <= 12e6


def test_image_features_are_those_that_vllm_takes() -> None:
    """vLLM leaves the tower's last norm out of every LLaVA, so it must not count here."""
    torch.manual_seed(0)
    model = build_student(TOKENIZER, TINY)
    tower = model.model.vision_tower
    torch.nn.init.normal_(tower.post_layernorm.weight)
    pixels = to_pixels([random_picture(Random(5)).image])
    with torch.inference_mode():
        features = model.get_image_features(pixel_values=pixels).pooler_output
        seen = tower.encoder(tower.embeddings(pixels)).last_hidden_state
        torch.testing.assert_close(features[0], model.model.multi_modal_projector(seen)[0])


def test_losses_fall(trained: Path) -> None:
    tower = [line["loss"] for line in lines(trained / "tower.jsonl") if "loss" in line]
    language = [line["loss"] for line in lines(trained / "language.jsonl") if "loss" in line]
    assert len(tower) == 2 and tower[1] < tower[0]
    assert len(language) == 2 and language[1] < language[0]


def test_saved_student_loads_and_answers_about_three_pictures(trained: Path) -> None:
    load: Any = AutoProcessor.from_pretrained
    model: Any = AutoModelForImageTextToText.from_pretrained(
        trained / "base", local_files_only=True
    )
    picture = random_picture(Random(6)).image
    question = Message("user", (picture, picture, picture, "\nCompare the edits."))
    inputs = chat((question,), load(trained / "base", local_files_only=True), asks=True)
    said = model.generate(**inputs, max_new_tokens=5, do_sample=False)
    assert said.shape[1] - inputs["input_ids"].shape[1] in range(1, 6)


def test_saved_weights_have_the_names_that_vllm_knows(trained: Path) -> None:
    with safe_open(trained / "base" / "model.safetensors", "pt") as file:
        tower = [name for name in file.keys() if name.startswith("vision_tower.")]  # noqa: SIM118
    assert tower
    assert all(name.startswith("vision_tower.vision_model.") for name in tower)


def test_saved_student_is_the_trained_one(trained: Path) -> None:
    """A run that is done goes on from its checkpoint, finds nothing to do, and saves the same."""
    model = pretrain(trained, SHORT, device="cpu")
    saved = AutoModelForImageTextToText.from_pretrained(trained / "base", local_files_only=True)
    for name, weight in model.state_dict().items():
        torch.testing.assert_close(saved.state_dict()[name], weight)


def test_training_goes_on_where_it_stopped(tmp_path: Path) -> None:
    def train(steps: int) -> None:
        recipe = PerceptionRecipe(steps=steps, batch=2, size=TINY, exam=2)
        train_tower(tmp_path, recipe, device="cpu")

    train(3)
    first = torch.load(tmp_path / "tower.pt", weights_only=True)
    train(5)
    second = torch.load(tmp_path / "tower.pt", weights_only=True)
    assert (first["step"], second["step"]) == (3, 5)
    assert second["seconds"] > first["seconds"]
    assert all(state["step"] == 5 for state in second["optimizers"][1]["state"].values())


def test_rendered_pictures_are_learnt_from(tmp_path: Path) -> None:
    """One picture again and again is soon known by heart; only if it is what is looked at."""
    picture = lettered_picture(Random(3))

    def loss(folder: str, rendered: float) -> float:
        recipe = PerceptionRecipe(steps=150, batch=4, size=TINY, exam=2, rendered=rendered)
        train_tower(tmp_path / folder, recipe, [picture], device="cpu")
        return lines(tmp_path / folder / "tower.jsonl")[2]["loss"]

    assert loss("known", 1.0) < 0.7 * loss("others", 0.0)


def test_student_learns_a_dialogue_by_heart_and_says_it() -> None:
    torch.manual_seed(0)
    dialogue = dialogue_about(plain_picture(Random(7)), Random(7))[:2]
    model: Any = build_student(TOKENIZER, TINY)
    learn(model, dialogue, steps=150)
    inputs = chat(dialogue[:1], asks=True)
    said = model.eval().generate(**inputs, max_new_tokens=80, do_sample=False)[0]
    answer = said[inputs["input_ids"].shape[1] :]
    assert TOKENIZER.decode(answer, skip_special_tokens=True) == dialogue[1].text


def learn(model: LlavaForConditionalGeneration, dialogue: tuple[Message, ...], steps: int) -> None:
    batch = to_batch([encode(dialogue, TOKENIZER)], padding=0)
    both = optimizers(model, 5e-3)
    for _ in range(steps):
        answer_loss(model, batch).backward()  # type: ignore[no-untyped-call]
        for optimizer in both:
            optimizer.step()
            optimizer.zero_grad()


def test_examination_grades_by_question() -> None:
    grades = examine(build_student(TOKENIZER, TINY), TOKENIZER, Random(8), 20)
    assert "plain: What does the picture show?" in grades
    assert "What is missed?" in grades
    assert set(grades.values()) == {0.0}
