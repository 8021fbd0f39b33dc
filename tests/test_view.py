"""`gossan view`: tiles lie where they belong, in the report's colours, and nobody else is answered."""

import http.client
import io as bytes_io
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import warnings
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pyproj import Transformer

from gossan import cli, io
from gossan.errors import DataError, MissingFileError, UsageError
from gossan.grid import make_grid
from gossan.io.webtiles import TILE, tile_bounds
from gossan.plots.maps import CLASSES, score_classes, score_edges
from gossan.report import pictures, read_report, webmap
from gossan.report.words import named
from gossan.view import ViewServer
from gossan.view.page import read_shown
from run_folder import CRS, SOUTH, WEST, make_report, make_run, write_run

NASTY = ["<b>Unit</b> 1", "Unit 2 & 'co'", '"</script>', "\u0648\u062d\u062f\u0629", "金山组"]
WEB = "EPSG:3857"
HALF = 20037508.342789244
#: What GDAL may be off, in pixels.
NEAR = 0.125
REGIONS = {
    "EPSG:32648": (410_000.0, 2_400_000.0, 449_000.0, 2_426_000.0),
    "EPSG:26910": (200_000.0, 6_200_000.0, 330_000.0, 6_330_000.0),  # far north, beyond the zone's edge
    "EPSG:28350": (480_000.0, 6_240_000.0, 580_000.0, 6_330_000.0),  # the southern hemisphere
}
#: A tile costs no more than this, whatever the size of the map, bytes.
MOST_READ = 300_000


# ---- what is served


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory):
    """The folder of a made run whose names try to become code."""
    made = make_run(64, 16, names=NASTY)
    made.layers["deposits"].loc[0, "name"] = '<img src=x onerror="alert(1)">'
    report = make_report(made, title="</title><script>alert(1)</script> 金山")
    folder = write_run(tmp_path_factory.mktemp("view"), made, report)
    io.write_json(folder / "manifest.json", {})
    return folder


@contextmanager
def serving(path, **named):
    with ViewServer(path, **named) as server:
        thread = threading.Thread(target=server.serve)
        thread.start()
        try:
            yield server
        finally:
            server.stop()
            thread.join()


@pytest.fixture(scope="module")
def server(run_folder):
    with serving(run_folder) as running:
        yield running


def ask(server, path="", *, method="GET", host=None, whole=False, body=None):
    """Send a request as it stands, path and all, and return status, headers and content."""
    link = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    link.putrequest(method, path if whole else urlsplit(server.address).path + path, skip_host=True)
    for each in [f"127.0.0.1:{server.port}"] if host is None else host:
        link.putheader("Host", each)
    if body is not None:
        link.putheader("Content-Length", str(len(body)))
    link.endheaders(body)
    answer = link.getresponse()
    content = answer.read()
    link.close()
    return answer.status, dict(answer.headers), content


def pixels(png):
    with Image.open(bytes_io.BytesIO(png)) as picture:
        return np.asarray(picture.convert("RGBA"))


