"""A proposed prompt in a model's words, and what is left when all that is no prompt is off.

The critic's refined request and the prompts of language models both go through here.
"""

from __future__ import annotations

import re
from typing import Final

from rr_refine.files import parse_json
from rr_refine.reward.headings import read_heading
from rr_refine.reward.no_change import says_no_change
from rr_refine.reward.values import read_text
from rr_refine.reward.wrapping import (
    INVISIBLE,
    TruncatedTextError,
    cut_behind_end,
    drop_thoughts,
    outside_quotes,
    strip_marks,
)

__all__ = ["is_refusal", "no_prompt", "read_proposal"]

# The long patterns are compiled when they are first used: most commands read no answer.

_FENCE: Final = re.compile(r"```[\w-]{0,16}[ \t]{0,4}\n")
_PLACEHOLDER: Final = re.compile(r"<[^<>:]+>|\[[^\[\]]+\]|\{[^{}]+\}")
"""A format that was echoed, not filled in; `<lora:name:1>` is a tag of a prompt."""
_BOXED: Final = re.compile(r"\\(?:boxed|text)\{(.*)\}", re.DOTALL)
_TAGGED: Final = re.compile(r"<([a-z][\w-]{0,30})>(.*)</\1>", re.IGNORECASE | re.DOTALL)
_MARKS: Final = "*_#>\"'“( \n"
"""What may stand before the first word."""
_QUOTES: Final = {
    '"': '"',
    "'": "'",
    "`": "`",
    "“": "”",
    "”": "”",
    "„": "“”",
    "‘": "’",
    "«": "»",
    "»": "«",
    "‹": "›",
    "「": "」",
    "『": "』",
}
"""Opening mark -> the marks that can close it."""

_NEWER: Final = (
    r"(?:(?:your|the|a|an|my|here(?:'s|\sis)?|new|next|final|full|complete|refined?|revised|improved"
    r"|updated|enhanced|optimi[sz]ed|better|rewritten|corrected|edited|modified|suggested|proposed"
    r"|user|image|generation|editing|positive)\s){0,6}"
)
_NOUN: Final = r"(?:prompt|request|instruction)"
_LEAD: Final = rf"""(?xi)
    (?: (?:sure|certainly|of\scourse|absolutely|okay|ok|alright|great|got\sit|understood|gladly
          | gerne | natürlich | bien\ssûr | claro | por\ssupuesto | конечно | certo | certamente
          | 好的 | 当然 | 當然 | はい | 네 )
        \s? (?:thing)? (?: [,.!:–—-]{{1,2}}\s{{1,3}} | [。，！：]\s{{0,3}} )
      | (?:sure|certainly|of\scourse|absolutely|好的|当然)[!。！]\s* )?
    [*_#> ]{{0,6}}
    (?: (?: here(?:['’]?s|\sis|\sare) | below\sis | this\sis | the\sfollowing\sis
          | i\s(?:have|would)
          | i['’](?:ve|d) | my | voici | aquí\s(?:est[áa]|tienes) | aqui\sest[áa] | hier\sist
          | ecco | вот | 以下 | 下面 | 这是 | 這是 )
        [^\n:：.]{{0,80}}
        (?: prompt | request | instruction | version | description | rewrite | запрос | промпт
          | 提示词 | 提示詞 | 提示 | 请求 | 請求 | プロンプト | 프롬프트 ) [^\n:：.]{{0,60}} [:：]
      | {_NEWER} {_NOUN} (?:\s?\#?1)? (?:\s\((?:[^()\n]{{0,40}})\))? [*_]{{0,3}} \s? [:：]
      | (?:verbesserter|neuer|überarbeiteter)\sprompt [*_]{{0,3}} \s? [:：]
      | (?:prompt|requête|consigna|instrucci[oó]n|requisição)
        \s(?:am[eé]lior[ée]+|mejorad[oa]|melhorado|migliorato|r[eé]vis[eé]e?) [*_]{{0,3}} \s? [:：]
      | (?:улучшенный|новый|исправленный)\s(?:промпт|запрос) [*_]{{0,3}} \s? [:：]
      | (?:修改|优化|優化|改进|改進|改善|新|最终|最終|调整|調整|精炼|完善){{0,2}}[后後]?的?
        (?:提示词|提示詞|请求|請求|プロンプト|指示|指令) [*_]{{0,3}} [:：]
      | (?:改善|修正|新しい)(?:後の|された|した)?プロンプト [*_]{{0,3}} [:：]
      | (?:개선된|수정된|새로운)\s?프롬프트 [*_]{{0,3}} [:：] )
    [ \t*_]*
    """
