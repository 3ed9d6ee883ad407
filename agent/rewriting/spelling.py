"""What a prompt says of words that were measured to be drawn wrong."""

from __future__ import annotations

from rr_refine.agent.rewriting.rewriter import RewriteContext

__all__ = ["lettering"]


def lettering(context: RewriteContext, *, least: int = 1) -> list[str]:
    """A clause for each word that the best picture misses, spelled where it is not the first.

    Args:
        least: of how many of all pictures a word has to be missed.
    """
    return [
        f'the lettering says "{word}"' + (f", spelled {'-'.join(word)}" if times > 1 else "")
        for word, times in _missed(context).items()
        if times >= least
    ]


def _missed(context: RewriteContext) -> dict[str, int]:
    """The words that the best picture misses, and in how many of all pictures they are missed."""
    if context.incumbent is None:
        return {}
    missed = [
        {str(miss.expected) for miss in one.candidate.misses}
        for one in (context.incumbent, *context.others)
    ]
    words = dict.fromkeys(str(miss.expected) for miss in context.incumbent.candidate.misses)
    return {word: sum(word in one for one in missed) for word in words}
