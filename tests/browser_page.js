// What a reader would see as a fault of the page: text that is cut, covered by other text, or off the screen.
// Runs in the page; returns a list of sentences.
() => {
  const faults = [], shown = (element) => element.checkVisibility({ checkOpacity: true, checkVisibilityCSS: true });
  const wide = document.documentElement.scrollWidth - document.documentElement.clientWidth;
  if (wide > 0) faults.push("the page is " + wide + " px wider than the screen");
  const inScroll = (element) => element.closest(".scroll, #map, .classes, #map-info");
  const boxes = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const element = node.parentElement, text = node.data.trim();
    if (!text || element.closest("script, style, option, select, .skip, svg") || !shown(element)) continue;
    const range = document.createRange();
    range.selectNodeContents(node);
    const box = range.getBoundingClientRect();
    if (!box.width || !box.height) continue;
    const name = element.tagName.toLowerCase() + " “" + text.slice(0, 30) + "”";
    if (!inScroll(element) && (box.left < -1 || box.right > document.documentElement.clientWidth + 1)) {
      faults.push(name + " lies off the screen");
    }
    for (let up = element; up && up !== document.body; up = up.parentElement) {
      const style = getComputedStyle(up);
      if (style.overflowX === "hidden" && up.scrollWidth > up.clientWidth + 1 && !up.closest("#map")) faults.push(name + " is cut");
    }
    if (element.closest("#map")) continue;
    // each line of the text for itself: lines of a paragraph have boxes of their own
    for (const line of range.getClientRects()) boxes.push([line.left, line.top, line.right, line.bottom, name, element]);
  }
  boxes.sort((one, other) => one[1] - other[1]);
  boxes.forEach((one, i) => {
    for (let k = i + 1; k < boxes.length && boxes[k][1] < one[3]; k++) {
      const other = boxes[k];
      if (one[5] === other[5] || one[5].contains(other[5]) || other[5].contains(one[5])) continue;
      const across = Math.min(one[2], other[2]) - Math.max(one[0], other[0]);
      const down = Math.min(one[3], other[3]) - Math.max(one[1], other[1]);
      if (across > 2 && down > 4 && !(one[5].closest("#map-info, .classes") || other[5].closest("#map-info, .classes"))) {
        faults.push(one[4] + " and " + other[4] + " overlap");
      }
    }
  });
  document.querySelectorAll("img").forEach((image) => {
    if (!image.naturalWidth) faults.push("the picture " + image.alt.slice(0, 30) + " is broken");
  });
  return [...new Set(faults)].slice(0, 20);
}
