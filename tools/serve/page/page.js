'use strict';
// The page: frames come in, and are drawn as often as the browser can without falling behind.

const UPDATES_PER_S = 5;
const model = new Model();
const byId = (id) => document.getElementById(id);

// --- what a row shows

const dash = (value, text) => value === null || value === undefined ? '–' : text(value);
const byUrgencyAndName = (a, b) => b.rank - a.rank || (a.key < b.key ? -1 : a.key > b.key ? 1 : 0);

function roomUrgency(ratio) {
  if (ratio === null || ratio > 0.5) return 'none';
  return ratio > 0.2 ? 'watch' : 'act';
}

const readers = new LiveTable(byId('readers'), [
  {head: 'State', left: true, kind: 'pill', value: (row) => [row.state, row.urgency],
    order: (row) => row.rank},
  {head: 'Stream', left: true, name: true, value: (row) => row.stream, order: (row) => row.stream},
  {head: 'Reader', left: true, name: true, value: (row) => row.name, order: (row) => row.name},
  {head: 'Policy', left: true, quiet: true, value: (row) => row.policy + (row.filter ? ', filter' : '')},
  {head: 'Lag', title: 'Age of the oldest unread event', value: (row) => durationText(row.lagS),
    order: (row) => row.lagS},
  {head: 'Events', title: 'That it has yet to read', value: (row) => countText(row.lag_events),
    order: (row) => row.lag_events},
  {head: 'Lag, last minutes', kind: 'spark', value: (row) => [
    row.isJournal ? model.undurable.last(row.stream, 60) : model.lags.last(row.key, 60),
    themeColour(row.rank === 2 ? '--act' : '--accent'), true]},
  {head: 'Trend', title: 'How fast it falls behind', value: (row) => trendText(row.trend_events_per_s),
    order: (row) => row.trend_events_per_s},
  {head: 'Reads', value: (row) => dash(row.perS, rateText), order: (row) => row.perS},
  {head: 'Room', title: 'Of the ring, before it is a whole ring behind', kind: 'meter',
    value: (row) => [row.room_ratio, shareText(row.room_ratio), roomUrgency(row.room_ratio)],
    order: (row) => row.room_ratio},
  {head: 'p50', title: 'From publish to read', quiet: true, value: (row) => durationText(row.p50S),
    order: (row) => row.p50S},
  {head: 'p99', quiet: true, value: (row) => durationText(row.p99S), order: (row) => row.p99S},
  {head: 'max', quiet: true, value: (row) => durationText(row.maxS), order: (row) => row.maxS},
  {head: 'Lost', value: (row) => countText(row.lost_events), order: (row) => row.lost_events},
], byUrgencyAndName);

function diskText(row) {
  if (!row.disk) return '–';
  const left = sizeText(row.disk.free_bytes) + ' free';
  if (!row.diskPerS) return left;
  return left + ', ' + durationText(row.disk.free_bytes / row.diskPerS) + ' at this pace';
}

const streams = new LiveTable(byId('streams'), [
  {head: 'Stream', left: true, name: true, value: (row) => row.stream, order: (row) => row.stream},
  {head: 'Published', value: (row) => dash(row.eventsPerS, rateText), order: (row) => row.eventsPerS},
  {head: 'Last minutes', kind: 'spark', value: (row) => [
    model.published.last(row.stream, 60), themeColour('--accent'), false]},
  {head: 'Ring', title: 'Bytes of the ring, a second',
    value: (row) => dash(row.bytesPerS, (value) => sizeText(value) + '/s'),
    order: (row) => row.bytesPerS},
  {head: 'Next', quiet: true, value: (row) => countText(row.end_seq), order: (row) => row.end_seq},
  {head: 'Size', quiet: true, value: (row) => sizeText(row.capacity_bytes),
    order: (row) => row.capacity_bytes},
  {head: 'Readers', value: (row) => countText(row.readers), order: (row) => row.readers},
  {head: 'Lost', value: (row) => countText(row.lost), order: (row) => row.lost},
  {head: 'Journal', left: true, kind: 'pill', value: (row) => row.journalRow
    ? [row.journal.state, row.journalRow.urgency] : ['none', '']},
  {head: 'Not durable', title: 'Age of the oldest event that is not on disk',
    value: (row) => row.journalRow ? durationText(row.journalRow.lagS) : '–',
    order: (row) => row.journalRow ? row.journalRow.lagS : null},
  {head: 'Flushes', value: (row) => dash(row.flushesPerS, rateText), order: (row) => row.flushesPerS},
  {head: 'To disk', value: (row) => dash(row.diskPerS, (value) => sizeText(value) + '/s'),
    order: (row) => row.diskPerS},
  {head: 'Disk', kind: 'meter', value: (row) => [
    row.diskFreeRatio === null ? null : 1 - row.diskFreeRatio,
    row.disk ? sizeText(row.disk.free_bytes) + ' free' : '–',
    row.diskFreeRatio === null ? 'none' : roomUrgency(row.diskFreeRatio * 4)],
    order: (row) => row.diskFreeRatio === null ? null : 1 - row.diskFreeRatio},
], byUrgencyAndName);

