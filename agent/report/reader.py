"""Reads the summary of a run from its folder."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from pydantic import JsonValue

from rr_refine.agent.budget import Cost, Spend
from rr_refine.agent.diff import diff_words
from rr_refine.agent.events import (
    Event,
    Judged,
    Notice,
    Rendered,
    RewriteRejected,
    Rewritten,
    RoundStarted,
    RunStarted,
)
from rr_refine.agent.history import Candidate, Proposal, Rejection
from rr_refine.agent.intent import find_spans
from rr_refine.agent.keys import comparison_key, critique_key
from rr_refine.agent.ledger import cost_in
from rr_refine.agent.measured import caps_in_words
from rr_refine.agent.nodes.plan import PARENT
from rr_refine.agent.report.provenance import provenance_of
from rr_refine.agent.report.summary import (
    CandidateView,
    DimensionScore,
    ImageFile,
    RoundSummary,
    RunSummary,
    headline,
    state_of,
)
from rr_refine.agent.review import Decision, Keep, recorded_decision
from rr_refine.agent.revision import number_of
from rr_refine.agent.run import Run, read_run
from rr_refine.agent.store.folder import RunFolder
from rr_refine.agent.store.journal import ItemKind, Round, read_rounds
from rr_refine.errors import StoreError
from rr_refine.reward.assessment import Assessment
from rr_refine.reward.comparison import Comparison

__all__ = ["read_summary"]


def read_summary(folder: RunFolder) -> RunSummary:
    """Read a run's summary from its open folder.

    Raises:
        StoreError: it is no run folder, or its files are broken.
    """
    run = read_run(folder)
    found = folder.read_json("manifest.json")
    manifest = found if isinstance(found, dict) else {}
    try:
        reader = _Reader(folder, run)
        rounds = tuple(reader.rounds())
        cost = cost_in(folder.journal)
    except (ValueError, LookupError) as error:  # pydantic's are ValueErrors
        raise StoreError(f"run folder {str(folder.path)!r} cannot be read: {error}") from error
    kept = [d.text for found in reader.decisions.values() for d in found if isinstance(d, Keep)]
    return RunSummary(
        run=run,
        manifest=manifest,
        provenance=provenance_of(run.config, manifest),
        state=state_of(run),
        headline=headline(run),
        spans=find_spans(
            run.request_at(number_of(run.revisions)).prompt, [*run.request.keep, *kept]
        ),
        source=_image_file(folder, run.request.source),
        more_sources=tuple(_image_file(folder, name) for name in run.request.more_sources),
        rounds=rounds,
        notices=reader.notices,
        spend=run.outcome.spend if run.outcome else _spend(rounds, cost),
    )


class _Reader:
    """Puts the rounds of a summary together."""

    def __init__(self, folder: RunFolder, run: Run) -> None:
        self._folder, self._run = folder, run
        self._timeline = Timeline.of(run.events())
        self._candidates = {c.id: c for c in run.candidates}
        self._views: dict[str, CandidateView] = {}
        self.notices = tuple(self._timeline.notices.get(None, ()))
        self.decisions: dict[int, list[Decision]] = {}
        for key, item in folder.journal.items("review"):
            number = int(key.removeprefix("r").partition(".")[0])
            self.decisions.setdefault(number, []).append(recorded_decision(item))

    def rounds(self) -> Iterator[RoundSummary]:
        """The rounds in order, the one in progress last."""
        rounds = list(read_rounds(self._folder.journal))
        finished = len(rounds)
        if begun := self._timeline.begun(finished, self._run):
            rounds.append(Round(after=None, incumbent=None, candidates=begun))
        base: Candidate | None = None
        for number, item in enumerate(rounds):
            yield self._round(number, item, base, finished=number < finished)
            if item.incumbent is not None:
                base = self._views[item.incumbent].candidate

    def _round(
        self, number: int, item: Round, base: Candidate | None, *, finished: bool
    ) -> RoundSummary:
        first = item.candidates[0]
        request = self._run.request_at(first.first_revision)
        before = request.prompt if base is None else base.prompt
        cause = self._cause(first, base)
        proposal = self._timeline.proposals.get(number, {}).get(first.prompt)
        self._views |= {c.id: self._view(c) for c in item.candidates}
        return RoundSummary(
            number=number,
            prompt=first.prompt,
            origin=first.origin,
            why="" if proposal is None else proposal.why,
            base=None if base is None else base.id,
            cause=cause,
            changes=() if first.prompt == before else diff_words(before, first.prompt),
            rejections=self._timeline.unused(number, first.prompt),
            decisions=tuple(self.decisions.get(number, ())),
            candidates=tuple(self._views[c.id] for c in item.candidates),
            incumbent=item.incumbent,
            finished=finished,
        )

    def _cause(self, candidate: Candidate, base: Candidate | None) -> str | None:
        """Whose critique led to a prompt: the one that asked for it, else the best so far."""
        if candidate.origin in ("request", "human", PARENT) or base is None:
            return None
        for view in (self._views[base.id], *reversed(self._views.values())):
            critiques = view.assessment.critiques if view.assessment else ()
            if any(c.refined_request == candidate.prompt for c in critiques):
                return view.candidate.id
        return base.id

    def _view(self, candidate: Candidate) -> CandidateView:
        verdict, rendered = candidate.verdict, self._timeline.rendered.get(candidate.id)
        rival = self._candidates.get(verdict.against or "") if verdict else None
        rival = rival and rival.under(candidate.revision)  # scores of two are not compared
        assessment = comparison = None
        if candidate.critique and (item := self._item("critique", candidate.critique)):
            assessment = Assessment.model_validate(item)
        if rival is not None and rival.image and candidate.image:
            request = self._run.request_at(candidate.first_revision)
            key = comparison_key(request, rival.image, candidate.image)
            if item := self._item("comparison", key):
                comparison = Comparison.model_validate(item)
        return CandidateView(
            candidate=candidate,
            image=_image_file(self._folder, candidate.image),
            scores=tuple(_scores(candidate, assessment, rival)),
            mean_before=None if rival is None else rival.mean,
            assessment=assessment,
            comparison=comparison,
            seconds=None if rendered is None else rendered.seconds,
            notices=tuple(self._timeline.notices.get(candidate.id, ())),
            earlier=tuple(
                self._view(candidate.under(one.revision).model_copy(update={"earlier": ()}))
                for one in candidate.earlier
            ),
        )

    def _item(self, kind: ItemKind, key: str) -> JsonValue:
        item = self._folder.journal.get(kind, key)
        return item["result"] if isinstance(item, dict) else None


@dataclass(slots=True)
class Timeline:
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
    notices: dict[str | None, dict[str, None]] = field(default_factory=dict)
    """By candidate; None is the run as a whole."""
    started: RoundStarted | None = None
    """The round that began last."""

    @classmethod
    def of(cls, events: Iterable[Event]) -> Timeline:
        """The timeline that these events make up."""
        timeline = cls()
        for event in events:
            match event:
                case RunStarted():
                    timeline = cls()
                case Notice():
                    timeline.notices.setdefault(event.candidate, {})[event.text] = None
                case RoundStarted():
                    timeline.started = event
                case Rendered():
                    timeline.rendered[event.candidate] = event
                    timeline.judged.pop(event.candidate, None)
                case Judged():
                    timeline.judged[event.candidate] = event
                case RewriteRejected():
                    timeline.rejections.setdefault(event.round, {})[event.rejection] = None
                case Rewritten():
                    proposals = timeline.proposals.setdefault(event.round, {})
                    proposals[event.proposal.prompt] = event.proposal
                case _:
                    pass
        return timeline

    def unused(self, number: int, prompt: str) -> tuple[Rejection, ...]:
        """The prompts of round `number` that were rejected on the way to `prompt`."""
        aside = (
            Rejection(rewriter=p.origin, prompt=p.prompt, reason=f"set aside in review ({p.why})")
            for p in self.proposals.get(number, {}).values()
            if p.prompt != prompt
        )
        return (*self.rejections.get(number, ()), *aside)

    def begun(self, number: int, run: Run) -> tuple[Candidate, ...]:
        """The candidates so far of round `number`, if that is the one in progress."""
        started = self.started
        if started is None or started.round != number:
            return ()
        request, found = run.request_at(started.revision), list[Candidate]()
        for index in range(started.candidates):
            name = f"r{number}c{index}"
            rendered, judged = self.rendered.get(name), self.judged.get(name)
            if rendered is not None:
                found.append(
                    Candidate(
                        revision=started.revision,
                        round=number,
                        index=index,
                        prompt=started.prompt,
                        origin=started.origin,
                        seed=rendered.seed,
                        image=rendered.image,
                        critique=critique_key(request, rendered.image) if judged else None,
                        scores=judged.scores if judged else None,
                        said=judged.said if judged else None,
                        findings=judged.findings if judged else (),
                        unjudged=judged.unjudged if judged else (),
                    )
                )
        return tuple(found)


def _scores(
    candidate: Candidate, assessment: Assessment | None, rival: Candidate | None
) -> Iterator[DimensionScore]:
    before = rival.applicable if rival is not None else {}
    capped = caps_in_words(candidate.said, candidate.scores or {})
    for dimension, score in (candidate.scores or {}).items():
        samples = assessment.critiques if assessment is not None else ()
        yield DimensionScore(
            dimension=dimension,
            score=score,
            before=before.get(dimension),
            error=candidate.errors.get(dimension),
            reasons=tuple(
                (c.scores[dimension], reason)
                for c in samples
                if (reason := c.rationales[dimension])
            ),
            capped=capped.get(dimension),
        )


def _image_file(folder: RunFolder, name: str | None) -> ImageFile | None:
    if name is None:
        return None
    size = folder.image_size(name)
    if size is None:
        return None
    return ImageFile(folder.image_path(name).relative_to(folder.path).as_posix(), *size)


def _spend(rounds: Sequence[RoundSummary], cost: Cost) -> Spend:
    candidates = [view for each in rounds for view in each.candidates]
    spend = Spend(images=sum(view.candidate.image is not None for view in candidates))
    for view in (one for each in candidates for one in (*each.earlier, each)):
        for judged in (view.assessment, view.comparison):
            if judged is not None:
                spend += Spend.of_critic(judged.usage)
    return spend + Spend(cost=cost)
