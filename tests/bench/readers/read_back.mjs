// Reads DIRECTORY/sample.hlog by hdr-histogram-js, and compares counts and percentiles with the
// values that are in it. Exit code 1 at the first difference.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import hdr from 'hdr-histogram-js';

const folder = process.argv[2];

function fail(what, found, want) {
  console.error(`${what}: ${found} instead of ${want}`);
  process.exit(1);
}

// Every value as often as it is there, in order.
function sortedValues(tag) {
  const lines = readFileSync(join(folder, `${tag}.values`), 'utf8').trim();
  if (lines === '') return [];
  return lines.split('\n').map((line) => line.split(' ').map(Number));
}

function percentile(values, total, share) {
  let seen = 0;
  for (const [value, count] of values) {
    seen += count;
    if (seen >= Math.max(1, Math.ceil(share * total))) return value;
  }
  return 0;
}

const log = new hdr.HistogramLogReader(readFileSync(join(folder, 'sample.hlog'), 'utf8'), 64, false);
const tags = [];
for (let next = log.nextIntervalHistogram(); next !== null; next = log.nextIntervalHistogram()) {
  tags.push(next.tag);
  const values = sortedValues(next.tag);
  const total = values.reduce((sum, [, count]) => sum + count, 0);
  if (next.totalCount !== total) fail(`${next.tag}: count`, next.totalCount, total);
  for (const share of [0.1, 0.5, 0.9, 0.99, 0.999, 1]) {
    if (total === 0) break;
    const want = percentile(values, total, share);
    const found = next.getValueAtPercentile(share * 100);
    if (found < want || found - want > want / 1000) fail(`${next.tag}: ${share}`, found, want);
  }
  for (const [value] of values) {
    if (next.getCountAtValue !== undefined && next.getCountAtValue(value) === 0) {
      fail(`${next.tag}: count at ${value}`, 0, 'more');
    }
  }
}
if (tags.join() !== 'none,one,some,wide') fail('tags', tags.join(), 'none,one,some,wide');
console.log(`hdr-histogram-js: ${tags.length} histograms`);
