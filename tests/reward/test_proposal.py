"""What a model puts around a prompt comes off, and what is a prompt stays one."""

from __future__ import annotations

from contextlib import suppress
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rr_refine.reward.parser import parse_critique
from rr_refine.reward.proposal import no_prompt, read_proposal
from rr_refine.reward.wrapping import TruncatedTextError, drop_thoughts
from tests.reward.answers import COMMENTS, SCORES, SUMMARY, Told

PROMPT = "A red cat, with five toes on each paw, in a garden."

BEFORE = [
    "Refined Prompt: ",
    "**Refined prompt:** ",
    "Prompt: ",
    "New prompt:\n",
    "Revised Request: ",
    "Here is the refined request:\n\n",
    "Here's an improved version of your prompt: ",
    "Sure! Here is the new prompt:\n",
    "Certainly, here's the updated prompt:\n\n",
    "Sure thing!\n\n",
    "Of course.\n",
    "Below is the revised instruction:\n",
    "My improved prompt: ",
    "Okay, here is the final prompt that fixes the paws:\n",
    "修改后的提示词：",
    "好的，以下是优化后的提示词：\n",
    "改善後のプロンプト：",
    "개선된 프롬프트: ",
    "Voici le prompt amélioré : ",
    "Aquí está el prompt mejorado: ",
    "Hier ist der verbesserte Prompt: ",
    "Вот улучшенный промпт: ",
    "<|im_start|>assistant\n",
    "<|start_header_id|>assistant<|end_header_id|>\n\n",
    "<s> ",
    "<answer>",
    "<|begin_of_box|>",
    "<think>A cat needs <prompt>a dog</prompt>.</think>\n",
    "<thinking>Hm.</thinking>",
    "[THINK]Hm.[/THINK]",
    "◁think▷Hm.◁/think▷",
    "Hm, the paws.\n</think>\n\n",
    "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>final<|message|>",
    "\ufeff",
    "> ",
    "- ",
]

BEHIND = [
    "<|im_end|>",
    "<|endoftext|>",
    "<|eot_id|>",
    "<|end|>",
    "<|end_of_text|>",
    "<|eom_id|>",
    "<|return|>",
    "<|END_OF_TURN_TOKEN|>",
    "<｜end▁of▁sentence｜>",
    "<end_of_turn>",
    "<end_of_utterance>",
    "</s>",
    "<eos>",
    "[/INST]",
    "[EOS]",
    "</answer>",
    "</Answer>\n",
    "</prompt>",
    "</refined_request>",
    "</response>",
    "</output>",
    "</s></s>",
    "<|end_of_box|>",
    "<|end_of_box|></answer>",
    "<|im_end|>\n<|im_start|>user\nAnd a dog?",
    "<|im_end|>\n<|endoftext|>Human: what about a dog?",
    "<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\nA blue dog.",
    "\nuser\nA blue dog, please.",
    "assistant\n\nA blue dog.",
    "\n### Human: thanks",
    "\n\nHuman: thanks",
    "\n\nLet me know if you would like any changes!",
    " Let me know if you want another style.",
    "\nPlease let me know if this helps.",
    "\n\nFeel free to ask for more.",
    "\n\nI hope this helps!",
    "\nWould you like me to try another style?",
    "\n\nIf you'd like, I can make it blue.",
    "\n\nThis revised prompt keeps the subject and adds the toes.",
    "\n\nThis version emphasizes the paws.",
    "\n\nI've added the number of toes.",
    "\n\nExplanation: the toes are counted now.",
    "\n\n**Changes made:**\n- toes are counted\n- the garden stays",
    "\n\nNote: the paws were wrong.",
    "\n\n*Note: the paws were wrong.*",
    "\n(Note: the paws were wrong.)",
    "\n\nReasoning: paws.",
    "\nNegative prompt: six toes, blurry",
    "\n\nNegative Prompt:\nsix toes",
    "\n**Negative prompt:** six toes",
    " Negative prompt: six toes.",
    "\n负面提示词：六个脚趾",
    "\nSteps: 20, Sampler: Euler, CFG scale: 7",
    "\n# Final Score: 2.25",
    "\n\n**Final Score:** 2.25",
    "\nFinal score: 2.25",
    "\n## Overall Rating: 3",
    "\nTotal Score: 9/12",
    "\n最终评分：3.5",
    "\n--- End of evaluation.",
    "\n--- End of Evaluation ---",
    "\n---\nEnd of evaluation.",
    "\n**End of judgement**",
    "\n[END]",
    "\n(End of answer)",
    "\n<END>",
    "\nEvaluation complete.",
    "\n---",
    "\n***",
    "\u200b",
    "\n\n说明：增加了脚趾的数量。",
    "\n\n希望这对您有帮助！",
    "\n\nN'hésitez pas à demander.",
    "\n\nLass mich wissen, ob das passt.",
    "\n\nErklärung: Zehen.",
    "\n\nEspero que te sirva.",
]

