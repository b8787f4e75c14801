// Where prose is written: in Markdown and raw cells, in prompt cells, and, if wanted, in comments and docstrings.

import { syntaxTree } from '@codemirror/language';
import type { CodeEditor } from '@jupyterlab/codeeditor';
import type { CodeMirrorEditor } from '@jupyterlab/codemirror';

/** The first line of a prompt cell. */
export const MAGIC = /^%%complete(?:_inside|_panel)?(?=\s|$)/;

const MARKDOWN = /markdown|ipythongfm/;

/** Whether ghost text belongs at an offset of an editor. */
export function isWrittenIn(editor: CodeEditor.IEditor, cursor: number, code: boolean): boolean {
  const { state } = (editor as CodeMirrorEditor).editor;
  const first = state.doc.line(1);
  if (MAGIC.test(first.text)) {
    return cursor > first.to;
  }
  const { mimeType } = editor.model;
  if (MARKDOWN.test(mimeType) || mimeType === 'text/plain') {
    return true;
  }
  return code && inComment(editor as CodeMirrorEditor, cursor);
}

function inComment(editor: CodeMirrorEditor, cursor: number): boolean {
  const { state } = editor.editor;
  const node = syntaxTree(state).resolveInner(cursor, -1);
  if (/comment/i.test(node.name)) {
    return true;
  }
  const text = state.sliceDoc(node.from, node.from + 4);
  return /string/i.test(node.name) && /^[rbuf]?("""|''')/i.test(text) && cursor > node.from + 3;
}
