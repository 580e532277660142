// Bars and lines over days, weeks or months, by uPlot.  What a canvas cannot
// say, the table below it does.

import uPlot from 'uplot';

import { say } from '../dom.js';
import { date, month, number } from '../text.js';

const HEIGHT = 220;
const LABELS = [1, 2, 5, 7, 10, 14, 30];
const NUMBERS = [1, 2, 5].flatMap((n) => Array.from({ length: 10 },
  (_, i) => n * 10 ** i)).sort((a, b) => a - b);

const dark = matchMedia('(prefers-color-scheme: dark)');

const colour = (name) => getComputedStyle(document.documentElement)
  .getPropertyValue(`--${name}`).trim();

export function label(day, by) {
  return by === 'month' ? month(day) : date(day);
}

const KINDS = {
  bar: ({ colour: name }) => ({
    paths: uPlot.paths.bars({ size: [0.72, 44], radius: 0.12 }),
    points: { show: false },
    fill: colour(name),
    width: 0,
  }),
  line: ({ colour: name, dash }) => ({
    stroke: colour(name),
    width: 2,
    dash,
    points: dash ? { show: false } : { size: 6, fill: colour(name), width: 0 },
  }),
};

export class Chart {
  #box;
  #tip;
  #series;
  #plot = null;
  #seen = null;      // {by, days, columns, words}

  // series: {kind, colour, dash?}, drawn in this order, one over the other.

  constructor(box, tip, series) {
    this.#box = box;
    this.#tip = tip;
    this.#series = series;

    new ResizeObserver(() => this.#resize()).observe(box);
    dark.addEventListener('change', () => this.#seen && this.#draw());
  }

  // columns: an array of numbers for each series; words(i) tells of a day;
  // sentence is the name of the whole.

  show(days, by, columns, words, sentence) {
    const same = this.#seen?.by === by
      && this.#seen.days.join() === days.join();

    this.#seen = { by, days, columns, words };
    this.#box.setAttribute('aria-label', sentence);

    if (this.#plot && same) {
      this.#plot.setData(this.#data());
    } else {
      this.#draw();
    }
  }

  #data() {
    return [this.#seen.days.map((_, i) => i), ...this.#seen.columns];
  }

  #draw() {
    this.#plot?.destroy();
    this.#plot = new uPlot(this.#options(), this.#data(), this.#box);
  }

  #resize() {
    const width = this.#box.clientWidth;

    if (this.#plot && width > 0 && width !== this.#plot.width) {
      this.#plot.setSize({ width, height: HEIGHT });
    }
  }

  #options() {
    const axis = {
      stroke: colour('muted'),
      font: '12px system-ui, sans-serif',
      grid: { stroke: colour('line'), width: 1 },
      ticks: { show: false },
    };

    return {
      width: this.#box.clientWidth,
      height: HEIGHT,
      legend: { show: false },
      cursor: {
        drag: { x: false, y: false }, points: { show: false }, y: false,
      },
      scales: {
        x: { time: false, range: (_, min, max) => [min - 0.6, max + 0.6] },
        y: { range: (_, min, max) => [0, Math.max(5, max * 1.08)] },
      },
      series: [{}, ...this.#series.map((one) => KINDS[one.kind](one))],
      axes: [
        {
          ...axis,
          grid: { show: false },
          size: 28,
          space: 60,
          incrs: LABELS,
          values: (_, at) => at.map((i) => this.#label(i)),
        },
        {
          ...axis,
          size: 56,
          incrs: NUMBERS,
          values: (_, at) => at.map(number),
        },
      ],
      hooks: { setCursor: [({ cursor: { idx } }) => this.#hover(idx)] },
    };
  }

  #label(i) {
    const day = this.#seen.days[i];
    return day ? label(day, this.#seen.by) : '';
  }

  #hover(i) {
    say(this.#tip, this.#label(i)
      ? `${this.#label(i)}: ${this.#seen.words(i)}` : '');
  }
}
