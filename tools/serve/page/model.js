'use strict';
// What the page knows: the last frame, as rows for the tables, and the history behind it.

const URGENCY = {none: 0, watch: 1, act: 2};
const NAMES = ['none', 'watch', 'act'];

class Model {
  constructor() {
    this.frame = null;
    this.readers = [];
    this.streams = [];
    this.lags = new History(120);
    this.published = new History(120);
    this.undurable = new History(120);
    this.rates = new Rates(1);
  }

  take(frame) {
    // Two frames may show one look; between them there is no time in which anything grows.
    if (this.frame !== null && this.frame.time_ns === frame.time_ns) return;
    this.frame = frame;
    const timeS = Number(frame.time_ns) / 1e9;
    this.rates.add(timeS, this.totalsOf(frame));
    this.readers = frame.readers.map((row) => this.readerOf(row));
    this.streams = frame.streams.map((row) => this.streamOf(row));
    this.lags.add(timeS, this.readers.filter((row) => row.lagS !== null && !row.isJournal)
      .map((row) => [row.key, row.lagS]));
    this.undurable.add(timeS, this.readers.filter((row) => row.lagS !== null && row.isJournal)
      .map((row) => [row.stream, row.lagS]));
    this.published.add(timeS, this.streams.map((row) => [row.stream, row.eventsPerS]));
  }

  totalsOf(frame) {
    const totals = new Map();
    this.keys = new Map();
    for (const row of frame.readers) totals.set('at ' + this.keyOf(row), row.seq);
    this.keys.clear();
    for (const row of frame.streams) {
      totals.set('events ' + row.stream, row.end_seq);
      totals.set('bytes ' + row.stream, row.ring_bytes_written);
      if (!row.journal) continue;
      totals.set('flushes ' + row.stream, row.journal.flushes);
      totals.set('disk ' + row.stream, row.journal.written_bytes);
    }
    return totals;
  }

  // Two readers of a stream may have the same name.
  keyOf(row) {
    const name = row.stream + '/' + row.reader;
    const count = (this.keys.get(name) || 0) + 1;
    this.keys.set(name, count);
    return count === 1 ? name : name + ' (' + count + ')';
  }

  readerOf(row) {
    const key = this.keyOf(row);
    const latency = row.latency || {};
    return {
      ...row, key, name: key.slice(row.stream.length + 1), isJournal: row.policy === 'durable',
      lagS: secondsOf(row.lag_ns), perS: this.rates.of('at ' + key),
      p50S: secondsOf(latency.p50_ns), p99S: secondsOf(latency.p99_ns),
      maxS: secondsOf(latency.max_ns), rank: URGENCY[row.urgency],
    };
  }

  streamOf(row) {
    const readers = this.readers.filter((one) => one.stream === row.stream);
    const journal = readers.find((one) => one.isJournal) || null;
    const disk = row.disk && row.disk.size_bytes > 0 ? row.disk : null;
    return {
      ...row, key: row.stream, journalRow: journal, disk,
      eventsPerS: this.rates.of('events ' + row.stream),
      bytesPerS: this.rates.of('bytes ' + row.stream),
      flushesPerS: this.rates.of('flushes ' + row.stream),
      diskPerS: this.rates.of('disk ' + row.stream),
      readers: readers.filter((one) => !one.isJournal).length,
      lost: readers.reduce((sum, one) => sum + one.lost_events, 0),
      rank: readers.reduce((worst, one) => Math.max(worst, one.rank), 0),
      diskFreeRatio: disk ? disk.free_bytes / disk.size_bytes : null,
    };
  }

  // What is wrong, in the words of the command.
  troubles() {
    const frame = this.frame;
    const found = [];
    for (const row of this.readers) {
      if (row.trouble) found.push([row.rank, row.key, row.trouble, row.hint]);
    }
    for (const holder of frame.holders) {
      for (const publisher of holder.held_up) {
        found.push([2, holder.stream, `publisher '${publisher.publisher}' has waited ` +
          `${durationText(secondsOf(publisher.held_ns))} for room, held up by ${holder.kind} ` +
          `'${holder.name}'`, 'tailrace lag ' + holder.stream]);
      }
    }
    for (const clock of frame.clocks) found.push([1, clock.stream, clock.trouble, clock.hint]);
    for (const one of frame.problems) found.push([2, one.stream, one.problem, 'tailrace ls']);
    return found.sort((a, b) => b[0] - a[0]);
  }
}
