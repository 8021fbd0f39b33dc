// The interactive map: data in #map-data, pictures in #picture-KEY, both in this page; nothing is fetched, unless
// tiles.js is part of the page and gives the layers as tiles.
// Every text from data goes into the document as text.
(function () {
  "use strict";
  const box = document.getElementById("map-box");
  if (!box || !window.L) return;
  const data = JSON.parse(document.getElementById("map-data").textContent);
  const at = (id) => document.getElementById(id);
  const say = (element, text) => { element.textContent = text; };
  const make = (tag, text, name) => {
    const element = document.createElement(tag);
    if (text !== undefined) element.textContent = text;
    if (name) element.className = name;
    return element;
  };
  document.documentElement.classList.add("mapped");
  box.hidden = false;

  // ---- numbers
  const digits = (value, count) => value === null || value === undefined ? "–"
    : value.toFixed(count).replace(/\B(?=(\d{3})+(?!\d))/g, (gap, _, where, text) =>
      text.indexOf(".") >= 0 && where > text.indexOf(".") ? "" : "\u202f").replace("-", "−");
  const short = (value) => value === 0 ? "0" : Math.abs(value) >= 100 ? digits(value, 0)
    : String(Number(value.toPrecision(2))).replace("-", "−");
  const fit = data.fit;
  const project = (place) => {
    const u = (place.lng - fit.middle[0]) / fit.half[0], v = (place.lat - fit.middle[1]) / fit.half[1];
    return fit.coefficients.map((row) => row.reduce(
      (sum, factor, k) => sum + factor * Math.pow(u, fit.powers[k][0]) * Math.pow(v, fit.powers[k][1]), 0));
  };

  // ---- the map
  const calm = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
  const map = L.map("map", {
    attributionControl: false, zoomSnap: 0.25, zoomDelta: 0.5, preferCanvas: true,
    zoomAnimation: !calm, fadeAnimation: false, inertia: !calm, maxZoom: 20,
  });
  const whole = L.latLngBounds(data.bounds);
  map.fitBounds(whole, { animate: false, padding: [18, 18] });
  map.setMaxBounds(whole.pad(1));
  map.setMinZoom(map.getZoom() - 2);
  L.control.scale({ imperial: false, maxWidth: 160 }).addTo(map);
  map.createPane("grid").style.zIndex = 350;
  map.getPane("grid").style.pointerEvents = "none";
  const canvas = L.canvas({ tolerance: 4 });

  // ---- the layer of pixels: decoded when it is first asked for
  const chosen = at("map-layer"), opacity = at("map-opacity"), legend = at("map-legend");
  const layers = {}, tiles = window.mapTiles;
  let current = null;
  const numbered = (raster) => new Map(raster.palette.map((tone, k) => [parseInt(tone.slice(1), 16), k]));
  const picture = (raster) => {
    if (layers[raster.key]) return layers[raster.key];
    if (tiles) {
      const entry = { raster: raster, colours: numbered(raster) };
      entry.overlay = tiles.layer(raster, data.bounds, (count) => { if (current === entry) drawLegend(raster, count); });
      return layers[raster.key] = entry;
    }
    const uri = "data:image/png;base64," + at("picture-" + raster.key).textContent.trim();
    const overlay = L.imageOverlay(uri, data.bounds, {
      className: "pixels", alt: raster.name, pane: "tilePane",
    });
    const entry = { raster: raster, overlay: overlay, pixels: null };
    overlay.on("load", () => {
      const image = overlay.getElement(), paper = document.createElement("canvas");
      paper.width = image.naturalWidth;
      paper.height = image.naturalHeight;
      const pen = paper.getContext("2d", { willReadFrequently: true });
      pen.drawImage(image, 0, 0);
      entry.pixels = pen.getImageData(0, 0, paper.width, paper.height);
      entry.colours = numbered(raster);
    });
    layers[raster.key] = entry;
    return entry;
  };
  const pixel = (place) => {
    // red, green, blue, alpha of the picture at a place
    if (!current || !current.pixels) return null;
    const corner = (where) => L.CRS.EPSG3857.project(where);
    const low = corner(whole.getSouthWest()), high = corner(whole.getNorthEast()), here = corner(place);
    const x = Math.floor((here.x - low.x) / (high.x - low.x) * current.pixels.width);
    const y = Math.floor((high.y - here.y) / (high.y - low.y) * current.pixels.height);
    if (x < 0 || y < 0 || x >= current.pixels.width || y >= current.pixels.height) return null;
    const k = 4 * (y * current.pixels.width + x);
    return current.pixels.data.subarray(k, k + 4);
  };
  const under = (place) => {
    // the class or value of the pixel at a place, read back from its colour
    const bytes = !current ? null : tiles ? tiles.pixel(current.overlay, place) : pixel(place);
    if (!bytes || !bytes[3]) return "";
    const index = current.colours.get((bytes[0] << 16) | (bytes[1] << 8) | bytes[2]);
    const raster = current.raster;
    if (index === undefined) return "";
    if (raster.labels.length) return raster.labels[index] || "";
    const value = raster.low + (index + 0.5) / raster.palette.length * (raster.high - raster.low);
    return "about " + short(value) + (raster.unit ? " " + raster.unit : "");
  };
  const trouble = (text, again) => {
    // what cannot be shown, and a button that asks for it again
    const note = make("p", text + " cannot be read: is gossan view still running, and the file still there? ", "note"), button = make("button", "Ask again");
    note.setAttribute("role", "alert");
    button.type = "button";
    button.addEventListener("click", again);
    note.append(button);
    return note;
  };
  const drawLegend = (raster, lost) => {
    legend.replaceChildren(make("h4", raster ? raster.name : "No layer"));
    if (!raster) return;
    if (raster.labels.length) {
      const list = make("ul", undefined, "classes");
      if (raster.labels.length > 8) { list.tabIndex = 0; list.setAttribute("aria-label", "Legend: " + raster.name); }
      raster.labels.forEach((label, k) => {
        const item = make("li"), patch = make("span", undefined, "patch");
        patch.style.background = raster.palette[k];
        item.append(patch, make("span", label));
        list.append(item);
      });
      legend.append(list);
    } else {
      const ramp = make("div", undefined, "ramp"), ends = make("div", undefined, "ends");
      ramp.style.background = "linear-gradient(to right," + raster.palette.join(",") + ")";
      [raster.low, (raster.low + raster.high) / 2, raster.high].forEach((end) => ends.append(make("span", short(end))));
      legend.append(ramp, ends);
      if (raster.unit) legend.append(make("p", raster.unit, "note"));
    }
    if (raster.note) legend.append(make("p", raster.note, "note"));
    if (lost) legend.append(trouble(lost + (lost === 1 ? " tile" : " tiles") + " of the layer", () => current.overlay.redraw()));
  };
  const choose = () => {
    if (current) current.overlay.remove();
    const raster = data.rasters.find((each) => each.key === chosen.value);
    current = null;
    if (raster && !raster.palette) {  // of tiles
      const inform = (note) => { if (chosen.value === raster.key) legend.replaceChildren(make("h4", raster.name), note); };
      inform(make("p", "The layer is being read …", "note"));
      tiles.learn(raster).then(() => { if (chosen.value === raster.key) choose(); }, () => inform(trouble("The layer", choose)));
      return;
    }
    current = raster ? picture(raster) : null;
    if (current) current.overlay.setOpacity(opacity.value / 100).addTo(map);
    drawLegend(raster);
  };
  const unitAt = (place) => {
    // the rock unit at a place: it lies in an odd number of the rings of one of the unit's parts
    const y = place.lat, x = place.lng;
    const holds = (part) => {
      if (!part.box) part.box = L.latLngBounds(part[0]);
      if (!part.box.contains(place)) return false;
      let odd = false;
      part.forEach((ring) => {
        for (let i = 0, j = ring.length - 1; i < ring.length; j = i++) {
          const [low, left] = ring[i], [high, right] = ring[j];
          if (low > y !== high > y && x < (right - left) * (y - low) / (high - low) + left) odd = !odd;
        }
      });
      return odd;
    };
    const found = data.units.find((unit) => unit.parts.some(holds));
    return found ? found.name : "";
  };
  chosen.addEventListener("change", choose);
  opacity.addEventListener("input", () => {
    say(at("map-opacity-said"), opacity.value + " %");
    if (current) current.overlay.setOpacity(opacity.value / 100);
  });

  // ---- areas and targets
  const rows = data.areas.rows, byNumber = new Map(rows.map((row) => [row.number, row]));
  const quiet = { weight: 0.6, color: "#5a5a5a", fillOpacity: 0, renderer: canvas };
  const loud = { weight: 2.4, color: "#b2182b", fillOpacity: 0, renderer: canvas };
  const middle = (row) => L.latLngBounds(row.ring).getCenter();
  const brief = (layer) => {
    const row = layer.row, text = (row.rank ? "Target " + row.number + ", rank " + row.rank : "Area " + row.number);
    return make("span", text + (row.values[0] === null ? "" : ": score " + digits(row.values[0], 2)));
  };
  const outline = (list, look) => {
    const group = L.featureGroup(list.map((row) => {
      const shape = L.polygon(row.ring, look);
      shape.row = row;
      return shape;
    }));
    group.bindTooltip(brief, { sticky: true });
    group.on("mouseover", (event) => event.layer.setStyle({ weight: look.weight + 1.6 }));
    group.on("mouseout", (event) => event.layer.setStyle({ weight: look.weight }));
    group.on("click", (event) => { L.DomEvent.stop(event); show(event.layer.row.number, event.latlng); });
    return group;
  };
  const badges = [];
  const thin = () => {
    // the best targets keep their numbers; one that would cover another's becomes a dot until there is room
    const taken = [];
    badges.forEach((mark) => {
      if (!mark.getElement()) return;
      const here = map.latLngToLayerPoint(mark.getLatLng());
      const free = taken.every((other) => Math.abs(other.x - here.x) > 36 || Math.abs(other.y - here.y) > 21);
      if (free) taken.push(here);
      mark.getElement().classList.toggle("crowded", !free);
    });
  };
  map.on("zoomend", thin);
  const marks = (list) => L.layerGroup(list.map((row) => {
    const mark = L.marker(middle(row), {
      icon: L.divIcon({ className: "number", html: make("span", String(row.number)), iconSize: [30, 22] }),
      keyboard: true, riseOnHover: true,
    });
    mark.on("click", () => show(row.number));
    mark.on("keydown", (event) => {
      if (event.originalEvent.key !== "Enter" && event.originalEvent.key !== " ") return;
      L.DomEvent.stop(event.originalEvent);
      show(row.number);
    });
    mark.on("add", () => {
      mark.getElement().setAttribute("aria-label", "Target " + row.number + ", rank " + row.rank);
      if (badges.indexOf(mark) < 0) badges.push(mark);
      thin();
    });
    return mark;
  }));
  const targets = rows.filter((row) => row.rank).sort((one, other) => one.rank - other.rank);
  const labels = L.layerGroup();
  const nameAreas = () => {
    // numbers of areas only where there is room for them
    labels.clearLayers();
    if (!rows.length || !at("show-areas") || !at("show-areas").checked) return;
    const edge = L.latLngBounds(rows[0].ring);
    const side = Math.abs(map.latLngToContainerPoint(edge.getNorthEast()).x - map.latLngToContainerPoint(edge.getSouthWest()).x);
    const seen = map.getBounds();
    if (side < 40) return;
    rows.filter((row) => !row.rank && seen.contains(middle(row))).slice(0, 400).forEach((row) => labels.addLayer(
      L.marker(middle(row), { interactive: false, keyboard: false,
        icon: L.divIcon({ className: "plain", html: make("span", String(row.number)), iconSize: [40, 16] }) })));
  };
  map.on("moveend zoomend", nameAreas);

  // ---- what is known of an area
  const info = at("map-info"), ring = L.polygon([], { weight: 4, color: "#111", dashArray: "2 6", fill: false, interactive: false, renderer: canvas });
  const casing = L.polygon([], { weight: 7, color: "#fff", fill: false, interactive: false, renderer: canvas });
  const light = L.polygon([], { weight: 2.5, color: "#111", fillColor: "#ffd400", fillOpacity: 0.25, interactive: false, renderer: canvas });
  const tell = (title, pairs) => {
    // what was clicked, where it is no area
    [casing, ring].forEach((each) => each.remove());
    const list = make("dl");
    pairs.forEach(([name, text]) => list.append(make("dt", name), make("dd", text)));
    info.replaceChildren(make("h4", title), list);
  };
  const lighten = (name) => {
    // the whole unit, wherever it crops out
    light.remove();
    const unit = data.units.find((each) => each.name === name);
    if (unit && groups.units && map.hasLayer(groups.units)) light.setLatLngs(unit.parts).addTo(map);
  };
  const show = (number, place) => {
    const row = byNumber.get(number);
    if (!row) return false;
    const unit = unitAt(place || middle(row));
    lighten(place ? unit : "");
    const list = make("dl"), add = (name, text) => list.append(make("dt", name), make("dd", text));
    const speaking = row.reasons.slice(0, 3).filter(Boolean), known = data.areas.fields.map(([name, count], k) => [name, row.values[k], count]);
    const write = ([name, value, count]) => { if (value !== null) add(name, digits(value, count)); };
    known.slice(0, 2).forEach(write);  // the score and its spread, then why, then the rest
    if (row.excluded) add("Excluded ground", row.excluded + " %");
    if (row.tenure) add("Tenure", row.tenure);
    if (speaking.length) add("For it", speaking.join(" · "));
    if (row.reasons[3]) add("Against it", row.reasons[3]);
    if (row.outside) add("Applicability", "outside: unlike anything the model was trained on");
    if (unit) add(place ? "Rock unit here" : "Rock unit at the centre", unit);
    known.slice(2).forEach(write);
    const title = make("h4", row.rank ? "Target " + row.number + " (rank " + row.rank + ")" : "Area " + row.number);
    info.replaceChildren(title, list);
    const links = make("p");
    [["row-", "Row in the table"], ["target-", "Target sheet"]].forEach(([prefix, text]) => {
      if (!at(prefix + number)) return;
      const link = make("a", text);
      link.href = "#" + prefix + number;
      link.addEventListener("click", () => open(prefix + number));
      links.append(link, " ");
    });
    if (links.childNodes.length) info.append(links);
    casing.setLatLngs(row.ring).addTo(map).bringToFront();
    ring.setLatLngs(row.ring).addTo(map).bringToFront();
    return true;
  };
  const move = (number) => {
    if (!show(number)) return false;
    const bounds = L.latLngBounds(byNumber.get(number).ring).pad(2);
    map.fitBounds(bounds, { animate: false });
    return true;
  };
  const open = (id) => {
    for (let part = at(id); part; part = part.parentElement) if (part.tagName === "DETAILS") part.open = true;
  };

  // ---- the other layers
  const element = at("map-element"), sizes = [2.2, 2.6, 3.2, 4, 5, 6.2];
  const tones = ["#fcfdbf", "#fec287", "#fb8761", "#b63679", "#641a80", "#1c1044"];
  const classes = () => {
    const cuts = data.samples.percentiles;
    return sizes.map((_, k) => k === 0 ? "up to " + cuts[0] + " %" : k < cuts.length
      ? cuts[k - 1] + " to " + cuts[k] + " %" : "above " + cuts[k - 1] + " %");
  };
  const told = (one, k) => classes()[k] + (k === 0 ? "" : ": from " + one.breaks[k - 1] + (one.unit ? " " + one.unit : ""));
  const points = () => {
    const one = data.samples.elements[element ? element.selectedIndex : -1];
    const group = L.featureGroup(data.samples.points.map((place, n) => {
      const k = one ? one.classes[n] : "0", there = k !== "-";
      const dot = L.circleMarker(place, { renderer: canvas, radius: there && one ? sizes[+k] : 2, weight: 0.7, color: "#222",
        fillColor: there && one ? tones[+k] : "#ffffff", fillOpacity: there ? 0.95 : 0 });
      const value = one && one.values.length ? one.values[n] : null;
      dot.said = !one ? "sample" : !there ? "missing" : value === null ? told(one, +k)
        : digits(value, 12).replace(/\.?0+$/, "") + (one.unit ? " " + one.unit : "") + " (" + classes()[+k] + ")";
      dot.n = n;
      return dot;
    }));
    group.on("click", (event) => {
      L.DomEvent.stop(event);
      tell("Sample", data.samples.elements.filter((each) => each.values.length).map((each) => [each.name,
        each.values[event.layer.n] === null ? "missing" : short(each.values[event.layer.n]) + (each.unit ? " " + each.unit : "")]));
    });
    group.bindTooltip((dot) => make("span", (one ? one.name + ": " : "") + dot.said), { sticky: true });
    const key = at("map-samples");
    key.replaceChildren();
    if (!one) return group;
    key.append(make("h4", one.name + " in samples"));
    const list = make("ul", undefined, "classes");
    classes().forEach((_, k) => {
      const item = make("li"), patch = make("span", undefined, "dot");
      patch.style.cssText = "background:" + tones[k] + ";width:" + 2 * sizes[k] + "px;height:" + 2 * sizes[k] + "px";
      item.append(patch, make("span", told(one, k)));
      list.append(item);
    });
    key.append(list);
    if (data.samples.shown < data.samples.all) {
      key.append(make("p", data.samples.shown + " of " + data.samples.all + " samples are shown.", "note"));
    }
    return group;
  };
  const gridLabels = [];
  const along = (each) => {
    // where a grid line enters the view: its label stands there, at the lower or the left edge
    const east = each.label.endsWith("E"), size = map.getSize(), edge = east ? size.y - 20 : 58;
    const points = each.line.map((place) => map.latLngToContainerPoint(place));
    const beyond = (point) => east ? point.y - edge : edge - point.x;  // above 0: out of sight
    if (beyond(points[0]) <= 0) return each.line[0];
    const k = points.findIndex((point) => beyond(point) <= 0);
    if (k < 1) return null;
    const share = beyond(points[k - 1]) / (beyond(points[k - 1]) - beyond(points[k])), one = points[k - 1], other = points[k];
    return map.containerPointToLatLng([one.x + share * (other.x - one.x), one.y + share * (other.y - one.y)]);
  };
  const moveGridLabels = () => gridLabels.forEach(([mark, each]) => {
    const place = along(each);
    mark.setOpacity(place ? 1 : 0);
    if (place) mark.setLatLng(place);
  });
  map.on("moveend zoomend resize", moveGridLabels);
  const gridMark = (each) => {
    const mark = L.marker(each.line[0], { interactive: false, keyboard: false,
      icon: L.divIcon({ className: "plain", html: make("span", each.label), iconSize: [52, 14], iconAnchor: each.label.endsWith("E") ? [26, -3] : [54, 7] }) });
    gridLabels.push([mark, each]);
    return mark;
  };
  map.createPane("land").style.zIndex = 410;  // hatching above the layers; the pointer goes through to the areas
  map.getPane("land").style.pointerEvents = "none";
  const hatch = () => {
    const draw = (tag, attributes, inside) => {
      const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
      Object.entries(attributes).forEach(([name, value]) => element.setAttribute(name, value));
      if (inside) element.append(...inside);
      return element;
    };
    if (!at("land-hatch")) box.append(draw("svg", { width: 0, height: 0, "aria-hidden": "true", class: "hatching" }, [
      draw("pattern", { id: "land-hatch", patternUnits: "userSpaceOnUse", width: 9, height: 9, patternTransform: "rotate(45)" }, [
        draw("rect", { width: 9, height: 9, fill: "#fff", "fill-opacity": 0.2 }),
        draw("path", { d: "M0 0H9M0 0V9", stroke: "#111", "stroke-width": 1.1 })])]));
    return "url(#land-hatch)";
  };
  const holders = (look) => L.featureGroup(data.tenure.map((each) => {
    const shape = L.polygon(each.rings, { ...look, fill: false, renderer: canvas });
    shape.said = "Tenure: " + each.name;
    shape.on("click", (event) => { L.DomEvent.stop(event); info.replaceChildren(make("h4", shape.said)); });
    return shape;
  })).bindTooltip((shape) => make("bdi", shape.said), { sticky: true });
  const makers = {
    grid: () => L.layerGroup(data.grid.flatMap((each) => [
      L.polyline(each.line, { pane: "grid", weight: 0.6, color: "#777", dashArray: "1 4", interactive: false, renderer: L.svg({ pane: "grid" }) }),
      gridMark(each),
    ])),
    areas: () => outline(rows, quiet),
    faults: () => L.layerGroup([L.polyline(data.faults, { weight: 3.2, color: "#fff", opacity: 0.7, interactive: false, renderer: canvas }),
      L.polyline(data.faults, { weight: 1.4, color: "#1a1a1a", renderer: canvas }).bindTooltip("Fault", { sticky: true })]),
    samples: points,
    excluded: () => L.layerGroup(data.excluded.map((each) => L.polygon(each.rings, { pane: "land", weight: 1.2, color: "#111",
      fillColor: hatch(), fillOpacity: 1, interactive: false, renderer: L.svg({ pane: "land" }) }))),
    tenure: () => L.layerGroup([holders({ weight: 4.4, color: "#fff", interactive: false }), holders({ weight: 2.2, color: "#7b3294", dashArray: "8 4" })]),
    deposits: () => L.featureGroup(data.deposits.map((each) => {
      const dot = L.circleMarker(each.at, { renderer: canvas, radius: 5, weight: 1.2, color: "#111", fillColor: "#ffd400", fillOpacity: 1 });
      dot.said = each.name || "Known deposit";
      return dot;
    })).bindTooltip((dot) => make("bdi", dot.said)).on("click", (event) => {
      L.DomEvent.stop(event);
      const [east, north] = project(event.layer.getLatLng()), unit = unitAt(event.layer.getLatLng());
      tell("Known deposit", [["Name", event.layer.said], ["Easting (m)", digits(east, 0)], ["Northing (m)", digits(north, 0)],
        ...(unit ? [["Rock unit here", unit]] : [])]);
    }),
    units: () => L.layerGroup(data.units.map((unit) => L.polyline(unit.parts.flat(),
      { weight: 1, color: "#4a3526", interactive: false, renderer: canvas }))),
    targets: () => L.layerGroup([outline(targets, { ...loud, weight: 5, color: "#fff", interactive: false }), outline(targets, loud), marks(targets)]),
  };
  const order = ["grid", "units", "excluded", "areas", "faults", "tenure", "targets", "samples", "deposits"], groups = {};
  const raise = (layer) => { if (layer.eachLayer) layer.eachLayer(raise); else if (layer.bringToFront) layer.bringToFront(); };
  const toggle = (key) => {
    const on = at("show-" + key).checked;
    if (on && !groups[key]) groups[key] = makers[key]();
    if (groups[key]) groups[key][on ? "addTo" : "remove"](map);
    if (key === "samples") at("map-samples").hidden = !on;
    order.forEach((each) => { if (each !== "grid" && groups[each] && map.hasLayer(groups[each])) raise(groups[each]); });
    if (key === "areas") nameAreas();
    if (key === "units") lighten("");
    if (key === "grid" && on) moveGridLabels();
  };
  const keys = order.filter((key) => at("show-" + key));
  keys.forEach((key) => {
    at("show-" + key).addEventListener("change", () => toggle(key));
    if (at("show-" + key).checked) toggle(key);
  });
  if (element) element.addEventListener("change", () => {
    if (groups.samples) groups.samples.remove();
    delete groups.samples;
    at("show-samples").checked = true;
    toggle("samples");
  });
  labels.addTo(map);

  // ---- the pointer, or with the keyboard the middle of the map
  const pointer = at("map-pointer");
  const here = (place) => {
    const [east, north] = project(place), unit = unitAt(place);
    const value = [under(place), chosen.value === "geology" ? "" : unit].filter(Boolean).join("  ·  ");
    const inside = whole.contains(place);
    say(pointer, (inside ? "E " + digits(east, 0) + " m, N " + digits(north, 0) + " m (" + data.crs + ")  ·  " : "")
      + Math.abs(place.lat).toFixed(5) + "° " + (place.lat < 0 ? "S" : "N") + ", "
      + Math.abs(place.lng).toFixed(5) + "° " + (place.lng < 0 ? "W" : "E") + " (WGS 84)" + (value ? "  ·  " + value : ""));
  };
  let pointed = false;
  map.on("click", (event) => {
    const unit = unitAt(event.latlng);
    lighten(unit);
    if (unit) tell("Rock unit", [["Name", unit]]);
  });
  map.on("mousemove", (event) => { pointed = true; here(event.latlng); });
  map.on("mouseout", () => { pointed = false; });
  map.on("move", () => { if (!pointed) here(map.getCenter()); });

  // ---- search, and links between the table and the map
  at("map-search").addEventListener("submit", (event) => {
    event.preventDefault();
    const given = at("map-number").value.trim(), rank = /^#\s*(\d+)$/.exec(given);
    const target = rank && targets.find((row) => row.rank === Number(rank[1]));
    const number = rank ? (target ? target.number : NaN) : Number(given);
    say(at("map-found"), move(number) ? "Shown: " + (byNumber.get(number).rank ? "target " : "area ") + number + "."
      : rank ? "No target has the rank " + rank[1] + "." : "No area has the number " + given + ".");
  });
  at("map-whole").addEventListener("click", () => map.fitBounds(whole, { animate: false, padding: [18, 18] }));
  document.addEventListener("click", (event) => {
    const link = event.target.closest && event.target.closest("a[data-number]");
    if (!link || !move(Number(link.dataset.number))) return;
    event.preventDefault();
    box.scrollIntoView({ block: "start", behavior: "instant" });
    at("map").focus({ preventScroll: true });
  });
  const follow = () => { const id = location.hash.slice(1); if (id && at(id)) { open(id); at(id).scrollIntoView({ behavior: "instant" }); } };
  window.addEventListener("hashchange", follow);
  const all = at("sheets-all");
  if (all) {
    all.hidden = false;
    all.addEventListener("click", () => {
      const sheets = [...document.querySelectorAll("#sheets details")], closed = sheets.some((each) => !each.open);
      sheets.forEach((each) => { each.open = closed; });
      say(all, closed ? "Close all sheets" : "Open all sheets");
    });
  }
  choose();
  nameAreas();
  here(map.getCenter());
  follow();
  at("map").gossan = { map: map, show: show, move: move, project: project, under: under, unitAt: unitAt, groups: groups };
})();
