from __future__ import annotations

import json
import struct
import zlib
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, PngImagePlugin
from pydantic import JsonValue

from rr_refine.errors import ConfigError, RefineError, UnsupportedRequestError
from rr_refine.generators.comfyui.binding import Binding, bind
from rr_refine.generators.comfyui.options import ComfyUIOptions
from rr_refine.generators.comfyui.workflow_file import read_workflow
from tests.generators.comfyui.standin import WORKFLOWS, recorded

Graph = dict[str, dict[str, Any]]


def template(name: str = "sdxl_t2i") -> Graph:
    found: Graph = json.loads((WORKFLOWS / f"{name}.json").read_text())
    return found


def node(kind: str, **inputs: JsonValue) -> dict[str, Any]:
    return {"class_type": kind, "inputs": inputs}


def bound(folder: Path, graph: object, **options: JsonValue) -> Binding:
    path = folder / "mine.json"
    path.write_text(json.dumps(graph))
    return bind(
        read_workflow(path), ComfyUIOptions.model_validate({"workflow": str(path)} | options)
    )


def keys(places: Any) -> set[str]:
    return {".".join(place.key) for place in places}


@pytest.mark.parametrize(
    ("name", "prompt", "negative", "seeds", "sources"),
    [
        ("sdxl_t2i", {"6.text"}, {"7.text"}, {"3.seed"}, set()),
        ("flux_advanced_t2i", {"10:1.value"}, set(), {"10:5.noise_seed"}, set()),
        ("kontext_edit", {"7.text"}, set(), {"11.seed"}, {"4.image"}),
        ("qwen_edit_plus", {"6.prompt"}, {"7.prompt"}, {"9.seed"}, {"4.image"}),
        (
            *("base_and_refiner", {"6.text", "15.text"}, {"7.text", "16.text"}),
            *({"10.noise_seed"}, set[str]()),
        ),
    ],
)
def test_the_templates(
    tmp_path: Path,
    name: str,
    prompt: set[str],
    negative: set[str],
    seeds: set[str],
    sources: set[str],
) -> None:
    found = bound(tmp_path, template(name))
    assert keys(found.prompt) == prompt
    assert keys(found.negative) == negative
    assert keys(found.seeds) == seeds
    assert keys(found.sources) == sources


def between(graph: Graph, *kinds: dict[str, Any]) -> Graph:
    """Put nodes between the prompt's node 6 and the sampler 3, each after the last."""
    link: JsonValue = ["6", 0]
    for number, one in enumerate(kinds, 100):
        text = json.dumps(one).replace('"BEFORE"', json.dumps(link))
        graph[str(number)] = json.loads(text)
        link = [str(number), 0]
    graph["3"]["inputs"]["positive"] = link
    return graph


@pytest.mark.parametrize(
    "kinds",
    [
        [node("FluxGuidance", conditioning="BEFORE", guidance=3.5)],
        [node("Reroute", **{"": "BEFORE"})],
        [node("ConditioningSetTimestepRange", conditioning="BEFORE", start=0.0, end=1.0)],
        [node("ControlNetApply", conditioning="BEFORE", control_net=["60", 0], image=["61", 0])],
        [
            node(
                "ControlNetApplyAdvanced",
                positive="BEFORE",
                negative=["7", 0],
                control_net=["60", 0],
                image=["61", 0],
            ),
            node("Reroute (rgthree)", value="BEFORE"),
        ],
        [node("ConditioningCombine", conditioning_1="BEFORE", conditioning_2=["6", 0])],
    ],
    ids=lambda kinds: kinds[0]["class_type"],
)
def test_the_prompt_is_found_through(tmp_path: Path, kinds: list[dict[str, Any]]) -> None:
    graph = between(template(), *kinds)
    graph["60"] = node("ControlNetLoader", control_net_name="pose.safetensors")
    graph["61"] = node("LoadImage", image="pose.png")
    found = bound(tmp_path, graph)
    assert keys(found.prompt) == {"6.text"}
    assert keys(found.negative) == {"7.text"}
    # A picture that steers is no picture to edit, and it is said that it stays.
    assert found.sources == ()
    used = any("61" in json.dumps(one) for one in kinds)
    assert any("61.image" in text for text in found.notices) == used


