'use strict';
// Lines over the last two minutes, drawn by uPlot.

const SHOWN_LINES = 8;
const SHORTEST_S = 15;
const LINE_COLOURS = {
  light: ['#0c8599', '#e8590c', '#6741d9', '#2b8a3e', '#c2255c', '#1864ab', '#a07900', '#5f3dc4'],
  dark: ['#3bc9db', '#ffa94d', '#b197fc', '#69db7c', '#f783ac', '#74c0fc', '#ffd43b', '#e599f7'],
};

// To ask for a style while the page changes makes the browser lay it out anew, each time.
const colours = new Map();

function themeColour(name) {
  if (!colours.has(name)) {
    const style = getComputedStyle(document.documentElement);
    colours.set(name, style.getPropertyValue(name).trim());
  }
  return colours.get(name);
}

function clockText(timeS) {
  return new Date(timeS * 1000).toLocaleTimeString('en-GB');
}

// A logarithmic scale has lines for 2 to 9, too; they are more ink than they say.
function onlyDecades(axis) {
  const filter = (plot, splits) => splits.map((value) =>
    Math.abs(Math.log10(value) - Math.round(Math.log10(value))) < 1e-6 ? value : null);
  return {grid: {...axis.grid, filter}, ticks: {...axis.ticks, filter}};
}

class LineChart {
  // `floor`: of a logarithmic scale, on which zero has no place; null: linear from zero.
  constructor(figure, history, text, floor) {
    Object.assign(this, {figure, history, text, floor, plot: null, keys: [], chosenAtS: 0});
    this.nothing = document.createElement('p');
    this.nothing.className = 'nothing';
    this.nothing.textContent = 'nothing to show yet';
    figure.append(this.nothing);
    new ResizeObserver(() => this.fit()).observe(figure);
  }

  draw() {
    const times = this.history.times;
    const nowS = times[times.length - 1];
    // Who is shown changes seldom: lines that jump can't be read.
    if (nowS - this.chosenAtS > 3 || this.keys.length === 0) {
      this.chosenAtS = nowS;
      const keys = this.history.largest(SHOWN_LINES);
      if (keys.join('\n') !== this.keys.join('\n')) {
        this.keys = keys;
        this.drop();
      }
    }
    this.nothing.hidden = this.keys.length > 0;
    if (this.keys.length === 0) return;
    if (!this.plot) this.make();
    const lift = this.floor === null
      ? (value) => value : (value) => value === null ? null : Math.max(value, this.floor);
    const empty = new Array(times.length).fill(null);
    this.plot.setData([times, ...this.keys.map(
      (key) => (this.history.series.get(key) || empty).map(lift))]);
    // Where nobody points at a moment, the names have what is now.
    if (this.plot.cursor.idx === null || this.plot.cursor.left < 0)
      this.plot.setLegend({idx: times.length - 1}, false);
  }

  drop() {
    if (this.plot) this.plot.destroy();
    this.plot = null;
  }

  width() { return Math.max(220, this.figure.clientWidth - 24); }

  fit() { if (this.plot) this.plot.setSize({width: this.width(), height: 210}); }

  make() {
    const theme = document.documentElement.dataset.theme === 'dark' ? 'dark' : 'light';
    const axis = {
      stroke: themeColour('--soft'), font: '11px system-ui',
      grid: {stroke: themeColour('--grid'), width: 1}, ticks: {stroke: themeColour('--grid')},
    };
    const lines = this.keys.map((key, index) => ({
      label: key, stroke: LINE_COLOURS[theme][index], width: 1.8, points: {show: false},
      value: (plot, value) => value === null || value === undefined ? '–' : this.text(value),
    }));
    const spanS = this.history.spanS;
    this.plot = new uPlot({
      width: this.width(), height: 210, cursor: {y: false, drag: {x: false, y: false}},
      legend: {live: true}, padding: [8, 8, 0, 0],
      scales: {
        x: {time: true, range: (plot, from, to) => [
          Math.max(to - spanS, Math.min(from, to - SHORTEST_S)), to]},
        y: this.floor === null
          ? {range: (plot, from, to) => [0, to > 0 ? to * 1.15 : 1]}
          : {distr: 3, range: (plot, from, to) => [this.floor, Math.max(to * 3, 0.1)]},
      },
      axes: [{...axis, space: 80, values: (plot, splits) => splits.map(clockText)}, {
        ...axis, size: 66, ...(this.floor === null ? {} : onlyDecades(axis)),
        values: (plot, splits) => splits.map((value) => value === null ? '' : this.text(value)),
      }],
      series: [{}, ...lines],
    }, [[], ...this.keys.map(() => [])], this.figure);
  }
}

// A line of a table's row: the shape alone.
function drawSpark(canvas, values, colour, isLogarithmic) {
  const scale = window.devicePixelRatio || 1;
  const [width, height] = [96, 20];
  if (canvas.width !== width * scale) {
    canvas.width = width * scale;
    canvas.height = height * scale;
  }
  const pen = canvas.getContext('2d');
  pen.setTransform(scale, 0, 0, scale, 0, 0);
  pen.clearRect(0, 0, width, height);
  const shape = (value) => isLogarithmic ? Math.log10(Math.max(value, 1e-6)) + 6 : value;
  const most = Math.max(...values.map((value) => shape(value ?? 0)), isLogarithmic ? 5 : 1e-9);
  pen.strokeStyle = colour;
  pen.lineWidth = 1.4;
  pen.lineJoin = 'round';
  pen.beginPath();
  let isDown = false;
  values.forEach((value, index) => {
    if (value === null) { isDown = false; return; }
    const x = width - 1 - (values.length - 1 - index) * (width - 2) / 59;
    const y = height - 2 - shape(value) / most * (height - 4);
    if (isDown) pen.lineTo(x, y); else pen.moveTo(x, y);
    isDown = true;
  });
  pen.stroke();
}
