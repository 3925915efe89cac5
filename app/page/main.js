// Puts the parts together: one picture, one conversation, the mode that is chosen, and a second model beside it if asked.

import { ask, get, Problem, send, stop, upload } from "./client.js";
import { card, el, kindOf, titleOf, wordsOf } from "./answers.js";
import { MODES, TRIES } from "./modes.js";
import { nameOf, Stage } from "./stage.js";
import { camera, theme, toast, watchDrops } from "./extras.js";

const $ = (id) => document.getElementById(id);
const state = { picture: null, example: "", mode: MODES[0], turns: [], open: null, seeing: false, settings: null, first: "", second: "" };
const PALETTE = ["#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#F0E442", "#882255"];
const stages = [new Stage($("stages"))];

// ---- pictures

async function open(blob, alt, example = "") {
  try {
    if (state.settings && blob.size > state.settings.max_megabytes * 1e6) throw new Problem(`This file has ${(blob.size / 1e6).toFixed(1)} MB; the server takes ${state.settings.max_megabytes} MB at most.`);
    stages[0].wait(true);
    const given = await upload(blob);
    setPicture(given, alt, example);
  } catch (error) { toast(error.message); }
  if (!state.turns.some((turn) => turn.waiting)) stages[0].wait(false);
}

function setPicture(given, alt, example = "") {
  halt();
  Object.assign(state, { picture: given, example, turns: [], open: null, alt });
  for (const stage of stages) { stage.asked = null; stage.show(`pictures/${given.picture}`, given.width, given.height, alt); if (state.seeing) stage.showGrid(state.side); }
  for (const thumb of $("thumbs").children) thumb.setAttribute("aria-pressed", thumb.dataset.name === example);
  renderLog(); tries();
}

const example = async (name, number) => open(await (await fetch(`examples/${number}`)).blob(), `Example picture: ${name}`, name);

// ---- asking

const keep = (region, number) => {
  const least = Number($("score").value); const most = Number($("most").value);
  if (region.score != null && region.score < least) return false;
  const better = (state.open?.[region.side || "regions"] || []).filter((other, at) => (other.score == null || other.score >= least) && at < number).length;
  return better < most;
};

function halt() { for (const turn of state.turns) if (turn.waiting) turn.end(); }

async function put(question, stageNumber = 0, by = null) {
  if (!state.picture) return null;
  if (stageNumber === 0) halt();
  const model = stageNumber ? state.second : state.first;
  const id = crypto.randomUUID?.() ?? String(Math.random()).slice(2);
  const control = new AbortController(); const stage = stages[stageNumber];
  const turn = { question, regions: [], waiting: true, by, stage: stageNumber, picture: state.picture.picture };
  turn.end = () => { stop(id); control.abort(); turn.waiting = false; turn.problem = turn.regions.length ? "Stopped; what was found so far is shown." : "Stopped."; stage.wait(false); renderLog(); };
  state.turns.push(turn);
  if (stageNumber === 0) state.open = turn;
  for (const one of stageNumber ? [stage] : stages) one.asked = question.point ? { x: question.point[0], y: question.point[1] } : null;
  stage.set([], keep); stage.wait(true); renderLog();
  try {
    for await (const event of ask(state.picture.picture, question, model, id, control.signal)) {
      if (!turn.waiting) break;
      if (event.kind === "region") { const region = { ...event.region, color: event.color }; turn.regions.push(region); if (onStage(turn)) { stage.regions = turn.regions; stage.draw(turn.regions.length - 1); } renderLog(); }
      else if (event.kind === "answer") finish(turn, event);
      else if (!turn.problem) turn.problem = event.message;
    }
  } catch (error) {
    if (error.name !== "AbortError" && turn.waiting) turn.problem = error instanceof Problem ? error.message : "The answer broke off. Ask again.";
  }
  turn.waiting = false; stage.wait(false); renderLog();
  if (onStage(turn)) stage.say(turn.problem || spoken(turn));
  if (turn.stage === 0) tell(turn);
  return turn;
}

/** Says the answer to those who listen to the page, once and whole. */
function tell(turn) {
  if (turn !== state.open) return;
  const { answer, regions } = turn; const boxes = `${regions.length} ${regions.length === 1 ? "box" : "boxes"}`;
  const said = answer?.task === "caption" ? answer.text : answer && wordsOf(turn, regions.length);
  $("told").textContent = turn.problem || [said, regions.length && `${boxes} on the picture.`].filter(Boolean).join(" ");
}

