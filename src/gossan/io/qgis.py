"""A project for QGIS: a zip of one XML file that names the files of a run folder by relative paths."""

import hashlib
import re
import sqlite3
import zipfile
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from gossan.io.files import replacing
from gossan.io.outputs import STYLES, copied, fixed_date
from gossan.io.styles import DOCTYPE, Element, RasterStyle, VectorStyle, add, style_text, written

if TYPE_CHECKING:
    from pyproj import CRS

__all__ = ["MapLayer", "write_layer_styles", "write_project", "write_style"]

#: The date of what is in the zip: its first one.
_DATE = (1980, 1, 1, 0, 0, 0)
_TABLE = f"""
CREATE TABLE "{STYLES}" (
  "id" INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, "f_table_catalog" TEXT(256), "f_table_schema" TEXT(256),
  "f_table_name" TEXT(256), "f_geometry_column" TEXT(256), "styleName" TEXT(30), "styleQML" TEXT,
  "styleSLD" TEXT, "useAsDefault" BOOLEAN, "description" TEXT, "owner" TEXT(30), "ui" TEXT(30),
  "update_time" DATETIME DEFAULT CURRENT_TIMESTAMP
)"""


@dataclass(frozen=True)
class MapLayer:
    """A layer of the project.

    Attributes
    ----------
    name, group
        As the list of layers shows them.
    file
        Beside the project.
    style
        What it looks like; it says too whether the layer is a raster.
    table
        Of a GeoPackage.
    geometry
        Of a table: ``Point``, ``Line`` or ``Polygon``.
    shown
        Whether it is switched on at first.
    """

    name: str
    group: str
    file: str
    style: RasterStyle | VectorStyle
    table: str = ""
    geometry: str = ""
    shown: bool = False

    @property
    def source(self) -> str:
        """What QGIS opens."""
        return f"./{self.file}|layername={self.table}" if self.table else f"./{self.file}"

    @property
    def key(self) -> str:
        """An id made of the names alone."""
        band = self.style.band if isinstance(self.style, RasterStyle) else 0
        told = hashlib.sha256(f"{self.source}\n{band}\n{self.name}".encode(errors="replace")).hexdigest()
        return f"{re.sub(r'[^A-Za-z0-9]+', '_', self.name).strip('_') or 'layer'}_{told[:12]}"


def write_style(path: Path, style: RasterStyle | VectorStyle) -> None:
    """Write a style beside its file, where QGIS finds it: the same name with ``.qml``."""
    with replacing(path) as temporary:
        temporary.write_text(style_text(style), encoding="utf-8", newline="\n")


def write_layer_styles(path: Path, styles: Mapping[str, VectorStyle]) -> None:
    """Put styles into a GeoPackage, by the names of its layers, as QGIS keeps its defaults there."""
    with copied(path) as temporary, closing(sqlite3.connect(temporary)) as file, file:
        file.execute(f'DROP TABLE IF EXISTS "{STYLES}"')
        file.execute("DELETE FROM gpkg_contents WHERE table_name = ?", (STYLES,))
        file.execute(_TABLE)
        columns = "table_name, data_type, identifier, description, last_change"
        file.execute(
            f"INSERT INTO gpkg_contents ({columns}) VALUES (?, 'attributes', ?, '', ?)",
            (STYLES, STYLES, fixed_date()),
        )
        for name, style in styles.items():
            found = file.execute(
                "SELECT column_name FROM gpkg_geometry_columns WHERE table_name = ?", (name,)
            ).fetchone()
            if found is None:
                continue
            row = ("", "", name, found[0], name, style_text(style), "", True, "", "", None, fixed_date())
            file.execute(f'INSERT INTO "{STYLES}" VALUES (NULL, {", ".join("?" * len(row))})', row)