def test_the_two_sides_of_a_node_are_told_apart(tmp_path: Path) -> None:
    graph = template()
    graph["50"] = node("ControlNetApplyAdvanced", positive=["6", 0], negative=["7", 0])
    graph["3"]["inputs"] |= {"positive": ["50", 0], "negative": ["50", 1]}
    found = bound(tmp_path, graph)
    assert (keys(found.prompt), keys(found.negative)) == ({"6.text"}, {"7.text"})


def test_a_loader_whose_positive_output_is_not_the_first(tmp_path: Path) -> None:
    graph = template()
    graph |= {"70": node("PrimitiveString", value="a cube"), "71": node("Text", text="blurry")}
    graph["50"] = node("Efficient Loader", positive=["70", 0], negative=["71", 0])
    graph["3"]["inputs"] |= {"positive": ["50", 1], "negative": ["50", 2]}
    found = bound(tmp_path, graph)
    assert (keys(found.prompt), keys(found.negative)) == ({"70.value"}, {"71.text"})
    graph["50"]["inputs"] |= {"positive": "a cube", "negative": "blurry"}
    found = bound(tmp_path, graph)
    assert (keys(found.prompt), keys(found.negative)) == ({"50.positive"}, {"50.negative"})


def test_a_size_that_stands_in_two_nodes(tmp_path: Path) -> None:
    graph = template("flux_advanced_t2i")
    graph["10:7"] = node("Flux2Scheduler", steps=20, width=1024, height=1024)
    sent: Any = bound(tmp_path, graph).filled("a fox", 1, [], {"width": 640, "height": 512})
    for name in ("10:7", "10:8"):
        assert (sent[name]["inputs"]["width"], sent[name]["inputs"]["height"]) == (640, 512)


@pytest.mark.parametrize("kind", ["PrimitiveString", "PrimitiveStringMultiline", "Text Multiline"])
def test_a_text_of_another_node(tmp_path: Path, kind: str) -> None:
    graph = template()
    graph["70"] = node(kind, **{"text" if kind == "Text Multiline" else "value": "a red cube"})
    graph["6"]["inputs"]["text"] = ["70", 0]
    (place,) = bound(tmp_path, graph).prompt
    assert place.node == "70"


def test_numbers_of_other_nodes(tmp_path: Path) -> None:
    graph = template()
    graph |= {"80": node("PrimitiveInt", value=5), "81": node("PrimitiveInt", value=512)}
    graph["3"]["inputs"]["seed"] = ["80", 0]
    graph["5"]["inputs"] |= {"width": ["81", 0], "height": ["81", 0]}
    found = bound(tmp_path, graph)
    sent = found.filled("a fox", 9, [], {"width": 640, "height": 640})
    assert sent["80"] == {"class_type": "PrimitiveInt", "inputs": {"value": 9}}
    assert sent["81"] == {"class_type": "PrimitiveInt", "inputs": {"value": 640}}
    with pytest.raises(UnsupportedRequestError, match="square"):
        found.filled("a fox", 9, [], {"width": 640, "height": 512})


def test_an_empty_second_text_is_no_second_prompt(tmp_path: Path) -> None:
    graph = template("flux_advanced_t2i")
    graph["10:2"] = node("CLIPTextEncodeFlux", clip=["2", 0], clip_l="", t5xxl="a cube", guidance=3)
    assert keys(bound(tmp_path, graph).prompt) == {"10:2.t5xxl"}


def joined(graph: Graph) -> Graph:
    graph["70"] = node(
        "StringConcatenate", string_a="oil painting", string_b="a cube", delimiter=","
    )
    graph["6"]["inputs"]["text"] = ["70", 0]
    return graph