const onStage = (turn) => turn.stage > 0 ? turn === state.turns.findLast((t) => t.stage === turn.stage) : state.open === turn;
const spoken = (turn) => {
  if (!turn.answer || turn.regions.length) return "";
  if (turn.question.task === "describe") return turn.answer.text;
  if (turn.question.task === "caption" && turn.answer.text) return "";
  return turn.answer.problems.length ? "The answer could not be read" : `Not there: ${titleOf(turn.question)}`;
};

function finish(turn, event) {
  const { answer, colors, tokens } = event;
  turn.answer = answer; turn.tokens = tokens; turn.seconds = answer.seconds;
  turn.regions = answer.regions.map((region, number) => ({ ...region, color: colors[number], words: region.span && answer.task === "caption" ? answer.text.slice(...region.span) : answer.regions.length === 1 ? turn.question.phrase || null : null }));
  if (turn.question.box && !turn.regions.length) turn.regions = [{ box: turn.question.box, label: answer.text, score: null, color: PALETTE[1], given: true }];
  if (onStage(turn)) stages[turn.stage].set(turn.regions, keep);
}

function submit(event) {
  event?.preventDefault();
  const { mode } = state; const phrase = $("phrase").value.trim();
  if (mode.hint && mode.id !== "caption") { stages[0].frame.focus(); return; }
  if (mode.id !== "caption" && !phrase) { $("phrase").focus(); return; }
  const question = mode.task === "detect" ? { task: "detect", names: phrase.split(",").map((n) => n.trim()).filter(Boolean) } : { task: mode.task, phrase };
  everywhere(question);
}
const everywhere = (question) => Promise.all(stages.map((_, number) => put(question, number, number ? state.second : null)));

// ---- a chosen box

function actions(stage, number) {
  stage.actions.replaceChildren();
  const region = stage.regions[number]; if (!region) return;
  const add = (words, act) => { const button = el("button", "", words); button.type = "button"; button.addEventListener("click", (event) => { event.stopPropagation(); act(); }); stage.actions.append(button); };
  add("Describe", () => everywhere({ task: "describe", box: region.box }));
  add("Find others like it", async () => { const kind = kindOf(await wordsFor(region)); if (kind) everywhere({ task: "detect", names: [kind] }); });
  add("Ask about this", async () => {
    const words = await wordsFor(region); if (!words) return;
    setMode(MODES[0]); const field = $("phrase"); field.value = `the  left of the ${words.replace(/^(a|an|the) /, "")}`;
    field.focus(); field.setSelectionRange(4, 4); toast("Say which thing: left of, right of, above or below this one.");
  });
}

/** What a region is, in words: its own, or those that the model gives when it is asked. */
async function wordsFor(region) {
  const known = region.given ? region.label : region.label || region.words; if (known) return known;
  const turn = await put({ task: "describe", box: region.box }); return turn?.answer?.text || "";
}

async function heat(stage, number) {
  stage.clearHeat();
  const turn = stage === stages[0] ? state.open : state.turns.findLast((t) => t.stage === 1);
  if (!state.seeing || number < 0 || !turn?.answer || !turn.answer.regions.length) return;
  try {
    const seen = await (await send("look", { picture: turn.picture, model: turn.stage ? state.second : state.first, question: turn.question, answer: turn.answer, region: number })).json();
    stage.showHeat(seen.heat);
    $("seeing").textContent = `${seen.side} × ${seen.side} patches of ${seen.patch} px, ${seen.tokens} tokens. The glow: where the model looked while it wrote box ${number + 1}.`;
  } catch (error) { $("seeing").textContent = error.message; }
}

// ---- the list

const hover = (number) => { stages[0].light(number); for (const part of $("log").querySelectorAll(".turn.open [data-number]")) part.classList.toggle("on", Number(part.dataset.number) === number); };

const WITHIN = "button, summary"; // what keys reach in the list

