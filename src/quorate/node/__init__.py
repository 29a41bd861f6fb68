"""The half that runs on a node: standard library only, streamed there, nothing installed.

One module a kind. ``look(args) -> state`` reads; ``fix(args, desired, wrong) -> None`` mends, and raises
`tools.Failed` with a sentence when it cannot (`tools.NotReady` from a look: ask again later).

A kind may, besides, have ``look_many(list of args) -> list of states``, which reads all of its items at
once, and ``WAITS = True``, by which each of its looks gets a thread. Modules may import each other
(``from quorate.node import tools``); what a kind imports is streamed with it.
"""
