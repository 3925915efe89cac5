// Owns the page's own controls: theme, filters, keys, and what a pointer reads off the curve.
function setUpTheme() {
  const root = document.documentElement;
  const dark = window.matchMedia('(prefers-color-scheme: dark)');
  byId('theme').addEventListener('click', () => {
    const now = root.dataset.theme || (dark.matches ? 'dark' : 'light');
    root.dataset.theme = now === 'dark' ? 'light' : 'dark';
  });
}

function choose(change) {
  Object.assign(state, change);
  byId('verdict').value = state.verdict;
  byId('error').value = state.error;
  byId('kind').value = state.kind;
  byId('words').value = state.words;
  byId('pictured').checked = state.pictured;
  for (const name of ['order', 'view']) for (const radio of document.getElementsByName(name)) radio.checked = radio.value === state[name];
  update();
}

const NO_FILTER = { words: '', verdict: '', error: '', kind: '', pictured: false };

function setUpFilters() {
  fillSelects();
  const named = data.models.map((name, model) => [LETTERS[model], two ? `${LETTERS[model].toUpperCase()}: ${name}` : 'answered']);
  for (const [of, name] of [['truth', 'true'], ...named]) {
    const patch = element('span');
    patch.append(swatch(of), name);
    byId('swatches').append(patch);
  }
  byId('words').addEventListener('input', () => {
    state.words = byId('words').value.trim().toLowerCase();
    update();
  });
  for (const name of ['verdict', 'error', 'kind']) byId(name).addEventListener('change', () => {
    state[name] = byId(name).value;
    update();
  });
  byId('pictured').addEventListener('change', () => {
    state.pictured = byId('pictured').checked;
    update();
  });
  for (const name of ['order', 'view']) for (const radio of document.getElementsByName(name)) radio.addEventListener('change', () => {
    state[name] = radio.value;
    update();
  });
  byId('clear').addEventListener('click', () => choose({ ...NO_FILTER }));
  byId('more-button').addEventListener('click', more);
  byId('more-filters').addEventListener('click', () => {
    const open = byId('filters').classList.toggle('open');
    byId('more-filters').setAttribute('aria-expanded', String(open));
  });
  for (const button of document.querySelectorAll('[data-error], [data-pair]')) button.addEventListener('click', () => {
    choose({ ...NO_FILTER, order: 'random', error: button.dataset.error || '', verdict: button.dataset.pair || '' });
    byId('answers').scrollIntoView();
  });
}

function setUpSample() {
  byId('previous').addEventListener('click', () => step(-1));
  byId('next').addEventListener('click', () => step(1));
  byId('close').addEventListener('click', () => sample.close());
  sample.addEventListener('click', (event) => {
    if (event.target === sample) sample.close();
  });
  document.addEventListener('keydown', (event) => {
    const writing = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName);
    if (sample.open) {
      if (event.key === 'ArrowLeft') step(-1);
      if (event.key === 'ArrowRight') step(1);
    } else if (event.key === '/' && !writing && !event.ctrlKey && !event.metaKey) {
      event.preventDefault();
      byId('words').focus();
    }
  });
}

// The value nearest to the pointer, in words under the curve.
function setUpReadouts() {
  for (const chart of document.querySelectorAll('.chart.curve, .chart.reliability')) {
    const readout = element('p', 'readout');
    chart.after(readout);
    const spots = [...chart.querySelectorAll('.spot, .disc')];
    chart.addEventListener('pointermove', (event) => {
      const across = (spot) => Math.abs(spot.getBoundingClientRect().x + spot.getBoundingClientRect().width / 2 - event.clientX);
      const nearest = Math.min(...spots.map(across));
      const near = spots.filter((spot) => across(spot) <= nearest + 0.5);
      for (const spot of spots) spot.classList.toggle('near', near.includes(spot));
      readout.textContent = near.map((spot) => spot.querySelector('title').textContent).join('; ');
    });
    chart.addEventListener('pointerleave', () => {
      for (const spot of spots) spot.classList.remove('near');
      readout.textContent = '';
    });
  }
}

setUpTheme();
setUpFilters();
setUpSample();
setUpReadouts();
update();
