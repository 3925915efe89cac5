// Owns what is drawn on a picture: true boxes dashed, answers in their model's colour, as SVG over one shared image.
const LETTERS = ['a', 'b'];
const SETS = ['generalized', 'detection', 'counting']; // where all places of an answer are judged, not the best alone
const data = JSON.parse(document.getElementById('report-data').textContent);

// What an answer goes by; where only names were asked for, its picture.
const words = (answer) => answer.phrase || data.pictures[answer.picture][0];

function element(name, className, text) {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

function shape(name, className, attributes) {
  const made = document.createElementNS('http://www.w3.org/2000/svg', name);
  if (className) made.setAttribute('class', className);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

function boxShape(region, className) {
  const [x1, y1, x2, y2] = region.box;
  return shape('rect', className, { x: x1, y: y1, width: Math.max(x2 - x1, 0), height: Math.max(y2 - y1, 0) });
}

const isDot = (region) => region.point && region.box[0] === region.box[2] && region.box[1] === region.box[3];

const outline = (region, mask, box) => (region.path ? shape('path', mask, { d: region.path }) : boxShape(region, box));

function dotShape(region, kind, size) {
  const [cx, cy] = region.point;
  return shape('circle', `on spot-on ${kind}`, { cx, cy, r: Math.max(...size) * 0.014 });
}

// An answer's region, lowest first; `also`: one that is not the judged one.
function answerShapes(region, letter, size, also) {
  const shapes = [];
  if (!isDot(region)) {
    if (!also) shapes.push(outline(region, 'on mask-casing', 'on casing'));
    shapes.push(outline(region, `on mask ${letter}`, `on box ${letter}${also ? ' also' : ''}`));
  }
  if (region.point) shapes.push(dotShape(region, letter, size));
  if (region.label && shapes.length) {
    const title = shape('title', '', {});
    title.textContent = region.label + (region.score === undefined ? '' : ` ${region.score.toFixed(2)}`);
    shapes[shapes.length - 1].append(title);
  }
  return shapes;
}

// The white under a true region, and the black dashes over everything: an answer right on it shows between the dashes.
const underTruth = (region) => (isDot(region) ? [] : [outline(region, 'on mask-under', 'on truth-under')]);
function overTruth(region, size) {
  const dot = region.point ? [dotShape(region, 'true', size)] : [];
  return isDot(region) ? dot : [outline(region, 'on mask-true', 'on truth'), ...dot];
}

// A picture with everything known about one question on it. Groups are marked data-of="truth", "a" or "b".
function stageOf(answer, eager) {
  const [, width, height, address] = data.pictures[answer.picture];
  const stage = element('div', 'stage');
  if (address) {
    const image = element('img');
    image.alt = '';
    image.decoding = eager ? 'sync' : 'async';
    image.src = address;
    stage.append(image);
  }
  const drawing = shape('svg', '', { viewBox: `0 0 ${width} ${height}`, role: 'img', 'aria-label': spoken(answer) });
  if (!address) drawing.append(shape('rect', 'placeholder', { x: 0, y: 0, width, height }));
  const size = [width, height];
  const groups = [];
  const group = (of, number, shapes) => {
    const made = shape('g', '', { 'data-of': of, 'data-number': number });
    made.append(...shapes);
    groups.push(made);
  };
  (answer.crowd || []).forEach((region, i) => group('crowd', i, [boxShape(region, 'on crowd')]));
  answer.truth.forEach((region, i) => group('truth', i, underTruth(region)));
  answer.answers.forEach((given, model) => {
    if (!given) return;
    const judged = given.judged === undefined || SETS.includes(data.scoring) ? -1 : given.judged;
    given.regions.forEach((region, i) => group(LETTERS[model], i, answerShapes(region, LETTERS[model], size, judged >= 0 && i !== judged)));
  });
  answer.truth.forEach((region, i) => group('truth', i, overTruth(region, size)));
  drawing.append(...groups);
  stage.append(drawing);
  if (!address) stage.append(element('span', 'missing', 'no picture here'));
  return stage;
}

// A small piece of how boxes of the truth or of a model are drawn.
function swatch(of) {
  const made = shape('svg', 'swatch', { viewBox: '0 0 26 18', 'aria-hidden': 'true' });
  const box = { x: 2.5, y: 2.5, width: 21, height: 13 };
  for (const name of of === 'truth' ? ['on truth-under', 'on truth'] : [`on box ${of}`]) made.append(shape('rect', name, box));
  return made;
}

function spoken(answer) {
  const found = answer.answers.map((given) => (given ? given.regions.length : 0)).join(' and ');
  return `${words(answer)}: ${answer.truth.length} true, ${found} answered`;
}
