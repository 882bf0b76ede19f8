"""Plain apps, which use nothing of this repository, deployed with plain rsconnect.

The three listings are those of Connect's user guide, section FastAPI, as they stand there. The
others are the first example of each framework's documentation.
"""

import re
from pathlib import Path
from urllib.parse import urljoin

import httpx
import pytest

from rehearsal.profiles import PROFILES
from tests.rehearsal.bundles import bundle_of
from tests.rehearsal.running import Running, answered, running
from tests.rehearsal.test_rsconnect import Cli
from tests.rehearsal.test_rsconnect import cli as cli
from tooling.frameworks import Framework, find_frameworks

# The guide's own, and one limit: Starlette 1.0 removed `TemplateResponse(name, context)`, which the
# HTML example calls, so that its pages answer 500 with a newer one.
REQUIREMENTS = "fastapi\nuvicorn[standard]\njinja2\nrsconnect-python\nstarlette<1\n"
JSON_EXAMPLE = {
    "greetings.json": '{"ar": "آلو", "chr": "ᏏᏲ", "en": "Hello", "es": "Hola", "zh": "你好"}',
    "app.py": """# fastapi-example/app.py
# -*- coding: utf-8 -*-
import json
from fastapi import FastAPI
from pydantic import BaseModel
from typing import List

class Greeting(BaseModel):
    lang: str
    text: str

app = FastAPI()
db = json.load(open("greetings.json"))

@app.get("/greetings", response_model=List[Greeting])
async def greetings():
    return [Greeting(lang=lang, text=text) for lang, text in sorted(db.items())]

@app.get("/greetings/{lang}", response_model=Greeting)
async def greeting(lang: str = "en"):
    return Greeting(lang=lang, text=db.get(lang))
""",
}
HTML_EXAMPLE = {
    "app.py": """from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse
from fastapi.staticfiles import StaticFiles
from fastapi.templating import Jinja2Templates

app = FastAPI()
app.mount("/static", StaticFiles(directory="static"), name="static")
templates = Jinja2Templates(directory="templates")

@app.get("/", response_class=HTMLResponse)
async def get_index(request: Request):
    return templates.TemplateResponse("index.html", {"request": request })

@app.get("/about", response_class=HTMLResponse)
async def get_about(request: Request, name: str = "Posit"):
    return templates.TemplateResponse("about.html", {"request": request , "name": name})
""",
    "templates/base.html": """<html>
  <head>
    {% block head %}<link href="static/styles.css" rel="stylesheet">
    <title>{% block title %}{% endblock %} - My Connect App</title>
    {% endblock %}</head>
  <body>
    <div id="content">{% block content %}{% endblock %}</div>
  </body>
</html>
""",
    "templates/index.html": """{% extends "base.html" %}
{% block title %}Home{% endblock %}
{% block content %}<div>
  <h1>Hello world</h1>
  <p>This is a webapp built using FastAPI.</p>
  <p>Check out the <a href="about">About</a> page for more info.</p>
</div>
{% endblock %}
""",
    "templates/about.html": """{% extends "base.html" %}
{% block title %}About{% endblock %}
{% block content %}<div>
  <h1>About</h1>
  <p>Welcome to the about page {{ name }}. We are glad you are here.</p>
  <p>Click <a href="{{ request.headers['rstudio-connect-app-base-url'] }}/">here</a>.</p>
</div>
{% endblock %}
""",
    "static/styles.css": "h1 {color: green;\n}\n",
}
METADATA_EXAMPLE = {
    "app.py": '''import json
from typing import Annotated
from fastapi import FastAPI, Header, Depends
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

app = FastAPI()

class UserMetadata(BaseModel):
    user: str
    groups: list[str] = Field(list)

async def get_current_user(
    rstudio_connect_credentials: Annotated[str | None, Header()] = None
) -> UserMetadata | None:
    """
    Get the user metadata from the RStudio-Connect-Credentials header and then
    parse the data into a UserMetadata object.
    """
    if rstudio_connect_credentials is None:
        return None
    user_meta_data = json.loads(rstudio_connect_credentials)
    return UserMetadata(**user_meta_data)

@app.get("/hello")
async def get_hello(user=Depends(get_current_user)) -> JSONResponse:
    """
    Use FastAPIs dependency injection system to get the current user.
    """
    if user is None:
        return {"message": "Howdy stranger!"}
    return {"message": f"So nice to see you, {user.user}!"}
''',
}
STARLETTE_EXAMPLE = """from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

async def homepage(request):
    return JSONResponse({'hello': 'world'})

app = Starlette(debug=True, routes=[
    Route('/', homepage),
])
"""


