// Owns the answers: filtering, orders, cards, the table, and the window with one answer.
const answers = data.answers;
const two = data.models.length > 1;
const byId = (id) => document.getElementById(id);
const RIGHT = 0.5; // from this worth on an answer counts as right, as in grounding.score.compare
const haystacks = answers.map((answer) => `${words(answer)}\n${answer.id}\n${(answer.names || []).join(' ')}`.toLowerCase());
const graded = answers.some((answer) => answer.answers.some((given) => given && given.value > 0 && given.value < 1));
const className = (text) => text.toLowerCase().replace(/[^a-z0-9]/g, '-');
const percent = (value) => `${(100 * value).toFixed(0)} %`;
const isRight = (given) => Boolean(given) && given.value >= RIGHT;
const clean = (given) => Boolean(given) && given.value !== undefined && !given.error;

function pairOf(answer) {
  const [a, b] = answer.answers;
  if (!a || !b) return 'unpaired';
  return isRight(a) ? (isRight(b) ? 'both' : 'only-a') : isRight(b) ? 'only-b' : 'neither';
}

function tally(lists) {
  const counts = new Map();
  for (const list of lists) for (const name of new Set(list)) counts.set(name, (counts.get(name) || 0) + 1);
  return counts;
}

// ---- filters

const state = { words: '', order: Object.keys(data.orders)[0], verdict: '', error: '', kind: '', pictured: false, view: 'cards' };
let shown = [];
let drawn = 0;

function fits(answer, index) {
  if (state.words && !state.words.split(/\s+/).every((word) => haystacks[index].includes(word))) return false;
  if (state.kind && answer.kind !== state.kind) return false;
  if (state.pictured && !data.pictures[answer.picture][3]) return false;
  const given = answer.answers;
  if (state.error === 'right' && !given.some(clean)) return false;
  if (state.error && state.error !== 'right' && !given.some((one) => one && one.error === state.error)) return false;
  if (!state.verdict) return true;
  return two ? pairOf(answer) === state.verdict : (state.verdict === 'right') === isRight(given[0]);
}

function update() {
  shown = data.orders[state.order].filter((index) => fits(answers[index], index));
  drawn = 0;
  byId('cards').replaceChildren();
  byId('table').replaceChildren();
  byId('cards').hidden = state.view !== 'cards';
  byId('table').hidden = state.view !== 'table' || !shown.length;
  byId('nothing').hidden = shown.length > 0;
  byId('count').textContent = `${shown.length.toLocaleString('en')} of ${answers.length.toLocaleString('en')}`;
  byId('shown-in-print').textContent = `${shown.length.toLocaleString('en')} answers fit the filters; the first are printed.`;
  if (state.view === 'table' && shown.length) byId('table').append(tableHead());
  more();
}

const STEP = { cards: 24, table: 100 };

function more() {
  const next = shown.slice(drawn, drawn + STEP[state.view]);
  if (state.view === 'cards') byId('cards').append(...next.map(card));
  else if (next.length) byId('table').querySelector('tbody').append(...next.map(row));
  drawn += next.length;
  byId('more').hidden = drawn >= shown.length;
}

function options(select, all, names) {
  select.replaceChildren(new Option(all, ''));
  for (const [value, text, count] of names) select.append(new Option(count === undefined ? text : `${text} (${count.toLocaleString('en')})`, value));
  select.hidden = names.length < 2;
}

function fillSelects() {
  const pairs = tally(answers.map((answer) => (two ? [pairOf(answer)] : [isRight(answer.answers[0]) ? 'right' : 'wrong'])));
  const verdicts = two
    ? [['both', 'Both right'], ['only-a', 'Only A right'], ['only-b', 'Only B right'], ['neither', 'Neither right']]
    : [['right', graded ? 'Worth 50 % or more' : 'Right'], ['wrong', graded ? 'Worth under 50 %' : 'Wrong']];
  options(byId('verdict'), 'All answers', verdicts.map(([value, text]) => [value, text, pairs.get(value) || 0]));
  const errors = tally(answers.map((answer) => answer.answers.flatMap((given) => (given && given.error ? [given.error] : clean(given) ? ['right'] : []))));
  const names = [...errors.keys()].sort((a, b) => (a === 'right' ? -1 : b === 'right' ? 1 : errors.get(b) - errors.get(a)));
  options(byId('error'), 'All outcomes', names.map((name) => [name, name === 'right' ? 'Right' : data.errors[name] || name, errors.get(name)]));
  const kinds = tally(answers.map((answer) => (answer.kind ? [answer.kind] : [])));
  options(byId('kind'), 'All kinds', [...kinds].map(([name, count]) => [name, name, count]));
}