def test_what_is_not_unique_is_refused_with_the_candidates(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        bound(tmp_path, joined(template()))
    for word in ("70.string_a", "'oil painting'", "70.string_b", "'a cube'", "prompt_input"):
        assert word in str(caught.value)
    assert "delimiter" not in str(caught.value)


def test_two_different_texts_are_refused(tmp_path: Path) -> None:
    graph = template("base_and_refiner")
    graph["15"]["inputs"]["text"] = "something else"
    with pytest.raises(ConfigError, match=r"6.text.*15.text|15.text.*6.text"):
        bound(tmp_path, graph)
    assert keys(bound(tmp_path, graph, prompt_input="6.text").prompt) == {"6.text"}
    both: JsonValue = ["6.text", "15.text"]
    assert keys(bound(tmp_path, graph, prompt_input=both).prompt) == {"6.text", "15.text"}


def test_two_pictures_are_refused_until_one_is_named(tmp_path: Path) -> None:
    graph = template()
    graph["90"] = node("SaveImage", images=["8", 0], filename_prefix="again")
    with pytest.raises(ConfigError, match=r"several pictures, by node 9 .*node 90 .*output_node"):
        bound(tmp_path, graph)
    assert bound(tmp_path, graph, output_node=90).output == "90"
    with pytest.raises(ConfigError, match="no node '91'"):
        bound(tmp_path, graph, output_node="91")
    with pytest.raises(ConfigError, match="saves or shows no picture"):
        bound(tmp_path, graph, output_node="3")


def test_a_preview_beside_the_saved_picture_is_left_out(tmp_path: Path) -> None:
    graph = template()
    graph["90"] = node("PreviewImage", images=["91", 0])
    graph["91"] = node("Canny", image=["8", 0])
    found = bound(tmp_path, graph)
    assert found.output == "9"
    assert "91" not in found.filled("a fox", 1, [], {})


def test_placeholders_go_before_what_is_traced(tmp_path: Path) -> None:
    graph = joined(template())
    graph["70"]["inputs"]["string_b"] = "photo of %prompt%, sharp"
    graph["7"]["inputs"]["text"] = "blurry, %negative_prompt%"
    graph["3"]["inputs"]["seed"] = "%seed%"
    graph["5"]["inputs"] |= {"width": "%width%", "height": "%height%"}
    found = bound(tmp_path, graph)
    sent: Any = found.filled('a "fox" %seed%', 9, [], {"width": 64, "height": 32})
    assert sent["70"]["inputs"]["string_b"] == 'photo of a "fox" %seed%, sharp'
    assert sent["70"]["inputs"]["string_a"] == "oil painting"
    assert sent["7"]["inputs"]["text"] == "blurry, "
    assert sent["3"]["inputs"]["seed"] == 9
    assert sent["5"]["inputs"]["width"] == 64
    with pytest.raises(UnsupportedRequestError, match="give both"):
        found.filled("a fox", 9, [], {})
    graph["5"]["inputs"]["height"] = 64
    with pytest.raises(ConfigError, match="belong together"):
        bound(tmp_path, graph)
    graph["5"]["inputs"]["height"] = "%height%"
    graph["3"]["inputs"]["steps"] = "%steps%"
    with pytest.raises(ConfigError, match="'%steps%'"):
        bound(tmp_path, graph)


def test_words_around_a_placeholder_are_part_of_the_workflow(tmp_path: Path) -> None:
    digests = set()
    for text in ("photo of %prompt%", "drawing of %prompt%"):
        graph = template()
        graph["6"]["inputs"]["text"] = text
        digests.add(bound(tmp_path, graph).digest)
    assert len(digests) == 2


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"prompt_input": "6"}, "must be a node and its input"),
        ({"prompt_input": "66.text"}, "no node '66'"),
        ({"prompt_input": "6.txt"}, r"no input 'txt' \(did you mean 'text'\?\).*text, clip"),
        ({"seed_input": "3.model"}, "filled by another node"),
        ({"size_node": "3"}, "no input 'width'"),
        ({"prompt_input": "200.text"}, "does not depend on"),
        ({"size_node": "201"}, "does not depend on"),
    ],
)
def test_what_the_user_names_must_be_there(
    tmp_path: Path, options: dict[str, JsonValue], words: str
) -> None:
    graph = template() | {
        "200": node("CLIPTextEncode", text="unused", clip=["4", 1]),
        "201": node("EmptyLatentImage", width=64, height=64, batch_size=1),
    }
    with pytest.raises(ConfigError, match=words):
        bound(tmp_path, graph, **options)


def test_several_sizes_are_refused_when_one_is_asked_for(tmp_path: Path) -> None:
    graph = template()
    graph["51"] = node("EmptyImage", width=512, height=512, batch_size=1, color=0)
    graph["52"] = node("ImageBlend", image1=["8", 0], image2=["51", 0])
    graph["9"]["inputs"]["images"] = ["52", 0]
    found = bound(tmp_path, graph)
    assert "5" in found.filled("a fox", 1, [], {})
    with pytest.raises(UnsupportedRequestError, match=r"several sizes.*size_node"):
        found.filled("a fox", 1, [], {"width": 64, "height": 64})
    sent: Any = bound(tmp_path, graph, size_node=5).filled(
        "a fox", 1, [], {"width": 64, "height": 32}
    )
    assert sent["5"]["inputs"]["height"] == 32
    assert sent["51"]["inputs"]["height"] == 512


