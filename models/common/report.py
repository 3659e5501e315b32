"""`report.html`: what the evaluation found, for people. One file, pictures as inline SVG, nothing loaded from outside."""

from __future__ import annotations

from html import escape

_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;color:#1c2733;max-width:980px;margin:2rem auto;padding:0 1rem}
h1{font-size:1.5rem;margin:0}h2{font-size:1.1rem;margin:2rem 0 .5rem}p{margin:.3rem 0;color:#51606e}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th,td{text-align:right;padding:.3rem .6rem;border-bottom:1px solid #e3e8ed}th:first-child,td:first-child{text-align:left}
th{font-weight:600;color:#51606e}.better{color:#137333}.worse{color:#b3261e}
.pictures{display:grid;grid-template-columns:repeat(auto-fit,minmax(420px,1fr));gap:1.5rem}
svg{width:100%;height:auto;font:11px system-ui,sans-serif}
@media(prefers-color-scheme:dark){body{background:#12181f;color:#e4e9ee}p,th{color:#9fb0c0}th,td{border-color:#2a3540}
text{fill:#c4d0db}.better{color:#7bd88f}.worse{color:#ff8a80}}
"""
_BLUE, _GREY = "#2f6fb5", "#93a4b4"
_MAXIMUM_SLICES, _MAXIMUM_FEATURES = 40, 15
_LOWER_IS_BETTER = frozenset({"logLoss", "brier", "rmse", "mae", "medianAbsoluteError"})


def write_report(project: str, evaluation: dict, bins: dict) -> str:
    """The page for the contents of evaluation.json and baseline.json."""
    champion = evaluation["champion"]
    against = "against the champion" if champion else "without a champion to compare with"
    pictures = [_importance_picture(evaluation["featureImportance"])]
    if bins["prediction"]["kind"] == "categorical":  # deciles of a number are equally full by construction
        pictures.append(
            _bars("Predicted label, held-out rows", bins["prediction"]["values"], bins["prediction"]["counts"])
        )
    if evaluation["candidate"]["calibration"]:
        pictures.insert(0, _calibration_picture(evaluation))
    return "".join(
        [
            f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(project)}: evaluation</title>',
            f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head><body>',
            f"<h1>{escape(project)}: candidate {against}</h1>",
            f"<p>{evaluation['rows']:,} held-out rows, seen by no training run; {evaluation['trainingRows']:,} rows to train on; "
            f"{evaluation['objective']}. Intervals are 95 %, by bootstrap over {evaluation['intervalsOver']}.</p>",
            "<h2>Metrics</h2>",
            _metrics_table(evaluation),
            f'<div class="pictures">{"".join(pictures)}</div>',
            _slices_table(evaluation["slices"]),
            "</body></html>",
        ]
    )


def _metrics_table(evaluation: dict) -> str:
    champion, difference = evaluation["champion"], evaluation["difference"]
    head = "<th>metric</th><th>candidate</th>" + ("<th>champion</th><th>difference</th>" if champion else "")
    rows = []
    for name, estimate in evaluation["candidate"]["metrics"].items():
        cells = f"<td>{escape(name)}</td><td>{_interval(estimate)}</td>"
        if champion:
            before, delta = champion["metrics"].get(name), difference.get(name)
            cells += f"<td>{_interval(before) if before else '–'}</td>"
            cells += f'<td class="{_judged(name, delta)}">{_interval(delta)}</td>' if delta else "<td>–</td>"
        rows.append(f"<tr>{cells}</tr>")
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def _slices_table(slices: list[dict]) -> str:
    if not slices:
        return ""
    names = list(slices[0]["candidate"])[:4]
    head = "<th>slice</th><th>rows</th>" + "".join(f"<th>{escape(name)}</th>" for name in names)
    rows = []
    for part in slices[:_MAXIMUM_SLICES]:
        cells = "".join(f"<td>{_pair(part, name)}</td>" for name in names)
        rows.append(
            f"<tr><td>{escape(part['column'])} = {escape(part['value'])}</td><td>{part['rows']:,}</td>{cells}</tr>"
        )
    more = len(slices) - _MAXIMUM_SLICES
    note = f"<p>and {more} smaller slices in evaluation.json</p>" if more > 0 else ""
    return f"<h2>Slices (candidate / champion)</h2><table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>{note}"


def _interval(estimate: dict) -> str:
    return f"{estimate['value']:.4g} <small>[{estimate['low']:.4g}, {estimate['high']:.4g}]</small>"


def _judged(name: str, delta: dict) -> str:
    """A colour only when the whole interval lies on one side of zero."""
    if delta["low"] <= 0 <= delta["high"]:
        return ""
    return "better" if (delta["value"] > 0) != (name in _LOWER_IS_BETTER) else "worse"


def _pair(part: dict, name: str) -> str:
    texts = [
        f"{model[name]:.4g}" if model and name in model else "–" for model in (part["candidate"], part["champion"])
    ]
    return " / ".join(texts) if part["champion"] else texts[0]


def _importance_picture(importance: list[dict]) -> str:
    listed = importance[:_MAXIMUM_FEATURES]
    return _bars(
        "Mean absolute SHAP value",
        [entry["feature"] for entry in listed],
        [entry["meanAbsoluteShap"] for entry in listed],
    )


def _bars(title: str, names: list[str], values: list[float]) -> str:
    height, largest = 22, max([*values, 1e-300])
    parts = []
    for position, (name, value) in enumerate(zip(names, values, strict=True)):
        top = 30 + position * height
        parts.append(
            f'<text x="150" y="{top + 12}" text-anchor="end">{escape(str(name)[:26])}</text>'
            f'<rect x="156" y="{top}" width="{max(value / largest * 230, 0.5):.1f}" height="15" fill="{_BLUE}"/>'
            f'<text x="{162 + value / largest * 230:.1f}" y="{top + 12}">{value if isinstance(value, int) else format(value, ".3g")}</text>'
        )
    return _picture(title, 30 + len(names) * height, "".join(parts))


def _calibration_picture(evaluation: dict) -> str:
    def place(share: float) -> float:
        return share * 260

    parts = [
        f'<rect x="60" y="30" width="260" height="260" fill="none" stroke="{_GREY}"/>',
        f'<line x1="60" y1="290" x2="320" y2="30" stroke="{_GREY}" stroke-dasharray="4"/>',
        '<text x="190" y="308" text-anchor="middle">predicted</text><text x="52" y="165" text-anchor="end">observed</text>',
    ]
    for model, colour in ((evaluation["champion"], _GREY), (evaluation["candidate"], _BLUE)):
        if not model:
            continue
        points = [(60 + place(bin_["predicted"]), 290 - place(bin_["observed"])) for bin_ in model["calibration"]]
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts.extend(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in points)
    return _picture("Calibration by decile (blue: candidate)", 316, "".join(parts))


def _picture(title: str, height: int, content: str) -> str:
    return (
        f'<figure style="margin:0"><h2>{escape(title)}</h2>'
        f'<svg viewBox="0 22 430 {height}" role="img" aria-label="{escape(title)}" fill="currentColor">{content}</svg></figure>'
    )