// ---- one answer in words

function badge(given) {
  if (!given) return element('span', 'badge', 'not asked');
  if (given.value === undefined) return element('span', 'badge', 'not judged');
  const name = given.error || 'right';
  return element('span', `badge ${className(name)}`, given.error ? (data.errors[name] || name).toLowerCase() : 'right');
}

function measures(given, answer) {
  const said = [];
  if (!given) return said;
  if (data.scoring === 'counting' && given.count !== undefined) said.push(`said ${given.count}, true ${answer.truth.length}`);
  if (given.overlap !== undefined) said.push(`${data.measure} ${given.overlap.toFixed(2)}`);
  if (graded && given.value !== undefined && given.value !== given.overlap) said.push(`worth ${percent(given.value)}`);
  if (given.score !== undefined) said.push(`score ${given.score.toFixed(2)}`);
  return said;
}

function facts(answer) {
  return answer.answers.map((given, model) => {
    const line = element('p', 'facts');
    if (two) line.append(element('span', `model-letter ${LETTERS[model]}`, LETTERS[model].toUpperCase()));
    line.append(badge(given), ...measures(given, answer).map((text) => element('span', '', text)));
    return line;
  });
}

function card(index) {
  const answer = answers[index];
  const made = element('button', 'card');
  made.type = 'button';
  made.dataset.index = index;
  const stage = stageOf(answer, false);
  made.append(stage, element('p', 'phrase', words(answer)), ...facts(answer));
  made.addEventListener('click', () => open(index));
  return made;
}

function tableHead() {
  const table = element('table');
  const line = element('tr');
  const heads = ['Question', ...(answers.some((answer) => answer.kind) ? ['Kind'] : [])];
  for (const letter of two ? ['A ', 'B '] : ['']) heads.push(`${letter}outcome`.trim(), `${letter}${data.measure}`.trim(), `${letter}score`.trim());
  for (const head of heads) {
    const narrow = /score|Kind|B /.test(head) && !/outcome/.test(head);
    const cell = element('th', `${narrow ? 'wide-only' : ''} ${/outcome|Question|Kind/.test(head) ? '' : 'number'}`, head.charAt(0).toUpperCase() + head.slice(1));
    cell.scope = 'col';
    line.append(cell);
  }
  const head = element('thead');
  head.append(line);
  table.append(head, element('tbody'));
  return table;
}

function row(index) {
  const answer = answers[index];
  const line = element('tr');
  line.dataset.index = index;
  const first = element('td');
  const opener = element('button', 'open-row', words(answer));
  opener.type = 'button';
  first.append(opener);
  line.append(first);
  if (answers.some((one) => one.kind)) line.append(element('td', 'wide-only', answer.kind || ''));
  answer.answers.forEach((given, model) => {
    const outcome = element('td');
    outcome.append(badge(given));
    const known = given || {};
    const text = (value) => (value === undefined ? '–' : value.toFixed(2));
    line.append(outcome, element('td', model ? 'number wide-only' : 'number', text(known.overlap)), element('td', 'number wide-only', text(known.score)));
  });
  line.addEventListener('click', () => open(index));
  return line;
}

// ---- the window with one answer

const sample = byId('sample');
let place = -1;

function open(index) {
  place = shown.indexOf(index);
  fill(index);
  if (!sample.open) sample.showModal();
}

function step(by) {
  if (place < 0 || !shown.length) return;
  place = Math.min(Math.max(place + by, 0), shown.length - 1);
  fill(shown[place]);
}