const charts = [
  new LineChart(byId('chart-lag'), model.lags, durationText, 1e-6),
  new LineChart(byId('chart-rate'), model.published, rateText, null),
  new LineChart(byId('chart-journal'), model.undurable, durationText, 1e-6),
];

// --- what the tiles show

function tile(id, big, small, urgency) {
  const box = byId(id);
  setText(box.querySelector('.big'), big);
  setText(box.querySelector('.small'), small);
  setUrgency(box, urgency);
}

function most(rows, value) {
  return rows.reduce((best, row) => value(row) !== null && value(row) !== undefined &&
    (best === null || value(row) > value(best)) ? row : best, null);
}

function drawTiles() {
  const attached = model.readers.filter((row) => !row.isJournal);
  const late = most(attached, (row) => row.lagS);
  const worst = attached.reduce((rank, row) => Math.max(rank, row.rank), 0);
  const count = attached.filter((row) => row.rank === 2).length;
  tile('tile-lag', late ? durationText(late.lagS) : '–',
    count ? `${count} to act on` : late ? late.key : 'no readers', late ? NAMES[worst] : '');
  const sum = (value) => model.streams.reduce((all, row) => all + (value(row) || 0), 0);
  tile('tile-rate', rateText(sum((row) => row.eventsPerS)),
    `${sizeText(sum((row) => row.bytesPerS))}/s in ${countText(model.streams.length)} streams`, '');
  const tight = most(attached, (row) => row.room_ratio === null ? null : -row.room_ratio);
  tile('tile-room', tight ? shareText(tight.room_ratio) : '–', tight ? tight.key : '',
    tight ? roomUrgency(tight.room_ratio) : '');
  const lost = sum((row) => row.all_readers.lost_events);
  tile('tile-lost', shortCount(lost), lost ? 'events, of all readers that there ever were' :
    'nothing, ever', lost ? 'watch' : 'none');
  const journals = model.readers.filter((row) => row.isJournal);
  const undurable = most(journals, (row) => row.lagS);
  tile('tile-durable', undurable ? durationText(undurable.lagS) : '–',
    undurable ? `${undurable.stream}: ${undurable.state}` : 'no journals',
    undurable ? NAMES[journals.reduce((rank, row) => Math.max(rank, row.rank), 0)] : '');
  const full = most(model.streams, (row) => row.diskFreeRatio === null ? null : -row.diskFreeRatio);
  tile('tile-disk', full ? shareText(1 - full.diskFreeRatio) : '–', full ? diskText(full) : '',
    full ? roomUrgency(full.diskFreeRatio * 4) : '');
}

function drawTroubles() {
  const box = byId('troubles');
  const found = model.troubles();
  const lines = found.slice(0, 8).map(([rank, who, what, hint]) => [NAMES[rank], who, what, hint]);
  box.hidden = lines.length === 0;
  while (box.children.length > lines.length) box.lastChild.remove();
  lines.forEach(([urgency, who, what, hint], index) => {
    if (!box.children[index]) {
      const line = element('div', 'trouble');
      line.append(element('b'), element('span'), element('code'));
      box.append(line);
    }
    const line = box.children[index];
    setUrgency(line, urgency);
    [who, what, hint ? 'try: ' + hint : ''].forEach((text, at) => setText(line.children[at], text));
  });
}