AROUND = [
    ('"', '"'),
    ("“", "”"),
    ("„", "“"),
    ("«", "»"),
    ("「", "」"),
    ("`", "`"),
    ("**", "**"),
    ("*", "*"),
    ("***", "***"),
    ("__", "__"),
    ('**"', '"**'),
    ('"', '".'),
    ('\\"', '\\"'),
    ("```\n", "\n```"),
    ("```text\n", "\n```\n"),
    ("<prompt>", "</prompt>"),
    ("<refined_request>\n", "\n</refined_request>"),
    ("<answer>", "</answer>"),
    ("<|begin_of_box|>", "<|end_of_box|>"),
]


@pytest.mark.parametrize("before", BEFORE)
def test_what_stands_before_a_prompt_comes_off(before: str) -> None:
    assert read_proposal(before + PROMPT) == PROMPT


@pytest.mark.parametrize("behind", BEHIND)
def test_what_stands_behind_a_prompt_comes_off(behind: str) -> None:
    assert read_proposal(PROMPT + behind) == PROMPT
    if "\nuser\n" not in behind and "Human" not in behind:
        critique = parse_critique(str(Told(request=PROMPT + behind)), "edit")
        assert (critique.refined_request, critique.scores) == (PROMPT, SCORES)


@pytest.mark.parametrize(("opening", "closing"), AROUND)
def test_what_stands_around_a_prompt_comes_off(opening: str, closing: str) -> None:
    assert read_proposal(opening + PROMPT + closing) == PROMPT


def test_all_of_it_together_comes_off() -> None:
    odd = ("Prompt: ", "> ", "- ", "<answer>", "\ufeff", "<s> ")
    for before, (opening, closing), behind in product(BEFORE, AROUND[:4], BEHIND):
        if before in odd or closing == '".':
            continue
        text = f"{before}{opening}{PROMPT}{closing}{behind}"
        assert read_proposal(text) == PROMPT, text


