// A cell that begins with %%complete is prose: its text is highlighted as Markdown, its first line as options.

import { language, type LanguageSupport } from '@codemirror/language';
import { Compartment, type EditorState, type Extension, Prec, RangeSetBuilder } from '@codemirror/state';
import {
  Decoration,
  type DecorationSet,
  type EditorView,
  hoverTooltip,
  type Tooltip,
  ViewPlugin,
  type ViewUpdate
} from '@codemirror/view';
import type { IEditorLanguageRegistry } from '@jupyterlab/codemirror';
import type { Option } from './channel';
import { MAGIC } from './places';

const WORD = /(?:^|(?<=\s))(-[A-Za-z]|--[A-Za-z][\w-]*)(?==|\s|$)/g;
const QUOTED = /"[^"]*"|'[^']*'/g;
const BRACES = /\{\{[^{}\n]*\}\}/g;
const RAW = /(?:^|\s)--raw(?=\s|$)/;

const LINE = Decoration.line({ class: 'jpc-options' });
const NAME = Decoration.mark({ class: 'jpc-magic' });
const KNOWN = Decoration.mark({ class: 'jpc-option' });
const UNKNOWN = Decoration.mark({ class: 'jpc-unknown' });
const VARIABLE = Decoration.mark({ class: 'jpc-braces' });

/** The options that kernels told of; empty until one did. */
export class Options {
  take(options: Option[]): void {
    this.all = options;
    this.flags = new Map(options.flatMap(option => spellings(option).map(flag => [flag, option])));
  }

  all: Option[] = [];
  flags = new Map<string, Option>();
}

function spellings(option: Option): string[] {
  const off = option.value ? [] : option.flags.filter(flag => flag.startsWith('--')).map(flag => `--no-${flag.slice(2)}`);
  return [...option.flags, ...off];
}

/** The flags of a prompt cell's first line: where each begins and ends. */
function flagsOf(line: string): [number, number][] {
  const bare = line.replace(QUOTED, quoted => ' '.repeat(quoted.length));
  return [...bare.matchAll(WORD)].map(found => [found.index as number, (found.index as number) + found[1].length]);
}

function decorate(state: EditorState, options: Options): DecorationSet {
  const builder = new RangeSetBuilder<Decoration>();
  const first = state.doc.line(1);
  const magic = MAGIC.exec(first.text);
  if (!magic) {
    return Decoration.none;
  }
  builder.add(0, 0, LINE);
  builder.add(0, magic[0].length, NAME);
  for (const [from, to] of flagsOf(first.text)) {
    const known = !options.flags.size || options.flags.has(first.text.slice(from, to));
    builder.add(from, to, known ? KNOWN : UNKNOWN);
  }
  if (!RAW.test(first.text)) {
    const text = state.doc.sliceString(first.to);
    for (const found of text.matchAll(BRACES)) {
      const from = first.to + (found.index as number);
      builder.add(from, from + found[0].length, VARIABLE);
    }
  }
  return builder.finish();
}

function documentation(option: Option): HTMLElement {
  const dom = document.createElement('div');
  dom.className = 'jpc-help';
  const head = document.createElement('code');
  head.textContent = `${option.flags.join(', ')} ${option.value}`.trim();
  const help = document.createElement('div');
  help.textContent = option.help;
  dom.append(head, help);
  return dom;
}

/** The help of the option at a place of the first line. */
function tooltip(state: EditorState, position: number, options: Options): Tooltip | null {
  const first = state.doc.line(1);
  if (position > first.to || !MAGIC.test(first.text)) {
    return null;
  }
  const found = flagsOf(first.text).find(([from, to]) => from <= position && position <= to);
  const option = found && options.flags.get(first.text.slice(...found));
  return found && option ? { pos: found[0], end: found[1], above: true, create: () => ({ dom: documentation(option) }) } : null;
}

/** The extension of an editor: nothing happens in a cell that is no prompt. */
export function promptCell(options: Options, languages: IEditorLanguageRegistry): Extension {
  const compartment = new Compartment();

  class Look {
    decorations: DecorationSet;

    constructor(view: EditorView) {
      this.decorations = decorate(view.state, options);
      this._follow(view);
    }

    update(update: ViewUpdate): void {
      if (update.docChanged || this._told !== options.all) {
        this._told = options.all;
        this.decorations = decorate(update.state, options);
      }
      this._follow(update.view);
    }

    destroy(): void {
      this._gone = true;
    }

    /** Read a prompt cell as Markdown, and any other as its own language. */
    private _follow(view: EditorView): void {
      const prompt = MAGIC.test(view.state.doc.line(1).text);
      if (prompt === this._prompt) {
        return;
      }
      this._prompt = prompt;
      void markdown(languages).then(support => {
        if (!this._gone && this._prompt === prompt) {
          view.dispatch({ effects: compartment.reconfigure(prompt && support ? Prec.highest(prose(support)) : []) });
        }
      });
    }

    private _prompt = false;
    private _told = options.all;
    private _gone = false;
  }

  return [
    compartment.of([]),
    ViewPlugin.fromClass(Look, { decorations: look => look.decorations }),
    hoverTooltip((view, position) => tooltip(view.state, position, options))
  ];
}

/** Markdown in the place of the cell's own language. */
function prose(support: LanguageSupport): Extension {
  return [support.extension, language.of(support.language)];
}

async function markdown(languages: IEditorLanguageRegistry): Promise<LanguageSupport | null> {
  const spec = await languages.getLanguage('ipythongfm');
  return spec?.support ?? null;
}