def tile_of(x, y, zoom):
    """Return the tile of a point of Web Mercator."""
    side = 2 * HALF / 2**zoom
    return int((x + HALF) // side), int((HALF - y) // side)


def tiles_of(grid, zoom):
    """Every tile that a grid's corners span."""
    box = grid.boundingbox
    x, y = Transformer.from_crs(str(grid.crs), WEB, always_xy=True).transform(
        [box.left, box.right, box.left, box.right], [box.bottom, box.bottom, box.top, box.top]
    )
    first, last = tile_of(min(x), max(y), zoom), tile_of(max(x), min(y), zoom)
    return [(a, b) for a in range(first[0], last[0] + 1) for b in range(first[1], last[1] + 1)]


def ground_under(grid, zoom, x, y):
    """Row and column of the grid, as numbers with a fraction, under the centre of each pixel of a tile."""
    west, south, east, north = tile_bounds(zoom, x, y)
    across = west + (np.arange(TILE) + 0.5) * (east - west) / TILE
    down = north - (np.arange(TILE) + 0.5) * (north - south) / TILE
    place = Transformer.from_crs(WEB, str(grid.crs), always_xy=True).transform(*np.meshgrid(across, down))
    col, row = ~grid.transform * place
    return row, col


def on_grid(shape, row, col):
    """Pixel indices, those off the grid masked, and how far each point is from a pixel's edge."""
    inside = (row > 0) & (row < shape[0]) & (col > 0) & (col < shape[1])
    index = (
        np.clip(np.floor(row), 0, shape[0] - 1).astype(int),
        np.clip(np.floor(col), 0, shape[1] - 1).astype(int),
    )
    clear = np.minimum(np.abs(row - np.round(row)), np.abs(col - np.round(col)))
    return index, inside, clear


# ---- where pixels lie


@pytest.mark.parametrize("crs", REGIONS)
def test_a_pixel_of_a_tile_is_the_pixel_of_the_grid_under_its_centre(crs, tmp_path):
    """At the deepest zoom and at one where the map is a part of one tile; PROJ itself says where it lies."""
    west, _, east, _ = REGIONS[crs]
    grid = make_grid(REGIONS[crs], (east - west) / 130, crs)
    values = np.arange(1, grid.shape[0] * grid.shape[1] + 1, dtype=np.float32).reshape(grid.shape)
    io.write_bands(tmp_path / "map.tif", grid, {"final": values})
    deepest = read_shown(tmp_path / "map.tif").deepest
    seen = set()
    for zoom, chosen in ((deepest, slice(0, None, 7)), (deepest - 5, slice(None))):
        for x, y in tiles_of(grid, zoom)[chosen]:
            tile = io.read_tile([(tmp_path / "map.tif", 1)], zoom, x, y)
            row, col = ground_under(grid, zoom, x, y)
            index, inside, clear = on_grid(grid.shape, row, col)
            expected = np.where(inside, values[index], np.nan)
            shown = np.full((TILE, TILE), np.nan) if tile is None else tile
            agree = (shown == expected) | (np.isnan(shown) & np.isnan(expected))
            assert agree[clear > NEAR].all()
            seen |= set(shown[np.isfinite(shown)].tolist())
            if zoom == deepest and inside.any():
                step = np.median(np.abs(np.diff(col[inside.all(1)], axis=1))) if inside.all(1).any() else 0.25
                assert step <= 0.25  # of a pixel of the grid: half a pixel is told apart
    assert len(seen) > 0.1 * values.size


@settings(max_examples=25, deadline=None)
@given(
    share=st.tuples(st.floats(0.01, 0.99), st.floats(0.01, 0.99)),
    crs=st.sampled_from(sorted(REGIONS)),
)
def test_a_known_point_falls_on_its_pixel_within_half_a_pixel(tmp_path_factory, share, crs):
    west, south, east, north = REGIONS[crs]
    path = tmp_path_factory.getbasetemp() / f"point-{crs.replace(':', '-')}.tif"
    grid = make_grid(REGIONS[crs], (east - west) / 200, crs)
    if not path.exists():
        values = np.arange(grid.shape[0] * grid.shape[1], dtype=np.float32).reshape(grid.shape)
        io.write_bands(path, grid, {"final": values})
    place = west + share[0] * (east - west), south + share[1] * (north - south)
    x, y = Transformer.from_crs(crs, WEB, always_xy=True).transform(*place)
    zoom = read_shown(path).deepest
    tile = tile_of(x, y, zoom)
    left, low, right, high = tile_bounds(zoom, *tile)
    values = io.read_tile([(path, 1)], zoom, *tile)
    value = values[int((high - y) / (high - low) * TILE), int((x - left) / (right - left) * TILE)]
    row, col = divmod(int(value), grid.shape[1])
    at = ~grid.transform * place
    # half a pixel of the grid, and half of the tile's, which is a quarter of the grid's and turned
    assert abs(at[0] - (col + 0.5)) <= 0.5 + 0.125 * np.sqrt(2) + NEAR
    assert abs(at[1] - (row + 0.5)) <= 0.5 + 0.125 * np.sqrt(2) + NEAR


def test_off_the_map_there_is_no_tile_and_around_it_clear_pixels(server, run_folder):
    grid = io.raster_head(run_folder / "prospectivity.tif").grid
    assert io.read_tile([(run_folder / "prospectivity.tif", 1)], 10, 0, 0) is None
    status, headers, content = ask(server, "tiles/score/10/0/0.png")
    assert (status, headers["Content-Type"]) == (200, "image/png")
    assert pixels(content).shape == (TILE, TILE, 4)
    assert not pixels(content)[..., 3].any()
    ((x, y),) = tiles_of(grid, 4)
    alpha = pixels(ask(server, f"tiles/score/4/{x}/{y}.png")[2])[..., 3]
    assert 0 < (alpha > 0).sum() < 50
    assert (pixels(ask(server, "tiles/score/0/0/0.png")[2])[..., 3] > 0).sum() <= 4


# ---- what they show


def test_every_layer_has_the_colours_of_the_report(server, run_folder):
    """The report's own pictures say which colour each pixel of the grid has."""
    report = read_report(run_folder)
    maps = pictures.read_maps(run_folder, report)
    grid = io.raster_head(run_folder / "prospectivity.tif").grid
    zoom = read_shown(run_folder).deepest
    x, y = tiles_of(grid, zoom)[len(tiles_of(grid, zoom)) // 2]
    index, inside, clear = on_grid(grid.shape, *ground_under(grid, zoom, x, y))
    rasters = list(webmap._rasters(report, maps))
    assert len(rasters) == 15
    for raster in rasters:
        key = raster.look.key
        status, _, content = ask(server, f"layers/{key}.json")
        assert status == 200
        assert json.loads(content) == raster.look.told()
        table = np.array([(0, 0, 0, 0), *((*colour, 255) for colour in raster.look.palette)])
        expected = table[np.where(inside, raster.index[index], 0)]
        shown = pixels(ask(server, f"tiles/{key}/{zoom}/{x}/{y}.png")[2])
        sure = clear > NEAR
        assert sure.mean() > 0.5
        there = shown[..., 3] > 0
        assert np.array_equal(there[sure], expected[..., 3][sure] > 0), key
        assert np.array_equal(shown[sure & there], expected[sure & there]), key


@settings(deadline=None)
@given(st.lists(st.integers(0, 12) | st.floats(0, 1, width=32), min_size=1, max_size=60))
def test_edges_of_score_classes_are_those_of_shares_of_ground(scores):
    """By the definition: the best class that holds no more ground than it says, all ties counted."""
    score = np.array(scores, dtype=np.float32)
    for value, got in zip(score, score_classes(score), strict=True):
        at_least = (score >= value).sum()
        wanted = next(k for k, (_, share) in enumerate(CLASSES) if at_least <= share * len(score) + 1e-9)
        assert got == wanted
    assert (np.diff(score_edges(score)) <= 0).all()


def test_a_map_of_predict_is_shown_with_what_lies_beside_it(tmp_path):
    made = make_run(32, 16)
    path = tmp_path / "other.tif"
    io.write_prospectivity(path, made.grid, None, None, made.score)
    unlike = {**made.applicability, "probability": made.score / 10}
    io.write_bands(tmp_path / "other-applicability.tif", made.grid, unlike)
    shown = read_shown(path)
    assert list(shown.layers) == ["final", "index", "inside", "ore_index", "far", "probability"]
    assert shown.content.first == "final"
    classes = score_classes(made.score)
    with serving(path) as running:
        told = json.loads(ask(running, "layers/final.json")[2])
        assert told["labels"][0] == "very high (best 5 %)"
        zoom = shown.deepest
        seen = set()
        for x, y in tiles_of(made.grid, zoom):
            tile = pixels(ask(running, f"tiles/final/{zoom}/{x}/{y}.png")[2])
            seen |= {"#{:02x}{:02x}{:02x}".format(*each[:3]) for each in tile[tile[..., 3] > 0].tolist()}
        assert seen == {told["palette"][k] for k in set(classes[classes >= 0].tolist())}
        assert ask(running)[0] == 200


# ---- cost


def read_bytes():
    return int(Path("/proc/self/io").read_text().split()[1])


def cost(files, grid):
    """The most bytes that a tile in the middle of a map reads, over all zooms from the whole world on."""
    box = grid.boundingbox
    middle = (box.left + box.right) / 2, (box.bottom + box.top) / 2
    x, y = Transformer.from_crs(str(grid.crs), WEB, always_xy=True).transform(*middle)
    io.read_tile(files, 5, *tile_of(x, y, 5))  # PROJ reads its tables once
    costs = []
    for zoom in range(16):
        before = read_bytes()
        assert np.isfinite(io.read_tile(files, zoom, *tile_of(x, y, zoom))).any()
        costs.append(read_bytes() - before)
    return max(costs)


def patches(rows, cols):
    """Values that say in which block of 512 pixels they lie, and are noise enough not to vanish in a file."""
    rng = np.random.default_rng([rows.start, cols.start])
    shape = rows.stop - rows.start, cols.stop - cols.start
    base = 100 * (rows.start // 512) + cols.start // 512
    return (base + rng.integers(0, 2, (1, shape[1])) * np.ones((shape[0], 1))).astype(np.float32)


@pytest.mark.slow
def test_a_tile_of_a_large_map_costs_what_one_of_a_small_map_does(tmp_path):
    side, pixel = 20_000, 10.0
    grid = make_grid((WEST, SOUTH, WEST + side * pixel, SOUTH + side * pixel), pixel, CRS)
    path = tmp_path / "large.tif"
    io.write_bands(path, grid, {"final": patches})
    assert path.stat().st_size > 10 * MOST_READ
    assert cost([(path, 1)], grid) < MOST_READ
    code = (
        "import resource, sys; from gossan.view import layers, page; from pathlib import Path\n"
        "shown = page.read_shown(Path(sys.argv[1])); layer = shown.layers['final']\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "layer.look(); layer.tile(Path('.'), 7, *map(int, sys.argv[2:]))\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
    )
    x, y = tiles_of(grid, 7)[0]
    done = subprocess.run(
        [sys.executable, "-c", code, str(path), str(x), str(y)], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) < 400_000  # kB; the map has 1.6 GB


def test_overviews_hold_pixels_of_the_map_and_are_what_a_coarse_tile_reads(tmp_path, monkeypatch):
    grid = make_grid((WEST, SOUTH, WEST + 2100 * 10, SOUTH + 2100 * 10), 10.0, CRS)
    path = tmp_path / "map.tif"
    io.write_bands(path, grid, {"final": patches})
    with rasterio.open(path) as file:
        whole = set(np.unique(file.read(1)).tolist())
        factors = file.overviews(1)
    assert factors[:2] == [2, 4]
    for level in range(len(factors)):
        with rasterio.open(path, overview_level=level) as file:
            assert set(np.unique(file.read(1)).tolist()) <= whole  # the nearest pixels: none is made up
    opened = []
    true_open = rasterio.open
    monkeypatch.setattr(
        rasterio, "open", lambda *a, **k: opened.append(k.get("overview_level")) or true_open(*a, **k)
    )
    used = []
    for zoom in (8, 10, 12, 14):
        opened.clear()
        x, y = tiles_of(grid, zoom)[0]
        io.read_tile([(path, 1)], zoom, x, y)
        used.append(max((level for level in opened if level is not None), default=-1))
    # 10 m; a pixel of zoom 14 is 9 m there, of zoom 12 36 m, of zoom 10 144 m
    assert used == [len(factors) - 1, min(2, len(factors) - 1), 0, -1]


def test_a_large_file_without_overviews_is_thinned_once_and_then_read_in_parts(tmp_path):
    grid = make_grid((WEST, SOUTH, WEST + 2300 * 50, SOUTH + 2200 * 50), 50.0, CRS)
    row, col = np.indices(grid.shape, dtype=np.float32)
    values = {"rows": row, "cols": col}
    io.write_bands(tmp_path / "stack.tif", grid, values, cloud=False)
    assert io.raster_head(tmp_path / "stack.tif").bare
    copies = []
    for band in (1, 2):
        copies.append(tmp_path / f"thin{band}.tif")
        io.thin_copy(tmp_path / "stack.tif", band, copies[-1])
    assert cost([(tmp_path / "stack.tif", 1), (copies[0], 1)], grid) < 4 * MOST_READ
    for zoom in (7, 9, 11, 13):
        x, y = tiles_of(grid, zoom)[0]
        at = ground_under(grid, zoom, x, y)
        pixel = np.median(np.abs(np.diff(at[1], axis=1)))
        for band, place in zip((1, 2), at, strict=True):
            tile = io.read_tile([(tmp_path / "stack.tif", band), (copies[band - 1], 1)], zoom, x, y)
            seen = np.isfinite(tile)
            assert seen.any()
            # no farther than one pixel of the tile from where it lies, or half of the grid's
            assert np.abs(tile + 0.5 - place)[seen].max() <= max(pixel, 0.5 + NEAR)


def test_many_at_once_get_what_one_gets(server, run_folder):
    zoom = read_shown(run_folder).deepest - 2
    grid = io.raster_head(run_folder / "prospectivity.tif").grid
    paths = [f"tiles/{key}/{zoom}/{x}/{y}.png" for x, y in tiles_of(grid, zoom) for key in ("score", "index")]
    alone = [ask(server, path)[2] for path in paths]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda path: ask(server, path)[2], paths)) == alone


# ---- who is answered


def test_it_listens_on_loopback_only_behind_a_long_token(server):
    host, token = urlsplit(server.address).netloc, urlsplit(server.address).path.strip("/")
    assert host == f"127.0.0.1:{server.port}"
    assert server._server.socket.getsockname()[0] == "127.0.0.1"
    assert len(token) >= 43  # 256 bits
    assert ask(server)[0] == 200


def test_without_the_token_nothing_is_said(server):
    token = urlsplit(server.address).path.strip("/")
    paths = ["/", "", "/favicon.ico", "/map.js", "/tiles/score/0/0/0.png", f"/{token}"]
    paths += [f"/{token[:-1]}/", f"/{token}x/", f"/{token.swapcase()}/", "/../", f"/x/../{token}/", "/%00/"]
    answers = [ask(server, path or "/", whole=True) for path in paths]
    assert {(status, content) for status, _, content in answers} == {(404, b"not found\n")}


def test_a_page_of_another_name_is_refused(server):
    port = server.port
    for host in (
        ["evil.example"], [f"evil.example:{port}"], ["127.0.0.1"], [f"127.0.0.1:{port + 1}"], [], [""],
        [f"127.0.0.1:{port}", "evil.example"], [f"127.0.0.1.evil.example:{port}"], [f"0.0.0.0:{port}"],
    ):  # fmt: skip
        assert ask(server, host=host)[0] == 404, host
    assert ask(server, host=[f"localhost:{port}"])[0] == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "get"])