NONE = """\
None
none.
*None*
**None**
"None"
`None`
(None)
[None]
None<|im_end|>
None</s>
None</answer>
N/A
n/a.
*N/A*
N/A (it is perfect)
Nil
Null
Not applicable
Not needed.
Not required, since it is fine.
None needed
None required.
None is needed.
None necessary
None, since the picture is right
None, since the picture is right, however small the cat
None as the image satisfies the prompt
None because nothing is wrong
None - it is perfect.
None – great
None; all is well
None (image is perfect)
None, the image is perfect
None. The picture matches.
No refinement needed
No refinement needed as the image already matches
No refinement is needed because the picture shows it
No refinements necessary at this time.
No further refinement is required.
No changes needed
No changes are necessary
No changes to the prompt are needed.
No change required to the original request
No changes or refinements are needed
No further changes needed; the image is perfect, however small noise
No modifications required: done
No improvements suggested.
No edits needed
No revision required
No adjustments necessary
No action required
No need to refine.
No need for refinement
There is no need for changes.
There is nothing to improve.
Nothing to change
Nothing to improve.
Nothing further to refine
Does not need changes
I would not change anything.
Keep as is
Keep it as is.
Keep as it is
Keep the original request.
Keep the prompt unchanged.
Leave as is
Leave unchanged
Leave it unchanged.
Retain the original prompt
Use the original prompt as is.
As is
As-is.
Unchanged
The request is unchanged
Same as the original
Same as original prompt.
Same as the original request.
Identical to the original request
Already perfect
Perfect as is.
It is already perfect.
The original prompt is sufficient.
The original request stands
The image already matches the request.
The image fully meets all requirements.
The image meets all requirements.
The picture fully satisfies the user's request.
The request is fully satisfied.
The user's request is already clear and complete.
The request was fully met, so no refinement is needed.
Since the image fully matches, no refinement is needed.
As the picture shows everything, no changes are necessary.
无需修改
無需修改
无需修改。
**无需修改**
无需修改，图像已经符合要求
无需更改，因为图像已符合要求
无需进一步优化
无需调整
无需改进。
无修改
不需要修改
不需要进一步修改。
保持不变
保持原样
没有
无
不变
同原请求
与原请求相同
なし
特になし
変更なし
変更不要です
変更の必要はありません。
修正は不要です
そのまま
없음
수정 필요 없음
변경 없음
그대로 유지
Keine
Keine Änderungen
Keine Änderungen nötig.
Keine Verbesserung erforderlich
Nichts zu ändern
Unverändert
Aucune
Aucune modification nécessaire
Rien à changer.
Inchangé
Ninguno
Ningún cambio necesario
Sin cambios
No se requieren cambios
Nada que cambiar
Nenhuma
Sem alterações
Não é necessário
Nessuna modifica necessaria
Нет
Без изменений
Изменения не требуются.
Изменений не требуется
Оставить как есть
Bez zmian
Geen wijzigingen nodig
Değişiklik gerekmiyor
Tidak perlu
Không cần thay đổi
لا شيء
कोई नहीं
-
---
...
**"""


@pytest.mark.parametrize("text", NONE.splitlines())
def test_nothing_to_change_is_none(text: str) -> None:
    assert read_proposal(text) is None
    critique = parse_critique(str(Told(request=text)), "edit")
    assert (critique.refined_request, critique.scores) == (None, SCORES)


PROMPTS = """\
No smoking sign on a wall
No parking sign in the rain
No trespassing, a gate
No people, empty street at dawn
No text, no watermark, a plain vase
No change of clothes, a tired traveller
No change in the weather, rainy street
No changes to the garden; make the cat red.
No update, a broken phone
No tweaks, pure film photo
No suggestions box on a wall
No need for speed, a racing poster
No action hero, a clerk
No. 5 perfume bottle
None of the cats is red.
None but the brave, film poster
None, a knight in black armour
Nothing but sand and sky
Nothing Else Matters album cover
Nothing to hide, portrait of a spy
Not a cat but a dog
NA beer bottle on a table
N/A written on a board, chalk
Nil desperandum engraved in stone
Keep the sky as it is, add a moon
Keep the background unchanged and remove the hat
Keep the original composition, make it night
Keep everything else unchanged; make the shirt red
Keep it as is but remove the dog
Keep it simple: a vase
Keep as many apples as in the source
Keep as is: the sky; change the ground to snow
Keep Calm and Carry On poster
Leave everything unchanged but the hat
Leave the original lighting, remove the dog
Leave the cat as it is, and turn the sky orange
Use the original colors, add a hat
Unchanged background, red hat
Unchanged, except make the hat red
Unchanged landscape of 1900
Same as the original, but at night
Same as original but at night
Same composition as the original, but at dusk
Same woman as before, older
As is tradition, a feast
Perfect cat portrait
Perfect symmetry, a temple
Perfect, polished chrome sphere
Original movie poster
The original request, framed on a wall
The image shows a cat
The image is complete darkness with a lamp
The picture is painted in oil: a cat
The picture has no changes in style, a cat
A sign that says "None"
A sign that says "No changes needed"
A note reading "Let me know if you can come"
A poster that reads "END" in red
A tombstone that says "The End. Let me know."
A shirt with "<|im_end|>" printed on it
A terminal that shows "</html>" in green
A page headed "Final Score: 3-2"
A scoreboard, final score 3-2, stadium at night
A button labelled "Negative prompt: blurry"
A terminal window with the command prompt: C:\\>
A cinema at the end of the film
The end of the pier at dusk
End of the world, a lone tree
Final boss battle, overall dark mood
A sticky note on a fridge
Notes of a melody floating in the air
Sure-footed goat on a cliff
Sorry sign held by a dog
I am sorry, a letter on a desk
A robot who says it cannot help
I hope, a painting of a child at a window
Let me in, a horror film poster
Prompt delivery van on a road
A prompter in a theatre: he whispers
Request stop, a bus sign
Okay hand sign, neon
Here is a cat on a mat
Here lies a king, a grave
Explanation of a machine, exploded drawing
Changes of the seasons in four panels
Human: a portrait of an android
A user at a desk, an assistant beside him
A red <b>cat</b> in bold
<lora:cat:0.8> a red cat <lora:dawn:1>
(red hat:1.3), a cat
"OPEN" in red letters
"OPEN" beside "SHUT"
A shop sign "OPEN".
A 6" tall figure of a cat
'Round midnight, a jazz club
*sparkles* around a wand and *stars*
A score of 3.5 on a board.
#cat #garden, a snapshot
A cat --ar 16:9
无人机在天空
没有人的街道
没有云的天空，一只鸟
无题，抽象画
无需修改液的手账
不变的爱海报
保持原样的老房子
不要猫，只要狗
修改后的房子，红色屋顶
なしの木
特になしの表札
そのままの木の机
없음이라는 간판
Keine Menschen, leere Straße
Keine Panik, Poster
Aucun nuage dans le ciel
Ninguna persona en la calle
Sin gente, calle vacía
Sin
Nenhuma pessoa na praia
Sem pessoas
Geen mensen op straat
Нет войне, плакат
Нет людей на улице
Brak ludzi
Yok artık poster
Không gian vũ trụ"""


