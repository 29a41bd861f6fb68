"""A drill's result on a terminal. Pure: a result in, something that rich can draw out."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from quorate.drill.model import DrillResult, EndpointSummary, Finding, TimelineEntry, Verdict

STYLE = {Verdict.PASS: "green", Verdict.FAIL: "bold red", Verdict.UNKNOWN: "yellow"}
LINE = 96
"""Characters of a log line that are shown; the whole line is in the history."""


def drill(result: DrillResult) -> RenderableType:
    """Everything about one run: what a client saw, where the time went, what the checks say."""
    what = f"{result.fault} on {result.target}" + (f" ({result.service})" if result.service else "")
    head = Text.assemble((str(result.verdict).upper(), STYLE[result.verdict]), f"  {what}, run {result.run}")
    parts: list[RenderableType] = [head, "", _endpoints(result), "", _writes(result)]
    if result.timeline:
        parts += ["", _timeline(result.timeline)]
    parts += ["", _findings(result.findings), "", Text(f"history: {result.history}", style="dim")]
    return Group(*parts)


def _table(*columns: str, right: Iterable[str] = ()) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in columns:
        last = column == columns[-1]
        table.add_column(column, justify="right" if column in right else "left", no_wrap=not last)
    return table


def _endpoints(result: DrillResult) -> Table:
    numbers = ("requests", "failed", "away for (s)", "budget (s)", "noise floor (s)")
    table = _table("endpoint", *numbers, right=numbers)
    for each in result.endpoints:
        table.add_row(
            each.endpoint,
            str(each.sent),
            str(each.failed),
            _away(result, each),
            *map(_s, (each.budget_s, each.noise_floor_s)),
        )
    return table


def _away(result: DrillResult, endpoint: EndpointSummary) -> str:
    outages = [outage for outage in result.outages if outage.endpoint == endpoint.endpoint]
    if not outages:
        return "-"
    worst = max(outages, key=lambda outage: float("inf") if outage.upper_s is None else outage.upper_s)
    more = f" and {len(outages) - 1} shorter" if len(outages) > 1 else ""
    return f"{worst.lower_s:.2f} to {_s(worst.upper_s, endless='?')}{more}"


def _s(value: float | None, endless: str = "-") -> str:
    return endless if value is None else f"{value:.2f}"


def _writes(result: DrillResult) -> Text:
    writes = result.writes
    verdict = Verdict.FAIL if writes.lost else Verdict.UNKNOWN if writes.unread else Verdict.PASS
    unread = f", {writes.unread} never looked for" if writes.unread else ""
    return Text.assemble(
        f"writes: {writes.acknowledged} acknowledged, ",
        (f"{writes.lost} lost{unread}", STYLE[verdict]),
        f"; {writes.unknown} unanswered, {writes.recovered} of them there; {writes.duplicated} duplicates",
    )


def _timeline(entries: Iterable[TimelineEntry]) -> Table:
    table = _table("t (s)", "what", "where", "evidence", right=("t (s)",))
    for entry in entries:
        evidence = entry.evidence if len(entry.evidence) <= LINE else entry.evidence[: LINE - 1] + "…"
        table.add_row(f"{entry.t_s:+.3f}", entry.what, entry.node, Text(evidence, style="dim"))
    return table


def _findings(findings: Iterable[Finding]) -> Table:
    table = _table("", "check", "finding")
    for finding in findings:
        text = Text(finding.text)
        if finding.evidence and finding.verdict is not Verdict.PASS:
            text.append(f"\n{finding.evidence}", style="dim")
        table.add_row(Text(str(finding.verdict), style=STYLE[finding.verdict]), finding.check, text)
    return table
