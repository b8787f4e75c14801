// The notebook up to the cursor, as the kernel has it: only what changed since the last message is sent.

import type { ICellModel } from '@jupyterlab/cells';
import type { NotebookPanel } from '@jupyterlab/notebook';
import { MAGIC } from './places';

/** [cell, at, gone, put] in UTF-16 code units. */
type Splice = [number, number, number, string];

export interface Changes {
  number: number;
  whole?: boolean;
  order?: number[];
  changes: Splice[];
  cursor: number;
}

const CHARACTERS = 8; // of a token, generously: the kernel counts the tokens
const STEP = 2048; // the beginning of a long cell moves on by so many characters
const AFTER = 2048; // characters behind the cursor that are sent

/** What the kernel of one notebook was sent. */
export class Sent {
  /** Send everything again: the kernel has lost it. */
  forget(): void {
    this._texts.clear();
    this._order = [];
    this._whole = true;
  }

  /** The message for a cursor in the cell `at`, after `context` tokens of the cells above. */
  changes(panel: NotebookPanel, at: number, cursor: number, context: number): Changes {
    const cells = panel.content.widgets;
    const here = this._source(cells[at].model);
    const most = CHARACTERS * context;
    const from = Math.max(0, Math.ceil((cursor - most) / STEP) * STEP);
    const texts = new Map([[this._number(cells[at].model), here.slice(from, cursor + AFTER)]]);
    let size = MAGIC.test(here) ? most : 0; // the prompt of a prompt cell is its own text alone
    for (let place = at - 1; place >= 0 && size < most; place--) {
      const text = this._source(cells[place].model);
      size += text.length;
      texts.set(this._number(cells[place].model), text.slice(0, most));
    }
    return { ...this._compare(texts), cursor: cursor - from };
  }

  private _compare(texts: Map<number, string>): Omit<Changes, 'cursor'> {
    const order = [...texts.keys()].reverse();
    const changes: Splice[] = [];
    for (const [cell, text] of texts) {
      const change = splice(this._texts.get(cell) ?? '', text);
      if (change) {
        changes.push([cell, ...change]);
      }
    }
    const same = order.length === this._order.length && order.every((cell, n) => cell === this._order[n]);
    const made = { number: ++this._messages, changes, ...(same ? {} : { order }), ...(this._whole ? { whole: true } : {}) };
    this._texts = texts;
    this._order = order;
    this._whole = false;
    return made;
  }

  private _number(model: ICellModel): number {
    let number = this._numbers.get(model);
    if (number === undefined) {
      number = this._count++;
      this._numbers.set(model, number);
    }
    return number;
  }

  /** A cell's text, read again only after it changed. */
  private _source(model: ICellModel): string {
    let text = this._sources.get(model);
    if (text === undefined) {
      text = model.sharedModel.getSource();
      this._sources.set(model, text);
      if (!this._watched.has(model)) {
        this._watched.add(model);
        model.sharedModel.changed.connect(() => this._sources.delete(model));
      }
    }
    return text;
  }

  private _texts = new Map<number, string>();
  private _order: number[] = [];
  private _whole = true;
  private _messages = 0;
  private _numbers = new WeakMap<ICellModel, number>();
  private _count = 0;
  private _sources = new WeakMap<ICellModel, string>();
  private _watched = new WeakSet<ICellModel>();
}

/** What makes `now` of `old`; null where they are the same. */
function splice(old: string, now: string): [number, number, string] | null {
  if (old === now) {
    return null;
  }
  const least = Math.min(old.length, now.length);
  let head = 0;
  while (head < least && old.charCodeAt(head) === now.charCodeAt(head)) {
    head++;
  }
  let tail = 0;
  while (tail < least - head && old.charCodeAt(old.length - 1 - tail) === now.charCodeAt(now.length - 1 - tail)) {
    tail++;
  }
  return [head, old.length - head - tail, now.slice(head, now.length - tail)];
}
