"""What a sentence of a rationale is: a verdict, a sign that its writer was told the outcome, or
evidence, which is all else.

A verdict says which picture is better, overall or in one respect, or what it scores. Every word is
given a class, and the rules are about classes in a row: `Image A is clearly stronger` has nothing
between picture and judgement but words of no content, so it is a verdict; `the shadow in Image A is
stronger` has a shadow for its subject. What stands in quotes is lettering, and has content only.
How well this works is measured on sentences that were written before the rules: docs/parrot.md.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache
from typing import Final

__all__ = ["gives_away", "is_verdict", "without_verdicts"]

_CLAUSE: Final = re.compile(
    r"(?<=[.!?;])\s+|\n+|,\s+(?=(?:so|thus|hence|therefore|which|giving|earning|making|leading)\b)"
)
"""Where one statement ends. `3.5` is not split, as no space follows the point."""

_QUOTED: Final = re.compile(r"\"[^\"\n]{1,300}\"|“[^”\n]{1,300}”|«[^»\n]{1,300}»")
_PICTURE: Final = re.compile(
    r"""\b(?:(?:the|my|our)\ )?(?:image|picture|photo|edit|option|candidate|version|result|output
            |rendering|response|sample|entry|no\.)\ (?-i:[AB]|[12])\b(?:'s)?
      | \bthe\ (?:first|second|left|right|other|former|latter)(?:[- ]hand)?
            \ (?:one|image|picture|photo|edit|option|candidate|version|result|output)\b(?:'s)?
      | \bthe\ (?:former|latter)\b | \b(?:its|the)\ (?:counterpart|rival|competitor)\b
      | \b(?-i:[AB])\b(?![-/&])(?:'s)?""",
    re.VERBOSE | re.IGNORECASE,
)
_NEAR: Final = 100
_WORD: Final = re.compile(r"[^\W_]+(?:[-'.][^\W_]+)*|[:(),>=@]")

_PHRASES: Final = {
    "advantage": "upper hand|(?:top|full) marks|first place",
    "outperforms ": "leav[a-z]+ @ behind|(?:put|plac)[a-z]* @ (?:first|ahead|above|over|before)",
    "loses": "(?:falls?|fell|comes?|came) (?:up )?(?:short|behind|second)",
    "outperforms": "edg(?:es|ed|ing) (?:out|past|ahead of)|no (?:clear )?(?:winner|loser|"
    "favou?rite|victor)",
    "ahead": "on top|out ahead|(?:out )?in front|in the lead|second best|runner-up",
    "favours": "in favou?r of|sid(?:e|es|ing) with|(?:go|goes|going|went|opts?) (?:for|with)|"
    "way to go|(?:lean(?:s|ed|ing)?|tips?|tilts?|swings?)(?: the)?(?: scales?|"
    " balance)?(?= (?:to|towards?|in) )|(?:scales?|balance) (?:tips?|tilts?|swings?)",
    "given": "in (?:the )?(?:view|light|face|knowledge) of|based on|because of|due to|"
    "mindful of|aware of|whatever|regardless of|irrespective of|bearing in mind|"
    "taking into account",
    "wins": "the one to (?:keep|choose|pick|go with|take)|(?:the one|what|which) i(?:'d|"
    " would)|measures? up|stands? (?:above|over)|compete|keep up|hold a candle|left behind|"
    r"takes it|(?:has|have) it(?=\W*$)",
    "tied": "(?:com|finish|end)[a-z]* (?:out |up |off )?(?:even|level|equal)",
    "first": "number one",
    "was preferred": "(?:probably|likely|presumably|apparently|evidently) (?:won|was)|"
    "being (?:preferred|chosen)",
    "not": "fails? to",
    "clearly": "(?:without (?:a )?|no )(?:question|doubt|contest)",
    "equally": "on (?:a )?par|neck and neck|evenly matched|(?:a|no) match for|"
    "(?:on )?the same level|level (?:with|pegging)|just as|(?:nothing|"
    r"little) (?:to choose )?between|equally (?!\w+ed\b)\w+",
    "just": "hands down|by far|in the end|if only|at least|on the whole|a (?:bit|lot|little|"
    "touch|shade)",
    "better": r"(?:more|most|less|least) (?:\w+ly )?(?:faithful|convincing|successful|"
    "compelling|accurate|appealing|effective|realistic|natural|professional|coherent|"
    "believable|plausible|authentic|attractive|beautiful|engaging|refined|cohesive|"
    "harmonious|pleasing|satisfying|suitable|impressive|polished|desirable|acceptable|"
    "favou?rable|adequate|close|complete|full|correct|aligned|in line|in keeping|"
    r"true)(?:ly)?|clos(?:er|est) (?:to|match)(?=(?: \w+){0,2} (?:request|prompt|instruction|"
    "brief|user|want|ask))",
    "labelled": "(?:marked|labell?ed|listed|recorded) as",
    "both": "the (?:two|pair)",
    "annotation": "in the (?:vote|poll|survey|study)|ground[- ]truth|user study|side note|"
    "answer key",
    " score": " out of 4| ?/ ?4",
}
"""Words that mean something together only; each is read as the word before it."""

_WORDS: Final = {
    # Words of judgement.
    "J": "better best worse worst superior inferior preferable stronger weaker strongest "
    "weakest poorer nicer lesser finer finest truer greater ahead unmatched unsurpassed "
    "subpar",
    "e": "tied equal equally equivalent comparable difference differences",
    "h": "higher highest lower lowest",
    "U": "outstrip* outpac* overshadow* outrival* outperform* surpass* outclass* outshin* "
    "outdo* outrank* outscor* outmatch* outweigh* eclips* underperform* prevail* triumph*",
    "Z": "win wins won winning beat beats defeats trump* overtakes prevails triumphs",
    "W": "lose loses losing lost nails suffers shines decides excel* trail* lag* tops exceed* "
    "leads convinc* impress* dominat* fail* pales bests succeed*",
    "N": "winner* loser* victory favourite favorite superiority",
    "n": "edge advantage* tie draw lead nod crown point points improvement round toss-up",
    "p": "preferred chose voted liked favoured favored selected",
    "P": "picked prefer prefers favour* favor* choose chooses chosen pick picks select* recommend* "
    "settle*",
    "C": "choice* verdict* preference* recommendation* vote outcome* decision* ranking* "
    "judgement* judgment* answer answers",
    "S": "score* rating rate rates rated mark marks grade* rank* anchor* deduct*",
    "E": "well good bad excellent great poor poorly strong weak satisfactory acceptable superb "
    "mediocre",
    # Who was told what.
    "a": "hindsight annotator* rater* evaluator* labeller* labeler*",
    "H": "users subjects human* people* voter* judge judges crowd participant* majority "
    "reviewer* viewer* "
    "grader* assessor* expert*",
    "l": "annotation* hint hints",
    "L": "label labels feedback ratings votes data dataset metadata",
    "K": "given provided stated known supplied gold reference labelled labeled intended "
    "expected correct official recorded indicated true revealed actual knowing prior "
    "earlier previous hidden "
    "secret target",
    "T": "told informed know knew decided established determined instructed asked supposed "
    "asks wants expects reported believed rumoured",
    "q": "why",
    "A": "consistent line accordance agreement keeping according explain* justif* account* "
    "agree* confirm* support* mirror* rationali* defend* contradict* corroborat* fits",
    "Y": "says said suggests suggested indicate* reveal* states shows implies mention* note* "
    "noted tell*",
    "X": "rejected dispreferred",
    # What is judged, and by what.
    "Q": "quality fidelity faithfulness adherence alignment realism accuracy execution "
    "performance coherence consistency compliance plausibility aesthetic* appeal text "
    "rendering composition image picture photo edit option candidate version result "
    "response output job match fit work representation interpretation rendition dimension "
    "aspect respect category criterion comparison pair visual physical textual top extent "
    "degree",
    "R": "prompt request instruction* brief requirement* source user user's users' you "
    "question task",
    "M": "fulfil* meet* follow* match* satisf* reflect* align* adher* captur* perform* fare* "
    "serv* address* execut* interpret* handl* comply complies suited",
    "G": "get gets getting receiv* earn* deserv* merit* giv* award* drop drops take takes "
    "taking hold holds gain* enjoy* secur* claim* grab* assign* lands sits leaves offer* "
    "deliver* achiev* keeps show* provides",
    # Words without content.
    "o": "i we me us myself i'd i'll i'm we'd we'll",
    "i": "it its it's this that one both neither either they them these those each all none "
    "images pictures edits candidates which what",
    "v": "was were been had got went",
    "w": "would should could can may might must ought",
    "b": "is are be being seem* look* appear* feel* remain* prove* become* come* am stay* "
    "call* has have do does did will turn* end* up there there's deemed considered judged "
    "find makes make made stands stand placed emerge* not no never cannot can't nor put "
    "say",
    "k": "without with despite considering per following",
    "j": "since because although though if when while whereas",
    "d": "a an the my our any some clear real definite distinct decisive narrow slight small "
    "big huge marginal minor overall final only here considerable obvious natural logical "
    "significant substantial noticeable solid modest comfortable evident plain",
    "t": "to for by between among over towards toward above below than against before go goes "
    "going lie lies belong*",
    "c": "of in on at from as and or but where about into out off",
    "y": "*ly first second last just also still thus then hence so therefore again even far "
    "much quite rather very too somewhat well instead however altogether always now "
    "already indeed half more most less there again short sum conclusion summary balance "
    "reason* mind consideration everything brief way",
}  # fmt: skip
"""Class -> its words; `*` stands for any ending or beginning. The first class that has a word has
it; a word of no class has content, and is an `x`."""

_VERDICT: Final = (
    # A picture is better than the other, or as good; wins, or loses. `Better seats` is none.
    r"[Ii][^xKHL,:]{0,8}?[Je](?!x)|e[cd]{0,2}Q|J$|Jt[di]?I",
    r"[Jh][ydQR]{0,3}[QC]",
    r"Q[bvyw]{1,3}[Jhe](?!x)",
    r"M[ydctIiRQ]{0,8}J(?!x)|JM|[Ii][bvydwnG]{0,4}ME?J|[IiM][bvydcQGM]{0,5}E$",
    r"U|[Ii][bvydwcGt]{0,6}Z|[Ii][bvydwc]{0,6}W(?![xdct]*x)|wy?[WZ]",
    r"^y?,?Iib$|^c?I[bv]{1,2}$|^[yct,]{0,3}i[bw]Ito?$",
    # It has the edge, the edge goes to it; it is preferred.
    r"[Ii][ydcQ]{0,3}[bvwG][bvydwctJQGiI]{0,6}[NnC](?!c?[dx]*x)",
    r"[Nn][bydtJ]{0,4}I|C[ydJ]?[bt][bydtJ]{0,3}I|I[Nn]cQ|I[Nn]b[dy]|^[dJyxQ]{0,3}[NnPpSC][dyJIctQ]{0,4}:",
    r"P[bydtwQi]{0,3}I|op[bydtQi]{0,3}I|[Iio][bvydwGi]{0,6}[Pp](?!d?x)|wb?y?[Pp](?!d?x)",
    # Scores.
    r"[GKS][ydctbIiv]{0,4}[#f](?![x#])|[#f]S|S[ydctb]{0,4}I|I[bvydctiGw]{0,5}x?S(?!x)",
    r"f[ct,]{0,2}f|(?:^y?|[,;]c?)I[:(]?f(?!x)|I[:(]f(?!x)|I[:(]#(?!x)|Ibd#(?!x)|(?:^y?,?|j)I[^:]{0,8}[cbt]d?f(?!x)",
    r"o[bwvyd]{0,4}[SG][dyct]{0,3}[Ii]|[JZWh]S|S[Jh]|o[^x]{0,8}[#f](?!x)|yS",
    # `A > B`.
    r"I[>=]{1,2}I|>I$",
)
_BARE: Final = re.compile(r"(?!.*[xKL])[^HMGT]*?[JeNnPpSUWZEC]|(?!.*[xMGbvRAY]).*I")
"""A whole sentence without content: a judgement, or a picture's name and no verb. What it must not
hold is looked for first, so that the time is in proportion to its length."""

_TOLD: Final = (
    # Somebody else chose.
    r"a|H[bvydxc]{0,3}[PpCLWS](?!d?x|[ct]x)|[PpCS][bvyd]{0,2}[ct]d?[Ha]|[JN]ty?d?H|HN|Hp|HxIJ|Zd[CHLl]",
    r"(?<![oy])p[dy]?I|Ibd?iH|bdiH|iv[yd]?p|I,?v[bydxKH]{0,3}[PpNJCS]|I[(d)x]{0,3}v[yd]{0,2}[PpNJ]",
    r"wbvy?[pP]|A[bw][Nn]t|I,b?d?[pP]|CvT|jI[bvy]{1,2}d?[pPZW]|jdN[bv]I|[CLl][bvy]{0,2}vt|GyL|tdCb|kdC",
    # The choice was known.
    r"l(?![xc])|lcI|K[dHy]{0,2}[NCLl](?!x)|K[Pp]|L[NC]|ox?dL|kdL,?o|[JZN][yd]?L|[CN][cdQ]{0,3}bK",
    r"A[cdtHKyxQk]{0,5}[CLH](?!x)|[MC][cdtHKyQk]{0,4}[CL](?!x)|[CL][^x:]{0,4}[MA]|IbTtb|vYi?I",
    r"[CLl][(I)]{0,3}[bv]?Y[dcyito]{0,3}(?:[IPpNJC]|$)|L[(I)]{0,3}(?:[bvy]?[PpAKS]|[bv]d?I)",
    # Somebody was told.
    r"i[bv]{1,2}y?[TK]i|[KTk]o?i?I[bvy]{0,2}[WZPpNJC]|o[bvy]{0,3}T(?!cdR)|cT,?[oI]|[YLl]To|tAqI",
    r"(?:[cd]?Ry?Y,?|[RLCl]y?Yi?|cK,?)I[bvyd]{0,4}[PpNJCZW]|Atd?Y,?I|cd[Ll]Y|,cd[YLl]",
    r"(?:^|[(,j])d[y]?[PpXWZ][QiNC)]|o(?:bt|w)[bG]I[bvyd]{0,3}[JWZPN]",
)


def without_verdicts(text: str) -> str:
    """A text without its verdicts; what is left stands on one line."""
    kept, start = list[str](), 0
    for end in (*_CLAUSE.finditer(text), None):
        part = text[start : end.start() if end else len(text)]
        if part.strip() and not is_verdict(part):
            comma = text[max(0, start - _NEAR) : start].rstrip().endswith(",")
            kept += ["" if not kept else ", " if comma else " ", part.strip()]
        start = end.end() if end else 0
    return "".join(kept)


def is_verdict(sentence: str) -> bool:
    """Whether a sentence says which picture is better, or what one scores."""
    _, classes = _read(sentence)
    return bool(_pattern(_VERDICT).search(classes) or _BARE.match(classes))


def gives_away(text: str, instruction: str) -> bool:
    """Whether a text betrays that its writer was told the outcome.

    What the user's own request says is no sign of it.
    """
    asked = instruction.casefold()
    for sentence in re.split(r"(?<=[.!?;])\s+|\n+", text):
        words, classes = _read(sentence)
        for found in _pattern(_TOLD).finditer(classes):
            if " ".join(words[found.start() : found.end()]).casefold() not in asked:
                return True
    return False


def _read(sentence: str) -> tuple[list[str], str]:
    """Its words, and their classes, one letter each."""
    text = _QUOTED.sub(" lettering ", sentence.replace("’", "'"))
    text = re.sub(r"[*_`#]+", "", re.sub(r"(?i)\bit's\b", "it is", text))
    text = _PICTURE.sub("@", text)
    for word, pattern in _PHRASES.items():
        text = re.sub(rf"(?:\b|(?=[ /]))(?:{pattern})\b", word, text, flags=re.IGNORECASE)
    words = _WORD.findall(text)
    classes = "".join(map(_class, words))
    # `A` in front of a word with content is an article.
    article = re.match(r"A\s", sentence) and classes[1:2] == "x"
    return words, f"d{classes[1:]}" if article else classes


@lru_cache(10_000)  # the words are a teacher's
def _class(word: str) -> str:
    if word == "@":
        return "I"
    if not word[0].isalnum():
        return word
    if re.fullmatch(r"[1-4]\.\d{1,2}", word):
        return "f"
    if re.fullmatch(r"[1-4]|two|three|four", word):
        return "#"
    if word == "I":
        return "o"
    return next((letter for letter, known in _KNOWN if known.fullmatch(word.lower())), "x")


_KNOWN: Final = [
    (letter, re.compile("|".join(re.escape(w).replace(r"\*", r"[\w']*") for w in words.split())))
    for letter, words in _WORDS.items()
]


@cache
def _pattern(patterns: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{pattern})" for pattern in patterns))
