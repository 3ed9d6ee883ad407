"""A generator that draws what a dense prompt says, and a critic that sees what the oracle sees."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from PIL import Image
from pydantic import JsonValue

from rr_refine.errors import CriticUnavailable, GeneratorError
from rr_refine.generators.generator import OnStep, RenderRequest
from rr_refine.plugins import parse_options
from rr_refine.reward.assessment import Assessment
from rr_refine.reward.comparison import Comparison, PairwiseCritique
from rr_refine.reward.critic import ComparisonRequest, CritiqueRequest
from rr_refine.reward.judging import Answer, read_critique
from rr_refine.sketch.checking import RequestedEdit, scores_of
from rr_refine.sketch.observation import Observation, observation_of
from rr_refine.sketch.oracle.reading import read_picture
from rr_refine.sketch.plan import plan
from rr_refine.sketch.training.critic.wording import WrittenJudgement, critique_text
from rr_refine.sketch.world.drawing import draw
from rr_refine.sketch.world.edit import KEEP_REST, apply, read_edit
from rr_refine.sketch.world.phrasing import read_request, read_scene
from rr_refine.sketch.world.scene import COLOURS, Scene
from rr_refine.terms import Identity, Record, Task, Usage, dimensions_of


class Rates(Record):
    """How often a picture is exact, by the kind of prompt; prompt and seed decide."""

    terse: float = 0.0
    dense: float = 1.0


class Painter:
    """Draws the scene of a prompt, or the same with a shape of another colour.

    Dense edits are made; terse ones leave the picture as it is.
    """

    tasks: frozenset[Task] = frozenset({"t2i", "edit"})

    def __init__(
        self, rates: Rates | None = None, fails: Callable[[RenderRequest], bool] | None = None
    ) -> None:
        self._rates = rates or Rates()
        self._fails = fails
        self.requests: list[RenderRequest] = []

    @property
    def identity(self) -> Identity:
        return Identity(kind="scripted", name="painter", details=self._rates.model_dump())

    async def generate(
        self, request: RenderRequest, *, on_step: OnStep | None = None
    ) -> Image.Image:
        self.requests.append(request)
        if self._fails and self._fails(request):
            raise GeneratorError("the brush broke")
        if request.source is not None:
            source = read_picture(request.source).scene
            edit = read_edit(request.prompt, source) if source else None
            if source is None or edit is None or KEEP_REST not in request.prompt:
                return request.source
            return draw(apply(edit, source))
        random = Random(f"{request.prompt} {request.seed}")
        scene, rate = read_scene(request.prompt), self._rates.dense
        if scene is None:
            asked = read_request(request.prompt)
            assert asked is not None, request.prompt
            scene, rate = plan(asked, Observation(None), random), self._rates.terse
            assert scene is not None
        return draw(scene if random.random() < rate else spoilt(scene))

    @classmethod
    def create(cls, **options: JsonValue) -> Painter:
        """For `plugins.create`."""
        return cls(parse_options(Rates, options, "generator"))


def spoilt(scene: Scene) -> Scene:
    """The same with its first shape in a colour that the scene does not have."""
    first, *others = scene.shapes
    colour = next(c for c in COLOURS if c not in {shape.colour for shape in scene.shapes})
    return scene.with_shapes(first.model_copy(update={"colour": colour}), *others)


class Eye:
    """Judges by what the oracle reads, in the words of the sketch critic; compares by its scores.

    Args:
        fails: for which pictures there is no judgement.
        blind: everything is as asked for.
    """

    def __init__(
        self, fails: Callable[[Image.Image], bool] | None = None, *, blind: bool = False
    ) -> None:
        self._fails = fails
        self._blind = blind
        self.requests: list[CritiqueRequest] = []
        self.comparisons = 0

    @property
    def identity(self) -> Identity:
        return Identity(kind="scripted", name="eye", details={"blind": self._blind})

    async def critique(self, request: CritiqueRequest) -> Assessment:
        self.requests.append(request)
        if self._fails and self._fails(request.image):
            raise CriticUnavailable("the eye is shut")
        return self._look(request.prompt, request.image, request.source)

    async def compare(self, request: ComparisonRequest) -> Comparison:
        self.comparisons += 1
        a, b = (
            self._look(request.prompt, image, request.source).critiques[0].scores
            for image in (request.image_a, request.image_b)
        )
        forward, reverse = (
            PairwiseCritique(
                task=request.task,
                scores_a=one,
                scores_b=other,
                winners=dict.fromkeys(dimensions_of(request.task)),
                rationales=dict.fromkeys(dimensions_of(request.task)),
                raw="as seen",
            )
            for one, other in ((a, b), (b, a))
        )
        return Comparison(critic=self.identity, forward=forward, reverse=reverse)

    def _look(self, prompt: str, image: Image.Image, source: Image.Image | None) -> Assessment:
        reading = read_picture(image)
        if source is None:
            asked = read_request(prompt)
            assert asked is not None
            observed = observation_of(reading)
            if self._blind and (wanted := plan(asked, observed, Random(0))):
                observed = observation_of(wanted)
            scores = scores_of(asked, observed, 4.0, reading.letters or "")
            text = critique_text(asked, WrittenJudgement(observed, scores))
        else:
            scene = read_picture(source).scene
            assert scene is not None
            edit = read_edit(prompt, scene)
            assert edit is not None
            change = RequestedEdit(edit, scene)
            observed = observation_of(change.expected if self._blind else reading)
            scores = scores_of(change, observed, 4.0, reading.letters or "")
            text = critique_text(change, WrittenJudgement(observed, scores))
        critique = read_critique(Answer(text), "t2i" if source is None else "edit")
        return Assessment(critic=self.identity, critiques=(critique,), usage=Usage(calls=1))
