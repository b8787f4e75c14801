// Ghost text: what JupyterLab's inline completer is given. One request is under way in a page at most.

import { type Extension, Prec } from '@codemirror/state';
import { type EditorView, keymap } from '@codemirror/view';
import type { NotebookPanel } from '@jupyterlab/notebook';
import {
  type CompletionHandler,
  type IInlineCompletionContext,
  type IInlineCompletionItem,
  type IInlineCompletionList,
  type IInlineCompletionProvider,
  InlineCompletionTriggerKind
} from '@jupyterlab/completer';
import type { CodeEditor } from '@jupyterlab/codeeditor';
import type { CodeMirrorEditor } from '@jupyterlab/codemirror';
import { Signal } from '@lumino/signaling';
import { Channel, type Told } from './channel';
import { Sent } from './document';
import { icon } from './icon';
import { isWrittenIn } from './places';
import type { Settings } from './settings';

const OTHERS = 2; // texts to cycle through beside the most likely one
const LONGEST = 300; // milliseconds that a request waits for the next key, where the model is slow
const QUICK = 60; // milliseconds to a first token that need no wait
const NOTHING: IInlineCompletionList<Item> = { items: [] };

interface Item extends IInlineCompletionItem {
  mean?: number;
  tokens?: number;
}

/** A request under way, and its texts as they grow. */
class Request {
  items: Item[] = [];
  texts: string[] = [];
  ended: boolean[] = [];
  answered = false;
  over = false;
  cancel: () => void = () => undefined;

  constructor(
    readonly ask: number,
    readonly channel: Channel,
    readonly begun: number
  ) {}

  /** Let those who wait for more text look. */
  wake(): void {
    const waiting = this._waiting;
    this._waiting = [];
    waiting.forEach(resolve => resolve());
  }

  more(): Promise<void> {
    return new Promise(resolve => this._waiting.push(resolve));
  }

  private _waiting: (() => void)[] = [];
}

/** What the status bar shows. */
export interface State {
  model: string;
  why: string;
  speed: number | null;
  cached: number;
  prompt: number;
  mean: number | null;
  /** Milliseconds from the key to the first text, and those of them that the kernel took. */
  waited: number | null;
  spent: number | null;
}

export class GhostProvider implements IInlineCompletionProvider<Item> {
  readonly identifier = 'jupyter_complete';
  readonly name = 'jupyter_complete';
  readonly icon = icon;
  readonly changed = new Signal<GhostProvider, State>(this);
  state: State = {
    model: '',
    why: '',
    speed: null,
    cached: 0,
    prompt: 0,
    mean: null,
    waited: null,
    spent: null
  };

  constructor(private _settings: Settings) {}

  /** The channel of a notebook's kernel. */
  channel(panel: NotebookPanel): Channel {
    let channel = this._channels.get(panel);
    if (!channel) {
      const made = (channel = new Channel(panel.sessionContext));
      const sent = new Sent();
      this._channels.set(panel, made);
      this._sent.set(made, sent);
      made.told.connect(this._onTold, this);
      made.lost.connect(() => {
        sent.forget();
        if (this._request?.channel === made) {
          this._end(this._request);
        }
      });
    }
    return channel;
  }

  async fetch(
    request: CompletionHandler.IRequest,
    context: IInlineCompletionContext
  ): Promise<IInlineCompletionList<Item>> {
    const begun = performance.now();
    this._cancel(false);
    const asked = context.triggerKind === InlineCompletionTriggerKind.Invoke;
    const panel = this._panels(context.widget);
    const editor = panel?.content.activeCell?.editor;
    if (!editor || !panel || !(asked || this._settings.enabled)) {
      return NOTHING;
    }
    const channel = this.channel(panel);
    const at = panel.content.widgets.findIndex(cell => cell.editor === editor);
    const cursor = editor.getOffsetAt(editor.getCursorPosition());
    if (!channel.known || at < 0 || !isWrittenIn(editor, cursor, this._settings.code)) {
      return NOTHING;
    }
    const made = (this._request = new Request(++this._asks, channel, begun));
    this._follow(editor, made);
    if (!asked) {
      await this._rest(made);
    }
    if (made.over) {
      return NOTHING;
    }
    this._ask(made, panel, at, cursor, asked);
    while (!made.over && !made.items.length) {
      await made.more();
    }
    return { items: made.items };
  }

  async *stream(token: string): AsyncGenerator<{ response: Item }> {
    const [ask, index] = token.split(':').map(Number);
    const request = this._request;
    if (!request || request.ask !== ask) {
      return;
    }
    let shown = request.items[index].insertText.length;
    while (this._request === request) {
      const text = request.texts[index] ?? '';
      if (text.length > shown) {
        shown = text.length;
        yield { response: { ...request.items[index], insertText: text } };
      } else if (request.ended[index] || request.over) {
        return;
      } else {
        await request.more();
      }
    }
  }

  /** The ghost text that an editor shows, as it would be inserted. */
  shown(editor: CodeEditor.IEditor): Item | null {
    const element = editor.host.querySelector('.jp-GhostText');
    const text = element?.textContent ?? '';
    return this._latest.find(item => item.insertText !== '' && item.insertText === text) ?? null;
  }

  /** Which panel this page lets a document's widget be. */
  set panels(panels: (widget: unknown) => NotebookPanel | null) {
    this._panels = panels;
  }

