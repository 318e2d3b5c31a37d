'use strict';
// Counts, sizes, durations and rates as people read them; the same words as the command has.

function decimals(value, digits) { return value.toFixed(digits); }

const withCommas = new Intl.NumberFormat('en-US');

function countText(count) { return withCommas.format(Math.round(count)); }

function shortCount(count) {
  const size = Math.abs(count);
  if (size >= 999.5e6) return decimals(count / 1e9, 2) + 'G';
  if (size >= 999.5e3) return decimals(count / 1e6, 2) + 'M';
  if (size >= 9999.5) return decimals(count / 1e3, 1) + 'k';
  return size < 10 && size > 0 && !Number.isInteger(count) ? decimals(count, 1) : countText(count);
}

function rateText(perS) { return shortCount(perS) + '/s'; }

function trendText(perS) {
  if (perS === undefined || perS === null) return '';
  if (Math.abs(perS) < 1) return '=';
  return (perS > 0 ? '+' : '−') + rateText(Math.abs(perS));
}

function sizeText(bytes) {
  const names = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];
  let value = bytes;
  let name = 0;
  while (value >= 1023.95 && name + 1 < names.length) { value /= 1024; name += 1; }
  return decimals(value, name === 0 || value >= 100 ? 0 : 1) + ' ' + names[name];
}

function durationText(seconds) {
  if (seconds === null || seconds === undefined) return '–';
  if (seconds === 0) return '0';
  if (seconds < 1e-6) return decimals(seconds * 1e9, 0) + ' ns';
  if (seconds < 999.95e-6) return decimals(seconds * 1e6, 1) + ' µs';
  if (seconds < 999.95e-3) return decimals(seconds * 1e3, 1) + ' ms';
  if (seconds < 60) return decimals(seconds, 1) + ' s';
  const two = (number) => String(Math.floor(number)).padStart(2, '0');
  if (seconds < 3600) return Math.floor(seconds / 60) + 'm' + two(seconds % 60) + 's';
  if (seconds < 172800) return Math.floor(seconds / 3600) + 'h' + two(seconds % 3600 / 60) + 'm';
  return Math.floor(seconds / 86400) + 'd' + two(seconds % 86400 / 3600) + 'h';
}

function shareText(ratio) { return ratio === null ? '–' : decimals(ratio * 100, 1) + '%'; }

// Nanoseconds come as strings, since they grow beyond what a number holds.
function secondsOf(ns) { return ns === null || ns === undefined ? null : Number(ns) / 1e9; }