def test_only_get_and_head_are_answered(server, method):
    status, headers, content = ask(server, method=method)
    assert (status, content) == (501, b"refused\n")
    assert headers["X-Content-Type-Options"] == "nosniff"


def test_head_says_what_get_says_without_its_content(server):
    get, head = ask(server, "map.js"), ask(server, "map.js", method="HEAD")
    assert head[2] == b""
    assert get[0] == head[0] == 200
    assert head[1]["Content-Length"] == get[1]["Content-Length"] == str(len(get[2]))


@pytest.mark.parametrize(
    "path",
    [
        *("../report.json", "../../etc/passwd", "..%2f..%2fetc/passwd", "%2e%2e/report.json", "./", "//"),
        *("report.json", "manifest.json", "prospectivity.tif", "map.js/", "map.js/..", "style.css%00"),
        *("layers/../../report.json", "layers/.json", "layers/nothing.json", "layers/SCORE.json"),
        *("tiles/score/0/0/1.png", "tiles/score/1/2/0.png", "tiles/score/1/0/2.png", "map.js#a"),
        *("tiles/score/-1/0/0.png", "tiles/score/30/0/0.png", "tiles/score/1/0.5/0.png"),
        *("tiles/score/1/0/0", "tiles/score/1/0/0.jpg", "tiles/../1/0/0.png", "tiles/nothing/1/0/0.png"),
        *("tiles/score/9/999999999999/0.png", "tiles/prospectivity.tif/1/0/0.png", "tiles/score/a/0/0.png"),
        *("tiles/score/%D9%A1/0/0.png", "map.js?a", "x" * 5000),
        *("tiles/score/1/0/0.png?x=1", "tiles/score/99/0/0.png"),
    ],
)  # fmt: skip
def test_what_is_not_in_the_tables_is_not_there(server, path):
    assert ask(server, path)[::2] == (404, b"not found\n")