function drawTables() {
  const words = byId('find').value.toLowerCase().split(/\s+/).filter(Boolean);
  const wanted = (row) => words.every((word) => row.key.toLowerCase().includes(word));
  const left = readers.show(model.readers.filter(wanted));
  setText(byId('readers-note'), left > 0 ? `${countText(left)} more: narrow them down above` :
    model.readers.length === 0 ? 'nobody reads, and there is no journal' : '');
  const isRead = new Set(model.readers.filter(wanted).map((row) => row.stream));
  const more = streams.show(model.streams.filter((row) => wanted(row) || isRead.has(row.stream)));
  setText(byId('streams-note'), more > 0 ? `${countText(more)} more` :
    model.streams.length === 0 ? 'there are none: tailrace create NAME' : '');
}

// --- drawing, no more often than it is read, and a third of the time at the most

let isPaused = false;
let isDue = false;
let drawnMs = 0;
let costMs = 0;

function draw(nowMs) {
  isDue = false;
  if (isPaused || !model.frame) return;
  if (nowMs - drawnMs < Math.max(90, Math.min(3 * costMs, 700))) { schedule(); return; }
  drawnMs = nowMs;
  const startMs = performance.now();
  drawTiles();
  drawTroubles();
  charts.forEach((chart) => chart.draw());
  drawTables();
  // When it is on the screen: what the browser does with it is most of the work.
  setTimeout(() => { costMs = performance.now() - startMs; });
  document.body.dataset.frames = String(Number(document.body.dataset.frames || 0) + 1);
}

function schedule() {
  if (isDue) return;
  isDue = true;
  requestAnimationFrame(draw);
}

// --- the link

let heardMs = 0;

function showLink(state, text) {
  byId('link').dataset.state = state;
  setText(byId('link').lastChild, text);
  document.body.classList.toggle('lost', state === 'lost');
}

function connect() {
  const source = new EventSource(`/events?per_s=${UPDATES_PER_S}`);
  source.onmessage = (message) => {
    heardMs = performance.now();
    model.take(JSON.parse(message.data));
    if (!isPaused) showLink('live', 'live');
    schedule();
  };
  source.addEventListener('trouble', (message) => {
    showLink('lost', JSON.parse(message.data).error.message);
  });
  source.onerror = () => {
    showLink('lost', 'no connection');
    if (source.readyState === EventSource.CLOSED) setTimeout(connect, 2000);
  };
}

setInterval(() => {
  const silentS = (performance.now() - heardMs) / 1000;
  if (heardMs && silentS > 3) showLink('lost', `nothing heard for ${durationText(silentS)}`);
}, 1000);

// --- controls

function theme() { return localStorage.getItem('tailrace-theme') || 'system'; }

function applyTheme() {
  const isDark = theme() === 'dark' ||
    (theme() === 'system' && matchMedia('(prefers-color-scheme: dark)').matches);
  document.documentElement.dataset.theme = isDark ? 'dark' : 'light';
  setText(byId('theme'), {light: 'Light', dark: 'Dark', system: 'Auto'}[theme()]);
  colours.clear();
  charts.forEach((chart) => chart.drop());
  schedule();
}

byId('theme').addEventListener('click', () => {
  const next = {system: 'light', light: 'dark', dark: 'system'};
  localStorage.setItem('tailrace-theme', next[theme()]);
  applyTheme();
});
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', applyTheme);
byId('find').addEventListener('input', schedule);
byId('pause').addEventListener('click', () => {
  isPaused = !isPaused;
  byId('pause').setAttribute('aria-pressed', String(isPaused));
  setText(byId('pause'), isPaused ? 'Go on' : 'Pause');
  document.body.classList.toggle('paused', isPaused);
  if (isPaused) showLink('waiting', 'paused');
  schedule();
});

setText(byId('where'), location.host);
applyTheme();
connect();
