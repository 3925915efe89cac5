// Where labels go: over their box, under it, inside it; never on each other where there is room.

const overlap = (a, b) =>
  Math.max(0, Math.min(a.x + a.w, b.x + b.w) - Math.max(a.x, b.x)) *
  Math.max(0, Math.min(a.y + a.h, b.y + b.h) - Math.max(a.y, b.y));

/** For each {box: [x1, y1, x2, y2], w, h} in screen pixels, the {x, y} of its label within width x height. */
export function place(items, width, height) {
  const taken = [];
  const boxes = items.map(({ box }) => ({ x: box[0], y: box[1], w: box[2] - box[0], h: box[3] - box[1] }));
  return items.map(({ box, w, h }, number) => {
    const [x1, y1, x2, y2] = box;
    const spots = [
      [x1, y1 - h], [x2 - w, y1 - h], [x1, y2], [x2 - w, y2], [x1, y1], [x2 - w, y1],
      [x2, y1], [x1 - w, y1], [x2, y2 - h], [x1 - w, y2 - h], [x1, y1 - 2 * h], [x1, y2 + h],
    ];
    let best = null;
    spots.forEach(([x, y], order) => {
      const at = { x: Math.min(Math.max(x, 0), Math.max(0, width - w)), y: Math.min(Math.max(y, 0), Math.max(0, height - h)), w, h };
      const onLabels = taken.reduce((sum, other) => sum + overlap(at, other), 0);
      const onBoxes = boxes.reduce((sum, other, n) => sum + (n === number ? 0.4 : 1) * overlap(at, other), 0);
      const moved = Math.abs(at.x - x) + Math.abs(at.y - y);
      const cost = onLabels * 50 + onBoxes + moved * 8 + order * 6;
      if (best === null || cost < best.cost) best = { ...at, cost };
    });
    taken.push(best);
    return { x: best.x, y: best.y };
  });
}