def test_what_is_no_request_is_refused_and_the_server_goes_on(server):
    for sent in (
        b"\r\n\r\n",
        b"GET\r\n\r\n",
        b"\x00\xff\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"G" * 70000 + b"\r\n",
    ):
        with socket.create_connection(("127.0.0.1", server.port), timeout=30) as link:
            link.sendall(sent)
            link.shutdown(socket.SHUT_WR)
            said = link.makefile("rb").read()
        assert b"200" not in said[:20]
    assert ask(server)[0] == 200


def test_answers_carry_the_headers_that_bind_the_browser(server):
    for path, kept in (("", "no-store"), ("tiles/score/0/0/0.png", "private, max-age=3600")):
        headers = ask(server, path)[1]
        policy = headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
        assert "unsafe" not in policy
        assert "http" not in policy
        assert headers["Cache-Control"] == kept
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["Server"] == "gossan"
        assert "Access-Control-Allow-Origin" not in headers


def test_a_file_that_goes_while_it_is_served_is_told_in_a_line(tmp_path):
    made = make_run(32, 16)
    io.write_prospectivity(tmp_path / "other.tif", made.grid, None, None, made.score)
    lines = []
    with serving(tmp_path / "other.tif", tell=lines.append) as running:
        (tmp_path / "other.tif").write_bytes(b"no raster")
        assert ask(running, "layers/final.json")[::2] == (500, b"the layer cannot be read\n")
        assert ask(running)[0] == 200
    assert len(lines) == 1
    assert re.match(r"error: .*other\.tif cannot be read", lines[0])


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (RuntimeError("nobody\nsaw it"), "RuntimeError: nobody saw it; this is a fault of gossan: report it"),
        (OSError(28, "No space left"), "[Errno 28] No space left"),
    ],
)
def test_what_nobody_foresaw_is_answered_and_told_in_a_line(run_folder, monkeypatch, error, told):
    def broken(*_):
        raise error

    lines = []
    monkeypatch.setattr(io, "read_tile", broken)
    with serving(run_folder, tell=lines.append) as running:
        assert ask(running, "tiles/score/0/0/0.png")[::2] == (500, b"the layer cannot be read\n")
        assert ask(running, "layers/score.json")[0] == 200
    assert lines == [f"error: {told}"]


