// jupyter_complete in JupyterLab and Notebook 7: ghost text from the kernel's resident model, and prompt cells.

import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import { EditorExtensionRegistry, IEditorExtensionRegistry, IEditorLanguageRegistry } from '@jupyterlab/codemirror';
import { ICompletionProviderManager } from '@jupyterlab/completer';
import { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { IStatusBar } from '@jupyterlab/statusbar';
import { addCommands, Commands } from './commands';
import { GhostProvider, wordKey } from './ghost';
import { Options, promptCell } from './promptcell';
import { Settings } from './settings';
import { StatusItem } from './status';
import { suggestions } from './suggestion';

const plugin: JupyterFrontEndPlugin<void> = {
  id: 'jupyter_complete:ghost',
  description: 'Ghost text from the model in the kernel, and prompt cells that look like prose.',
  autoStart: true,
  requires: [ICompletionProviderManager, INotebookTracker, IEditorExtensionRegistry, IEditorLanguageRegistry],
  optional: [ISettingRegistry, IStatusBar, ICommandPalette],
  activate: (
    app: JupyterFrontEnd,
    completers: ICompletionProviderManager,
    tracker: INotebookTracker,
    extensions: IEditorExtensionRegistry,
    languages: IEditorLanguageRegistry,
    registry: ISettingRegistry | null,
    statusBar: IStatusBar | null,
    palette: ICommandPalette | null
  ) => {
    const settings = new Settings();
    const provider = new GhostProvider(settings);
    const options = new Options();
    provider.panels = widget => (widget instanceof NotebookPanel ? widget : null);
    tracker.widgetAdded.connect((_, panel) => {
      const channel = provider.channel(panel);
      channel.told.connect((_, told) => {
        if (told.kind === 'hello') {
          options.take(told.options ?? []);
        }
      });
    });
    extensions.addExtension({
      name: 'jupyter_complete:prompt-cell',
      factory: () => EditorExtensionRegistry.createImmutableExtension(promptCell(options, languages))
    });
    extensions.addExtension({
      name: 'jupyter_complete:word',
      factory: () => EditorExtensionRegistry.createImmutableExtension(wordKey(() => app.commands.execute(Commands.acceptWord)))
    });
    extensions.addExtension({
      name: 'jupyter_complete:suggestion',
      factory: () => EditorExtensionRegistry.createImmutableExtension(suggestions)
    });
    completers.registerInlineProvider(provider);
    addCommands(app, tracker, provider, settings, palette);
    statusBar?.registerStatusItem('jupyter_complete:status', {
      item: new StatusItem(provider, settings),
      align: 'right',
      rank: 200,
      isActive: () => tracker.currentWidget !== null,
      activeStateChanged: tracker.currentChanged as never
    });
    document.addEventListener('mouseover', event => tell(event.target, provider, tracker));
    void registry?.load(plugin.id).then(loaded => settings.follow(loaded));
  }
};

/** Say on hover how sure the model is of the ghost text. */
function tell(target: EventTarget | null, provider: GhostProvider, tracker: INotebookTracker): void {
  const ghost = target instanceof Element ? target.closest<HTMLElement>('.jp-GhostText') : null;
  const editor = tracker.activeCell?.editor;
  const item = ghost && editor ? provider.shown(editor) : null;
  if (ghost && item?.mean !== undefined) {
    const tokens = item.tokens ? ` of ${item.tokens} tokens` : '';
    ghost.title = `Mean probability${tokens}: ${item.mean.toFixed(2)}`;
  }
}

export default plugin;
