// Reads Parquet files by two readers that aren't ours, and compares each value with the rows that
// stand beside each file (sample_values.py says how they are written).
//
//     node read_back.mjs DIRECTORY
//
// `NAME.parquet` is compared with `NAME.jsonl`.

import fs from 'node:fs';
import path from 'node:path';

import { DuckDBInstance } from '@duckdb/node-api';
import { asyncBufferFromFile, parquetReadObjects } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';

function bitsOf(number) {
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, number);
  return view.getBigUint64(0).toString(16).padStart(16, '0');
}

function isNan(bits) {
  return (BigInt('0x' + bits) & 0x7fffffffffffffffn) > 0x7ff0000000000000n;
}

function hex(bytes) {
  return Buffer.from(bytes).toString('hex');
}

// hyparquet's value, written as `want` is.
function written(want, value) {
  if (value === null || value === undefined) return null;
  if (want === null) return String(value);
  if (Array.isArray(want)) return value.map((one, at) => written(want[at] ?? want[0], one));
  switch (want[0]) {
    case 'i': return `i${value}`;
    case 'f': return 'f' + bitsOf(value);
    case 'b': return `b${value}`;
    case 'x': return 'x' + hex(value);
    default: return `s${typeof value === 'object' ? JSON.stringify(value) : value}`;
  }
}

function same(want, found) {
  if (Array.isArray(want) && Array.isArray(found))
    return want.length === found.length && want.every((one, at) => same(one, found[at]));
  // One NaN is as good as another: JavaScript has one alone.
  if (typeof want === 'string' && typeof found === 'string' && want[0] === 'f' && found[0] === 'f')
    return want === found || (isNan(want.slice(1)) && isNan(found.slice(1)));
  return want === found;
}

function compare(reader, file, rows, found) {
  if (rows.length !== found.length)
    throw new Error(`${reader}: ${file} has ${found.length} rows, not ${rows.length}`);
  rows.forEach((row, number) => {
    for (const name of Object.keys(row)) {
      const value = found[number][name];
      if (!same(row[name], value)) {
        throw new Error(`${reader}: ${file}, row ${number}, ${name}: ` +
                        `${JSON.stringify(value)}, not ${JSON.stringify(row[name])}`);
      }
    }
  });
  console.log(`${reader}: ${path.basename(file)}: ${rows.length} rows`);
}

async function byHyparquet(file, rows) {
  const found = await parquetReadObjects({
    file: await asyncBufferFromFile(file),
    compressors,
    utf8: false,  // bytes that aren't said to be text are bytes
    parsers: { timestampFromNanoseconds: (nanoseconds) => nanoseconds },
  });
  compare('hyparquet', file, rows, found.map((row, number) => {
    const texts = {};
    for (const name of Object.keys(row)) texts[name] = written(rows[number][name], row[name]);
    return texts;
  }));
}

// What a column's values are like: that of the first row that has one.
function kindOf(rows, name) {
  const one = rows.map((row) => row[name]).find((value) => value !== null);
  if (one === undefined) return '';
  return Array.isArray(one) ? `[${one[0][0]}` : one[0];
}

// As text where its type knows a number that JavaScript's doesn't.
function selected(name, kind, isPlainTime) {
  const column = `"${name}"`;
  switch (kind) {
    case 'i': {
      const isTime = name.endsWith('_time_ns') && !isPlainTime;
      return isTime ? `'i' || epoch_ns(${column})` : `'i' || ${column}`;
    }
    case 'b': return `'b' || ${column}`;
    case 's': return `'s' || ${column}`;
    case 'x': return `'x' || lower(hex(${column}))`;
    default: return column;
  }
}

async function byDuckDb(connection, file, rows) {
  const names = rows.length === 0 ? [] : Object.keys(rows[0]);
  const kinds = names.map((name) => kindOf(rows, name));
  const columns = names.map(
    (name, at) => `${selected(name, kinds[at], file.includes('plain_times'))} AS "${name}"`);
  const result = await connection.runAndReadAll(
    `SELECT ${columns.length === 0 ? '*' : columns.join(', ')}
       FROM read_parquet('${file}', file_row_number = true) ORDER BY file_row_number`);
  const found = result.getRowObjectsJS().map((row) => {
    for (const [at, name] of names.entries()) {
      if (kinds[at] === 'f') row[name] = row[name] === null ? null : 'f' + bitsOf(row[name]);
      if (kinds[at].startsWith('[') && row[name] !== null) {
        const write = kinds[at] === '[f' ? (one) => 'f' + bitsOf(one) : (one) => `i${one}`;
        row[name] = row[name].map(write);
      }
    }
    return row;
  });
  compare('DuckDB', file, rows, found);
}

// What the statistics say is believed: a row group that can't hold it isn't read.
async function byFilter(connection, file, rows) {
  for (const row of rows.filter((_, number) => number % 97 === 0)) {
    const sequence = row.sequence.slice(1);
    const found = await connection.runAndReadAll(
      `SELECT count(*) AS n FROM '${file}' WHERE "sequence" = ${sequence}`);
    if (found.getRowObjectsJS()[0].n !== 1n)
      throw new Error(`DuckDB: ${file}: no row where sequence = ${sequence}`);
  }
}

const directory = process.argv[2];
const instance = await DuckDBInstance.create(':memory:');
const connection = await instance.connect();
const files = fs.readdirSync(directory).filter((name) => name.endsWith('.parquet')).sort();
if (files.length === 0) throw new Error(`no Parquet files in ${directory}`);
for (const name of files) {
  const file = path.join(directory, name);
  const rows = fs.readFileSync(file.replace(/\.parquet$/, '.jsonl'), 'utf8')
    .split('\n').filter((line) => line !== '').map((line) => JSON.parse(line));
  await byHyparquet(file, rows);
  await byDuckDb(connection, file, rows);
  await byFilter(connection, file, rows);
}
connection.closeSync();
