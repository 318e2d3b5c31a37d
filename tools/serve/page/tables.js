'use strict';
// Tables whose rows stay in place while their values move: what didn't change isn't touched.

const MOST_ROWS = 100;
const SPARKS_EVERY_MS = 1000;

function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

// What a node shows is remembered beside it: to ask the document takes longer.
function setText(node, text) {
  if (node.shownText === text) return;
  node.shownText = text;
  node.textContent = text;
}

function setUrgency(node, urgency) {
  if (node.shownUrgency === urgency) return;
  node.shownUrgency = urgency;
  node.dataset.urgency = urgency;
}

function setWidth(node, width) {
  if (node.shownWidth === width) return;
  node.shownWidth = width;
  node.style.width = width;
}

const CELLS = {
  text: {
    make: () => [],
    fill: (cell, value) => setText(cell, value),
  },
  pill: {
    make: () => [element('span', 'pill')],
    fill: (cell, [text, urgency]) => {
      setText(cell.firstChild, text);
      setUrgency(cell.firstChild, urgency);
    },
  },
  meter: {
    make: () => {
      const meter = element('span', 'meter');
      const back = element('span');
      back.append(element('i'));
      meter.append(back, element('b'));
      return [meter];
    },
    fill: (cell, [ratio, text, urgency]) => {
      const meter = cell.firstChild;
      setWidth(meter.firstChild.firstChild, Math.round((ratio ?? 0) * 64) + 'px');
      meter.firstChild.hidden = ratio === null;
      setText(meter.lastChild, text);
      setUrgency(meter, urgency);
    },
  },
  spark: {
    make: () => [element('canvas')],
    fill: (cell, [values, colour, isLogarithmic]) =>
      drawSpark(cell.firstChild, values, colour, isLogarithmic),
  },
};

class LiveTable {
  // `columns`: {head, kind, left, name, quiet, value(row), order(row)}
  constructor(table, columns, order) {
    this.columns = columns;
    this.body = table.tBodies[0];
    this.rows = new Map();
    this.sorted = {column: null, falls: true};
    this.order = order;
    this.sparkedMs = 0;
    const head = element('tr');
    for (const column of columns) {
      const cell = element('th', column.left ? 'left' : '', column.head);
      cell.title = column.title || '';
      if (column.order) cell.addEventListener('click', () => this.sortBy(column, head));
      head.append(cell);
    }
    table.tHead.append(head);
  }

  sortBy(column, head) {
    // Once: by it; again: the other way round; again: as it was.
    const isSame = this.sorted.column === column;
    if (isSame && !this.sorted.falls) this.sorted = {column: null, falls: true};
    else this.sorted = {column, falls: !isSame};
    [...head.cells].forEach((cell, index) => {
      cell.removeAttribute('aria-sort');
      if (this.columns[index] === this.sorted.column)
        cell.setAttribute('aria-sort', this.sorted.falls ? 'descending' : 'ascending');
    });
  }

  compare(a, b) {
    const {column, falls} = this.sorted;
    if (column) {
      const [x, y] = [column.order(a) ?? -1, column.order(b) ?? -1];
      if (x !== y) return (x < y ? -1 : 1) * (falls ? -1 : 1);
    }
    return this.order(a, b);
  }

  // How many were left out, for want of room.
  show(rows) {
    const shown = [...rows].sort((a, b) => this.compare(a, b)).slice(0, MOST_ROWS);
    const kept = new Set(shown.map((row) => row.key));
    const sparks = performance.now() - this.sparkedMs >= SPARKS_EVERY_MS;
    if (sparks) this.sparkedMs = performance.now();
    for (const [key, line] of this.rows) {
      if (kept.has(key)) continue;
      line.remove();
      this.rows.delete(key);
    }
    shown.forEach((row, index) => {
      const line = this.rows.get(row.key) || this.makeLine(row.key);
      if (this.body.rows[index] !== line) this.body.insertBefore(line, this.body.rows[index] || null);
      setUrgency(line, NAMES[row.rank]);
      this.columns.forEach((column, at) => {
        if (column.kind === 'spark' && !sparks) return;
        CELLS[column.kind || 'text'].fill(line.cells[at], column.value(row));
      });
    });
    return rows.length - shown.length;
  }

  makeLine(key) {
    const line = element('tr');
    line.dataset.key = key;
    for (const column of this.columns) {
      const classes = [column.left && 'left', column.name && 'name', column.quiet && 'quiet'];
      const cell = element('td', classes.filter(Boolean).join(' '));
      cell.append(...CELLS[column.kind || 'text'].make());
      line.append(cell);
    }
    this.rows.set(key, line);
    return line;
  }
}