@pytest.mark.parametrize("text", PROMPTS.splitlines())
def test_a_prompt_stays_a_prompt(text: str) -> None:
    assert read_proposal(text) == text
    assert no_prompt(text) is None
    critique = parse_critique(str(Told(request=text)), "edit")
    assert critique.refined_request == text


LONG_PROMPTS = [
    "A red cat,\nin a garden.\n\nAt dawn.",
    "Subject: a red cat\nStyle: watercolour\nLight: dawn",
    "# Scene\nA red cat\n# Style\nwatercolour",
    "Three panels:\n- a cat\n- a dog\n- the end of the pier",
    "A score of 3.5 on a board.\nScore: 2.0",
    'A letter: "Dear cat,\nlet us meet."',
    "A cat. A dog. They hope this rain ends.",
    "A chat window:\nHuman: hello\nRobot: hello",
    "Panel 1: a cat\n---\nPanel 2: a dog",
    "A family emoji 👩‍👩‍👧 on a card",
]


@pytest.mark.parametrize("text", LONG_PROMPTS)
def test_a_prompt_of_several_lines_stays_whole(text: str) -> None:
    assert read_proposal(text) == text
    assert no_prompt(text) is None


REFUSALS = [
    "I'm sorry, but I can't assist with that.",
    "I’m sorry, I cannot help with this request.",
    "I cannot create this image.",
    "I can't help with that.",
    "I won't rewrite this prompt.",
    "I would rather not write this.",
    "I am unable to fulfil this request.",
    "Sorry, I can't do that.",
    "Unfortunately, I cannot provide a prompt.",
    "I apologize, but I cannot assist.",
    "As an AI language model, I do not write such prompts.",
    "This request violates our policy.",
    "抱歉，我无法协助处理这个请求。",
    "对不起，我不能生成这个内容。",
    "我无法提供这样的提示词。",
    "申し訳ありませんが、お手伝いできません。",
    "죄송합니다. 도와드릴 수 없습니다.",
    "Es tut mir leid, dabei kann ich nicht helfen.",
    "Je suis désolé, je ne peux pas vous aider.",
    "Lo siento, pero no puedo ayudar con eso.",
    "Desculpe, não posso ajudar.",
    "Mi dispiace, ma non posso aiutarti.",
    "Извините, я не могу помочь.",
    "Okay, let me think about what the user wants.",
    "The user wants a red cat, so I should write one.",
    "We need to write a better prompt.",
    "Hmm, the paws are wrong. Maybe",
    "用户想要一只红色的猫。",
    "No changes needed.",
]