def test_a_thin_copy_that_fails_is_made_when_it_is_next_asked_for(tmp_path, monkeypatch):
    made = make_run(32, 16)
    io.write_prospectivity(tmp_path / "other.tif", made.grid, None, None, made.score)
    layer = read_shown(tmp_path / "other.tif").layers["final"]
    layer.bare = True
    true_copy, full = io.thin_copy, [True]

    def copy(*given):
        if full.pop() if full else False:
            raise DataError("other.tif cannot be read")
        true_copy(*given)

    monkeypatch.setattr(io, "thin_copy", copy)
    with pytest.raises(DataError):
        layer.tile(tmp_path, 0, 0, 0)
    assert layer.tile(tmp_path, 0, 0, 0) is not None
    assert len(list(tmp_path.rglob("thin.tif"))) == 1


def test_tiles_leave_alone_what_all_threads_share(run_folder, monkeypatch):
    """Filters of warnings are the program's: two threads that set them undo each other's."""
    inside = []
    true_enter = warnings.catch_warnings.__enter__

    def enter(self):
        inside.append(threading.current_thread())
        return true_enter(self)

    layers = read_shown(run_folder).layers
    with serving(run_folder) as running:
        assert {ask(running, f"layers/{key}.json")[0] for key in layers} == {200}
        monkeypatch.setattr(warnings.catch_warnings, "__enter__", enter)
        assert {ask(running, f"tiles/{key}/0/0/0.png")[0] for key in layers} == {200}
    assert [thread for thread in inside if thread is not threading.main_thread()] == []