def test_a_mask_of_the_picture_to_edit_is_refused(tmp_path: Path) -> None:
    graph = template("kontext_edit")
    graph["60"] = node("SetLatentNoiseMask", samples=["6", 0], mask=["4", 1])
    graph["11"]["inputs"]["latent_image"] = ["60", 0]
    with pytest.raises(ConfigError, match=r"SetLatentNoiseMask.*mask.*source_input = '4.image'"):
        bound(tmp_path, graph)
    found = bound(tmp_path, graph, source_input="4.image")
    assert any("empty mask" in text for text in found.notices)


def test_doubts_are_told(tmp_path: Path) -> None:
    graph = template()
    graph["5"]["inputs"]["batch_size"] = 4
    graph["70"] = node("OllamaGenerate", prompt="a cube", model="llama3")
    graph["6"]["inputs"]["text"] = ["70", 0]
    found = bound(tmp_path, graph)
    told = " | ".join(found.notices)
    assert "OllamaGenerate) writes the prompt anew" in told
    assert "draws 4 pictures at once; here it draws one" in told
    sent: Any = found.filled("a fox", 1, [], {})
    assert sent["5"]["inputs"]["batch_size"] == 1
    graph["3"]["inputs"].pop("seed")
    assert "no seed" in " ".join(bound(tmp_path, graph).notices)


EDITOR = {"nodes": [{"id": 1, "type": "KSampler"}], "links": [], "version": 0.4}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (EDITOR, r"editor.*File > Export \(API\)"),
        ({"3": {"inputs": {}}}, r"no ComfyUI workflow.*Export \(API\)"),
        ([], "no ComfyUI workflow"),
        ({}, "no ComfyUI workflow"),
        ({"1": {"class_type": 5}}, "no ComfyUI workflow"),
        ({"1": {"class_type": "A", "inputs": {"x": ["77", 0]}}}, "comes from node '77'"),
        ({str(n): {"class_type": "A"} for n in range(5001)}, "5,001 nodes"),
        ({"1": {"class_type": "A", "inputs": {"x": "y"}}}, "saves no picture"),
    ],
)
def test_what_is_no_workflow(tmp_path: Path, content: object, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        bound(tmp_path, content)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    for name, content, words in [
        ("a.json", b"{", "no workflow, which is a JSON file"),
        ("b.json", b"[" * 100_000, "no workflow, which is a JSON file"),
        ("c.json", b"\xff\xfe\x00", "no workflow"),
        ("d.jpg", b"\xff\xd8\xff\xe0" + bytes(100), "holds no workflow"),
        ("e.png", b"\x89PNG\r\n\x1a\n" + bytes(100), "holds no workflow"),
        ("f.json", b" " * (5 << 20), "too much for a workflow"),
    ]:
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(ConfigError, match=words):
            read_workflow(path)
    with pytest.raises(ConfigError, match="does not exist"):
        read_workflow(tmp_path / "none.json")
    with pytest.raises(ConfigError, match="cannot be read"):
        read_workflow(tmp_path)
    loop = tmp_path / "loop.json"
    loop.symlink_to(loop)
    with pytest.raises(ConfigError, match="cannot be read"):
        read_workflow(loop)


def test_a_link_to_a_workflow_is_followed(tmp_path: Path) -> None:
    link = tmp_path / "mine.json"
    link.symlink_to(WORKFLOWS / "sdxl_t2i.json")
    assert set(read_workflow(link).nodes) == set(template())


@pytest.mark.parametrize("how", ["plain", "packed", "international", "international packed"])
def test_a_picture_that_comfyui_saved(tmp_path: Path, how: str) -> None:
    texts = PngImagePlugin.PngInfo()
    graph = json.dumps(template())
    if how.startswith("international"):
        texts.add_itxt("prompt", graph, zip=how.endswith("packed"))
    else:
        texts.add_text("prompt", graph, zip=how == "packed")
    texts.add_text("workflow", json.dumps(EDITOR))
    path = tmp_path / "picture.png"
    Image.new("RGB", (8, 8)).save(path, pnginfo=texts)
    found = bind(read_workflow(path), ComfyUIOptions(workflow=str(path)))
    assert keys(found.prompt) == {"6.text"}


def test_a_packed_text_that_is_a_bomb(tmp_path: Path) -> None:
    packed = b"prompt\0\0" + zlib.compress(bytes(200 << 20))
    path = tmp_path / "bomb.png"
    chunk = struct.pack(">I", len(packed)) + b"zTXt" + packed + bytes(4)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk)
    with pytest.raises(ConfigError, match="holds no workflow"):
        read_workflow(path)


