// The picture and what is drawn on it. Knows pixels of the picture and of the screen; knows nothing of questions.

import { place } from "./labels.js";

const SVG = "http://www.w3.org/2000/svg";
const make = (name, attributes = {}, parent = null) => {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  parent?.append(element);
  return element;
};
const div = (name, parent) => { const e = document.createElement("div"); e.className = name; parent.append(e); return e; };
export const nameOf = (region, number) => region.label || region.words || String(number + 1);
const inkOn = (color) => {
  const [r, g, b] = [1, 3, 5].map((at) => parseInt(color.slice(at, at + 2), 16) / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b > 0.179 ? "#111" : "#fff";
};

/** Events: point {x, y}, box {box}, select {number}, hover {number}; all numbers in pixels of the picture. */
export class Stage extends EventTarget {
  constructor(parent, title = "") {
    super();
    this.regions = []; this.shown = []; this.selected = -1; this.lit = -1; this.mode = "find";
    this.root = div("stage", parent);
    this.title = div("stage-title", this.root);
    this.title.textContent = title;
    this.title.hidden = !title;
    this.frame = div("frame", this.root);
    this.frame.tabIndex = 0;
    this.frame.setAttribute("role", "application");
    this.frame.setAttribute("aria-label", "The picture. Arrows move a cross, Enter asks there, Tab goes through the boxes.");
    this.image = document.createElement("img");
    this.image.alt = ""; this.image.draggable = false;
    this.heat = document.createElement("canvas"); this.heat.className = "heat"; this.heat.hidden = true;
    this.svg = make("svg", { class: "overlay" });
    this.labels = div("labels", this.frame);
    this.frame.prepend(this.image, this.heat, this.svg);
    this.notice = div("notice", this.frame); this.notice.hidden = true;
    this.busy = div("busy", this.frame); this.busy.hidden = true;
    this.actions = div("actions", this.frame); this.actions.hidden = true;
    this.cursor = null;
    this.#listen();
    new ResizeObserver(() => this.draw()).observe(this.frame);
  }

  show(url, width, height, alt) {
    Object.assign(this, { width, height, cursor: null });
    this.image.src = url; this.image.alt = alt;
    const ratio = Math.min(Math.max(width / height, 0.2), 12); // beyond, nobody could see or hit a thing
    this.frame.style.aspectRatio = String(ratio);
    this.frame.style.setProperty("--ratio", ratio);
    this.set([]);
  }

  /** regions: [{box, label, score, color, words, mask, point}]; keep(region, number) tells which are drawn. */
  set(regions, keep = () => true) {
    this.regions = regions; this.keep = keep; this.selected = -1; this.lit = -1;
    this.notice.hidden = true; this.actions.hidden = true; this.clearHeat();
    this.draw();
  }

  add(region) { this.regions.push(region); this.draw(this.regions.length - 1); }
  say(words) { this.notice.textContent = words; this.notice.hidden = !words; }
  wait(on) { this.busy.hidden = !on; this.frame.setAttribute("aria-busy", on); }
  light(number) { this.lit = number; this.#classes(); }
  select(number, quiet = false) {
    this.selected = number; this.#classes(); this.actions.hidden = number < 0;
    if (number >= 0) this.#placeActions();
    if (!quiet) this.dispatchEvent(new CustomEvent("select", { detail: { number } }));
  }

  /** Pixels of the screen for one of the picture, across and down: alike but for strips, which are shown thicker than they are. */
  get scaleX() { return this.frame.clientWidth / (this.width || 1); }
  get scaleY() { return this.frame.clientHeight / (this.height || 1); }
  screen([x1, y1, x2, y2]) { const [sx, sy] = [this.scaleX, this.scaleY]; return [x1 * sx, y1 * sy, x2 * sx, y2 * sy]; }

  draw(fresh = -1) {
    if (!this.width) return;
    const [w, h] = [this.frame.clientWidth, this.frame.clientHeight];
    this.svg.setAttribute("viewBox", `0 0 ${w} ${h}`);
    this.svg.replaceChildren(); this.labels.replaceChildren();
    this.shown = this.regions.map((region, number) => ({ region, number })).filter(({ region, number }) => this.keep(region, number));
    if (this.grid) this.#drawGrid(w, h);
    const items = [];
    for (const { region, number } of this.shown) {
      const box = this.screen(region.box);
      const group = make("g", { class: "region" + (number === fresh ? " fresh" : ""), "data-number": number }, this.svg);
      for (const polygon of region.mask?.polygons || []) {
        const points = []; for (let at = 0; at + 1 < polygon.length; at += 2) points.push(`${polygon[at] * this.scaleX},${polygon[at + 1] * this.scaleY}`);
        make("polygon", { points: points.join(" "), class: "mask", fill: region.color, stroke: region.color }, group);
      }
      const [x, y, bw, bh] = [box[0], box[1], Math.max(1, box[2] - box[0]), Math.max(1, box[3] - box[1])];
      make("rect", { x, y, width: bw, height: bh, class: "casing", stroke: inkOn(region.color) === "#111" ? "#111" : "#fff" }, group);
      make("rect", { x, y, width: bw, height: bh, class: "box", stroke: region.color }, group);
      if (region.point) make("circle", { cx: region.point[0] * this.scaleX, cy: region.point[1] * this.scaleY, r: 6, class: "dot", fill: region.color }, group);
      const label = document.createElement("button");
      label.type = "button"; label.className = "label"; label.dataset.number = number;
      label.style.background = region.color; label.style.color = inkOn(region.color);
      const name = document.createElement("b"); name.textContent = nameOf(region, number); label.append(name);
      if (region.score != null) { const score = document.createElement("span"); score.textContent = region.score.toFixed(2); label.append(" ", score); }
      label.setAttribute("aria-label", `${nameOf(region, number)}${region.score == null ? "" : ` ${region.score.toFixed(2)}`}, box ${number + 1}`);
      this.labels.append(label);
      items.push({ box, label });
    }
    const sizes = items.map(({ box, label }) => ({ box, w: label.offsetWidth, h: label.offsetHeight }));
    place(sizes, w, h).forEach(({ x, y }, at) => { items[at].label.style.transform = `translate(${x}px, ${y}px)`; });
    if (this.dragged) make("rect", { class: "drag", ...this.#rect(this.screen(this.dragged)) }, this.svg);
    if (this.asked) make("circle", { class: "asked", cx: this.asked.x * this.scaleX, cy: this.asked.y * this.scaleY, r: 8 }, this.svg);
    if (this.cursor) this.#drawCursor(w, h);
    this.#classes();
    if (!this.actions.hidden) this.#placeActions();
  }

  // ---- how the model sees

  showGrid(side) { this.grid = side; this.draw(); if (!side) this.clearHeat(); }
  clearHeat() { this.heat.hidden = true; }
  showHeat(rows) {
    this.heat.hidden = false; this.heat.width = rows[0].length; this.heat.height = rows.length;
    const context = this.heat.getContext("2d"); const data = context.createImageData(rows[0].length, rows.length);
    rows.flat().forEach((value, at) => data.data.set([213, 94, 0, Math.round(225 * Math.sqrt(value))], at * 4));
    context.putImageData(data, 0, 0);
  }
  #drawGrid(w, h) {
    const lines = [];
    for (let at = 1; at < this.grid; at += 1) lines.push(`M${(at * w) / this.grid} 0V${h}M0 ${(at * h) / this.grid}H${w}`);
    make("path", { d: lines.join(""), class: "grid" }, this.svg);
  }

  // ---- pointer and keys

  #rect([x1, y1, x2, y2]) { return { x: Math.min(x1, x2), y: Math.min(y1, y2), width: Math.abs(x2 - x1), height: Math.abs(y2 - y1) }; }
  #at(event) {
    const edge = this.frame.getBoundingClientRect();
    const [sx, sy] = [edge.width / this.width, edge.height / this.height];
    return { x: Math.min(Math.max((event.clientX - edge.left) / sx, 0), this.width), y: Math.min(Math.max((event.clientY - edge.top) / sy, 0), this.height) };
  }
  #under({ x, y }) {
    const inside = this.shown.filter(({ region: { box: [x1, y1, x2, y2] } }) => x >= x1 && x <= x2 && y >= y1 && y <= y2);
    const area = ({ region: { box } }) => (box[2] - box[0]) * (box[3] - box[1]);
    return inside.sort((a, b) => area(a) - area(b))[0]?.number ?? -1;
  }
  #emit(name, detail) { this.dispatchEvent(new CustomEvent(name, { detail })); }

  #listen() {
    let start = null;
    this.frame.addEventListener("pointerdown", (event) => {
      if (event.button || !this.width || event.target.closest(".label, .actions")) return;
      start = this.#at(event);
      if (this.mode === "drag") this.frame.setPointerCapture(event.pointerId);
    });
    this.frame.addEventListener("pointermove", (event) => {
      if (!this.width) return;
      const at = this.#at(event);
      if (start && this.mode === "drag") { this.dragged = [start.x, start.y, at.x, at.y]; this.draw(); return; }
      if (!event.target.closest(".label, .actions")) { const number = this.#under(at); if (number !== this.lit) { this.light(number); this.#emit("hover", { number }); } }
    });
    this.frame.addEventListener("pointerleave", () => { this.light(-1); this.#emit("hover", { number: -1 }); });
    this.frame.addEventListener("pointercancel", () => { start = null; this.dragged = null; this.draw(); });
    this.frame.addEventListener("pointerup", (event) => {
      if (!start) return;
      const [from, to] = [start, this.#at(event)];
      start = null; this.cursor = null; this.dragged = null;
      const far = Math.max(Math.abs(to.x - from.x) * this.scaleX, Math.abs(to.y - from.y) * this.scaleY) > 6;
      if (this.mode === "drag" && far) this.#emit("box", { box: [Math.min(from.x, to.x), Math.min(from.y, to.y), Math.max(from.x, to.x), Math.max(from.y, to.y)] });
      else if (!far && this.mode === "click") this.#emit("point", to);
      else if (!far) this.select(this.#under(to));
      this.draw();
    });
    this.labels.addEventListener("click", (event) => { const label = event.target.closest(".label"); if (label) this.select(Number(label.dataset.number)); });
    for (const kind of ["pointerover", "focusin"]) this.labels.addEventListener(kind, (event) => {
      const label = event.target.closest(".label"); if (!label) return;
      this.light(Number(label.dataset.number)); this.#emit("hover", { number: this.lit });
    });
    this.frame.addEventListener("keydown", (event) => this.#key(event));
    this.frame.addEventListener("blur", () => { if (this.cursor) { this.cursor = null; this.draw(); } });
  }

  #key(event) {
    if (event.key === "Escape") { this.cursor = this.dragged = this.anchor = null; this.select(-1); this.draw(); this.frame.focus(); return; }
    if (event.target !== this.frame || !this.width) return;
    const step = (event.shiftKey ? 0.1 : 0.01) * Math.max(this.frame.clientWidth, this.frame.clientHeight); // of the screen
    const [across, down] = [step / this.scaleX, step / this.scaleY];
    const move = { ArrowLeft: [-across, 0], ArrowRight: [across, 0], ArrowUp: [0, -down], ArrowDown: [0, down] }[event.key];
    if (move) {
      event.preventDefault();
      this.cursor ??= { x: this.width / 2, y: this.height / 2 };
      this.cursor = { x: Math.min(Math.max(this.cursor.x + move[0], 0), this.width), y: Math.min(Math.max(this.cursor.y + move[1], 0), this.height) };
      if (this.anchor) this.dragged = [this.anchor.x, this.anchor.y, this.cursor.x, this.cursor.y];
      this.frame.setAttribute("aria-valuetext", `${Math.round(this.cursor.x)}, ${Math.round(this.cursor.y)}`);
      this.draw();
    } else if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      const at = this.cursor ??= { x: this.width / 2, y: this.height / 2 };
      if (this.mode === "drag" && !this.anchor) { this.anchor = { ...at }; this.draw(); }
      else if (this.mode === "drag") {
        const [a, b] = [this.anchor, at]; this.anchor = this.dragged = null;
        const box = [Math.min(a.x, b.x), Math.min(a.y, b.y), Math.max(a.x, b.x), Math.max(a.y, b.y)];
        if (box[2] - box[0] > 1 && box[3] - box[1] > 1) this.#emit("box", { box });
        this.draw();
      } else if (this.mode === "click") this.#emit("point", { ...at });
      else this.select(this.#under(at));
    }
  }

  #drawCursor(w, h) {
    const [x, y] = [this.cursor.x * this.scaleX, this.cursor.y * this.scaleY];
    for (const name of ["cross under", "cross"]) make("path", { class: name, d: `M${x} 0V${h}M0 ${y}H${w}` }, this.svg);
    if (this.anchor) make("circle", { class: "asked", cx: this.anchor.x * this.scaleX, cy: this.anchor.y * this.scaleY, r: 5 }, this.svg);
  }
  #classes() {
    const busy = this.lit >= 0 || this.selected >= 0;
    this.frame.classList.toggle("choosing", busy);
    for (const part of [...this.svg.querySelectorAll(".region"), ...this.labels.children]) {
      const number = Number(part.dataset.number);
      part.classList.toggle("on", number === this.lit || number === this.selected);
      part.classList.toggle("selected", number === this.selected);
    }
  }
  #placeActions() {
    const region = this.regions[this.selected]; if (!region) return;
    const [x1, y1, x2, y2] = this.screen(region.box);
    const [w, h] = [this.actions.offsetWidth, this.actions.offsetHeight];
    const label = this.labels.querySelector(".selected")?.getBoundingClientRect();
    const under = label ? label.bottom - this.frame.getBoundingClientRect().top : 0; // its own label stays to be read
    let y = (under > y2 && under - y2 < 60 ? under : y2) + 8; if (y + h > this.frame.clientHeight) y = y1 - h - 34; if (y < 0) y = Math.max(0, this.frame.clientHeight - h - 6);
    const x = Math.min(Math.max((x1 + x2 - w) / 2, 6), Math.max(6, this.frame.clientWidth - w - 6));
    this.actions.style.transform = `translate(${x}px, ${y}px)`;
  }
}