def test_colours_which_set_those_filters_are_made_one_after_another(run_folder):
    layers = list(read_shown(run_folder).layers.values())
    busy = threading.Lock()

    def alone(make, values, counts):
        assert busy.acquire(blocking=False)
        threading.Event().wait(0.01)
        busy.release()
        return make(values, counts)

    for layer in layers:
        layer.make = partial(alone, layer.make)
    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(lambda layer: layer.look().palette, layers))


# ---- the command


def test_what_is_no_finished_run_is_refused_in_one_line(tmp_path, run_folder, capsys):
    (tmp_path / "empty").mkdir()
    half = write_run(
        tmp_path / "half", make_run(32, 16), json.loads((run_folder / "report.json").read_text())
    )
    io.write_bands(tmp_path / "raster.tif", make_run(32, 16).grid, {"height": make_run(32, 16).score})
    (tmp_path / "text.txt").write_text("no map")
    for path, kind, code, said in (
        (tmp_path / "nothing", MissingFileError, 2, "report.json"),
        (tmp_path / "empty", MissingFileError, 2, "report.json"),
        (half, MissingFileError, 2, "manifest.json"),
        (tmp_path / "raster.tif", DataError, 3, "height"),
    ):
        with pytest.raises(kind):
            ViewServer(path)
        assert cli.main(["view", str(path), "--no-browser"]) == code
        shown = capsys.readouterr()
        assert shown.out == ""
        assert len(shown.err.splitlines()) == 1
        assert said in shown.err
    assert cli.main(["view", str(tmp_path / "text.txt"), "--no-browser"]) in (2, 3)