_INTERJECTION: Final = (
    r"(?i)(?:sure|certainly|of\scourse|absolutely)!\s+"
    r"|"
    r"(?:sure|certainly|of\scourse|absolutely|okay|ok|got\sit|understood|gerne|natürlich"
    r"|bien\ssûr|claro|конечно|好的|当然|當然|はい)(?:\sthing)?[!.,。，！:]?[ \t]*\n+"
    r"|(?:sure|certainly|of\scourse|absolutely|okay|got\sit|understood)[!,.]?[^\n]{0,80}"
    r"\b(?:prompt|request|version|instruction)\b[^\n]{0,40}[.!:]?[ \t]*\n+"
)
# What begins a line or a sentence, and ends the prompt before it.
_CHAT: Final = (
    r"(?:please\s)?let\sme\sknow\b|feel\sfree\sto\b|(?:i\s)?hope\s(?:this|that|it)\b|would\syou\slike\b"
    r"|do\syou\s(?:want|need)\s(?:me|any)|if\syou(?:['’]d|\swould)?\s(?:like|need|want|have)\b"
    r"|(?:is\sthere\s)?anything\selse\b|enjoy!|happy\s(?:creating|prompting|generating)"
    r"|(?:this|these|the)\s(?:refined|revised|improved|updated|new|rewritten|modified|enhanced)"
    r"\s(?:request|prompt|version|instruction|wording)\b"
    r"|th(?:is|ese)\s(?:prompt|request|version|instruction|change|revision|refinement|adjustment)s?"
    r"\s(?:\w+\s){0,2}(?:is|are|keep|add|clarif|emphas|ensur|address|should|will|now|explicit|correct"
    r"|preserv|retain|specif|make|help|aim|focus)\w*"
    r"|i(?:\shave|['’]ve)?\s(?:added|changed|kept|made|removed|emphasi[sz]ed|clarified|focused"
    r"|included|adjusted|rewrote|revised|refined|ensured|preserved)\b"
    r"|laissez[\s-]moi\ssavoir|n['’]hésitez\spas|lass(?:en\ssie)?\s(?:es\s)?mich\swissen"
    r"|ich\shoffe|avísame|hazme\ssaber|espero\sque|me\savise|дайте\sзнать|надеюсь"
    r"|如果(?:你|您)|希望(?:这|這|对|對)|请告诉我|請告訴我|ご希望|お知らせください"
)
_SECTION: Final = (
    r"(?:negative(?:\s|[_-])?(?:prompt)?|neg(?:ative)?\sprompt|负面提示词?|反向提示词?|負面提示詞?"
    r"|ネガティブプロンプト|prompt\sn[eé]gatif|prompt\snegativo|negativer\sprompt"
    r"|explanation|reasoning|rationale|reasons?|why(?:\sthis\sworks)?|justification|analysis"
    r"|(?:key\s|main\s)?(?:changes?|improvements?|modifications?|differences)(?:\smade)?"
    r"|what\s(?:i\s)?changed|notes?|n\.b\.|p\.?s\.?|comments?|disclaimer|tips?"
    r"|说明|說明|解释|解釋|注意?|备注|理由|补充|説明|erklärung|hinweis|begründung|änderungen"
    r"|explication|remarque|explicaci[oó]n|nota|spiegazione|пояснение|примечание)"
)
_TOTAL: Final = (
    r"(?:final|overall|total|average|mean|aggregate|combined|最终|最終|总|總|综合)\s?"
    r"(?:score|rating|grade|verdict|judge?ment|assessment|evaluation|评分|評分|得分|分数?|评价)"
)
_END: Final = (
    r"(?:end|ende|fin|fine|конец|完|结束|結束|終わり?|以上)"
    r"(?:\s(?:of|de|der|des|du)\s(?:the\s|my\s|l['’])?[\w ]{2,30})?"
)
_TAIL: Final = rf"""(?xim)
    ^[ \t]* (?:
        [*_(\[>#-]{{0,6}} \s? {_SECTION} [*_]{{0,3}} \s? [:：]
      | (?:[#(\[<]{{1,6}}|[*_=~\-–—]{{2,8}}) \s? (?:{_END} [^\w\n]{{0,12}} $ | {_TOTAL} \b)
      | {_TOTAL} \b [^\n]{{0,4}} [:：=]
      | \#{{1,6}} \s? final\sanswer \b
      | [*_]{{0,3}} {_NEWER} (?:{_NOUN}|option|version|alternative) \s?\#?[2-9]
          \s? [*_]{{0,3}} [:：]
      | (?:end|fin|ende)\s(?:of|de|der)\s(?:\w+\s)?(?:evaluation|judge?ment|response|answer
          |assessment|critique|review|analysis|output|report|prompt|request)\b
      | (?:Steps:\s\d|Sampler:\s|CFG\sscale:)
      | [*_(]{{0,3}} (?:{_CHAT})
      | [*_-]{{0,3}} (?:task|evaluation|judge?ment|assessment|评估|評価)
          \s?(?:completed?|done|完成|完毕|结束)
    )
    | (?<=[.!?。！？"“”»」』`*)]) [ \t]+
      (?: \(?{_CHAT} | [*_(\[]{{0,3}}negative\sprompt\s?: )
    """
