"""The page at ``/docs`` to try a service on: Swagger UI from an installed package, nothing from another host."""

from __future__ import annotations

from importlib.resources import files

from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.staticfiles import StaticFiles
from starlette.requests import Request
from starlette.responses import Response

DOCS_PATH = "/docs"
ASSETS_PATH = "/docs-assets"
_OPTIONS = {"validatorUrl": None, "displayRequestDuration": True}
"""The validator would be asked on its own site about the schema of every server that is not on localhost."""
_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; media-src 'self' blob:; frame-ancestors 'self'"
)


def install_docs(app: FastAPI) -> None:
    """Serve ``/docs`` with its files; `app` must have been made without FastAPI's own pages."""

    async def docs(request: Request) -> Response:
        root = request.scope.get("root_path", "").rstrip("/")
        page = get_swagger_ui_html(
            openapi_url=f"{root}{app.openapi_url}",
            title=app.title,
            swagger_js_url=f"{root}{ASSETS_PATH}/swagger-ui-bundle.js",
            swagger_css_url=f"{root}{ASSETS_PATH}/swagger-ui.css",
            swagger_favicon_url=f"{root}{ASSETS_PATH}/favicon.png",
            swagger_ui_parameters=_OPTIONS,
        )
        page.headers["Content-Security-Policy"] = _POLICY
        return page

    app.add_api_route(DOCS_PATH, docs, include_in_schema=False)
    app.mount(ASSETS_PATH, StaticFiles(directory=str(files("fastapi_offline") / "static")))
