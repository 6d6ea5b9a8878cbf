"""The quality of predictions as a page: one HTML file that needs nothing else."""

from collections.abc import Mapping, Sequence
from html import escape
from io import StringIO
from itertools import groupby

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lifecycle.prediction_quality import WHY_COHORTS, By, Figures
from lifecycle.quality_tables import Section, sections

PLOTTED: tuple[By, ...] = ("hour", "age", "borough", "distance")
MOST_VERSIONS = 5
"""So many are plotted, those with the most predictions; the tables have all."""

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #1a1a1a; background: #fff; max-width: 60rem;
       margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.1rem; margin-top: 2rem; overflow-wrap: anywhere; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: right; padding: .2rem .6rem; border-bottom: 1px solid #ddd; }
th:first-child, td:first-child { text-align: left; overflow-wrap: anywhere; min-width: 8rem; }
div { overflow-x: auto; } svg { max-width: 100%; height: auto; }
"""


def quality_page(
    title: str, sentences: Sequence[str], figures: Mapping[By, Sequence[Figures]], unit: str
) -> str:
    """Return the page.

    Args:
        title: Its heading.
        sentences: What was scored, and what was left out.
        figures: Errors by each kind of slice.
        unit: The unit of errors.
    """
    parts = [f"<h1>{escape(title)}</h1>", *(f"<p>{escape(text)}</p>" for text in sentences)]
    for by, found in figures.items():
        if by in PLOTTED and any(each.rides for each in found):
            parts.append(f"<h2>{escape(_heading(by))}</h2>")
            parts.append(_svg(_plot(by, found, unit), _heading(by)))
        if by == "age":
            parts.append(f"<p>{escape(WHY_COHORTS)}</p>")
        parts += [_table(section) for section in sections(by, found)]
    body = "\n".join(parts)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style></head>\n"
        f"<body>\n{body}\n</body></html>\n"
    )


def _heading(by: By) -> str:
    return f"RMSE and bias by {by}"


def _table(section: Section) -> str:
    head = "".join(f"<th>{escape(text)}</th>" for text in ("", *section.headings))
    rows = "".join(
        f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>\n" for row in section.rows
    )
    return f"<h2>{escape(section.title)}</h2>\n<div><table><tr>{head}</tr>\n{rows}</table></div>"


def _plot(by: By, figures: Sequence[Figures], unit: str) -> Figure:
    """Plot RMSE and bias of each version by slice."""
    versions = {key: list(found) for key, found in groupby(figures, lambda f: (f.model, f.version))}
    largest = sorted(versions, key=lambda key: -sum(f.predictions for f in versions[key]))
    parts = list(dict.fromkeys(found.part for found in figures))
    style = "o" if by == "borough" else "o-"  # no borough lies between two others
    figure = Figure(figsize=(9, 3.2), layout="constrained")
    above, below = figure.subplots(1, 2)
    # The font of a plot does not have every character that a version may have.
    for key in sorted(largest[:MOST_VERSIONS]):
        known = [found for found in versions[key] if found.rmse is not None]
        places = [parts.index(found.part) for found in known]
        for axes, values in (
            (above, [found.rmse for found in known]),
            (below, [found.bias for found in known]),
        ):
            axes.plot(places, values, style, markersize=4, label=ascii(key[1])[1:-1], linewidth=1.2)
    for axes, name in ((above, "RMSE"), (below, "bias")):
        _finish(axes, parts, f"{name}, {unit}")
    above.set_ylim(0, 1.1 * above.get_ylim()[1])
    below.axhline(0, color="gray", linewidth=0.8)
    if len(versions) > 1:
        for text in above.legend(fontsize=8).get_texts():
            text.set_parse_math(False)  # a version may hold dollar signs
    return figure


def _finish(axes: Axes, parts: Sequence[str], label: str) -> None:
    step = 3 if len(parts) > 12 else 1  # noqa: PLR2004  the labels of 24 hours do not fit
    axes.set_xticks(range(0, len(parts), step), parts[::step])
    if step == 1 and sum(map(len, parts)) > 40:  # noqa: PLR2004  longer names overlap
        axes.tick_params(axis="x", rotation=30)
    axes.set_ylabel(label)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", linewidth=0.4)


def _svg(figure: Figure, title: str) -> str:
    """Return a figure as an SVG element; the same figure gives the same text."""
    text = StringIO()
    with mpl.rc_context({"svg.hashsalt": title, "svg.fonttype": "none"}):
        figure.savefig(text, format="svg", metadata={"Date": None, "Title": title})
    found = text.getvalue()
    return found[found.index("<svg") :]