_ALONE: Final = re.compile(r"^[ \t]*(?:\S{0,2}negative\sprompt|Steps:\s\d)", re.IGNORECASE)

_SORRY: Final = r"""(?xis)
    (?: (?:i['’]?m|i\sam)\s(?:(?:very|so|really|truly)\s)?sorry\b (?=.{0,80}
          \b(?:can(?:['’]?t|\s?not)|won['’]?t|unable|not\sable|assist|help)\b)
      | (?:sorry|apologies|unfortunately),?\s (?:but\s)? i\s?(?:['’]m|am)?\s?
          (?:can(?:['’]?t|\s?not)|won['’]?t|will\snot|unable|not\sable|must\sdecline)
      | i\sapologi[sz]e\b (?=.{0,80}\b(?:can(?:['’]?t|\s?not)|unable|not\sable)\b)
      | i\s(?:can(?:['’]?t|\s?not)|won['’]?t|will\snot|must\sdecline
          |(?:would\s)?(?:rather|prefer)\snot)
          \s?(?:\w+\s){0,2}(?:to\s)?(?:help|assist|create|generate|provide|write|produce|comply|do|fulfil
          |rewrite|refine|improve|continue|engage|support|offer|with|judge|compare|evaluate|view)
      | i(?:['’]m|\sam)\s(?:unable|not\sable)\sto\s
      | as\san\s(?:ai|artificial|language|assistant)\b
      | (?:this|your|the)\s(?:request|prompt|content)\s(?:violates|goes\sagainst
          |cannot\sbe|can['’]t\sbe)
      | (?:es\stut\smir\sleid|tut\smir\sleid|entschuldigung)\b.{0,60}\bnicht
      | ich\skann\s(?:dabei|das|ihnen|dir)\b.{0,20}nicht
      | (?:je\ssuis\sd[eé]sol[eé]e?|d[eé]sol[eé]e?,)\b.{0,60}\bpas\b | je\sne\speux\spas\s
      | lo\ssiento,?\b.{0,60}(?:no\spuedo)
      | no\spuedo\s(?:ayudar|generar|crear|cumplir|proporcionar)
      | (?:desculpe|sinto\smuito),?\b.{0,60}n[aã]o\sposso | mi\sdispiace,?\b.{0,60}non\sposso
      | (?:извините|простите|к\sсожалению|мне\sжаль)\b.{0,60}(?:не\sмогу)
      | (?:抱歉|对不起|對不起|很遗憾|很抱歉).{0,30}(?:无法|無法|不能|不可以)
      | 我(?:无法|無法|不能)(?:协助|協助|帮助|幫助|提供|生成|满足|完成|处理|创作)
      | (?:申し訳|すみません|ごめんなさい).{0,40}(?:できません|できない|お手伝い)
      | (?:죄송|미안).{0,40}(?:수\s?없|어렵) )
    """
_MUSING: Final = (
    r"(?i)(?:okay|ok|alright|hmm+|wait|so|well|first|now)?[,.]?\s?"
    r"(?:let(?:['’]s|\sme|\sus)\s(?:think|see|start|begin|analy[sz]e|look|consider|break|re-?read|parse|figure)"
    r"|the\suser\s(?:wants|asked|asks|is\sasking|requested|needs|would\slike|says|said|provided)"
    r"|i\s(?:need|have|should|must|want)\sto\s(?:write|rewrite|improve|think|create|make\sthe\sprompt|refine|come|fix)"
    r"|we\s(?:need|have|should|must)\sto\s(?:write|rewrite|improve|think|produce|refine|craft|output|fix)"
    r"|looking\sat\sthe\s(?:critic|finding|score|feedback)"
    r"|hmm+\b[,.…]|用户(?:想|要|希望|需要|请求)|我(?:需要|应该|来)(?:想|写|改|分析|考虑))"
)


def read_proposal(text: str) -> str | None:
    """A proposed prompt without what a model puts around it; None when it proposes none.

    Taken off are thoughts, special tokens and tags, quotes, fences, preambles (`Here is the new
    prompt:`), and tails (offers of help, explanations, scores, negative prompts). Nothing within
    quotes is taken for any of these.

    Raises:
        TruncatedTextError: it ends inside its thoughts, or opens with a quote or a fence that
            nothing closes.
        ValueError: it is the template's placeholder (`<the new request>`).
    """
    text = strip_marks(drop_thoughts(text))
    for _ in range(4):  # each may uncover the next
        before = text
        text = _inside(_without_preamble(_without_tail(cut_behind_end(text))))
        if text == before:
            break
    if says_no_change(text):
        return None
    opening = text[0]
    if opening in '"“„«「『' and not any(c in text[1:] for c in _QUOTES[opening]):
        raise TruncatedTextError(f"the quote that opens in {text[:60]!r} is never closed")
    if _PLACEHOLDER.fullmatch(text):
        raise ValueError(f"{text[:60]!r} is the template's placeholder")
    return text