def test_links_in_a_circle_end(tmp_path: Path) -> None:
    graph = template()
    graph |= {"70": node("Reroute", value=["71", 0]), "71": node("Reroute", value=["70", 0])}
    graph["3"]["inputs"]["positive"] = ["70", 0]
    graph["3"]["inputs"]["seed"] = ["70", 0]
    with pytest.raises(RefineError, match="prompt was not found"):
        bound(tmp_path, graph)


def test_a_long_chain(tmp_path: Path) -> None:
    graph = between(template(), *[node("Reroute", **{"": "BEFORE"})] * 3000)
    assert keys(bound(tmp_path, graph).prompt) == {"6.text"}


def test_the_recordings_are_of_the_server() -> None:
    assert recorded("51_system_stats")["system"]["comfyui_version"] == "0.33.0"


def changed(**inputs: dict[str, JsonValue]) -> Graph:
    """The template with other inputs, by `n` and the node's id."""
    graph = template()
    for name, new in inputs.items():
        graph[name.removeprefix("n")]["inputs"] |= new
    return graph


PACKS: dict[str, tuple[Graph, tuple[set[str], set[str], set[str], set[str]]]] = {
    "a styler": (
        changed(n6={"text": ["60", 0]}, n7={"text": ["60", 1]})
        | {"60": node("SDXLPromptStyler", text_positive="a cat", text_negative="bad", style="x")},
        ({"60.text_positive"}, {"60.text_negative"}, {"3.seed"}, set()),
    ),
    "a node for the seed": (
        changed(n3={"seed": ["95", 0]}) | {"95": node("Seed (rgthree)", seed=77)},
        ({"6.text"}, {"7.text"}, {"95.seed"}, set()),
    ),
    "a text that was shown": (
        changed(n6={"text": ["50", 0]})
        | {
            "50": node("ShowText|pysssss", text=["51", 0], text_0="of last time"),
            "51": node("PrimitiveString", value="a cat"),
        },
        ({"51.value"}, {"7.text"}, {"3.seed"}, set()),
    ),
    "drawn over a picture": (
        changed(n3={"latent_image": ["21", 0]})
        | {
            "20": node("LoadImage", image="a.png"),
            "21": node("VAEEncode", pixels=["20", 0], vae=["4", 2]),
        },
        ({"6.text"}, {"7.text"}, {"3.seed"}, {"20.image"}),
    ),
    "a picture for the style": (
        changed(n3={"model": ["30", 0]})
        | {
            "20": node("LoadImage", image="a.png"),
            "30": node("IPAdapterAdvanced", model=["4", 0], image=["20", 0], weight=0.8),
        },
        ({"6.text"}, {"7.text"}, {"3.seed"}, set()),
    ),
    "drawn twice": (
        changed(n8={"samples": ["11", 0]})
        | {
            "10": node("LatentUpscale", samples=["3", 0], width=2048, height=2048),
            "11": node(
                "KSampler", seed=2, positive=["6", 0], negative=["7", 0], latent_image=["10", 0]
            ),
        },
        ({"6.text"}, {"7.text"}, {"3.seed", "11.seed"}, set()),
    ),
}


@pytest.mark.parametrize("pack", PACKS)
def test_graphs_of_node_packs(tmp_path: Path, pack: str) -> None:
    graph, (prompt, negative, seeds, sources) = PACKS[pack]
    found = bound(tmp_path, graph)
    assert keys(found.prompt) == prompt
    assert keys(found.negative) == negative
    assert keys(found.seeds) == seeds
    assert keys(found.sources) == sources


def test_a_placeholder_that_stands_too_often(tmp_path: Path) -> None:
    graph = template()
    graph["6"]["inputs"]["text"] = "%prompt% " * 101
    with pytest.raises(ConfigError, match="%prompt% stands 101 times in the workflow: 100"):
        bound(tmp_path, graph)
    graph["6"]["inputs"]["text"] = "%prompt% " * 100
    assert bound(tmp_path, graph).prompt