function renderLog() {
  const log = $("log");
  const cards = state.turns.map((turn) => card(turn, turn === state.open || (turn.stage > 0 && onStage(turn)), keep, {
    hover: turn.stage ? (n) => stages[turn.stage]?.light(n) : hover,
    select: (n) => stages[turn.stage]?.select(n),
    stop: () => turn.end(),
    open: () => { if (turn.stage) return; state.open = turn; stages[0].asked = turn.question.point ? { x: turn.question.point[0], y: turn.question.point[1] } : null; stages[0].set(turn.regions, keep); stages[0].say(turn.problem || spoken(turn)); renderLog(); },
  }));
  if (!cards.length) { const start = el("div", "start"); start.append(el("h2", "", "Ask where things are"), el("p", "", "Type what you look for, click a thing, or drag a box. Answers come as boxes on the picture, and stay here.")); cards.push(start); }
  const focused = log.contains(document.activeElement) ? [...log.querySelectorAll(WITHIN)].indexOf(document.activeElement) : -1;
  const unfolded = [...log.querySelectorAll("details")].map((part) => part.open);
  const under = log.scrollHeight - log.scrollTop - log.clientHeight < 80;
  log.replaceChildren(...cards);
  const parts = log.querySelectorAll("details");
  if (parts.length === unfolded.length) parts.forEach((part, number) => { part.open = unfolded[number]; });
  if (focused >= 0) log.querySelectorAll(WITHIN)[focused]?.focus({ preventScroll: true });
  if (under || state.turns.at(-1)?.waiting) log.scrollTop = log.scrollHeight;
  $("controls").hidden = !state.open?.regions.length;
}

function filtered() {
  $("score-out").value = Number($("score").value).toFixed(2); $("most-out").value = $("most").value;
  for (const stage of stages) stage.draw(); renderLog();
}

// ---- modes

function setMode(mode) {
  state.mode = mode; for (const stage of stages) { stage.mode = mode.id; stage.anchor = stage.dragged = null; stage.frame.dataset.mode = mode.id; }
  for (const tab of document.querySelectorAll("[role=tab]")) { const on = tab.dataset.mode === mode.id; tab.setAttribute("aria-selected", on); tab.tabIndex = on ? 0 : -1; }
  const typed = Boolean(mode.holder);
  $("phrase").hidden = !typed; $("phrase").placeholder = mode.holder || ""; $("hint").hidden = typed;
  $("hint").replaceChildren(mode.hint || "", ...(mode.keys ? [el("span", "keys", mode.keys)] : []));
  $("go").hidden = !mode.go; $("go").textContent = mode.go || ""; $("phrase-label").textContent = mode.holder || mode.hint;
  tries();
}

function tries() {
  const words = TRIES[state.example]?.[state.mode.id] || [];
  $("tries").replaceChildren(...words.map((phrase) => { const b = el("button", "try", phrase); b.type = "button"; b.addEventListener("click", () => { $("phrase").value = phrase; submit(); }); return b; }));
}

function buildModes() {
  const bar = document.querySelector(".modes");
  for (const mode of MODES) {
    const tab = el("button", "mode"); tab.type = "button"; tab.dataset.mode = mode.id; tab.setAttribute("role", "tab");
    const icon = document.createElementNS("http://www.w3.org/2000/svg", "svg"); icon.setAttribute("viewBox", "0 0 20 20"); icon.setAttribute("aria-hidden", "true");
    const path = document.createElementNS("http://www.w3.org/2000/svg", "path"); path.setAttribute("d", mode.icon); icon.append(path);
    tab.append(icon, el("span", "", mode.name)); tab.addEventListener("click", () => setMode(mode)); bar.append(tab);
  }
  bar.addEventListener("keydown", (event) => {
    const move = { ArrowRight: 1, ArrowLeft: -1 }[event.key]; if (!move) return;
    const next = MODES[(MODES.indexOf(state.mode) + move + MODES.length) % MODES.length]; setMode(next); bar.querySelector(`[data-mode=${next.id}]`).focus();
  });
}

// ---- start

function wire(stage) {
  stage.addEventListener("point", ({ detail }) => everywhere({ task: "describe", point: [detail.x, detail.y] }));
  stage.addEventListener("box", ({ detail }) => everywhere({ task: "describe", box: detail.box }));
  stage.addEventListener("hover", ({ detail }) => { if (stage === stages[0]) hover(detail.number); });
  stage.addEventListener("select", ({ detail }) => { actions(stage, detail.number); stage.select(detail.number, true); heat(stage, detail.number); hover(detail.number); });
}

async function see() {
  state.seeing = !state.seeing; $("look").setAttribute("aria-pressed", state.seeing); $("seeing").hidden = !state.seeing;
  if (state.seeing) {
    const seen = await (await send("look", { model: state.first })).json(); state.side = seen.side;
    $("seeing").textContent = `${seen.side} × ${seen.side} patches of ${seen.patch} px, ${seen.tokens} tokens: what the model gets of this picture. Choose a box to see where the model looked for it.`;
  }
  for (const stage of stages) stage.showGrid(state.seeing ? state.side : 0);
  if (state.seeing) for (const stage of stages) heat(stage, stage.selected);
}

