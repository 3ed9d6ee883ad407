"""The nodes of the graph, one module each; `decide`, the smallest, stands with the graph.

A node takes the state and returns the part that it changed. Renders, critiques, comparisons and
rewrites go through `rr_refine.agent.effects`. Decisions are pure functions in `acceptance`,
`stopping`, `intent` or `budget`.
"""
