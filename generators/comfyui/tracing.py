"""Where prompt, negative prompt, seed, size and picture of a workflow stand, by its links.

The texts are found from the samplers back: their `positive` and `negative` inputs, or those of
their guider, lead over conditioning nodes (combine, ControlNet, guidance, reroutes) to the nodes
that hold a text. Types of inputs are not in a workflow, so their names tell what they carry.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Final, Literal, TypeAlias

from rr_refine.generators.comfyui.place import Place, literal
from rr_refine.generators.comfyui.workflow import Link, Node, Workflow, link_of

__all__ = [
    "find_outputs",
    "find_pictures",
    "find_samplers",
    "find_seeds",
    "find_sizes",
    "find_texts",
    "picture_into",
    "rewriting_nodes",
    "texts_in",
]

Role: TypeAlias = Literal["positive", "negative"]

_TEXTS: Final = re.compile(
    r"(text|prompt|user_prompt|value|string|clip_[lg]|t5xxl|llama|wildcard_text|populated_text"
    r"|instruction|caption)(_?[a-zA-Z0-9])?"
)
"""Inputs that hold words for the picture."""
_OTHER: Final = re.compile(
    r"model.*|clip|vae|latent.*|samples|pixels|image.*|mask.*|control_net.*|sampler|sigmas|noise"
    r"|style_model|clip_vision.*|reference.*|audio.*|hooks|seed|noise_seed|width|height|steps"
    r"|cfg|guidance|strength.*|start.*|end.*|system_prompt|delimiter|find|replace|regex.*|key"
)
"""Inputs that lead to something else than words."""
_SHOWS: Final = re.compile(r"(?i)show|display|preview")
"""Nodes that pass a text on, and hold the one that they showed last."""
_REWRITES: Final = re.compile(
    r"(?i)llm|ollama|gpt|gemini|claude|enhanc|florence|joy.?caption|textgenerate|wildcard|dynamic"
)
"""Nodes that make another text of the one that they are given."""
_STEERS: Final = re.compile(
    r"(?i)controlnet|control_?net|ipadapter|clipvision|stylemodel|unclip|preprocessor|detect|pulid"
    r"|instantid|faceid|depth|canny|openpose"
)
"""Nodes to which a picture is a hint: it is not the one that is edited."""
_PASSED_ON: Final = ("positive", "negative", "conditioning", "model")
"""What such nodes pass on besides."""
_SIZED: Final = re.compile(r"(?i)empty|scheduler|modelsampling")
"""Nodes whose width and height are those of the picture."""
_SAVES: Final = re.compile(r"(?i)save")


def find_outputs(workflow: Workflow) -> tuple[str, ...]:
    """Nodes that save or show the picture, of the best kind that there is."""
    linked = {link.node for node in workflow.nodes.values() for _, link in node.links}
    ends = [node for node in workflow.nodes.values() if picture_into(node) is not None]
    ends = [node for node in ends if node.id not in linked]
    kinds = (
        [node for node in ends if node.kind == "SaveImage"],
        [node for node in ends if _SAVES.search(node.kind)],
        [node for node in ends if node.kind == "PreviewImage"],
    )
    return next((tuple(node.id for node in kind) for kind in kinds if kind), ())


def picture_into(node: Node) -> Link | None:
    """The link over which a node that saves gets its pictures."""
    return link_of(node.inputs.get("images")) or link_of(node.inputs.get("image"))


def find_samplers(nodes: Mapping[str, Node]) -> tuple[Node, ...]:
    """The nodes that draw."""
    return tuple(node for node in nodes.values() if any(_roots(node, "positive")))


def find_texts(workflow: Workflow, nodes: Mapping[str, Node], role: Role) -> tuple[Place, ...]:
    """The places whose texts go into the samplers' positive or negative input.

    Args:
        nodes: those that the picture depends on.
    """
    return _walk(workflow, nodes, role)[0]


def texts_in(nodes: Mapping[str, Node]) -> tuple[Place, ...]:
    """All places that may hold a prompt, wherever they lead."""
    return tuple(
        Place(node.id, name)
        for node in nodes.values()
        for name, value in node.inputs.items()
        if isinstance(value, str) and _is_text(name, "positive")
    )


def rewriting_nodes(workflow: Workflow, nodes: Mapping[str, Node]) -> tuple[Node, ...]:
    """Nodes on the prompt's way to the samplers that change it: language models, wildcards."""
    passed = _walk(workflow, nodes, "positive")[1]
    return tuple(node for node in passed if _REWRITES.search(node.kind))


