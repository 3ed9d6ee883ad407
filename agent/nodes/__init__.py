"""The nodes of the graph, one module each; `decide`, the smallest, stands with the graph.

A node takes the state and gives back the part that it changed. What touches the world goes
through `rr_refine.agent.effects`; what decides is a pure function in `acceptance`, `stopping`,
`intent` or `budget`.
"""
