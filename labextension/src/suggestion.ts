// A text that a command wrote, as a change to accept or refuse: what goes is struck through, what comes stands behind it.

import { type Extension, Prec, StateEffect, StateField } from '@codemirror/state';
import { Decoration, type DecorationSet, EditorView, keymap, WidgetType } from '@codemirror/view';
import { Signal } from '@lumino/signaling';

export interface Suggestion {
  from: number;
  to: number;
  text: string;
  writing: boolean;
  /** What is said where there is no text: why, in a sentence. */
  why: string;
}

export type Answer = 'accept' | 'refuse' | 'stop';

/** What a person said to the suggestion in a view. */
export const answered = new Signal<object, { view: EditorView; answer: Answer }>({});

const put = StateEffect.define<Suggestion | null>();

const field = StateField.define<Suggestion | null>({
  create: () => null,
  update(held, transaction) {
    for (const effect of transaction.effects) {
      if (effect.is(put)) {
        return effect.value;
      }
    }
    if (!held || !transaction.docChanged) {
      return held;
    }
    const { changes } = transaction;
    if (changes.touchesRange(held.from, held.to) === 'cover') {
      return null; // the text that it was about is gone
    }
    return { ...held, from: changes.mapPos(held.from, -1), to: changes.mapPos(held.to, 1) };
  },
  provide: of => EditorView.decorations.from(of, decorate)
});

const REMOVED = Decoration.mark({ class: 'jpc-removed' });

class Added extends WidgetType {
  constructor(private _suggestion: Suggestion) {
    super();
  }

  eq(other: Added): boolean {
    return this._suggestion === other._suggestion;
  }

  toDOM(view: EditorView): HTMLElement {
    const { text, writing, why } = this._suggestion;
    const dom = document.createElement('span');
    dom.className = 'jpc-suggestion';
    const added = document.createElement('span');
    added.className = 'jpc-added';
    added.textContent = text;
    dom.append(added);
    if (why) {
      const said = document.createElement('span');
      said.className = 'jpc-why';
      said.textContent = why;
      dom.append(said);
    }
    const buttons = document.createElement('span');
    buttons.className = 'jpc-buttons';
    const offered: [string, Answer][] = writing ? [['Stop', 'stop']] : [['Accept', 'accept'], ['Refuse', 'refuse']];
    for (const [label, answer] of offered.filter(([, one]) => text || one !== 'accept')) {
      const button = document.createElement('button');
      button.className = 'jpc-button';
      button.textContent = label;
      button.addEventListener('mousedown', event => {
        event.preventDefault();
        answered.emit({ view, answer });
      });
      buttons.append(button);
    }
    dom.append(buttons);
    return dom;
  }

  ignoreEvent(): boolean {
    return true;
  }
}

function decorate(held: Suggestion | null): DecorationSet {
  if (!held) {
    return Decoration.none;
  }
  const added = Decoration.widget({ widget: new Added(held), side: 1 }).range(held.to);
  return Decoration.set(held.from < held.to ? [REMOVED.range(held.from, held.to), added] : [added]);
}

const marks = EditorView.editorAttributes.compute([field], state =>
  state.field(field) ? { class: 'jpc-suggests' } : ({} as Record<string, string>)
);

/** Enter accepts and Escape refuses; while the text is written, Escape stops it. */
const keys = Prec.highest(
  keymap.of([
    { key: 'Enter', run: view => answer(view, 'accept') },
    { key: 'Escape', run: view => answer(view, shown(view)?.writing ? 'stop' : 'refuse'), stopPropagation: true }
  ])
);

function answer(view: EditorView, said: Answer): boolean {
  const held = shown(view);
  if (!held || (said === 'accept' && held.writing)) {
    return false;
  }
  answered.emit({ view, answer: said });
  return true;
}

export const suggestions: Extension = [field, marks, keys];

/** Show a suggestion in an editor, or none. */
export function show(view: EditorView, suggestion: Suggestion | null): void {
  if (view.state.field(field, false) !== undefined) {
    view.dispatch({ effects: put.of(suggestion) });
  }
}

export function shown(view: EditorView): Suggestion | null {
  return view.state.field(field, false) ?? null;
}

/** Take a suggestion into the text, as one step that undo takes back. */
export function accept(view: EditorView): void {
  const held = shown(view);
  if (held) {
    view.dispatch({
      changes: { from: held.from, to: held.to, insert: held.text },
      effects: put.of(null),
      selection: { anchor: held.from + held.text.length },
      userEvent: 'input.complete'
    });
  }
}