def deploy(cli: Cli, files: dict[str, str], requirements: str = REQUIREMENTS) -> str:
    """Deploys a project of these files, as the guide tells to; returns the path of its content."""
    folder = cli.home / "project"
    for name, text in (files | {"requirements.txt": requirements}).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    output = cli("deploy", "fastapi", "--entrypoint", "app:app", str(folder))
    (url,) = re.findall(r"Direct content URL: (\S+?)\x1b|Direct content URL: (\S+)", output)
    return "".join(url).removeprefix(cli.it.url)


def follow(it: Running, path: str) -> httpx.Response:
    return httpx.get(it.url + path, follow_redirects=True, timeout=20)


def test_the_guides_json_example_answers_as_the_guide_says(cli: Cli) -> None:
    content = deploy(cli, JSON_EXAMPLE)
    for role in (None, "publisher"):
        assert {"lang": "zh", "text": "你好"} in cli.it.get(f"{content}greetings", role).json()
    assert answered(cli.it.get(f"{content}greetings/es")) == {"lang": "es", "text": "Hola"}
    # It has no handler for GET /.
    docs = follow(cli.it, content)
    assert str(docs.url) == f"{cli.it.url}{content}docs"
    (document,) = re.findall(r"url: '([^']+openapi.json)'", docs.text)
    paths = answered(cli.it.get(urljoin(f"{content}docs", document)))["paths"]
    assert set(paths) == {"/greetings", "/greetings/{lang}"}


def test_the_guides_html_example_has_working_links(cli: Cli) -> None:
    content = deploy(cli, HTML_EXAMPLE)
    index = cli.it.get(content)
    assert "<h1>Hello world</h1>" in index.text
    pages = {"index": content, "about": urljoin(content, "about")}
    for page in pages.values():
        (stylesheet,) = re.findall('<link href="([^"]+)"', cli.it.get(page).text)
        assert "green" in cli.it.get(urljoin(page, stylesheet)).text
    about = cli.it.get(pages["about"] + "?name=Ada").text
    assert "about page Ada." in about
    (home,) = re.findall('<a href="([^"]+)"', about)
    assert home == f"{cli.it.url}{content}"


def test_the_guides_metadata_example_greets_the_user(cli: Cli) -> None:
    content = deploy(cli, METADATA_EXAMPLE)
    assert answered(cli.it.get(f"{content}hello")) == {"message": "Howdy stranger!"}
    greeting = answered(cli.it.get(f"{content}hello", "publisher"))
    assert greeting == {"message": "So nice to see you, publisher!"}


FIRST_PAGES = {
    "starlette": (STARLETTE_EXAMPLE, "fastapi_app"),
    **{f.name: (str(f.contract["minimal"]), f.folder.name) for f in find_frameworks()},
}


def lock_of(folder: str) -> str:
    (framework,) = (f for f in find_frameworks() if f.folder.name == folder)
    return (framework.folder / "requirements.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", FIRST_PAGES)
def test_a_frameworks_first_page_works_under_the_form_of_path_that_it_routes(
    cli: Cli, name: str, tmp_path: Path
) -> None:
    """README's table says which form that is. Under the other form every path answers 404."""
    code, folder = FIRST_PAGES[name]
    content = deploy(cli, {"app.py": code}, lock_of(folder))
    included = cli.it.get(content)
    if routes_with_prefix(name):
        assert (included.status_code, "ello" in included.text) == (200, True)
        return
    assert included.status_code == 307
    assert follow(cli.it, content).status_code == 404
    bundle = {"main.py": code.encode(), "requirements.txt": lock_of(folder).encode()}
    with running(tmp_path / "stripped", profile=PROFILES["stripped"]) as it:
        answer = it.get(f"/content/{it.deployed(name, bundle_of(bundle))}/")
        assert (answer.status_code, "ello" in answer.text) == (200, True)


def routes_with_prefix(name: str) -> bool:
    frameworks: dict[str, Framework] = {f.name: f for f in find_frameworks()}
    if name not in frameworks:
        return True
    app = (frameworks[name].folder / "app.py").read_text(encoding="utf-8")
    return 'path="included"' in app
