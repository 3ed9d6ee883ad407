"""Reads the summary of a run from its folder."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from pydantic import JsonValue

from rr_refine.agent.budget import Spend
from rr_refine.agent.diff import diff_words
from rr_refine.agent.effects import comparison_key, critique_key
from rr_refine.agent.events import (
    Event,
    Judged,
    Rendered,
    RewriteRejected,
    Rewritten,
    RoundStarted,
    RunStarted,
)
from rr_refine.agent.history import Candidate, Proposal, Rejection
from rr_refine.agent.intent import find_spans
from rr_refine.agent.report.summary import Chapter, Mark, Picture, Shot, Story, headline, state_of
from rr_refine.agent.review import Decision, Keep, read_decision
from rr_refine.agent.run import Run, read_run
from rr_refine.agent.store.folder import RunFolder
from rr_refine.agent.store.journal import ItemKind
from rr_refine.agent.store.png import png_size
from rr_refine.agent.store.rounds import Round, read_rounds
from rr_refine.errors import StoreError
from rr_refine.request import Request
from rr_refine.reward.assessment import Assessment
from rr_refine.reward.comparison import Comparison

__all__ = ["read_story"]


def read_story(folder: RunFolder) -> Story:
    """Read a run's story from its open folder.

    Raises:
        StoreError: it is no run folder, or its files are broken.
    """
    run = read_run(folder)
    manifest = folder.read_json("manifest.json")
    try:
        teller = _Teller(folder, run)
        chapters = tuple(teller.chapters())
    except (ValueError, LookupError) as error:  # pydantic's are ValueErrors
        raise StoreError(f"run folder {str(folder.path)!r} cannot be read: {error}") from error
    kept = [d.text for found in teller.decisions.values() for d in found if isinstance(d, Keep)]
    return Story(
        run=run,
        manifest=manifest if isinstance(manifest, dict) else {},
        state=state_of(run),
        headline=headline(run),
        spans=find_spans(run.request.prompt, [*run.request.keep, *kept]),
        source=_picture(folder, run.request.source),
        chapters=chapters,
        spend=run.outcome.spend if run.outcome else _spend(chapters),
    )


class _Teller:
    """Puts the chapters together."""

    def __init__(self, folder: RunFolder, run: Run) -> None:
        self._folder, self._run = folder, run
        self._course = Course.of(run.events())
        self._candidates = {c.id: c for c in run.candidates}
        self._told: dict[str, Shot] = {}
        self.decisions: dict[int, list[Decision]] = {}
        for key, item in folder.journal.items("review"):
            number = int(key.removeprefix("r").partition(".")[0])
            self.decisions.setdefault(number, []).append(read_decision(item))

    def chapters(self) -> Iterator[Chapter]:
        """The rounds in order, the one in progress last."""
        rounds = list(read_rounds(self._folder.journal))
        finished = len(rounds)
        if begun := self._course.begun(finished, self._run.request):
            rounds.append(Round(after=None, incumbent=None, candidates=begun))
        base: Candidate | None = None
        for number, item in enumerate(rounds):
            yield self._chapter(number, item, base, finished=number < finished)
            if item.incumbent is not None:
                base = self._told[item.incumbent].candidate

    def _chapter(
        self, number: int, item: Round, base: Candidate | None, *, finished: bool
    ) -> Chapter:
        first = item.candidates[0]
        before = self._run.request.prompt if base is None else base.prompt
        cause = self._cause(first, base)
        proposal = self._course.proposals.get(number, {}).get(first.prompt)
        self._told |= {c.id: self._shot(c) for c in item.candidates}
        return Chapter(
            number=number,
            prompt=first.prompt,
            origin=first.origin,
            why="" if proposal is None else proposal.why,
            base=None if base is None else base.id,
            cause=cause,
            changes=() if first.prompt == before else diff_words(before, first.prompt),
            rejections=self._course.unused(number, first.prompt),
            decisions=tuple(self.decisions.get(number, ())),
            shots=tuple(self._told[c.id] for c in item.candidates),
            incumbent=item.incumbent,
            finished=finished,
        )

    def _cause(self, candidate: Candidate, base: Candidate | None) -> str | None:
        """Whose critique led to a prompt: the one that asked for it, else the best so far."""
        if candidate.origin in ("request", "human") or base is None:
            return None
        for shot in (self._told[base.id], *reversed(self._told.values())):
            critiques = shot.assessment.critiques if shot.assessment else ()
            if any(c.refined_request == candidate.prompt for c in critiques):
                return shot.candidate.id
        return base.id

    def _shot(self, candidate: Candidate) -> Shot:
        verdict, rendered = candidate.verdict, self._course.rendered.get(candidate.id)
        rival = self._candidates.get(verdict.against or "") if verdict else None
        assessment = comparison = None
        if candidate.critique and (item := self._item("critique", candidate.critique)):
            assessment = Assessment.model_validate(item)
        if rival is not None and rival.image and candidate.image:
            key = comparison_key(self._run.request, rival.image, candidate.image)
            if item := self._item("comparison", key):
                comparison = Comparison.model_validate(item)
        return Shot(
            candidate=candidate,
            picture=_picture(self._folder, candidate.image),
            marks=tuple(_marks(candidate, assessment, rival)),
            mean_before=None if rival is None else rival.mean,
            assessment=assessment,
            comparison=comparison,
            seconds=None if rendered is None else rendered.seconds,
        )

    def _item(self, kind: ItemKind, key: str) -> JsonValue:
        item = self._folder.journal.get(kind, key)
        return item["result"] if isinstance(item, dict) else None


@dataclass(slots=True)
class Course:
    """What events tell about rounds and candidates.

    A step that was cut off is told again when the run goes on, and everything is told again when
    the run starts over: what was told last holds, and what was told twice counts once.
    """

    rejections: dict[int, dict[Rejection, None]] = field(default_factory=dict)
    """Prompts that were not used, by the round that they were for."""
    proposals: dict[int, dict[str, Proposal]] = field(default_factory=dict)
    """What rewriters proposed, by round and prompt: one, or more where a human asked again."""
    rendered: dict[str, Rendered] = field(default_factory=dict)
    """By candidate."""
    judged: dict[str, Judged] = field(default_factory=dict)
    """By candidate."""
    started: RoundStarted | None = None
    """The round that began last."""

    @classmethod
    def of(cls, events: Iterable[Event]) -> Course:
        """The course that the events tell."""
        course = cls()
        for event in events:
            match event:
                case RunStarted():
                    course = cls()
                case RoundStarted():
                    course.started = event
                case Rendered():
                    course.rendered[event.candidate] = event
                    course.judged.pop(event.candidate, None)
                case Judged():
                    course.judged[event.candidate] = event
                case RewriteRejected():
                    course.rejections.setdefault(event.round, {})[event.rejection] = None
                case Rewritten():
                    proposals = course.proposals.setdefault(event.round, {})
                    proposals[event.proposal.prompt] = event.proposal
                case _:
                    pass
        return course

    def unused(self, number: int, prompt: str) -> tuple[Rejection, ...]:
        """The prompts of round `number` that were rejected on the way to `prompt`."""
        aside = (
            Rejection(rewriter=p.origin, prompt=p.prompt, reason=f"set aside in review ({p.why})")
            for p in self.proposals.get(number, {}).values()
            if p.prompt != prompt
        )
        return (*self.rejections.get(number, ()), *aside)

    def begun(self, number: int, request: Request) -> tuple[Candidate, ...]:
        """The candidates so far of round `number`, if that is the one in progress."""
        started = self.started
        if started is None or started.round != number:
            return ()
        found: list[Candidate] = []
        for index in range(started.candidates):
            name = f"r{number}c{index}"
            rendered, judged = self.rendered.get(name), self.judged.get(name)
            if rendered is not None:
                found.append(
                    Candidate(
                        round=number,
                        index=index,
                        prompt=started.prompt,
                        origin=started.origin,
                        seed=rendered.seed,
                        image=rendered.image,
                        critique=critique_key(request, rendered.image) if judged else None,
                        scores=judged.scores if judged else None,
                    )
                )
        return tuple(found)


def _marks(
    candidate: Candidate, assessment: Assessment | None, rival: Candidate | None
) -> Iterator[Mark]:
    before = rival.applicable if rival is not None else {}
    for dimension, score in (candidate.scores or {}).items():
        samples = assessment.critiques if assessment is not None else ()
        yield Mark(
            dimension=dimension,
            score=score,
            before=before.get(dimension),
            error=candidate.errors.get(dimension),
            reasons=tuple(
                (c.scores[dimension], reason)
                for c in samples
                if (reason := c.rationales[dimension])
            ),
        )


def _picture(folder: RunFolder, name: str | None) -> Picture | None:
    if name is None:
        return None
    path = folder.image_path(name)
    try:
        with path.open("rb") as file:
            width, height = png_size(file.read(24))
    except (OSError, ValueError):
        return None
    return Picture(path.relative_to(folder.path).as_posix(), width, height)


def _spend(chapters: Sequence[Chapter]) -> Spend:
    shots = [shot for chapter in chapters for shot in chapter.shots]
    spend = Spend(images=sum(shot.candidate.image is not None for shot in shots))
    for shot in shots:
        for judged in (shot.assessment, shot.comparison):
            if judged is not None:
                spend += Spend.of_critic(judged.usage)
    return spend
