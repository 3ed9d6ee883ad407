"""Ways to say that a prompt needs no change, in many words and languages."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["says_no_change"]

_WORK: Final = (
    r"(?:refine?ments?|changes?|modifications?|revisions?|improvements?|adjustments?|edits?"
    r"|alterations?|corrections?|updates?|rewrit(?:e|es|ing)|rephrasing|enhancements?"
    r"|optimi[sz]ations?|tweaks?|actions?|clarifications?|suggestions?)"
)
_NEED: Final = (
    r"(?:needed|necessary|required|warranted|suggested|recommended|made|proposed|called\sfor)"
)
_ASKED: Final = r"(?:user(?:['’]?s)?\s)?(?:request|prompt|instruction|description|wording|text)"
_SHOWN: Final = r"(?:image|picture|result|output|edit|generation|render(?:ing)?)"
_FINE: Final = (
    r"(?:fine|good|great|perfect|sufficient|adequate|satisfied|fulfilled|met|complete|clear|optimal"
    r"|satisfactory|appropriate|accurate|correct|well[\s-](?:formed|written|met)|detailed\senough"
    r"|clear\sand\s(?:complete|detailed|specific))"
)
_ALREADY: Final = r"(?:(?:already|fully|perfectly|completely|entirely|very|quite)\s){0,3}"

# Each is the whole of a text, or its first clause; what follows is then a reason. All patterns are
# compiled when they are first used: most commands read no answer.
_SAID: Final = (
    # English
    r"n\s?/\s?a|n\.a\.?|nil|null|not\s(?:applicable|needed|necessary|required)|as[\s-]is|none\sat\sall",
    rf"none(?:\s(?:is|are|was))?(?:\s{_NEED})?(?:\s(?:at\sthis\stime|here))?",
    rf"no(?:ne)?\s(?:(?:further|additional|more|other|significant|major|real|prompt)\s)*{_WORK}"
    rf"(?:(?:\s(?:and|or)\s|/|,\s){_WORK})*(?:\s(?:is|are|was|were|seems?|appears?))?"
    rf"(?:\s(?:to\sbe\s)?{_NEED})?"
    rf"(?:\s(?:to|in|of|for)\s(?:the\s)?(?:original\s)?{_ASKED}(?:\s(?:is|are))?)?"
    rf"(?:\s(?:to\sbe\s)?{_NEED})?(?:\s(?:here|at\sthis\stime))?",
    rf"(?:there\s(?:is|are)\s|there['’]s\s)?(?:no\sneed|nothing(?:\s(?:more|else|further))?)"
    rf"\s(?:(?:for|of)\s(?:any\s|further\s)*{_WORK}"
    r"|(?:to\s(?:be\s)?)?(?:chang|refin|improv|modif|fix|add|correct|edit|adjust|revis|rewrit)\w{0,6}"
    r"|(?:to\s)?(?:change|refine|improve|modify|revise|rewrite)\s(?:it|the\s\w{1,10}|anything))",
    r"(?:i\s(?:would|w)(?:n['’]t|\snot)\schange\s(?:anything|a\sthing)|i\shave\snothing\sto\s\w{2,10})",
    rf"(?:(?:please\s)?(?:keep|leave|retain|use|reuse|maintain|preserve)\s)(?:(?:it|this|everything|"
    rf"(?:the\s)?(?:original|current|same)?\s?{_ASKED}|the\soriginal)(?:\s(?:exactly|just))?"
    r"(?:\s(?:as\s(?:it\s)?is|as[\s-]is|unchanged|the\ssame|unaltered))|as\s(?:it\s)?is|unchanged|"
    rf"the\s(?:original|same)(?:\s{_ASKED})?)",
    rf"(?:(?:the|same)\s)?(?:{_ASKED}\s)?(?:is\s|remains\s|stays\s)?unchanged",
    rf"(?:(?:the\s)?same|identical|equal)(?:\s{_ASKED})?(?:\s(?:as|to))?"
    rf"\s(?:(?:the\s)?original|before|above|(?:the\s)?{_ASKED})(?:\s{_ASKED})?",
    rf"(?:the\s)?original(?:\s{_ASKED})?(?:\s(?:stands|is\s{_ALREADY}{_FINE}|is\skept|is\sretained|as\s(?:it\s)?is))",
    r"(?:it(?:\sis|['’]s)\s)?(?:already\s)?(?:perfect|optimal|flawless)(?:\s(?:already|as\s(?:it\s)?is))?",
    # German, Dutch
    r"kein\s(?:änderungs|anpassungs)bedarf|keine?(?:\s(?:weiteren?|änderung(?:en)?|verbesserung(?:en)?|anpassung(?:en)?|überarbeitung))*"
    r"(?:\s(?:sind|ist))?(?:\s(?:nötig|notwendig|erforderlich))?|unverändert|wie\sgehabt"
    r"|nicht\s(?:nötig|notwendig|erforderlich|zutreffend)|nichts\szu\s(?:ändern|verbessern|tun)"
    r"|so\s(?:be)?lassen|geen(?:\s(?:wijziging(?:en)?|aanpassing(?:en)?))?(?:\snodig)?|ongewijzigd",
    # French, Spanish, Portuguese, Italian
    r"aucune?(?:\s(?:modification|changement|amélioration|correction)s?)?(?:\sn['’]est)?"
    r"(?:\s(?:nécessaire|requise?))?|rien\sà\s(?:changer|modifier|améliorer)|inchangée?|néant"
    r"|pas\s(?:de\s(?:modification|changement)s?|nécessaire)|sans\schangements?",
    r"ning[uú]n[ao]?(?:\s(?:cambio|modificaci[oó]n|mejora|ajuste))?(?:\snecesari[ao])?"
    r"|(?:sin|no\shay)\s(?:cambios|modificaciones|ajustes)\snecesari[ao]s|(?:sin|no\s(?:se\s)?(?:necesitan?|requieren?|hacen?\sfalta|hay)|nada\sque)"
    r"\s(?:m[aá]s\s)?(?:cambi(?:os?|ar)|modific(?:ar|aci[oó]n(?:es)?)|mejor(?:ar|as?)|ajust(?:ar|es?))"
    r"|no\ses\snecesari[ao](?:\s(?:cambiar|modificar|refinar))?",
    r"nenhuma?(?:\s(?:altera[cç][aã]o|mudan[cç]a|modifica[cç][aã]o))?(?:\snecess[aá]ria)?"
    r"|(?:sem|nada\sa|n[aã]o\s(?:h[aá]|precisa(?:\sde)?|s[aã]o\snecess[aá]rias))"
    r"\s(?:altera(?:r|[cç][aã]o|[cç][oõ]es)|mud(?:ar|an[cç]as?)|modific(?:ar|a[cç][oõ]es))"
    r"|n[aã]o\s[eé]\snecess[aá]ri[ao]",
    r"nessun[ao]?(?:\s(?:modifica|cambiamento|miglioramento))?(?:\snecessari[ao])?|invariat[oa]"
    r"|niente\sda\s(?:cambiare|modificare)|non\s[eè]?\s?necessari[ao]|non\sservono\smodifiche",
    # Russian, Polish, Turkish, Vietnamese, Indonesian
    r"нет(?:\sизменений)?|без\sизменений|(?:изменени[яй]|правки|доработк[аи])?\s?не\s(?:требу[ею]тся|нужн[аоы])"
    r"|не\s(?:требу[ею]тся|нужн[аоы])\s(?:изменени[яй]|правки|правок|доработк[аи])"
    r"|ничего(?:\sменять)?(?:\sне\sнужно)?|оставить\s(?:как\sесть|без\sизменений)|как\sесть",
    r"brak(?:\szmian)?|bez\szmian|nie\strzeba|yok|değişiklik\s(?:gerekmiyor|yok)|gerek\syok"
    r"|không(?:\scó)?(?:\scần)?(?:\sthay\sđổi)?|tidak\s(?:ada|perlu)(?:\s(?:perubahan|diubah))?",
    # Chinese, Japanese, Korean, Arabic, Hindi
    r"(?:无|無|没有|沒有|没|不)(?:需要?|須|须|必|用|有)?(?:任何|进一步|進一步|再|作|做|进行|進行|对提示词)*"
    r"(?:修改|改动|改動|改进|改進|调整|調整|优化|優化|更改|变更|變更|细化|細化|完善|润色|改善|变化|變化|编辑)?"
    r"(?:了|的地方|之处|之處)?|(?:保持|维持|維持)(?:原样|原樣|不变|不變|原请求|原請求|原提示词)(?:即可)?"
    r"|(?:原样|原樣|不变|不變|同上|照旧|暂无|暫無|不适用|不適用)(?:即可)?"
    r"|(?:同|与|與|和)(?:原|原始)(?:请求|請求|提示词|提示詞|提示|描述|指令)(?:相同|一致|一样|一樣)?"
    r"|(?:原|原始)?(?:请求|請求|提示词|提示詞|提示|指令)(?:已经|已經|已)?(?:足够好?|足夠好?|很好|无需修改|無需修改|不变|即可)",
    r"なし|無し|特に?なし|該当なし|不要|(?:変更|修正|改善|改良|調整)(?:は|の)?(?:必要)?(?:は|が)?"
    r"(?:なし|不要|ありません|必要ありません|必要なし|ない)(?:です)?|そのまま(?:で(?:よい|良い|いい|OK))?(?:です)?"
    r"|変更の?必要はありません",
    r"없음|해당\s?없음|(?:변경|수정|개선)(?:\s?사항|할\s?(?:필요|것|점))?(?:이|은|가)?\s?(?:필요\s?)?(?:없음|없습니다|불필요)"
    r"|그대로(?:\s?유지)?|필요\s?없(?:음|습니다)",
    r"لا\s?(?:شيء|يوجد|تغيير|حاجة(?:\sل\S{1,10})?)|कोई\s(?:नहीं|बदलाव\sनहीं|परिवर्तन\sनहीं)",
    # A sentence about what was asked for, or about what is shown.
    rf"does(?:n['’]t|\snot)\s(?:need|require)\s(?:any\s|further\s)*{_WORK}",
    rf"(?:the|this|your)\s(?:(?:original|current|final|edited|generated)\s)?(?:{_ASKED}|{_SHOWN})"
    rf"\s(?:(?:is|was|has\sbeen)\s{_ALREADY}{_FINE}(?:\s(?:as\s(?:it\s)?is|already))?"
    rf"|{_ALREADY}(?:match|meet|satisf|fulfil|follow|reflect|adhere|align|conform|captur|respect)\w{{0,4}}"
    rf"(?:\s(?:to|with))?\s(?:(?:the|all|every|its|your|of)\s){{0,3}}(?:\w{{1,12}}\s){{0,2}}"
    rf"(?:{_ASKED}|intent|requirements?|elements?|details?)(?:\s\w{{1,12}}){{0,2}}"
    rf"|(?:needs?|requires?)\sno\s(?:further\s)?{_WORK}"
    rf"|(?:does(?:n['’]t|\snot)|did(?:n['’]t|\snot))\s(?:need|require)\s(?:any\s|further\s)*"
    rf"(?:{_WORK}|to\sbe\s\w{{4,10}}))",
)
_SINCE: Final = (
    r"(?:as|since|because|given|when|due\sto|weil|da|denn|car|puisque|ya\sque|porque|pois|poiché"
    r"|perch[eé]|поскольку|так\sкак|т\.\s?к\.|потому)\b|(?:因为|因為|由于|由於|图像|圖像|画面|畫面)"
)
_FOR: Final = (
    r"(?:already|(?:the|this|it|its|image|picture|all|everything|request|prompt)\b[^.\n]{0,200}\b"
    r"(?:is|are|was|were|already|looks?|follows?|reflects?|(?:match|meet|satisf|fulfil|adher)\w*))\b"
)
_FIRST: Final = (
    rf"(?is)(?P<said>{'|'.join(_SAID)})(?:"
    r"\s*\Z"
    r"|\s{0,3}[.。!！(（\[;；:：–—-].*"
    r"|\s*\n.*"
    rf"|\s{{0,3}}[,，、]?\s{{0,3}}(?:{_SINCE}).*"
    rf"|,\s{{1,3}}(?:so\s|and\s)?{_FOR}.*"
    r"|[,;]?\s(?:and|so|therefore|thus|hence)\s(?:no|none|nothing)\b.*"
    r"|[，、][\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af].*"
    r")"
)
_LAST: Final = (
    rf"(?i)(?:since|as|because|given\sthat|considering)\b[^.\n]{{1,300}},\s(?:so\s|therefore\s)?"
    rf"(?:no\s(?:further\s|additional\s)*{_WORK}(?:\s(?:is|are))?\s{_NEED}|none(?:\s(?:is|are))?\s{_NEED}"
    rf"|there\s(?:is|are)\s(?:no\sneed|nothing)\b[^.\n]{{0,60}})[^.\n]{{0,40}}\.?"
)
_INSTEAD: Final = (
    r"(?i)\b(?:but|except|however|only|instead|change|make|add|remove|replace|turn|though|aside|apart|other\sthan|just|with|and|aber|mais|pero"
    r"|но)\b|[但只]|不过|ただし|하지만"
)
_META: Final = rf"(?i)\b(?:{_WORK}|{_NEED}|n/?a|none|not)\b"


def says_no_change(text: str) -> bool:
    """Whether a proposed prompt says that there is none.

    `None of the cats is red`, `No smoking sign on a wall` and `Keep the sky as it is, add a moon`
    are prompts: what is said must be all, or be followed by a reason.
    """
    text = text.strip(" \t\n*_`\"'“”„«»「」『』()[]{}<>（）【】~-–—.。!！…")
    if text.lower() in ("", "no", "nothing", "empty", "(empty)"):
        return True
    match = re.fullmatch(_FIRST, text)
    if match is None:
        return re.fullmatch(_LAST, text) is not None
    rest = text[match.end("said") :]
    return bool(re.search(_META, match["said"])) or not re.search(_INSTEAD, rest)