function fill(index) {
  const answer = answers[index];
  const stage = stageOf(answer, true);
  byId('sample-stage').replaceChildren(stage);
  byId('sample-title').textContent = words(answer);
  byId('sample-place').textContent = place < 0 ? '' : `${(place + 1).toLocaleString('en')} of ${shown.length.toLocaleString('en')}`;
  byId('previous').disabled = place <= 0;
  byId('next').disabled = place < 0 || place >= shown.length - 1;
  const body = byId('sample-body');
  body.replaceChildren();
  const [key, width, height] = data.pictures[answer.picture];
  const about = [answer.kind, `${key}`, `${width} × ${height} px`, answer.id].filter(Boolean);
  body.append(element('p', 'facts', about.join(' · ')));
  if (answer.names) section(body, 'Asked for', element('p', '', answer.names.join(', ')));
  section(body, answer.truth.length ? 'True' : 'True: nothing is there', places(answer.truth, 'truth', stage));
  answer.answers.forEach((given, model) => answerIn(body, given, model, stage, answer));
  const others = answers.flatMap((one, number) => (one.picture === answer.picture && number !== index ? [number] : []));
  if (others.length) section(body, `Also asked about this picture (${others.length.toLocaleString('en')})`, alsoAsked(others.slice(0, 40), stage));
  sample.scrollTop = 0;
}

function answerIn(body, given, model, stage, answer) {
  const heading = two ? `${LETTERS[model].toUpperCase()}: ${data.models[model]}` : 'Answer';
  const line = element('p', 'facts');
  line.append(badge(given), ...measures(given, answer).map((text) => element('span', '', text)));
  if (given && given.seconds !== undefined) line.append(element('span', '', given.seconds < 1 ? `${(1000 * given.seconds).toFixed(0)} ms` : `${given.seconds.toFixed(1)} s`));
  section(body, heading, line);
  if (!given) return;
  if (given.failure) body.append(element('p', 'wrote', given.failure));
  body.append(places(given.regions, LETTERS[model], stage));
  if (given.count > given.regions.length) body.append(element('p', 'facts', `${(given.count - given.regions.length).toLocaleString('en')} more places, less sure, are not drawn.`));
  if (given.text) section(body, 'As the model wrote it', element('div', 'wrote', given.text));
  if (given.problems) {
    const list = element('ul', 'problems');
    for (const [kind, message] of given.problems) list.append(element('li', '', `${kind.replaceAll('_', ' ')}: ${message}`));
    section(body, 'Problems', list);
  }
}

function section(body, title, content) {
  body.append(element('h4', '', title), content);
}

// A list of regions; pointing at one lights it up in the picture.
function places(regions, of, stage) {
  const list = element('ul', 'places');
  regions.forEach((region, number) => {
    const item = element('li');
    item.tabIndex = 0;
    const label = `${region.label || ''}${region.score === undefined ? '' : ` ${region.score.toFixed(2)}`}`.trim();
    const numbers = (isDot(region) ? region.point : region.box).map((value) => value.toFixed(0)).join(', ');
    item.append(swatch(of), element('span', '', label), element('span', 'coordinates', numbers));
    const light = (on) => () => lit(stage, on ? (group) => group.dataset.of === of && group.dataset.number === String(number) : null);
    item.addEventListener('pointerenter', light(true));
    item.addEventListener('focus', light(true));
    item.addEventListener('pointerleave', light(false));
    item.addEventListener('blur', light(false));
    list.append(item);
  });
  return list;
}

function lit(stage, chosen) {
  for (const group of stage.querySelectorAll('g')) {
    group.classList.toggle('faded', Boolean(chosen) && !chosen(group));
    for (const one of group.children) one.classList.toggle('lit', Boolean(chosen) && chosen(group));
  }
}

function alsoAsked(others, stage) {
  const list = element('ul', 'also-asked');
  const drawing = stage.querySelector('svg');
  for (const index of others) {
    const opener = element('button', '', words(answers[index]));
    opener.type = 'button';
    let boxes = [];
    const show = () => {
      boxes = answers[index].truth.map((region) => boxShape(region, 'on neighbour'));
      drawing.append(...boxes);
    };
    const hide = () => boxes.forEach((box) => box.remove());
    opener.addEventListener('pointerenter', show);
    opener.addEventListener('focus', show);
    opener.addEventListener('pointerleave', hide);
    opener.addEventListener('blur', hide);
    opener.addEventListener('click', () => open(index));
    const item = element('li');
    item.append(opener);
    list.append(item);
  }
  return list;
}
