// The layers of `gossan view` as tiles; map.js asks for them here where this script is part of the page.
window.mapTiles = (function () {
  "use strict";
  const deepest = Number(document.getElementById("map-data").dataset.deepest), side = 256;
  const paper = document.createElement("canvas");
  paper.width = paper.height = 1;
  const pen = paper.getContext("2d", { willReadFrequently: true });
  const pauses = [500, 2000, 8000];  // milliseconds after which what did not come is asked for again
  const learn = (raster, tries) => fetch("layers/" + raster.key + ".json").then((answer) => {
    if (!answer.ok) throw new Error(String(answer.status));
    return answer.json();
  }).then((told) => Object.assign(raster, told), (error) => {
    if (tries === pauses.length) throw error;
    return new Promise((go) => setTimeout(go, pauses[tries])).then(() => learn(raster, tries + 1));
  });
  return {
    // a layer, which says how many of its tiles did not come however often they were asked for
    layer: (raster, bounds, lack) => {
      const layer = L.tileLayer("tiles/" + raster.key + "/{z}/{x}/{y}.png", {
        bounds: bounds, maxNativeZoom: deepest, noWrap: true, className: "pixels", tileSize: side, keepBuffer: 1,
      });
      const tries = new WeakMap(), lost = new Set();
      layer.on("tileerror", (event) => {
        const tile = event.tile, count = tries.get(tile) || 0;
        if (count === pauses.length) {
          lost.add(tile);
          lack(lost.size);
          return;
        }
        tries.set(tile, count + 1);
        setTimeout(() => { if (tile.isConnected) tile.src = tile.src; }, pauses[count]);
      });
      layer.on("tileload tileunload", (event) => { if (lost.delete(event.tile)) lack(lost.size); });
      return layer;
    },
    // colours, legend and note of a layer, which the server knows once it has looked at the layer
    learn: (raster) => learn(raster, 0),
    // red, green, blue, alpha of the tile's pixel at a place; nothing where no tile is drawn yet
    pixel: (layer, place) => {
      const zoom = layer._tileZoom;
      if (zoom === undefined || !layer._map) return null;
      const at = layer._map.project(place, zoom), x = Math.floor(at.x / side), y = Math.floor(at.y / side);
      const tile = layer._tiles[x + ":" + y + ":" + zoom];
      if (!tile || !tile.el.complete || !tile.el.naturalWidth) return null;
      pen.clearRect(0, 0, 1, 1);
      pen.drawImage(tile.el, Math.floor(at.x - x * side), Math.floor(at.y - y * side), 1, 1, 0, 0, 1, 1);
      return pen.getImageData(0, 0, 1, 1).data;
    },
  };
})();