def no_prompt(text: str) -> str | None:
    """Why a text is certainly no prompt, though it was proposed as one; None if it may be one."""
    start = text.lstrip(_MARKS)
    if is_refusal(text):
        return "it is a refusal, no prompt"
    if re.match(_MUSING, start):
        return "it is a thought about the prompt, no prompt"
    if text.strip() and says_no_change(text):
        return "it says that nothing is to change"
    return None


def is_refusal(text: str) -> bool:
    """Whether a model declines in its own words (`I'm sorry, but I can't …`)."""
    return re.match(_SORRY, text.lstrip(_MARKS)) is not None


def _inside(text: str) -> str:
    """What a fence, a tag, quotes or marks enclose, where they enclose the whole text."""
    text = text.strip(f"{INVISIBLE} \t\n")
    if fence := _FENCE.match(text):
        inner, closed, _ = text[fence.end() :].partition("```")
        if not closed:
            raise TruncatedTextError(f"the fence around {inner[:60]!r} is never closed")
        text = inner.strip()
    if tagged := _TAGGED.fullmatch(text):
        text = tagged[2].strip()
    if boxed := _BOXED.fullmatch(text):
        text = boxed[1].strip()
    text = _of_json(text)
    if text.startswith('\\"') and text.endswith('\\"'):
        text = text[1:-2].replace('\\"', '"') + '"'
    lines = text.split("\n")
    if all(line.startswith(">") for line in lines):
        text = "\n".join(line[1:].removeprefix(" ") for line in lines)
    elif len(lines) == 1 and text[:2] in ("- ", "* ", "• "):
        text = text[2:].lstrip()
    return _unquoted(read_text(text))


def _of_json(text: str) -> str:
    """The prompt of a JSON object that holds one, such as `{"refined_request": "a red cat"}`."""
    if not (text.startswith("{") and text.endswith("}")):
        return text
    try:
        given = parse_json(text)
    except ValueError:
        return text
    assert isinstance(given, dict)
    found = [
        value
        for name, value in given.items()
        if isinstance(value, str) and re.fullmatch(rf"(?i)(?!neg)[a-z_ ]*{_NOUN}", name)
    ]
    return found[0] if len(found) == 1 else text


def _without_preamble(text: str) -> str:
    text = text.lstrip(f"{INVISIBLE} \t\n")
    for pattern in (_INTERJECTION, _LEAD):
        if (match := re.match(pattern, text)) and text[match.end() :].strip():
            text = text[match.end() :].lstrip()
    return text


def _without_tail(text: str) -> str:
    """The text up to what is said behind a prompt; a negative prompt alone leaves nothing."""
    for match in outside_quotes(_TAIL, text):
        if text[: match.start()].strip(" \t\n*_`\"'-=#>(["):
            return text[: match.start()].rstrip()
    lines = text.split("\n")
    for i, line in enumerate(lines):
        heading = read_heading(line)
        if i and heading and heading.rank == 2 and heading.label != "request" and lines[0].strip():
            return "\n".join(lines[:i]).rstrip()
    return "" if _ALONE.match(text) else text


def _unquoted(text: str) -> str:
    """Take off marks and quotes that enclose the whole text, up to three pairs deep."""
    for _ in range(3):
        if len(text) < 2:
            break
        for mark in ("***", "**", "__", "*", "_"):
            inner = text[len(mark) : -len(mark)]
            if (
                text.startswith(mark)
                and text.endswith(mark)
                and mark not in inner
                and inner.strip()
            ):
                text = inner.strip()
                break
        else:
            bare = text[:-1] if text[-1] in ".。" and text[0] in _QUOTES else text
            if bare[-1] in _QUOTES.get(bare[0], "") and len(bare) > 1 and not _closes_early(bare):
                text = bare[1:-1].strip()
            else:
                break
    return text


def _closes_early(text: str) -> bool:
    """Whether the quote that opens `text` is closed before its end: `"A" beside "B"`."""
    for found in re.finditer(f"[{re.escape(_QUOTES[text[0]])}]", text[1:-1]):
        before, after = text[found.start()], text[found.start() + 2]
        if before.isspace():  # opens an inner quotation, so the outer one is still open
            return False
        if not after.isalnum():  # an apostrophe inside a word closes nothing
            return True
    return False
