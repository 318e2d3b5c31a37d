'use strict';
// What was seen: a value for each key at each moment, for the last minutes.

class History {
  constructor(spanS) {
    this.spanS = spanS;
    this.times = [];
    this.series = new Map();
  }

  // `values`: [key, number or null]; a key that isn't among them has null.
  add(timeS, values) {
    const before = this.times.length;
    this.times.push(timeS);
    for (const [key, value] of values) {
      let series = this.series.get(key);
      if (!series) {
        series = new Array(before).fill(null);
        this.series.set(key, series);
      }
      series.push(value);
    }
    for (const series of this.series.values()) {
      if (series.length === before) series.push(null);
    }
    this.cut();
  }

  cut() {
    const first = this.times[this.times.length - 1] - this.spanS;
    let old = 0;
    while (this.times[old] < first) old += 1;
    if (old < 50) return;  // seldom, and then many
    this.times.splice(0, old);
    for (const [key, series] of this.series) {
      series.splice(0, old);
      if (series.every((value) => value === null)) this.series.delete(key);
    }
  }

  last(key, count) { return (this.series.get(key) || []).slice(-count); }

  // Those with the largest values of the last seconds.
  largest(count) {
    const height = (series) => series.slice(-25).reduce(
      (most, value) => Math.max(most, value ?? -1), -1);
    return [...this.series].map(([key, series]) => [height(series), key])
      .filter(([value]) => value >= 0)
      .sort((a, b) => b[0] - a[0] || (a[1] < b[1] ? -1 : 1))
      .slice(0, count).map(([, key]) => key).sort();
  }
}

// How fast totals grow, over about a second: of two frames alone it would jitter.
class Rates {
  constructor(overS) {
    this.overS = overS;
    this.marks = [];
  }

  add(timeS, totals) {
    this.marks.push({timeS, totals});
    while (this.marks.length > 2 && this.marks[1].timeS <= timeS - this.overS) this.marks.shift();
  }

  // Null until it is known; a total that fell was begun anew.
  of(key) {
    const now = this.marks[this.marks.length - 1];
    const before = this.marks.find((mark) => mark.totals.has(key));
    if (!before || before === now || !now.totals.has(key)) return null;
    const grown = now.totals.get(key) - before.totals.get(key);
    return grown < 0 ? null : grown / (now.timeS - before.timeS);
  }
}
