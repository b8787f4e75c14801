// The commands: texts that are asked for, each a change to accept or refuse.

import type { JupyterFrontEnd } from '@jupyterlab/application';
import type { ICommandPalette } from '@jupyterlab/apputils';
import type { Cell, ICodeCellModel } from '@jupyterlab/cells';
import type { CodeMirrorEditor } from '@jupyterlab/codemirror';
import { type INotebookTracker, NotebookActions, type NotebookPanel } from '@jupyterlab/notebook';
import type { EditorView } from '@codemirror/view';
import type { Channel, Told } from './channel';
import { firstWord, type GhostProvider, insert } from './ghost';
import { icon } from './icon';
import type { Settings } from './settings';
import { MAGIC } from './places';
import { accept, type Answer, answered, show, shown, type Suggestion } from './suggestion';

const CATEGORY = 'Text completion';

export const Commands = {
  continueCell: 'jupyter_complete:continue-cell',
  rewrite: 'jupyter_complete:rewrite-selection',
  summarise: 'jupyter_complete:summarise-selection',
  explain: 'jupyter_complete:explain-error',
  completeHere: 'jupyter_complete:complete-here',
  accept: 'jupyter_complete:accept-suggestion',
  refuse: 'jupyter_complete:refuse-suggestion',
  acceptWord: 'jupyter_complete:accept-word',
  toggle: 'jupyter_complete:toggle'
};

/** Have undo take what comes next by itself: it joins what changes a cell within half a second. */
function beginStep(panel: NotebookPanel, view: EditorView): void {
  const cell = panel.content.widgets.find(one => (one.editor as CodeMirrorEditor | null)?.editor === view);
  const shared = cell?.model.sharedModel as { undoManager?: { stopCapturing(): void } | null } | undefined;
  shared?.undoManager?.stopCapturing();
}

/** A text that is being written, and where. */
interface Writing {
  ask: string;
  panel: NotebookPanel;
  channel: Channel;
  view: EditorView;
  suggestion: Suggestion;
  /** Undo what was made for the text. */
  refused: () => void;
}

interface Wish {
  act: 'continue' | 'rewrite' | 'summarize' | 'explain';
  text: string;
  after?: string;
}

class Writer {
  constructor(private _provider: GhostProvider) {
    answered.connect((_, { view, answer }) => this.answer(view, answer));
  }

  begin(panel: NotebookPanel, view: EditorView, from: number, to: number, wish: Wish, refused = () => undefined): void {
    const channel = this._provider.channel(panel);
    const suggestion = { from, to, text: '', writing: true, why: '' };
    const ask = `${++this._asks}`;
    const writing: Writing = { ask, panel, channel, view, suggestion, refused };
    this.answer(view, 'refuse');
    this._all.set(view, writing);
    show(view, suggestion);
    if (!channel.known) {
      this._finish(writing, '', 'Run a cell with %load_ext jupyter_complete first.');
      return;
    }
    const onTold = (_: Channel, told: Told) => {
      if (told.ask !== (ask as unknown)) {
        return;
      }
      if (told.kind === 'grown') {
        this._change(writing, { text: (shown(view)?.text ?? '') + (told.text ?? '') });
        return;
      }
      channel.told.disconnect(onTold);
      this._finish(writing, told.text ?? '', told.why ?? '');
    };
    channel.told.connect(onTold);
    channel.send({ do: 'act', ask, ...wish });
  }

  answer(view: EditorView, answer: Answer): void {
    const writing = this._all.get(view);
    if (!writing) {
      show(view, null);
      return;
    }
    if (shown(view)?.writing) {
      writing.channel.send({ do: 'end', ask: writing.ask });
    }
    if (answer === 'stop') {
      return;
    }
    this._all.delete(view);
    if (answer === 'accept' && shown(view)?.text) {
      beginStep(writing.panel, view);
      accept(view);
    } else {
      show(view, null);
      writing.refused();
    }
  }

  private _change(writing: Writing, changed: Partial<Suggestion>): void {
    const held = shown(writing.view);
    if (held && this._all.get(writing.view) === writing) {
      show(writing.view, { ...held, ...changed });
    }
  }

  private _finish(writing: Writing, text: string, why: string): void {
    const nothing = !text && !why ? 'The model wrote nothing here.' : why;
    this._change(writing, { text: text || (shown(writing.view)?.text ?? ''), why: nothing, writing: false });
  }

  private _all = new Map<EditorView, Writing>();
  private _asks = 0;
}

function viewOf(cell: Cell | null): EditorView | null {
  return (cell?.editor as CodeMirrorEditor | null)?.editor ?? null;
}

/** What the first line of a prompt cell leaves out of a text. */
function proseOf(text: string): string {
  return MAGIC.test(text) ? text.slice(text.indexOf('\n') + 1 || text.length) : text;
}

/** The error that a cell ended in, as its outputs show it. */
function errorOf(cell: Cell): string {
  const outputs = (cell.model as ICodeCellModel).outputs;
  for (let n = 0; outputs && n < outputs.length; n++) {
    const output = outputs.get(n).toJSON() as { output_type: string; ename?: string; evalue?: string };
    if (output.output_type === 'error') {
      return `${output.ename}: ${output.evalue}`;
    }
  }
  return '';
}