@pytest.mark.parametrize("text", REFUSALS)
def test_what_is_no_prompt_has_a_reason(text: str) -> None:
    assert no_prompt(text) is not None
    assert no_prompt(f'"{text}"') is not None


@pytest.mark.parametrize(
    "text",
    [
        "<think>a red cat, no, a blue",
        "<thinking>\na red cat",
        "Sure.\n<think>a red cat",
        "[THINK]a red cat",
        "◁think▷a red cat",
        "<|channel|>analysis<|message|>a red cat",
        '"A red cat',
        "“A red cat",
        "```\nA red cat",
    ],
)
def test_what_ends_too_early_is_no_prompt(text: str) -> None:
    with pytest.raises(TruncatedTextError):
        read_proposal(text)


@pytest.mark.parametrize("text", ["<the new request>", "[your prompt here]", "{prompt}"])
def test_a_form_that_was_not_filled_in_is_no_prompt(text: str) -> None:
    with pytest.raises(ValueError, match="placeholder"):
        read_proposal(text)


def test_a_negative_prompt_alone_proposes_nothing() -> None:
    assert read_proposal("Negative prompt: six toes") is None


def test_the_end_of_an_answer_comes_off_its_last_words() -> None:
    for behind in ("<|im_end|>", "</s>", "</answer>\n", "<|eot_id|>", "\n<|im_end|>\n"):
        told = str(Told())
        cut = told[: told.index("\n\n# User Request Refinement")]
        critique = parse_critique(f"<answer>\n{cut}{behind}", "edit")
        assert (critique.summary, critique.scores) == (SUMMARY, SCORES)
        comments = told[: told.index("\n## Refined Request")] + behind
        assert parse_critique(comments, "edit").refinement_comments == COMMENTS


@given(st.text(max_size=300))
def test_any_text_is_read_or_refused_in_words(text: str) -> None:
    with suppress(ValueError):
        found = read_proposal(text)
        assert found is None or found.strip()
    no_prompt(text)


@pytest.mark.parametrize(
    "piece", ["<|im_end|>", "None, ", "no ", "<a>", '"', "Note: ", "无", "\n---"]
)
def test_a_long_text_is_read_in_a_moment(piece: str) -> None:
    for text in (piece * 5000, "A cat. " + piece * 5000):
        with suppress(ValueError):
            read_proposal(text)
        no_prompt(text)


def test_thoughts_that_quote_their_own_end() -> None:
    assert drop_thoughts("a\n<think>b</think><think>c</think>d") == "a\nd"
    assert drop_thoughts("<think>one</think>two") == "two"
    assert drop_thoughts("one\n</think>\ntwo").strip() == "two"


@pytest.mark.parametrize(
    "said",
    [
        "No hay cambios necesarios",
        "Не требуется изменений",
        "原提示已足够好",
        "Original request is sufficient.",
        "…",
        '{"refined_request": "None"}',
    ],
)
def test_these_say_no_change_too(said: str) -> None:
    assert read_proposal(said) is None


@pytest.mark.parametrize(
    "said",
    [
        f"Sure! {PROMPT}",
        f"\\boxed{{{PROMPT}}}",
        f'{{"prompt": "{PROMPT}"}}',
        f'{{"refined_request": "{PROMPT}", "negative_prompt": "blurry", "why": "paws"}}',
        f"Prompt 1: {PROMPT}\nPrompt 2: A blue cat",
        f"{PROMPT}\n\n**Option 2:** A blue cat",
        f"{PROMPT}\n\n# Final Answer",
    ],
)
def test_one_prompt_is_left(said: str) -> None:
    assert read_proposal(said) == PROMPT


@pytest.mark.parametrize(
    "prompt",
    [
        "The original Mona Lisa is fine art",
        "Sure-footed goats on a cliff",
        "A door marked Option 2: the exit",
        "Original cars are sufficient",
        "No hay cielo azul",
    ],
)
def test_these_are_prompts(prompt: str) -> None:
    assert read_proposal(prompt) == prompt
    assert no_prompt(prompt) is None
