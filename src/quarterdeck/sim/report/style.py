"""The page's style: light and dark, on paper too, with colours that most eyes can tell apart.

The colours are those of Okabe and Ito ("Color Universal Design", 2008), darker on white and lighter
on black, so that each has a contrast of 3 to 1 at least with what is behind it.
"""

from __future__ import annotations

from typing import Final

_LIGHT: Final = (
    "#0072b2", "#c04f00", "#007a59", "#a8487f", "#8f6400", "#2f7fb0", "#555555", "#7a7a00",
)  # fmt: skip
_DARK: Final = (
    "#5cb8f0", "#ff9257", "#35d1a0", "#e8a0c8", "#f0b94a", "#9cd3f5", "#bbbbbb", "#e6dc50",
)  # fmt: skip
_DASHES: Final = ("none", "7 3", "2 3", "9 3 2 3", "4 2", "12 4", "1 2", "6 2 1 2 1 2")


def _colours(colours: tuple[str, ...]) -> str:
    return "".join(f"--k{number}:{colour};" for number, colour in enumerate(colours))


def _kinds() -> str:
    return "\n".join(
        f".line.k{n}{{stroke:var(--k{n});stroke-dasharray:{dash}}}"
        f".bar.k{n},.key.k{n}{{fill:var(--k{n});background:var(--k{n})}}"
        for n, dash in enumerate(_DASHES)
    )


STYLE: Final = f"""
:root{{color-scheme:light dark;--ink:#1c1c1c;--dim:#595959;--paper:#fff;--soft:#f3f4f6;
--rule:#d5d8dd;{_colours(_LIGHT)}}}
@media (prefers-color-scheme:dark){{:root{{--ink:#e8e8e8;--dim:#ababab;--paper:#16181c;
--soft:#22252b;--rule:#3a3f47;{_colours(_DARK)}}}}}
*{{box-sizing:border-box}}
body{{margin:0 auto;max-width:84rem;padding:1.5rem;background:var(--paper);color:var(--ink);
font:16px/1.5 system-ui,sans-serif}}
h1{{font-size:1.6rem;margin:0 0 .2rem;overflow-wrap:anywhere}}
h2{{font-size:1.15rem;margin:2rem 0 .6rem}}
h3{{font-size:1rem;margin:1rem 0 .2rem;overflow-wrap:anywhere}}
.dim{{color:var(--dim);margin:.2rem 0}}
.told{{margin:.2rem 0}}
.told li{{margin:.2rem 0;overflow-wrap:anywhere}}
.wide{{overflow-x:auto}}
table{{border-collapse:collapse;font-variant-numeric:tabular-nums}}
th,td{{padding:.25rem .8rem;text-align:right;white-space:nowrap;
border-bottom:1px solid var(--rule)}}
th:first-child{{text-align:left;font-weight:400}}
thead th{{font-weight:600;max-width:16rem;overflow:hidden;text-overflow:ellipsis}}
td small{{color:var(--dim);display:inline-block;min-width:4.2em}}
.plots{{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,34rem),1fr));gap:1.2rem}}
figure{{margin:0;padding:1rem;background:var(--soft);border-radius:6px;break-inside:avoid}}
figcaption{{font-weight:600;margin-bottom:.3rem}}
figcaption+p{{margin:0 0 .4rem;color:var(--dim);font-size:.9rem}}
svg{{width:100%;height:auto;display:block}}
.line{{fill:none;stroke-width:2;stroke-linejoin:round}}
.axis{{stroke:var(--dim);stroke-width:1}}
.grid{{stroke:var(--rule);stroke-width:1}}
.tick{{font-size:12px;fill:var(--dim)}}
.label{{font-size:12.5px;fill:var(--ink)}}
.keys{{list-style:none;display:flex;flex-wrap:wrap;gap:.2rem 1.2rem;padding:0;margin:.4rem 0 0;
font-size:.9rem}}
.keys svg{{display:inline-block;width:34px;height:12px;vertical-align:middle;margin-right:.4rem}}
@media (max-width:40rem){{.tick,.label{{font-size:18px}}}}
dt{{font-weight:600;margin-top:.5rem}}
dd{{margin:0}}
{_kinds()}
@media print{{:root{{--ink:#000;--dim:#444;--paper:#fff;--soft:#fff;--rule:#bbb;{_colours(_LIGHT)}}}
body{{max-width:none;padding:0;font-size:11pt}}
*{{print-color-adjust:exact;-webkit-print-color-adjust:exact}}
figure{{border:1px solid var(--rule)}}
.tick,.label{{font-size:18px}}
.plots{{grid-template-columns:1fr 1fr;gap:.5rem}}}}
"""