export function addCommands(
  app: JupyterFrontEnd,
  tracker: INotebookTracker,
  provider: GhostProvider,
  settings: Settings,
  palette: ICommandPalette | null
): void {
  const writer = new Writer(provider);
  const { commands } = app;

  const at = (run: (panel: NotebookPanel, cell: Cell, view: EditorView) => void) => () => {
    const panel = tracker.currentWidget;
    const cell = panel?.content.activeCell ?? null;
    if (panel && cell) {
      if (panel.content.mode === 'command' && cell.model.type === 'markdown') {
        (cell as unknown as { rendered: boolean }).rendered = false;
      }
      const view = viewOf(cell);
      if (view) {
        run(panel, cell, view);
      }
    }
  };

  const goOn = (panel: NotebookPanel, view: EditorView, place: number) => {
    const text = view.state.doc.toString();
    writer.begin(panel, view, place, place, { act: 'continue', text: proseOf(text.slice(0, place)), after: text.slice(place) });
  };

  const ofSelection = (act: 'rewrite' | 'summarize') =>
    at((panel, cell, view) => {
      const { main } = view.state.selection;
      const whole = view.state.doc.toString();
      const start = MAGIC.test(whole) ? whole.length - proseOf(whole).length : 0;
      const [from, to] = main.empty ? [start, whole.length] : [main.from, main.to];
      writer.begin(panel, view, from, to, { act, text: whole.slice(from, to) });
    });

  const explain = at((panel, cell, view) => {
    const text = `${view.state.doc.toString().trim()}\n\n${errorOf(cell)}`;
    NotebookActions.insertBelow(panel.content);
    NotebookActions.changeCellType(panel.content, 'markdown');
    const made = panel.content.activeCell as Cell;
    (made as unknown as { rendered: boolean }).rendered = false;
    void made.ready.then(() => {
      const below = viewOf(made);
      if (below) {
        writer.begin(panel, below, 0, 0, { act: 'explain', text }, () => {
          const cells = panel.content.model?.sharedModel;
          const place = panel.content.widgets.indexOf(made);
          if (cells && place >= 0 && !made.model.sharedModel.getSource()) {
            cells.deleteCell(place);
          }
          return undefined;
        });
      }
    });
  });

  const isText = () => ['markdown', 'raw'].includes(tracker.activeCell?.model.type ?? '') || isPrompt();
  const isPrompt = () => MAGIC.test(tracker.activeCell?.model.sharedModel.getSource() ?? '');
  const failed = () => {
    const cell = tracker.activeCell;
    return cell?.model.type === 'code' && errorOf(cell) !== '';
  };
  const isKnown = () => !!tracker.currentWidget && provider.channel(tracker.currentWidget).known;
  const answer = (one: Answer) => () => {
    const view = viewOf(tracker.activeCell);
    if (view) {
      writer.answer(view, one);
    }
  };

  commands.addCommand(Commands.continueCell, {
    label: 'Continue This Cell',
    caption: 'Continue this cell with the model in the kernel',
    icon,
    isEnabled: isText,
    isVisible: () => isText() && isKnown(),
    execute: at((panel, _cell, view) => goOn(panel, view, view.state.doc.length))
  });
  commands.addCommand(Commands.completeHere, {
    label: 'Complete Here',
    isEnabled: isText,
    execute: at((panel, _cell, view) => goOn(panel, view, view.state.selection.main.head))
  });
  commands.addCommand(Commands.rewrite, {
    label: 'Rewrite Selection',
    isEnabled: isText,
    execute: ofSelection('rewrite')
  });
  commands.addCommand(Commands.summarise, {
    label: 'Summarise Selection',
    isEnabled: isText,
    execute: ofSelection('summarize')
  });
  commands.addCommand(Commands.explain, {
    label: 'Explain This Error',
    caption: 'Explain this error with the model in the kernel',
    icon,
    isEnabled: failed,
    isVisible: () => failed() && isKnown(),
    execute: explain
  });
  commands.addCommand(Commands.accept, { label: 'Accept the Suggested Text', execute: answer('accept') });
  commands.addCommand(Commands.refuse, { label: 'Refuse the Suggested Text', execute: answer('refuse') });
  commands.addCommand(Commands.acceptWord, {
    label: 'Accept a Word of the Ghost Text',
    execute: () => {
      const editor = tracker.activeCell?.editor;
      const item = editor && provider.shown(editor);
      if (editor && item) {
        insert(editor, firstWord(item.insertText));
      }
    }
  });
  commands.addCommand(Commands.toggle, {
    label: 'Ghost Text',
    isToggled: () => settings.enabled,
    execute: () => settings.toggle()
  });
  for (const command of [
    Commands.continueCell,
    Commands.completeHere,
    Commands.rewrite,
    Commands.summarise,
    Commands.explain,
    Commands.toggle
  ]) {
    palette?.addItem({ command, category: CATEGORY });
  }
  const look = () => commands.notifyCommandChanged();
  followCell(tracker, look);
  tracker.widgetAdded.connect((_, panel) => {
    const channel = provider.channel(panel);
    channel.told.connect((_, told) => (told.kind === 'hello' ? look() : undefined));
    channel.lost.connect(look);
  });
}

/** Look again at what the commands can do where another cell is active, or this one was run or became a prompt. */
function followCell(tracker: INotebookTracker, look: () => void): void {
  let cell: Cell | null = null;
  let prompt = false;
  const isPrompt = () => MAGIC.test(cell?.model?.sharedModel.getSource() ?? '');
  const onContent = () => {
    if (prompt !== isPrompt()) {
      prompt = !prompt;
      look();
    }
  };
  tracker.activeCellChanged.connect((_, active) => {
    cell?.model?.contentChanged.disconnect(onContent);
    cell = active;
    prompt = isPrompt();
    cell?.model?.contentChanged.connect(onContent);
    look();
  });
  NotebookActions.executed.connect(look);
}