def write_project(
    path: Path,
    layers: Sequence[MapLayer],
    *,
    title: str,
    crs: str,
    region: tuple[float, float, float, float],
) -> None:
    """Write a project of layers, the uppermost first; the same layers give the same bytes.

    Parameters
    ----------
    layers
        In the order in which they are drawn and listed; those of a group together.
    region
        West, south, east, north of the first view, in the CRS.
    """
    text = _project(layers, title, crs, region)
    entry = zipfile.ZipInfo(f"{path.stem}.qgs", _DATE)
    entry.compress_type, entry.create_system, entry.external_attr = zipfile.ZIP_DEFLATED, 3, 0o644 << 16
    with replacing(path) as temporary, zipfile.ZipFile(temporary, "w") as file:
        file.writestr(entry, text)


def _project(
    layers: Sequence[MapLayer], title: str, crs: str, region: tuple[float, float, float, float]
) -> bytes:
    from pyproj import CRS

    known = CRS.from_user_input(crs)
    root = ElementTree.Element("qgis", {"version": "3.22.0", "projectname": ""})
    add(root, "title", title)
    _reference(add(root, "projectCrs"), known)
    _tree(root, layers)
    view = dict(zip(("xmin", "ymin", "xmax", "ymax"), (repr(float(edge)) for edge in region), strict=True))
    canvas = add(root, "mapcanvas", name="theMapCanvas", annotationsVisible="1")
    add(canvas, "units", "meters")
    extent = add(canvas, "extent")
    for name, edge in view.items():
        add(extent, name, edge)
    _reference(add(canvas, "destinationsrs"), known)
    listed = add(root, "projectlayers")
    for layer in layers:
        _layer(listed, layer, known)
    order = add(root, "layerorder")
    for layer in layers:
        add(order, "layer", id=layer.key)
    properties = add(root, "properties")
    add(add(properties, "Paths"), "Absolute", "false", type="bool")
    add(add(properties, "SpatialRefSys"), "ProjectionsEnabled", "1", type="int")
    settings = add(root, "ProjectViewSettings", UseProjectScales="0")
    _reference(add(settings, "DefaultViewExtent", **view), known)
    ElementTree.indent(root)
    return (DOCTYPE + ElementTree.tostring(root, encoding="unicode")).encode()


def _reference(parent: Element, crs: "CRS") -> None:
    system = add(parent, "spatialrefsys")
    add(system, "wkt", crs.to_wkt())
    authority = crs.to_authority(min_confidence=100)
    add(system, "authid", ":".join(authority) if authority else "")
    add(system, "description", crs.name)
    add(system, "geographicflag", "true" if crs.is_geographic else "false")


def _tree(root: Element, layers: Sequence[MapLayer]) -> None:
    """List the layers in their groups; a group is open where something of it is shown."""
    tree = add(root, "layer-tree-group")
    for group in dict.fromkeys(layer.group for layer in layers):
        members = [layer for layer in layers if layer.group == group]
        is_open = "1" if any(layer.shown for layer in members) else "0"
        branch = add(tree, "layer-tree-group", name=group, checked="Qt::Checked", expanded=is_open)
        for layer in members:
            add(
                branch,
                "layer-tree-layer",
                id=layer.key,
                name=layer.name,
                source=layer.source,
                providerKey="ogr" if layer.table else "gdal",
                checked="Qt::Checked" if layer.shown else "Qt::Unchecked",
                expanded="1" if layer.shown else "0",
            )


def _layer(parent: Element, layer: MapLayer, crs: "CRS") -> None:
    kind = {"type": "vector" if layer.table else "raster", "styleCategories": "AllStyleCategories"}
    if isinstance(layer.style, VectorStyle):
        kind |= {"geometry": layer.geometry, "labelsEnabled": str(int(layer.style.label is not None))}
    element = add(parent, "maplayer", **kind)
    add(element, "id", layer.key)
    add(element, "datasource", layer.source)
    add(element, "layername", layer.name)
    _reference(add(element, "srs"), crs)
    add(
        element,
        "provider",
        "ogr" if layer.table else "gdal",
        **({"encoding": "UTF-8"} if layer.table else {}),
    )
    element.extend(written(layer.style))
