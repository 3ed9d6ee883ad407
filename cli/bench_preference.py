"""`rr-refine bench preference`: how well a critic agrees with people, on published pairs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Final, Literal

from cyclopts import Parameter
from pydantic import JsonValue

from rr_refine.benchmarks.preference import editreward_bench, genai_bench, hpdv3, mmrb2
from rr_refine.benchmarks.preference.item import PreferenceSet
from rr_refine.benchmarks.preference.protocol import Mode
from rr_refine.benchmarks.preference.results import PreferenceResult, write_table
from rr_refine.boundary import boundary
from rr_refine.cli.bench_options import CACHE, parse_shard, say_results
from rr_refine.cli.exits import DONE, FAILED
from rr_refine.cli.notes import say_told
from rr_refine.cli.options import AtOnce, Count, Flag, Out
from rr_refine.cli.progress import Progress
from rr_refine.cli.settings import Settings, read_settings, split_assignment
from rr_refine.cli.text import tell
from rr_refine.component import connected
from rr_refine.errors import ConfigError, MissingExtraError, StoreError
from rr_refine.files import make_folder
from rr_refine.named import require_ours

__all__ = ["preference"]

BenchmarkName = Literal["genai-bench", "mmrb2", "editreward-bench", "hpdv3"]

_LOADERS: Final[dict[BenchmarkName, Callable[[Path], PreferenceSet]]] = {
    "genai-bench": genai_bench.load,
    "mmrb2": mmrb2.load,
    "editreward-bench": editreward_bench.load,
    "hpdv3": hpdv3.load,
}
_MODES: Final[dict[str, tuple[Mode, ...]]] = {
    "pairwise": ("pairwise",),
    "pointwise": ("pointwise",),
    "both": ("pairwise", "pointwise"),
}


def preference(
    benchmark: BenchmarkName,
    /,
    *,
    data: Path,
    out: Out,
    mode: Literal["pairwise", "pointwise", "both"] | None = None,
    limit: Count | None = None,
    shard: str = "1/1",
    critic: str | None = None,
    critic_url: str | None = None,
    config: Path | None = None,
    set_: Annotated[list[str] | None, Parameter("--set", negative=())] = None,
    trust: Flag = False,
    budget_usd: float | None = None,
    concurrency: AtOnce = 32,
    resume: Flag = False,
    json: Flag = False,
) -> int:
    """Ask a critic which of two pictures is better, and compare that with what people said.

    Always in both orders. Writes preference.json, table.md and pairs.jsonl; every answer is kept
    in the cache beside them. Exit code 1 if some pairs failed: they count as wrong, and are asked
    again with --resume; so are those that --budget-usd left no money for, which count nowhere.

    Args:
        benchmark: genai-bench, mmrb2, editreward-bench or hpdv3.
        data: A file of the benchmark (parquet, arrow, JSON lines, JSON), the folder of one split,
            or a pattern such as 'image_edition/test_v1-*'.
        out: Folder of the results.
        mode: pairwise shows both pictures, pointwise each alone. Default: pairwise; a scalar reward
            is asked pointwise.
        limit: Pairs at most; of editreward-bench, groups.
        shard: i/n: the i-th of n parts.
        critic: Critic or scalar reward by name or dotted path.
        critic_url: Endpoint of an OpenAI-compatible critic, such as http://localhost:6868/v1.
        config: A TOML file.
        set_: critic.*, as key=value. May be given more than once.
        trust: Let the settings file of this folder, or of --config, name code and where keys go;
            remembered until it changes.
        budget_usd: US dollars that the critic may cost, in every session together.
        concurrency: Pairs in progress at once.
        resume: Continue in a folder that already has results.
        json: The result as one JSON object on stdout.
    """

    async def evaluate(settings: Settings, part: tuple[int, int]) -> PreferenceResult:
        from rr_refine.benchmarks.cache import Cache
        from rr_refine.benchmarks.preference.evaluate import evaluate_preference
        from rr_refine.cli.bench_costs import paying
        from rr_refine.cli.job import make_critic
        from rr_refine.cli.notes import say_addresses
        from rr_refine.reward.scalar import RewardCritic

        say_addresses(settings, "critic")
        pairs = _LOADERS[benchmark](data)
        asked = make_critic(settings)
        modes = _MODES[mode or ("pointwise" if isinstance(asked, RewardCritic) else "pairwise")]
        progress = Progress()
        with Cache(out / "cache") as cache:
            async with connected([asked]):
                with paying(settings, [asked], out) as ledger:
                    found = await evaluate_preference(
                        pairs,
                        cache.critic(asked),
                        out,
                        modes=modes,
                        limit=limit,
                        shard=part,
                        concurrency=concurrency,
                        on_pair=lambda done, owed, failed: progress("pairs", done, owed, failed),
                        cost=lambda: None if ledger is None else ledger.total,
                    )
            say_told({"critic": asked})
            return found

    part = parse_shard(shard)
    settings = _settings(critic, critic_url, budget_usd, config, set_ or (), trusted=trust)
    if not resume and (out / "pairs.jsonl").exists():
        raise ConfigError(
            f"{str(out)!r} holds an earlier evaluation: go on with --resume, or give another --out"
        )
    require_ours(out, ("pairs.jsonl", "preference.json", CACHE), ("cache",))
    if find_spec("numpy") is None or find_spec("scipy") is None:
        raise MissingExtraError("rr-refine bench", "data")
    with boundary(StoreError, f"making {str(out)!r}"):
        make_folder(out, private=settings.flag("private"))
    return _leave(asyncio.run(evaluate(settings, part)), out, as_json=json)


def _settings(
    critic: str | None,
    url: str | None,
    usd: float | None,
    config: Path | None,
    assignments: Sequence[str],
    *,
    trusted: bool,
) -> Settings:
    flags: dict[str, JsonValue] = {}
    if url is not None:
        flags |= {"critic.use": "openai", "critic.base_url": url}
    if critic is not None:
        flags["critic.use"] = critic
    if usd is not None:
        flags["budget.usd"] = usd
    assigned = dict(split_assignment(text) for text in assignments)
    for key in assigned:
        if not key.startswith("critic."):
            raise ConfigError(f"--set {key} has no effect here: only the critic is asked")
    settings = read_settings(config, {**flags, **assigned}, trusted=trusted)
    if settings.sources["critic.use"] == "default":
        raise ConfigError(
            "no critic is named: give --critic-url or --critic; the one in the box knows only its "
            "own sketches"
        )
    return settings


def _leave(result: PreferenceResult, out: Path, *, as_json: bool) -> int:
    """Show the result; gives the exit code."""
    say_results(result, write_table(result), out, as_json=as_json)
    if skipped := sum(result.skipped.values()):
        tell(f"{skipped} of {result.rows} pairs were skipped")
    if failed := sum(result.failures.values()):
        tell(f"{failed} failed; --resume asks them again")
    if result.not_asked:
        tell(f"{result.not_asked} of {result.rows} pairs were not asked; --resume goes on")
    return FAILED if failed or result.not_asked else DONE