def test_a_port_that_is_taken_is_refused_in_one_line(run_folder, server, capsys):
    with pytest.raises(UsageError, match=f"--port {server.port} cannot be had"):
        ViewServer(run_folder, port=server.port)
    assert cli.main(["view", str(run_folder), "--no-browser", "--port", str(server.port)]) == 2
    assert cli.main(["view", str(run_folder), "--no-browser", "--port", "70000"]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 2


def test_the_browser_is_opened_at_the_address_unless_told_not_to(run_folder, monkeypatch, capsys):
    opened = []
    monkeypatch.setattr("webbrowser.open", lambda address: opened.append(address))
    monkeypatch.setattr(ViewServer, "serve", lambda self: None)
    assert cli.main(["view", str(run_folder)]) == 0
    (address,) = capsys.readouterr().out.split()
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/[\w-]{43}/", address)
    assert cli.main(["view", str(run_folder), "--no-browser", "--json"]) == 0
    assert json.loads(capsys.readouterr().out).keys() == {"format", "address"}
    for _ in range(100):
        if opened:
            break
        threading.Event().wait(0.05)
    assert opened == [address]


def test_ctrl_c_ends_it_with_130_and_leaves_nothing_behind(run_folder, tmp_path):
    before = {path: path.stat().st_mtime_ns for path in run_folder.rglob("*")}
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    process = subprocess.Popen(
        [sys.executable, "-m", "gossan", "view", str(run_folder), "--no-browser"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment,
    )  # fmt: skip
    address = process.stdout.readline().strip()
    where = urlsplit(address)
    link = http.client.HTTPConnection(where.hostname, where.port, timeout=60)
    link.request("GET", where.path + "tiles/score/0/0/0.png")
    assert link.getresponse().status == 200  # and the connection stays open
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    link.close()
    assert (process.returncode, out) == (130, "")
    assert err.splitlines() == ["interrupted; the same command goes on from here"]
    assert list(tmp_path.iterdir()) == []
    assert {path: path.stat().st_mtime_ns for path in run_folder.rglob("*")} == before


# ---- in a browser

PAGE = "document.getElementById('map').gossan"
DRAWN = "(t => t.length > 0 && t.every(e => e.complete && e.naturalWidth > 0))" \
        "([...document.querySelectorAll('.pixels img')])"  # fmt: skip


@pytest.fixture
def opened(heard, server):
    """The page, asked for as a user does; at the end nothing went wrong and nobody else was asked."""
    with heard() as (page, bad, asked):
        page.goto(server.address)
        wait(page, DRAWN)
        yield page
    assert bad == []
    assert [url for url in asked if not url.startswith((server.address, "data:"))] == []


def wait(page, condition):
    """Wait from outside: the page's policy forbids evaluating text within it."""
    for _ in range(600):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"never came: {condition}")


@pytest.mark.browser
def test_every_layer_is_drawn_with_its_legend_and_every_switch_works(opened, tmp_path):
    folder = Path(os.environ.get("GOSSAN_SCREENSHOTS") or tmp_path)
    folder.mkdir(parents=True, exist_ok=True)
    opened.screenshot(path=folder / "view.png")
    layers = opened.eval_on_selector_all("#map-layer option", "options => options.map(each => each.value)")
    assert layers[:4] == ["", "score", "spread", "final"]
    assert len(layers) == 18  # those of the report, the final model, and far from samples
    for layer in layers[2:]:
        opened.select_option("#map-layer", layer)
        wait(opened, f"document.querySelector('.pixels img')?.src.includes('/tiles/{layer}/') && {DRAWN}")
        name = opened.eval_on_selector("#map-layer", "box => box.selectedOptions[0].textContent")
        assert opened.inner_text("#map-legend h4") == name
        assert opened.locator("#map-legend .patch, #map-legend .ramp").count() > 0, layer
    opened.select_option("#map-layer", "")
    assert opened.locator(".pixels").count() == 0
    for key in ("targets", "areas", "deposits", "faults", "units", "samples", "grid"):
        for wanted in (True, False, True):
            opened.locator(f"#show-{key}").set_checked(wanted)
            assert opened.evaluate(f"{PAGE}.map.hasLayer({PAGE}.groups.{key})") is wanted
    opened.screenshot(path=folder / "view-overlays.png")


@pytest.mark.browser
def test_a_target_says_its_number_rank_and_score_and_opacity_is_the_sliders(opened, run_folder):
    row = read_report(run_folder)["targets"][0]
    opened.fill("#map-number", "#1")
    opened.press("#map-number", "Enter")
    told = opened.inner_text("#map-info")
    assert f"Target {row['number']} (rank 1)" in told
    assert "Score" in told
    assert opened.locator(".number", has_text=re.compile(f"^{row['number']}$")).count() == 1
    opened.locator("#map-opacity").fill("35")
    assert opened.eval_on_selector(".pixels", "box => box.style.opacity") == "0.35"
    assert opened.locator(".leaflet-control-scale-line").inner_text().endswith("m")


@pytest.mark.browser
def test_names_with_markup_are_text(opened):
    assert opened.inner_text("h1") == "</title><script>alert(1)</script> 金山"
    opened.select_option("#map-layer", "geology")
    wait(opened, "document.querySelectorAll('#map-legend li').length === 5")
    legend = opened.inner_text("#map-legend")
    assert all(name in legend for name in NASTY)
    assert opened.locator("#map-legend b, img[src='x']").count() == 0


@pytest.mark.browser
def test_the_class_under_a_point_is_that_of_the_ground(opened, run_folder):
    """Ground to latitude to tile to canvas to colour to name, at many points and at two zooms."""
    stack = io.read_stack(run_folder / "stack.tif")
    names, classes = stack.attrs["class_names"], stack["classes"].values
    grid = io.raster_head(run_folder / "stack.tif").grid
    rng = np.random.default_rng(3)
    rows, cols = rng.integers(8, 56, (2, 40))
    x, y = grid.transform * (cols + 0.5, rows + 0.5)
    longitude, latitude = Transformer.from_crs(CRS, "EPSG:4326", always_xy=True).transform(x, y)
    opened.select_option("#map-layer", "geology")
    shown = [named(name) for name in names]
    right = 0
    for zoom_in in (0, 1):
        opened.evaluate(f"{PAGE}.map.setZoom({PAGE}.map.getZoom() + {zoom_in}, {{animate: false}})")
        wait(opened, f"document.querySelector('.pixels img')?.src.includes('/geology/') && {DRAWN}")
        for place, row, col in zip(zip(latitude, longitude, strict=True), rows, cols, strict=True):
            said = opened.evaluate(f"{PAGE}.under(L.latLng({place[0]}, {place[1]}))")
            right += said.startswith(shown[classes[row, col]])
            assert said == "" or any(said.startswith(name) for name in shown)
    assert right >= 60  # those in view; the pixel of a coarse tile may be a neighbour's at a border


@pytest.fixture
def impatient(heard, server):
    """The page before it is opened, and where what does not come is asked for again at once."""
    script = ask(server, "tiles.js")[2].decode()
    assert script.count("pauses = [500, 2000, 8000]") == 1
    script = script.replace("pauses = [500, 2000, 8000]", "pauses = [20, 20, 20]")
    with heard() as (page, _, asked):
        page.route("**/tiles.js", lambda route: route.fulfill(body=script, content_type="text/javascript"))
        yield page, asked


def refuse(route):
    route.fulfill(status=500, body="the layer cannot be read")


@pytest.mark.browser
def test_what_does_not_come_at_first_is_asked_for_again(impatient, server):
    """A layer's colours and its tiles, each answered with an error once and by nobody once."""
    page, _ = impatient
    seen = Counter()

    def fail(route):
        url = route.request.url
        seen[url] += 1
        if seen[url] > 2:
            route.continue_()
        elif seen[url] == 2:
            route.abort()
        else:
            refuse(route)

    page.route("**/layers/*.json", fail)
    page.route("**/tiles/**", fail)
    page.goto(server.address)
    wait(page, DRAWN)
    assert set(seen.values()) == {3}
    assert len(seen) == 1 + page.locator(".pixels img").count()
    assert page.locator("#map-legend [role=alert]").count() == 0
    assert page.locator("#map-legend .patch").count() > 0


@pytest.mark.browser
def test_what_does_not_come_at_all_is_said_and_can_be_asked_for(impatient, server):
    page, asked = impatient
    alert = page.locator("#map-legend [role=alert]")
    page.route("**/layers/*.json", refuse)
    page.goto(server.address)
    wait(page, "document.querySelector('#map-legend [role=alert]') !== null")
    assert alert.inner_text().startswith("The layer cannot be read: ")
    page.unroute("**/layers/*.json")
    page.route("**/tiles/**", refuse)
    alert.locator("button").click()
    lost = "document.querySelector('#map-legend [role=alert]')?.textContent"
    tiles = "document.querySelectorAll('.pixels img').length"
    wait(page, f"{lost}?.startsWith({tiles} + ' tiles of the layer cannot be read: ')")
    page.unroute("**/tiles/**")
    alert.locator("button").click()
    wait(page, DRAWN)
    wait(page, "document.querySelector('#map-legend [role=alert]') === null")
    assert set(Counter(url for url in asked if "/tiles/" in url).values()) == {4 + 1}