  private _ask(made: Request, panel: NotebookPanel, at: number, cursor: number, asked: boolean): void {
    const sent = this._sent.get(made.channel) as Sent;
    const changes = sent.changes(panel, at, cursor, made.channel.context);
    const { model, threshold, tokens } = this._settings;
    const chosen = {
      ...(model ? { model } : {}),
      ...(threshold === null ? {} : { threshold }),
      ...(tokens === null ? {} : { tokens }),
      ...(asked ? { asked } : {})
    };
    this._again = () => {
      if (this._request === made && !made.over) {
        sent.forget();
        this._again = null;
        made.channel.send({ do: 'ask', ask: made.ask, ...sent.changes(panel, at, cursor, made.channel.context), ...chosen });
      }
    };
    made.channel.send({ do: 'ask', ask: made.ask, ...changes, ...chosen });
  }

  /** Wait for the next key where the model would not be done before it. */
  private async _rest(made: Request): Promise<void> {
    const wait = Math.min(LONGEST, this._usual - QUICK);
    if (wait > 0) {
      await new Promise<void>(resolve => {
        setTimeout(resolve, wait);
        made.cancel = resolve;
      });
    }
  }

  /** End the request with the next change of the text, whether or not another one is asked for then. */
  private _follow(editor: CodeEditor.IEditor, made: Request): void {
    const { sharedModel } = editor.model;
    const onChange = () => {
      sharedModel.changed.disconnect(onChange);
      queueMicrotask(() => {
        if (this._request === made) {
          this._cancel(true);
        }
      });
    };
    sharedModel.changed.connect(onChange);
  }

  private _cancel(tell: boolean): void {
    const request = this._request;
    this._request = null;
    if (request && !request.over) {
      this._end(request);
      if (tell) {
        request.channel.send({ do: 'stop' });
      }
    }
  }

  private _end(request: Request): void {
    request.over = true;
    request.cancel();
    request.wake();
  }

  private _onTold(channel: Channel, told: Told): void {
    const request = this._request;
    if (!request || request.channel !== channel || told.ask !== request.ask) {
      return;
    }
    if (told.kind === 'text') {
      this._grow(request, told);
    } else if (told.kind === 'end') {
      request.ended[told.item ?? 0] = true;
      this._report(told);
    } else if (told.kind === 'again' && this._again) {
      this._again();
      return;
    } else {
      this._end(request);
      if (told.kind === 'silent' || told.kind === 'refused') {
        this._set({ model: told.model ?? '', why: told.why ?? '' });
      }
    }
    request.wake();
  }

  private _grow(request: Request, told: Told): void {
    const index = told.item ?? 0;
    request.texts[index] = (request.texts[index] ?? '') + told.text;
    if (!request.items.length) {
      const every = Array.from({ length: 1 + OTHERS }, (_, n) => n);
      request.items = every.map(n => ({
        insertText: request.texts[n] ?? '',
        isIncomplete: true,
        token: `${request.ask}:${n}`
      }));
      this._latest = request.items;
      const spent = 1000 * (told.spent ?? 0);
      this._usual = this._usual ? 0.7 * this._usual + 0.3 * spent : spent;
      this._set({ waited: performance.now() - request.begun, spent, cached: told.cached ?? 0, prompt: told.prompt ?? 0 });
    }
    request.items[index].mean = told.mean;
  }

  private _report(told: Told): void {
    const item = this._request?.items[told.item ?? 0];
    if (item) {
      item.mean = told.mean;
      item.tokens = told.tokens;
    }
    if (!told.item) {
      const { model = '', speed, cached = 0, prompt = 0, mean = null } = told;
      this._set({ model, why: '', speed: speed ?? this.state.speed, cached, prompt, mean });
    }
  }

  private _set(changed: Partial<State>): void {
    this.state = { ...this.state, ...changed };
    this.changed.emit(this.state);
  }

  private _panels: (widget: unknown) => NotebookPanel | null = () => null;
  private _channels = new WeakMap<NotebookPanel, Channel>();
  private _sent = new WeakMap<Channel, Sent>();
  private _request: Request | null = null;
  private _latest: Item[] = [];
  private _again: (() => void) | null = null;
  private _asks = 0;
  private _usual = 0;
}

/** The first word of a text, with the blanks before it. */
export function firstWord(text: string): string {
  let word = '';
  for (const { segment, isWordLike } of new Intl.Segmenter(undefined, { granularity: 'word' }).segment(text)) {
    word += segment;
    if (isWordLike) {
      return word;
    }
  }
  return text;
}

/** Insert a part of the ghost text as if it were typed. */
export function insert(editor: CodeEditor.IEditor, text: string): void {
  const view = (editor as CodeMirrorEditor).editor;
  const at = view.state.selection.main.head;
  view.dispatch({ changes: { from: at, insert: text }, selection: { anchor: at + text.length }, userEvent: 'input' });
}

/** Ctrl-Right (Cmd-Right) takes the next word, where there is ghost text; CodeMirror keeps that key for itself else. */
export function wordKey(accept: () => void): Extension {
  const run = (view: EditorView): boolean => {
    const offered = view.dom.querySelector('.jp-GhostText') !== null;
    if (offered) {
      accept();
    }
    return offered;
  };
  return Prec.highest(keymap.of([{ key: 'Ctrl-ArrowRight', mac: 'Cmd-ArrowRight', run }]));
}