def find_seeds(workflow: Workflow, nodes: Mapping[str, Node]) -> tuple[Place, ...]:
    """All seeds; not those of samplers that add no noise of their own."""
    found = (
        literal(workflow, node, name)
        for node in nodes.values()
        for name in ("seed", "noise_seed")
        if name in node.inputs and node.inputs.get("add_noise") not in ("disable", False)
    )
    return tuple(dict.fromkeys(place for place in found if place is not None))


def find_sizes(workflow: Workflow, nodes: Mapping[str, Node]) -> tuple[tuple[Place, Place], ...]:
    """Width and height of the empty pictures that are drawn on, and of what must fit them."""
    found = []
    for node in nodes.values():
        if _SIZED.search(node.kind):
            width, height = (literal(workflow, node, name) for name in ("width", "height"))
            if width is not None and height is not None:
                found.append((width, height))
    return tuple(dict.fromkeys(found))


def find_pictures(
    workflow: Workflow, nodes: Mapping[str, Node], output: str
) -> tuple[tuple[Place, ...], tuple[Place, ...]]:
    """The pictures that are loaded: those that are edited, and those that are mere hints."""
    drawn: set[str] = set()
    waiting = [output]
    while waiting:
        one = waiting.pop()
        if one in drawn:
            continue
        drawn.add(one)
        for name, link in workflow.nodes[one].links:
            is_hint = _STEERS.search(workflow.nodes[one].kind) and name not in _PASSED_ON
            if not is_hint and not re.match(r"mask|control_image", name):
                waiting.append(link.node)
    loads = [node for node in nodes.values() if node.kind in ("LoadImage", "LoadImageMask")]
    places = [literal(workflow, node, "image") for node in loads]
    found = [place for place in places if place is not None]
    edited = tuple(
        place
        for place in found
        if place.node in drawn and workflow.nodes[place.node].kind == "LoadImage"
    )
    return edited, tuple(place for place in found if place not in edited)


def _walk(
    workflow: Workflow, nodes: Mapping[str, Node], role: Role
) -> tuple[tuple[Place, ...], tuple[Node, ...]]:
    """The places with a text, and all nodes on the way."""
    waiting = deque(root for node in nodes.values() for root in _roots(node, role))
    seen: set[tuple[Link, bool]] = set()
    places: dict[Place, None] = {}
    passed: dict[str, Node] = {}
    while waiting:
        link, guided = waiting.popleft()
        node = workflow.nodes[link.node]
        if (link, guided) in seen or node.kind == "ConditioningZeroOut":
            continue
        seen.add((link, guided))
        passed[node.id] = node
        if (inner := link_of(node.inputs.get(role))) is not None:  # it passes both sides on
            waiting.append((inner, False))
            continue
        if guided and role == "negative":
            continue
        for name, value in node.inputs.items():
            if (inner := link_of(value)) is not None:
                if not _OTHER.fullmatch(name) and _is_for(name, role):
                    waiting.append((inner, False))
            elif isinstance(value, str) and _is_text(name, role) and not _SHOWS.search(node.kind):
                places[Place(node.id, name)] = None
    return tuple(places), tuple(passed.values())


def _roots(node: Node, role: Role) -> Iterator[tuple[Link, bool]]:
    """Where a sampler's texts come from, and whether that is a guider; nothing if it is none."""
    if (guider := link_of(node.inputs.get("guider"))) is not None:
        yield guider, True
        return
    samples = {"seed", "noise_seed", "steps", "sigmas"} & node.inputs.keys()
    if samples and (link := link_of(node.inputs.get(role))) is not None:
        yield link, False


def _is_for(name: str, role: Role) -> bool:
    """Whether an input may carry what the role asks for: `negative` is not for the prompt."""
    is_negative = name.startswith("negative")
    if role == "positive":
        return not is_negative
    return is_negative or not name.startswith(("positive", "cond1", "cond2"))


def _is_text(name: str, role: Role) -> bool:
    own = rf"(text_)?{role}(_prompt)?(_[gl])?"
    return _TEXTS.fullmatch(name) is not None or re.fullmatch(own, name) is not None
