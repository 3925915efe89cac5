// The conversation beside the picture: a card for each question, with its words, its rows, its problems.

import { nameOf } from "./stage.js";

export const el = (name, className = "", text = null) => {
  const element = document.createElement(name);
  if (className) element.className = className;
  if (text !== null) element.textContent = text; // never HTML: what a model writes is text
  return element;
};

const TITLES = { locate: "Find", detect: "Detect", describe: "Describe", caption: "Caption", count: "Count", segment: "Segment" };
export function titleOf({ task, phrase, names, point, box }) {
  if (task === "detect") return names.join(", ");
  if (task === "describe") return point ? `What is at ${Math.round(point[0])}, ${Math.round(point[1])}?` : `What is in the box ${box.map(Math.round).join(", ")}?`;
  return task === "caption" ? "Describe the picture" : phrase;
}

/** The kind of thing that words name: "star" of "the large star left of the mushroom", "stars" of "all of the stars". */
export function kindOf(words) {
  const named = words.trim().replace(/^(all|any|each|every|one|some|both) of (?=the |these |those )/i, "");
  const [head] = named.split(/,| (?:with|without|of|on|in|at|to|from|near|next|beside|between|left|right|above|below|under|over|behind|that|which|who|and|or) /i);
  return head.split(" ").filter(Boolean).at(-1) || "";
}

/** The answer in words, as a person would say it. */
export function wordsOf(turn, kept) {
  const { answer, question } = turn;
  if (!answer) return "";
  const count = answer.regions.length;
  if (question.task === "caption") return count || answer.text ? "" : "Nothing to say about this picture.";
  if (question.task === "describe") return answer.text && !/<loc/.test(answer.text) ? answer.text : answer.regions[0]?.label || "Nothing that I can name is there.";
  if (!count && answer.problems.length) return "The answer could not be read.";
  if (question.task === "detect") {
    const missing = question.names.filter((name) => !answer.regions.some((r) => r.label === name));
    if (!count) return `Not there: ${missing.join(", ")}.`;
    return missing.length ? `Not there: ${missing.join(", ")}.` : "";
  }
  if (!count) return question.task === "count" ? `None. There is no “${question.phrase}” in this picture.` : `Not there. Nothing in this picture is “${question.phrase}”.`;
  if (question.task === "count") return String(count);
  if (kept < count) return `${kept} of ${count} shown`;
  return "";
}

function caption(turn, hover, select) {
  const line = el("p", "caption");
  const text = turn.answer.text;
  const spans = turn.regions.map((region, number) => ({ ...region, number })).filter((r) => r.span).sort((a, b) => a.span[0] - b.span[0]);
  let at = 0;
  for (const span of spans) {
    if (span.span[0] < at) continue;
    line.append(text.slice(at, span.span[0]));
    const word = el("button", "span", text.slice(...span.span));
    word.type = "button"; word.dataset.number = span.number;
    word.style.setProperty("--color", span.color);
    const all = spans.filter((s) => s.span[0] === span.span[0]).map((s) => s.number);
    word.addEventListener("pointerenter", () => hover(all[0])); word.addEventListener("pointerleave", () => hover(-1));
    word.addEventListener("focus", () => hover(all[0])); word.addEventListener("click", () => select(all[0]));
    line.append(word); at = span.span[1];
  }
  line.append(text.slice(at));
  return line;
}

function rows(turn, keep, hover, select) {
  const list = el("ol", "rows");
  turn.regions.forEach((region, number) => {
    if (!keep(region, number)) return;
    const item = el("li"); const row = el("button", "row"); row.type = "button"; row.dataset.number = number;
    const chip = el("i"); chip.style.background = region.color;
    const name = el("span", "name", nameOf(region, number));
    const place = el("span", "place", region.box.map((v) => Math.round(v)).join(" "));
    row.append(chip, name, place);
    if (region.score != null) row.append(el("span", "score", region.score.toFixed(2)));
    row.addEventListener("pointerenter", () => hover(number)); row.addEventListener("pointerleave", () => hover(-1));
    row.addEventListener("focus", () => hover(number)); row.addEventListener("blur", () => hover(-1));
    row.addEventListener("click", () => select(number));
    item.append(row); list.append(item);
  });
  return list;
}

function problems(answer) {
  const box = el("details", "problems");
  const many = answer.problems.length;
  box.append(el("summary", "", `${many} ${many === 1 ? "thing" : "things"} in the model's text could not be taken as it stands`));
  const list = el("ul");
  for (const problem of answer.problems) list.append(el("li", "", problem.message));
  box.append(list, el("pre", "raw", answer.raw ?? answer.text));
  return box;
}

/** One card. `on`: {hover, select, open, stop}; `keep` tells which regions are shown. */
export function card(turn, open, keep, on) {
  const box = el("article", "turn" + (open ? " open" : ""));
  const head = el("button", "head"); head.type = "button"; head.setAttribute("aria-expanded", open);
  head.append(el("span", "task", turn.by ?? TITLES[turn.question.task]), el("span", "asked-words", titleOf(turn.question)));
  head.addEventListener("click", on.open);
  box.append(head);
  if (turn.waiting) {
    const wait = el("p", "waiting"); const words = el("span", "", turn.regions.length ? `${turn.regions.length} so far` : "Looking");
    const end = el("button", "link", "Stop"); end.type = "button"; end.addEventListener("click", on.stop);
    wait.append(el("i", "pulse"), words, end); box.append(wait);
  }
  if (turn.problem) box.append(el("p", "trouble", turn.problem));
  if (open && turn.answer) {
    const kept = turn.regions.filter(keep).length;
    const words = wordsOf(turn, kept);
    if (turn.question.task === "caption" && turn.answer.text) box.append(caption(turn, on.hover, on.select));
    if (words) box.append(el("p", turn.question.task === "count" && turn.regions.length ? "words number" : "words", words));
  }
  if (open && turn.regions.length) box.append(rows(turn, keep, on.hover, on.select));
  if (open && turn.answer) {
    if (turn.answer.problems.length) box.append(problems(turn.answer));
    const facts = [turn.seconds != null ? `${turn.seconds.toFixed(2)} s` : null, turn.tokens != null ? `${turn.tokens} tokens` : null, turn.answer.model];
    const foot = el("p", "facts"); foot.append(...facts.filter(Boolean).map((fact) => el("span", "", fact)));
    if (!turn.answer.problems.length) {
      const raw = el("details", "rawtext"); raw.append(el("summary", "", "as written"), el("pre", "raw", turn.answer.raw ?? turn.answer.text)); foot.append(raw);
    }
    box.append(foot);
  }
  return box;
}
