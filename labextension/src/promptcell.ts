// A cell that begins with %%complete is prose: its text is highlighted as Markdown, its first line as options.

import { language, type LanguageSupport } from '@codemirror/language';
import { Compartment, type EditorState, type Extension, Prec, RangeSetBuilder } from '@codemirror/state';
import {
  Decoration,
  type DecorationSet,
  EditorView,
  hoverTooltip,
  type Tooltip,
  ViewPlugin,
  type ViewUpdate
} from '@codemirror/view';
import type { IEditorLanguageRegistry } from '@jupyterlab/codemirror';
import type { Option } from './channel';
import { MAGIC } from './places';

const WORDS = /(?:"[^"]*"|'[^']*'|[^\s"'])+|["']/g;
const FLAG = /^(?:--[A-Za-z][\w-]*|-[A-Za-z])/;
const QUOTES = /^(["'])(.*)\1$/;
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

/** A word of a prompt cell's first line that is an option, or that the line cannot have. */
interface Word {
  from: number;
  to: number;
  known: boolean;
  option?: Option;
}

/** The options of a prompt cell's first line, and what is none: an unknown option or value, or a word too many. */
function wordsOf(line: string, magic: string, options: Options): Word[] {
  const free = !options.flags.size || magic.endsWith('_panel'); // nothing is known of what may stand there
  const found: Word[] = [];
  let valued: Option | undefined;
  for (const { 0: word, index = 0 } of line.slice(magic.length).matchAll(WORDS)) {
    const from = magic.length + index;
    const flag = valued ? undefined : FLAG.exec(word)?.[0];
    const option = flag ? options.flags.get(flag) : undefined;
    if (flag) {
      found.push({ from, to: from + flag.length, known: free || !!option, option });
    }
    const value = flag ? word.slice(flag.length).replace(/^=/, '') : word;
    const at = from + word.length - value.length;
    const of: Option | undefined = valued ?? option;
    const wrong = of ? !allows(of, value) : !flag;
    if (value && wrong && !free) {
      found.push({ from: at, to: at + value.length, known: false });
    }
    valued = option?.value && !value ? option : undefined;
  }
  return found;
}

function allows(option: Option, value: string): boolean {
  return !option.values?.length || option.values.includes(value.replace(QUOTES, '$2'));
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
  for (const { from, to, known } of wordsOf(first.text, magic[0], options)) {
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
  const magic = MAGIC.exec(first.text);
  if (position > first.to || !magic) {
    return null;
  }
  const words = wordsOf(first.text, magic[0], options);
  const found = words.find(({ from, to }) => from <= position && position <= to);
  const option = found?.option;
  return option ? { pos: found.from, end: found.to, above: true, create: () => ({ dom: documentation(option) }) } : null;
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
          view.dispatch({ effects: compartment.reconfigure(prompt ? Prec.highest(prose(support)) : []) });
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

/** Lines that wrap, and Markdown in the place of the cell's own language. */
function prose(support: LanguageSupport | null): Extension {
  return [EditorView.lineWrapping, ...(support ? [support.extension, language.of(support.language)] : [])];
}

async function markdown(languages: IEditorLanguageRegistry): Promise<LanguageSupport | null> {
  const spec = await languages.getLanguage('ipythongfm');
  return spec?.support ?? null;
}