function sideBySide() {
  const on = stages.length === 1; $("compare").setAttribute("aria-pressed", on); $("stages").classList.toggle("two", on);
  if (!on) { for (const turn of state.turns) if (turn.stage && turn.waiting) turn.end(); stages.pop().root.remove(); stages[0].title.hidden = true; state.turns = state.turns.filter((t) => !t.stage); renderLog(); return; }
  state.second = state.settings.models.find((m) => m.name !== state.first).name;
  const stage = new Stage($("stages"), state.second); stages.push(stage); wire(stage);
  stages[0].title.textContent = state.first; stages[0].title.hidden = false;
  if (state.picture) stage.show(`pictures/${state.picture.picture}`, state.picture.width, state.picture.height, state.alt);
  if (state.seeing) stage.showGrid(state.side);
  setMode(state.mode);
}

async function download(form) {
  const turn = state.open; if (!turn?.answer) return;
  try {
    const answer = { ...turn.answer, regions: turn.answer.regions.filter((region, number) => keep(turn.regions[number], number)) };
    const response = await send("exports", { form, picture: turn.picture, answer });
    const name = /filename="(.*)"/.exec(response.headers.get("content-disposition"))[1];
    const link = el("a"); link.href = URL.createObjectURL(await response.blob()); link.download = name; link.click(); setTimeout(() => URL.revokeObjectURL(link.href), 5000);
  } catch (error) { toast(error.message); }
}

async function share() {
  if (!state.picture) return;
  try {
    const turns = state.turns.filter((t) => t.answer && !t.stage).map(({ question, answer, regions, tokens, seconds }) => ({ question, answer, regions, tokens, seconds }));
    const { link } = await (await send("links", { picture: state.picture.picture, example: state.example, turns })).json();
    const url = `${location.origin}${location.pathname}#${link}`; history.replaceState(null, "", `#${link}`);
    try { await navigator.clipboard.writeText(url); toast("The link is copied. It works while this server runs."); } catch { toast(`The link is in the address bar. It works while this server runs.`); }
  } catch (error) { toast(error.message); }
}

async function shared(name) {
  try {
    const found = await get(`links/${encodeURIComponent(name)}`); setPicture(found, "A shared picture", found.example || "");
    state.turns = found.turns.map((turn) => ({ ...turn, stage: 0, picture: found.picture })); state.open = state.turns.at(-1) || null;
    if (state.open) stages[0].set(state.open.regions, keep); renderLog(); return true;
  } catch (error) { toast(error.message); return false; }
}

async function start() {
  theme($("theme")); buildModes(); setMode(MODES[0]); wire(stages[0]); renderLog();
  const settings = state.settings = await get("settings"); state.first = settings.models[0].name;
  settings.examples.forEach((name, number) => {
    const thumb = el("button", "thumb"); thumb.type = "button"; thumb.dataset.name = name; thumb.setAttribute("aria-label", `Example: ${name}`);
    const image = el("img"); image.src = `examples/${number}`; image.alt = ""; thumb.append(image); thumb.addEventListener("click", () => example(name, number)); $("thumbs").append(thumb);
  });
  for (const { name } of settings.models) { const option = el("option", "", name); option.value = name; $("model").append(option); }
  document.body.classList.toggle("many", settings.models.length > 1); $("model-pick").hidden = $("compare").hidden = settings.models.length < 2; $("look").hidden = !settings.looks; $("manual").hidden = !settings.manual;
  $("model").addEventListener("change", () => { state.first = $("model").value; if (stages.length > 1) { sideBySide(); sideBySide(); } });
  $("compare").addEventListener("click", sideBySide); $("look").addEventListener("click", () => see().catch((error) => toast(error.message)));
  $("ask").addEventListener("submit", submit); $("share").addEventListener("click", share);
  $("score").addEventListener("input", filtered); $("most").addEventListener("input", filtered);
  $("controls").addEventListener("click", (event) => { if (event.target.dataset.form) download(event.target.dataset.form); });
  $("file").addEventListener("change", () => { const [file] = $("file").files; if (file) open(file, file.name); $("file").value = ""; });
  $("webcam").addEventListener("click", () => camera($("camera"), (blob) => open(blob, "From the camera")));
  watchDrops((file) => open(file, file.name || "A pasted picture"));
  addEventListener("pagehide", halt); const link = () => /^#([\w-]{20,})$/.exec(location.hash)?.[1]; // "#phrase" is where the link for keys leads
  addEventListener("hashchange", () => link() && shared(link()));
  if (!(link() && (await shared(link())))) await example(settings.examples[0], 0);
  document.body.dataset.ready = "yes";
}
start().catch((error) => toast(error.message));
window.grounding = { stages, state, nameOf }; // for tests and the curious
